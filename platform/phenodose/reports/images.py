"""The images in the patient report: dilution series of the best drugs, controls to compare with, doubtful wells.

Does not belong here: reading plates (`phenodose.storage.plate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.errors import MissingInputError, NotMade, StoreError
from phenodose.names import plate_sort_key, well_sort_key
from phenodose.pictures import data_uri, well_picture
from phenodose.quality.wells import FLAGS
from phenodose.reports.data import Missing, rows_of, text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData
    from phenodose.storage.plate import Plate

_MOST_DRUGS = 6
_CONTROLS = 5
_DOUBTFUL = 8
#: Longest side of an image.
SIZE_PX = 96


def images(data: ScreenData) -> dict[str, Any] | Missing:
    """A row of images a drug, lowest concentration first, then a row for each kind of control."""
    if data["plates"].empty:
        return Missing("the screen has no images in the store.")
    try:
        plates = _open(data)
        rows = [{"name": name, "tiles": _tiles(wells, plates)} for name, wells in _rows(data, plates)]
    except StoreError as error:
        return Missing(f"the plates cannot be read: {error}")
    return {"rows": rows} if rows else Missing("no imaged well stands in the layout.")


def shown_wells(data: ScreenData) -> list[str]:
    """Names such as 'P1/B07' of the wells whose images are shown.

    Raises:
        StoreError: a plate is missing or damaged.
        NotMade: the screen has no images.
    """
    if data["plates"].empty:
        raise NotMade("the screen has no images in the store.")
    shown = [f"{row.plate}/{row.well}" for _, wells in _rows(data, _open(data)) for row in rows_of(wells)]
    if not shown:
        raise NotMade("no imaged well stands in the layout.")
    return list(dict.fromkeys(shown))


def _rows(data: ScreenData, plates: dict[str, Plate]) -> list[tuple[str, pd.DataFrame]]:
    """The wells of each row of images, under its name."""
    wells = _imaged(data["wells"], plates)
    therapy = wells[(wells["well_type"] == "therapy") & (wells["concentration_nM"] > 0)]
    rows = [(drug, _one_replicate(therapy[therapy["treatment"] == drug])) for drug in data.drugs[:_MOST_DRUGS]]
    for kind in ("negative", "positive"):
        rows.append((f"{kind} control", _control_wells(data, wells, kind).head(_CONTROLS)))
    rows += _doubtful(data, wells)
    return [(name, chosen) for name, chosen in rows if len(chosen)]


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


def _doubtful(data: ScreenData, wells: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The imaged wells with a flag, a row a flag, the gravest first: what is proposed for masking can be looked at."""
    flagged = data["viability"].dropna(subset=["flag"])[["plate", "well", "flag", "flag_reason"]]
    found = wells.merge(flagged.drop_duplicates(["plate", "well", "flag"]), on=["plate", "well"])
    return [(f"doubtful: {flag}", found[found["flag"] == flag].head(_DOUBTFUL)) for flag in FLAGS]


def _tiles(wells: pd.DataFrame, plates: dict[str, Plate]) -> list[dict[str, str]]:
    tiles = []
    for row in rows_of(wells):
        plate = plates[row.plate]
        pixels = plate.mip(row.well, level=plate.level_for(SIZE_PX))
        dose = f"{row.concentration_nM:g} nM" if row.concentration_nM > 0 else ""
        doubt = text_of(getattr(row, "flag_reason", None))
        tiles.append(
            {
                "uri": data_uri(well_picture(pixels, plate.windows[0], SIZE_PX)),
                "alt": ": ".join(
                    filter(None, (f"{text_of(row.treatment)} {dose} on {row.plate} {row.well}".strip(), doubt))
                ),
                "well": f"{row.plate}/{row.well}",
                "caption": f"{row.plate} {row.well}" if doubt or not dose else dose,
            }
        )
    return tiles
