"""The images in the patient report: dilution series of the best drugs, controls to compare with, doubtful wells.

Does not belong here: reading plates (`phenodose.storage.plate`).
"""

from __future__ import annotations

from dataclasses import dataclass
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
#: Bytes of pictures in the drugs' series and on the map; what does not fit any more is told.
MOST_BYTES = 8_000_000
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
    """Names such as 'P1/B07' of the wells to explain: those in the rows of images, and one replicate of every series.

    Raises:
        StoreError: a plate is missing or damaged.
        NotMade: the screen has no images.
    """
    if data["plates"].empty:
        raise NotMade("the screen has no images in the store.")
    plates = _open(data)
    series = _therapy(_imaged(data["wells"], plates))
    chosen = [wells for _, wells in _rows(data, plates)]
    chosen += [_one_replicate(series[series["treatment"] == drug]) for drug in data.drugs]
    shown = [f"{row.plate}/{row.well}" for wells in chosen for row in rows_of(wells)]
    if not shown:
        raise NotMade("no imaged well stands in the layout.")
    return list(dict.fromkeys(shown))


def _rows(data: ScreenData, plates: dict[str, Plate]) -> list[tuple[str, pd.DataFrame]]:
    """The wells of each row of images, under its name."""
    wells = _imaged(data["wells"], plates)
    therapy = _therapy(wells)
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


@dataclass(frozen=True)
class WellPictures:
    """Pictures of wells, each made once.

    Attributes:
        uris: picture by well such as 'P1/B07'.
        n_left_out: how many wells have none because the report would become too large.
        reason: why there is none at all, a sentence, else ''.
    """

    uris: dict[str, str]
    n_left_out: int = 0
    reason: str = ""


def well_pictures(data: ScreenData, most_bytes: int = MOST_BYTES) -> WellPictures:
    """Pictures of the dilution series of all drugs and of the wells on the maps, the most wanted first.

    First comes one replicate of every series in order of the ranking, then the wells on the maps, then the other
    replicates.
    """
    if data["plates"].empty:
        return WellPictures({}, 0, "the screen has no images in the store.")
    try:
        plates = _open(data)
        wells = _imaged(data["wells"], plates)
        series = _therapy(wells)
        rank = {drug: place for place, drug in enumerate(data.drugs)}
        series = series.assign(rank=series["treatment"].map(rank)).sort_values(
            ["rank", "concentration_nM", "replicate"], kind="stable"
        )
        first = series.drop_duplicates(["treatment", "add_on", "concentration_nM"])
        on_map = wells.merge(data["embeddings"][["plate", "well"]].drop_duplicates(), on=["plate", "well"])
        wanted = [(row.plate, row.well) for rows in (first, on_map, series) for row in rows_of(rows)]
        uris: dict[str, str] = {}
        used = n_left_out = 0
        for plate, well in dict.fromkeys(wanted):
            if used >= most_bytes:
                n_left_out += 1
                continue
            uris[f"{plate}/{well}"] = uri = _picture(plates[plate], well)
            used += len(uri)
    except StoreError as error:
        return WellPictures({}, 0, f"the plates cannot be read: {error}")
    return WellPictures(uris, n_left_out)


def series_rows(data: ScreenData, pictures: WellPictures, drug: str) -> list[dict[str, Any]]:
    """The dilution series of a drug, a row a replicate, lowest concentration first; only wells with a picture."""
    wells = _therapy(data["wells"])
    wells = wells[wells["treatment"] == drug].sort_values(["replicate", "concentration_nM", "plate"], kind="stable")
    rows = []
    for replicate, of_replicate in wells.groupby("replicate", dropna=False, sort=True):
        tiles = []
        for row in rows_of(of_replicate):
            name = f"{row.plate}/{row.well}"
            if name in pictures.uris:
                add_on = f" + {row.add_on}" if text_of(row.add_on) else ""
                dose = f"{row.concentration_nM:g} nM"
                tiles.append(
                    {
                        "well": name,
                        "uri": pictures.uris[name],
                        "alt": f"{drug}{add_on} {dose} on {row.plate} {row.well}",
                        "caption": dose,
                    }
                )
        if tiles:
            rows.append({"name": _replicate(replicate), "tiles": tiles})
    return rows


def _therapy(wells: pd.DataFrame) -> pd.DataFrame:
    return wells[(wells["well_type"] == "therapy") & (wells["concentration_nM"] > 0)]


def _replicate(number: Any) -> str:
    return f"replicate {number:g}" if number == number else ""


def _picture(plate: Plate, well: str) -> str:
    return data_uri(well_picture(plate.mip(well, level=plate.level_for(SIZE_PX)), plate.windows[0], SIZE_PX))


def _tiles(wells: pd.DataFrame, plates: dict[str, Plate]) -> list[dict[str, str]]:
    tiles = []
    for row in rows_of(wells):
        plate = plates[row.plate]
        dose = f"{row.concentration_nM:g} nM" if row.concentration_nM > 0 else ""
        doubt = text_of(getattr(row, "flag_reason", None))
        tiles.append(
            {
                "uri": _picture(plate, row.well),
                "alt": ": ".join(
                    filter(None, (f"{text_of(row.treatment)} {dose} on {row.plate} {row.well}".strip(), doubt))
                ),
                "well": f"{row.plate}/{row.well}",
                "caption": f"{row.plate} {row.well}" if doubt or not dose else dose,
            }
        )
    return tiles
