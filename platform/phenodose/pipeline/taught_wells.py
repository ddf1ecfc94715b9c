"""What a readout of tensors is given beside the images: features that another has stored, viability that was measured.

Belongs here: finding both in the store, in the order of the tensors. Does not belong here: images and controls
(`pipeline.raw_values`), and what a readout makes of them (plugins).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phenodose.errors import NotMade
from phenodose.io.files import hash_file
from phenodose.names import plate_key
from phenodose.plugins import PlateReaderReadout, TensorReadout, TensorWells

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

    from phenodose.pipeline.context import Context


def with_what_others_know(
    readout: type[TensorReadout], step: Context, tensors: xr.DataArray, wells: TensorWells
) -> tuple[TensorWells, dict[str, str]]:
    """The wells with what the readout asks of other readouts, and names and hashes of what was read for it.

    Raises:
        NotMade: another readout that is needed has not been made.
    """
    inputs: dict[str, str] = {}
    if readout.features_of:
        features, inputs[f"features of {readout.features_of}"] = _features(readout, step, tensors)
        wells = replace(wells, features=features)
    if readout.taught:
        measured, teacher, hashed = _measured(readout, step, tensors)
        inputs[f"viability/{teacher}"] = hashed
        wells = replace(wells, measured=measured, compounds=_compounds(step.wells(), tensors))
    return wells, inputs


def _compounds(layout: pd.DataFrame, tensors: xr.DataArray) -> np.ndarray:
    """Numbers of the drug and the add-on (well, 2) in the order of the tensors; -1 where there is none."""
    import numpy as np
    import pandas as pd

    from phenodose.pipeline.tensor_wells import tensor_rows

    drugs = layout[layout["well_type"] == "therapy"]
    texts = drugs[["treatment", "add_on"]].astype(object).fillna("").astype(str).apply(lambda names: names.str.strip())
    numbers = pd.factorize(texts.to_numpy().ravel())[0].reshape(texts.shape)
    numbers = np.where(texts.to_numpy() == "", -1, numbers)
    keys = zip(map(plate_key, drugs["plate"]), drugs["well"].astype(str), strict=True)
    known = dict(zip(keys, numbers.tolist(), strict=True))
    return np.array([known.get(key, [-1, -1]) for key in tensor_rows(tensors)], dtype=np.int64).reshape(-1, 2)


def _features(readout: type[TensorReadout], step: Context, tensors: xr.DataArray) -> tuple[np.ndarray, str]:
    import numpy as np

    from phenodose.io.files import hash_bytes
    from phenodose.io.zarr_groups import is_group, open_group
    from phenodose.pipeline.tensor_wells import tensor_rows

    path = step.store.local_copy(step.store.feature_path(step.screen_id, readout.features_of))
    if not is_group(path):
        raise NotMade(
            f"{step.screen_id} has no features of {readout.features_of}; materialize viability/{readout.features_of} "
            "first."
        )
    stored = open_group(path, f"materialize `viability/{readout.features_of}` again")
    known, found = tensor_rows(stored), stored["features"].to_numpy()
    rows = np.array([known.get(key, -1) for key in tensor_rows(tensors)])
    values = np.where((rows >= 0)[:, None], found[rows], np.nan)
    return values, hash_bytes(np.ascontiguousarray(found).tobytes())


def _measured(readout: type[TensorReadout], step: Context, tensors: xr.DataArray) -> tuple[np.ndarray, str, str]:
    """Viability (well,) in the order of the tensors, the readout that measured it, and the hash of its table."""
    import numpy as np

    from phenodose.pipeline.tensor_wells import tensor_rows
    from phenodose.plugins import Preferences

    classes = step.plugins.usable("readout")
    measuring = [name for name, cls in classes.items() if issubclass(cls, PlateReaderReadout)]
    for name in Preferences.of_store(step.store).ordered_readouts(measuring):
        rows = step.store.read_table("viability", step.screen_id, f"viability/{name}")
        if len(rows) and not step.block_of(f"viability/{name}"):
            known = _by_well(rows)
            measured = np.array([known.get(key, np.nan) for key in tensor_rows(tensors)], dtype=np.float64)
            return measured, name, hash_file(step.store.table_part("viability", step.screen_id, f"viability/{name}"))
    raise NotMade(
        f"{step.screen_id} has no viability of a plate reader ({', '.join(measuring) or 'none is installed'}), and "
        f"{readout.name} is taught by one."
    )


def _by_well(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Plate key and well -> viability of the wells that are not masked."""
    kept = rows[~rows["masked"].astype(bool) & rows["viability_fraction"].notna()]
    keys = zip(map(plate_key, kept["plate"]), kept["well"].astype(str), strict=True)
    return dict(zip(keys, kept["viability_fraction"].astype(float), strict=True))
