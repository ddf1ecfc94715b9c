"""The wells of a screen that have an image, in the order of its tensors.

Belongs here: which row of the tensors is which well, and what the layout says of it. Does not belong here: what a
readout makes of the images (`pipeline.raw_values`), and what other readouts know (`pipeline.taught_wells`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.names import add_on_keys, plate_key
from phenodose.plugins import Readout, TensorWells

if TYPE_CHECKING:
    import xarray as xr

    from phenodose.pipeline.context import Context


def tensor_wells(readout: type[Readout], step: Context, tensors: xr.DataArray, images: bool = True) -> TensorWells:
    """The images with what the layout says of their wells; a well that it does not name holds nothing.

    So does a well that a person has left out: a readout learns nothing from it, and reads it all the same.

    Args:
        readout: whose controls are meant.
        step: screen and store.
        tensors: the images.
        images: whether the images are read; where they are not wanted there is an empty array in their place.
    """
    import numpy as np

    from phenodose.pipeline.well_classes import named_classes
    from phenodose.screens.curations import excluded_wells

    wells = step.wells().reset_index(drop=True)
    controls = step.controls(readout, readout.name, wells)
    rows = tensor_rows(tensors)
    layout_row = np.full(tensors.sizes["well"], -1)
    left_out = excluded_wells(step.store, step.screen_id, wells, readout.name).reasons.notna().to_numpy(dtype=bool)
    for place, key in enumerate(zip(wells["plate"], wells["well"], strict=True)):
        if left_out[place]:
            continue
        if (row := rows.get((plate_key(key[0]), key[1]))) is not None:
            layout_row[row] = place
    drugs = (wells["well_type"] == "therapy").to_numpy()
    held = wells.assign(add_on=add_on_keys(wells))

    def numbered(columns: list[str]) -> np.ndarray:
        texts = held[columns].astype(object).where(held[columns].notna(), "").astype(str)
        numbers = texts.groupby(columns, sort=False).ngroup().to_numpy()
        return np.where(layout_row < 0, -1, np.where(drugs, numbers, -1)[layout_row])

    drug = ["sample", "treatment", "add_on"]
    classes = np.where(layout_row < 0, "", np.array(named_classes(wells), dtype=object)[layout_row])
    return TensorWells(
        images=tensors.to_numpy() if images else np.zeros((len(layout_row), 0, 0, 0), dtype=np.uint16),
        channels=tuple(str(name) for name in tensors["channel"].to_numpy()) if "channel" in tensors.coords else (),
        negative=(layout_row >= 0) & np.asarray(controls.negative)[layout_row],
        positive=(layout_row >= 0) & np.asarray(controls.positive)[layout_row],
        content=numbered([*drug, "concentration_nM"]),
        treatment=numbered(drug),
        plate=tensors["plate"].to_numpy().astype(str),
        classes=classes if any(classes) else None,
    )


def tensor_rows(tensors: xr.DataArray | xr.Dataset) -> dict[tuple[str, str], int]:
    """Plate key and well of every row of a screen's tensors -> number of the row."""
    names = (str(name).split("/", 1) for name in tensors["well"].to_numpy())
    return {(plate_key(plate), well): row for row, (plate, well) in enumerate(names)}
