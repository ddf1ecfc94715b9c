"""Which images the patient report shows: dilution series, controls to compare with, doubtful wells, wells on maps.

Does not belong here: reading and packing them within a number of bytes (`well_images`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phenodose.errors import MissingInputError, NotMade, StoreError
from phenodose.io.frames import rows_of
from phenodose.names import plate_sort_key, well_sort_key
from phenodose.quality.wells import FLAGS
from phenodose.reports.data import Missing, text_of, therapy_wells

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.plate import Plate
    from phenodose.reports.data import ScreenData
    from phenodose.reports.strips import StripTile
    from phenodose.reports.well_images import WellImages

_MOST_DRUGS = 6
_CONTROLS = 5
_DOUBTFUL = 8


def images(data: ScreenData, pictures: WellImages) -> dict[str, Any] | Missing:
    """A row of images a drug, lowest concentration first, then a row for each kind of control, then doubtful wells."""
    if pictures.reason:
        return Missing(pictures.reason)
    found = [{"name": name, "tiles": _tiles(wells, pictures)} for name, wells in pictures.rows]
    rows = [row for row in found if row["tiles"]]
    if not pictures.rows:
        return Missing("no imaged well stands in the layout.")
    return {"rows": rows} if rows else Missing("no image fits into the file.")


def shown_wells(data: ScreenData) -> list[str]:
    """Names such as 'P1/B07' of the wells to explain: those in the rows of images, and every replicate of every series.

    Raises:
        StoreError: a plate is missing or damaged.
        NotMade: the screen has no images.
    """
    if data["plates"].empty:
        raise NotMade("the screen has no images in the store.")
    plates = open_plates(data)
    series = therapy_wells(imaged(data["wells"], plates))
    chosen = [wells for _, wells in rows_of_images(data, plates)]
    rank = {drug: place for place, drug in enumerate(data.drugs)}
    chosen.append(series.assign(rank=series["drug"].map(rank)).sort_values(["rank", "replicate"], kind="stable"))
    shown = [f"{row.plate}/{row.well}" for wells in chosen for row in rows_of(wells)]
    if not shown:
        raise NotMade("no imaged well stands in the layout.")
    return list(dict.fromkeys(shown))


def rows_of_images(data: ScreenData, plates: dict[str, Plate]) -> list[tuple[str, pd.DataFrame]]:
    """The wells of each row of images, under its name."""
    wells = imaged(data["wells"], plates)
    series = therapy_wells(wells)
    rows = [(drug, _one_replicate(series[series["drug"] == drug])) for drug in data.drugs[:_MOST_DRUGS]]
    for kind in ("negative", "positive"):
        rows.append((f"{kind} control", _control_wells(data, wells, kind).head(_CONTROLS)))
    rows += _doubtful(data, wells)
    return [(name, chosen) for name, chosen in rows if len(chosen)]


def open_plates(data: ScreenData) -> dict[str, Plate]:
    """The plates of the screen by name.

    Raises:
        StoreError: one is missing or damaged.
    """
    from phenodose.plates.kept_pictures import plate_of_report
    from phenodose.plates.tensors import source_images

    plates = {}
    chosen = source_images(data.store.tensor_path(data.screen))
    for row in rows_of(data["plates"]):
        try:
            opened = plate_of_report(data.store, row.path, row.plate, row.raw_hash)
            plates[row.plate] = opened.at(**chosen.get(row.plate, {}))
        except MissingInputError as error:
            raise StoreError(str(error)) from error
    return plates


def imaged(wells: pd.DataFrame, plates: dict[str, Plate]) -> pd.DataFrame:
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


def wanted_wells(
    data: ScreenData,
    plates: dict[str, Plate],
    rows: list[tuple[str, pd.DataFrame]],
    strips: Mapping[str, Sequence[StripTile]] | None = None,
    beside_maps: Sequence[str] = (),
) -> dict[str, int]:
    """How often the report shows each well, such as 'P1/B07', the most wanted first.

    First come the strips of the first page and the images beside maps, then the rows of images, then one replicate of
    every series in order of the ranking, then the wells on the maps, then the other replicates.
    """
    wells = imaged(data["wells"], plates)
    series = therapy_wells(wells)
    rank = {drug: index for index, drug in enumerate(data.drugs)}
    series = series.assign(rank=series["drug"].map(rank)).sort_values(
        ["rank", "concentration_nM", "replicate"], kind="stable"
    )
    first = series.drop_duplicates(["drug", "concentration_nM"])
    on_map = wells.merge(data["embeddings"][["plate", "well"]].drop_duplicates(), on=["plate", "well"])
    shown = [tile.well for tiles in (strips or {}).values() for tile in tiles]
    there = {f"{row.plate}/{row.well}" for row in rows_of(wells)}
    shown += [well for well in beside_maps if well in there]
    shown += [f"{row.plate}/{row.well}" for _, chosen in rows for row in rows_of(chosen)]
    others = [f"{row.plate}/{row.well}" for chosen in (first, on_map, series) for row in rows_of(chosen)]
    elsewhere = set(others)
    return {name: shown.count(name) + (name in elsewhere) for name in dict.fromkeys([*shown, *others])}


def series_rows(data: ScreenData, pictures: WellImages) -> dict[str, list[dict[str, Any]]]:
    """The dilution series of every drug, a row a replicate, lowest concentration first; only wells with a picture."""
    if not pictures.uris:
        return {}
    wells = therapy_wells(data["wells"]).sort_values(["replicate", "concentration_nM", "plate"], kind="stable")
    found: dict[str, list[dict[str, Any]]] = {}
    for (drug, replicate), rows in wells.groupby(["drug", "replicate"], dropna=False, sort=True):
        tiles = []
        for row in rows_of(rows):
            name = f"{row.plate}/{row.well}"
            if name in pictures.uris:
                dose = f"{row.concentration_nM:g} nM"
                alt = f"{drug} {dose} on {row.plate} {row.well}"
                tiles.append({"well": name, "uri": pictures.uris[name], "alt": alt, "caption": dose})
        if tiles:
            found.setdefault(str(drug), []).append({"name": _replicate(replicate), "tiles": tiles})
    return found


def _replicate(number: Any) -> str:
    return f"replicate {number:g}" if number == number else ""


def _tiles(wells: pd.DataFrame, pictures: WellImages) -> list[dict[str, str]]:
    tiles = []
    for row in rows_of(wells):
        name = f"{row.plate}/{row.well}"
        if name not in pictures.uris:
            continue
        dose = f"{row.concentration_nM:g} nM" if row.concentration_nM > 0 else ""
        doubt = text_of(getattr(row, "flag_reason", None))
        what = f"{text_of(row.treatment)} {dose} on {row.plate} {row.well}".strip()
        tiles.append(
            {
                "uri": pictures.uris[name],
                "alt": ": ".join(filter(None, (what, doubt))),
                "well": name,
                "caption": f"{row.plate} {row.well}" if doubt or not dose else dose,
            }
        )
    return tiles
