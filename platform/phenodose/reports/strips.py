"""The strips of images on the first page: a drug's dilution series beside the controls of the same plate; scale bars.

Does not belong here: reading and packing images (`well_images`), the rows of images in the appendix (`image_choice`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phenodose.io.frames import rows_of
from phenodose.names import well_sort_key
from phenodose.plots.small_curves import dose_words
from phenodose.reports.data import therapy_wells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from phenodose.reports.data import ScreenData

#: Images of a drug in its strip; of a longer series the ends and some between.
MOST_DOSES = 5
#: Lengths that a scale bar may have, in micrometres.
_BARS_UM = (10, 20, 50, 100, 200, 500, 1000, 2000)
#: Part of the image's width that a scale bar takes at most.
_BAR_PART = 0.35
_KINDS = (("negative", "untreated"), ("positive", "killed"))


@dataclass(frozen=True)
class StripTile:
    """One image of a strip.

    Attributes:
        well: name such as 'P1/B07'.
        caption: what stands below it: the dose, or 'untreated' and 'killed' for controls.
        is_control: whether it is a control.
    """

    well: str
    caption: str
    is_control: bool


@dataclass(frozen=True)
class ScaleBar:
    """The scale bar of the images of one plate.

    Attributes:
        length_um: its length in micrometres.
        percent: its length in percent of the image's width.
    """

    length_um: int
    percent: float


def strips(data: ScreenData, wells: pd.DataFrame, drugs: Sequence[str]) -> dict[str, list[StripTile]]:
    """The strip of every drug that has images: the plate's controls, then the doses of one plate, lowest first.

    A drug on several plates is shown on the one that holds most of its doses, the first of equal ones.

    Args:
        data: the rows of the screen.
        wells: the imaged wells, rows of the table `wells`.
        drugs: whose strips.
    """
    series = therapy_wells(wells)
    controls = _controls(data, wells)
    found: dict[str, list[StripTile]] = {}
    for drug in drugs:
        own = series[series["drug"] == drug].sort_values(["concentration_nM", "replicate"], kind="stable")
        if own.empty:
            continue
        doses_on = own.groupby("plate", sort=False)["concentration_nM"].nunique()
        plate = str(doses_on.index[list(doses_on).index(doses_on.max())])
        there = own[own["plate"] == plate].drop_duplicates("concentration_nM")
        tiles = [
            StripTile(f"{plate}/{controls[plate, kind]}", words, True)
            for kind, words in _KINDS
            if (plate, kind) in controls
        ]
        tiles += [StripTile(f"{plate}/{row.well}", dose_words(row.concentration_nM, 3), False) for row in _some(there)]
        found[drug] = tiles
    return found


def scale_bars(data: ScreenData) -> dict[str, ScaleBar]:
    """The scale bar of every plate whose pixels have a known size."""
    found = {}
    for row in rows_of(data["plates"]):
        width_um = float(row.size_x_px) * float(row.pixel_size_um) if row.pixel_size_um == row.pixel_size_um else 0.0
        fitting = [length for length in _BARS_UM if length <= _BAR_PART * width_um]
        if fitting:
            found[str(row.plate)] = ScaleBar(fitting[-1], 100 * fitting[-1] / width_um)
    return found


def filled(tiles: Sequence[StripTile], uris: Mapping[str, str], bars: Mapping[str, ScaleBar]) -> list[dict[str, Any]]:
    """The tiles that have a picture, as the template shows them."""
    return [
        {
            "uri": uris[tile.well],
            "well": tile.well,
            "caption": tile.caption,
            "is_control": tile.is_control,
            "bar": bars.get(tile.well.partition("/")[0]),
        }
        for tile in tiles
        if tile.well in uris
    ]


def _some(wells: pd.DataFrame) -> list[Any]:
    """All doses, or `MOST_DOSES` of them evenly from the lowest to the highest."""
    rows = list(rows_of(wells))
    if len(rows) <= MOST_DOSES:
        return rows
    return [rows[round(place * (len(rows) - 1) / (MOST_DOSES - 1))] for place in range(MOST_DOSES)]


def _controls(data: ScreenData, wells: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(plate, kind) -> the first imaged well that served as this control, unmasked where there is one.

    Controls are those of the readout that comes first among those that have any on images: an imaging one.
    """
    viability = data["viability"]
    served = viability[viability["control"].isin([kind for kind, _ in _KINDS])]
    both = served.merge(wells[["plate", "well"]], on=["plate", "well"])
    place = {name: index for index, name in enumerate(data.readouts)}
    metabolic = set(data.preferences.metabolic_readouts())
    ordered = sorted(
        rows_of(both),
        key=lambda row: (
            bool(row.masked),
            row.readout in metabolic,
            place.get(row.readout, len(place)),
            well_sort_key(row.well),
        ),
    )
    found: dict[tuple[str, str], str] = {}
    for row in ordered:
        found.setdefault((str(row.plate), str(row.control)), str(row.well))
    return found
