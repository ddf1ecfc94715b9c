"""The images in the patient report: dilution series of the best drugs, and controls to compare with.

Does not belong here: reading plates (`phenodose.storage.plate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.errors import MissingInputError, StoreError
from phenodose.names import plate_sort_key, well_sort_key
from phenodose.pictures import data_uri, well_picture
from phenodose.reports.data import Missing, rows_of, text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData
    from phenodose.storage.plate import Plate

_MOST_DRUGS = 6
_CONTROLS = 5
_SIZE_PX = 96


def images(data: ScreenData) -> dict[str, Any] | Missing:
    """A row of images a drug, lowest concentration first, then a row for each kind of control."""
    if data["plates"].empty:
        return Missing("the screen has no images in the store.")
    try:
        plates = _open(data)
        wells = _imaged(data["wells"], plates)
        therapy = wells[(wells["well_type"] == "therapy") & (wells["concentration_nM"] > 0)]
        rows = [
            {"name": drug, "tiles": _tiles(_one_replicate(therapy[therapy["treatment"] == drug]), plates)}
            for drug in data.drugs[:_MOST_DRUGS]
        ]
        for kind in ("negative", "positive"):
            chosen = _control_wells(data, wells, kind).head(_CONTROLS)
            rows.append({"name": f"{kind} control", "tiles": _tiles(chosen, plates)})
    except StoreError as error:
        return Missing(f"the plates cannot be read: {error}")
    rows = [row for row in rows if row["tiles"]]
    return {"rows": rows} if rows else Missing("no imaged well stands in the layout.")


def _open(data: ScreenData) -> dict[str, Plate]:
    """The plates of the screen by name.

    Raises:
        StoreError: one is missing or damaged.
    """
    from phenodose.storage.plate import Plate

    plates = {}
    for row in rows_of(data["plates"]):
        try:
            plates[row.plate] = Plate.open(data.store.plate_at(row.path))
        except MissingInputError as error:
            raise StoreError(str(error)) from error
    return plates


def _imaged(wells: pd.DataFrame, plates: dict[str, Plate]) -> pd.DataFrame:
    """The wells with an image, by plate, row and column."""
    there = {(name, well) for name, plate in plates.items() for well in plate.wells if plate.has_mip(well)}
    rows = wells[[(row.plate, row.well) in there for row in rows_of(wells)]]
    places = [(plate_sort_key(row.plate), well_sort_key(row.well)) for row in rows_of(rows)]
    return rows.iloc[sorted(range(len(places)), key=places.__getitem__)]


def _one_replicate(wells: pd.DataFrame) -> pd.DataFrame:
    """One well a concentration, lowest first, the first replicate where there are several."""
    ordered = wells.sort_values(["concentration_nM", "replicate"], kind="stable")
    return ordered.drop_duplicates("concentration_nM")


def _control_wells(data: ScreenData, wells: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The imaged wells that served as this control, for the first imaging readout that has any."""
    viability = data["viability"]
    for readout in data.readouts:
        chosen = viability[(viability["readout"] == readout) & (viability["control"] == kind)]
        found = wells.merge(chosen[["plate", "well"]], on=["plate", "well"])
        if len(found):
            return found
    return wells.head(0)


def _tiles(wells: pd.DataFrame, plates: dict[str, Plate]) -> list[dict[str, str]]:
    tiles = []
    for row in rows_of(wells):
        plate = plates[row.plate]
        pixels = plate.mip(row.well, level=plate.level_for(_SIZE_PX))
        dose = f"{row.concentration_nM:g} nM" if row.concentration_nM > 0 else ""
        tiles.append(
            {
                "uri": data_uri(well_picture(pixels, plate.windows[0], _SIZE_PX)),
                "alt": f"{text_of(row.treatment)} {dose} on {row.plate} {row.well}".strip(),
                "caption": dose or f"{row.plate} {row.well}",
            }
        )
    return tiles
