"""The heat map of DSS: screens x drugs x readouts, both clustered.

Belongs here: distances with missing values, the order, the drawing. Does not belong here: encoding (`cohort_drawing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.plots.cohort_drawing import CohortFigure, absent, label, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from phenodose.reports.cohort.source import Cohort

#: Score of the darkest colour: half of the 100 that is the most there is.
_FULL_COLOUR_AT = 50.0
_MOST_SCREENS = 2_000
#: Trees of more leaves are a black block.
_MOST_LEAVES = 150
_NAME = "dss_heat_map"
#: Size of the letters. The largest figure, 980 by 1,160 pixels, is printed on A4 at three quarters of its size, which
#: leaves them a little more than 6 points.
_LETTERS_PT = 8.2
#: Widest figure, height of a row, and the narrowest column that has room for a name, for a dot.
_MOST_PX, _ROW_PX, _NAMED_PX, _DOT_PX = 980.0, 12.0, 11.6, 8.0
#: The tree of drugs beside the map, and a letter of a drug's name.
_TREE_PX, _LETTER_PX = 60.0, 6.4
#: Rows of a figure; more drugs have several.
_MOST_ROWS = 75


def dss_heat_maps(cohort: Cohort) -> list[CohortFigure]:
    """A panel a readout; screens and drugs stand in the same, clustered order in all of them.

    There are several figures where the panels of one would not be legible in print: of some readouts, of some drugs.
    The rows of the first are those of all.
    """
    title = "DSS of all screens and drugs, clustered"
    if not cohort.readouts:
        return [absent(_NAME, title, "", "no screen has scores.")]
    wide = cohort.scores.pivot_table("score", "drug", ["readout", "screen"], aggfunc="mean")
    hits = cohort.scores.assign(hit=cohort.scores["hit"].eq(True).astype(float))
    hits = hits.pivot_table("hit", "drug", ["readout", "screen"], aggfunc="max")
    screens, left_out = _newest(cohort)
    values = _stack(wide, cohort.readouts, screens)
    hit = np.nan_to_num(_stack(hits.reindex(wide.index), cohort.readouts, screens)) > 0
    of_screens, of_drugs = _tree(values.transpose(2, 0, 1)), _tree(values.transpose(1, 0, 2))
    screen_order, drug_order = _order(of_screens, len(screens)), _order(of_drugs, len(wide))
    drugs = [str(wide.index[i]) for i in drug_order]
    names = [screens[i] for i in screen_order]
    values, hit = values[:, drug_order][:, :, screen_order], hit[:, drug_order][:, :, screen_order]
    rows = _rows(values, cohort.readouts, drugs, names)
    note = (
        "Rows are drugs, columns screens, a panel a readout; darker is more sensitive, a dot marks a hit if there is "
        "room. Hatched: the drug has no score there. Both orders come from average linkage on the root mean square "
        "difference of DSS over all values that two screens (or two drugs) both have; missing values are never filled "
        "in, and two that share none are as far apart as the farthest that do."
    )
    if len(screens) > _MOST_LEAVES:
        note += f" The tree of more than {_MOST_LEAVES} screens is not drawn."
    note += f" {left_out} older screens are left out." if left_out else ""
    parts = parts_of(cohort.readouts, drugs, len(names))
    found = []
    for number, (panels, block) in enumerate(parts, start=1):
        part = HeatMap(
            values[panels, block], hit[panels, block], cohort.readouts[panels], drugs[block], names, of_screens,
            of_drugs, len(drugs), block.start,
        )  # fmt: skip
        shown = f"{title} ({number} of {len(parts)})" if len(parts) > 1 else title
        of_part = slice(panels.start * len(names), panels.stop * len(names))
        columns = [0, 1, *range(2 + block.start, 2 + block.start + len(part.drugs))]
        own = rows if number == 1 else rows.iloc[of_part, columns]
        name = _NAME if number == 1 else f"{_NAME}_{number}"
        found.append(CohortFigure(name, shown, "", note if number == 1 else "Goes on.", own, part.draw))
    return found


def _room(drugs: list[str]) -> float:
    """Pixels that the widest figure has for columns beside the tree and the names of drugs."""
    return _MOST_PX - _TREE_PX - 20 - _LETTER_PX * max(len(label(drug)) for drug in drugs)


def parts_of(readouts: list[str], drugs: list[str], n_screens: int) -> list[tuple[slice, slice]]:
    """Which readouts and drugs are in each figure, so that names are legible in print."""
    at_once = int(_room(drugs) / (n_screens * _NAMED_PX)) or len(readouts)  # without room for one, none is named
    blocks = -(-len(drugs) // _MOST_ROWS)
    rows = -(-len(drugs) // blocks)
    return [
        (slice(first, first + at_once), slice(start, start + rows))
        for start in range(0, len(drugs), rows)
        for first in range(0, len(readouts), at_once)
    ]


def _newest(cohort: Cohort) -> tuple[list[str], int]:
    """Screens with scores, at most `_MOST_SCREENS`, and how many older ones are left out."""
    scored = cohort.screens[cohort.screens["screen"].isin(set(cohort.ranked_by))]
    kept = scored.sort_values(["made_at", "screen"], na_position="first")["screen"].tail(_MOST_SCREENS)
    return sorted(str(name) for name in kept), len(scored) - len(kept)


def _stack(wide: pd.DataFrame, readouts: list[str], screens: list[str]) -> np.ndarray:
    """Values as readout x drug x screen, NaN where there is none."""
    import pandas as pd

    columns = pd.MultiIndex.from_product([readouts, screens])
    flat = wide.reindex(columns=columns).to_numpy(float)
    return flat.reshape(len(wide), len(readouts), len(screens)).transpose(1, 0, 2)


def distances(profiles: np.ndarray) -> np.ndarray:
    """Root mean square difference of every two rows over the columns that both have.

    Args:
        profiles: (n, m), NaN where there is no value.

    Returns:
        (n, n), 0 on the diagonal; rows that share no column are as far apart as the farthest that share one.
    """
    known = (~np.isnan(profiles)).astype(float)
    filled = np.nan_to_num(profiles)
    shared = known @ known.T
    squares = (filled**2) @ known.T
    total = squares + squares.T - 2 * filled @ filled.T
    with np.errstate(invalid="ignore", divide="ignore"):
        # Rounded, because the last digits of a matrix product depend on the threads and would turn ties.
        found = np.sqrt(np.maximum(np.round(total / shared, 6), 0))
    farthest = np.nanmax(found) if np.isfinite(found).any() else 0.0
    found = np.where(shared > 0, found, farthest)
    np.fill_diagonal(found, 0.0)
    symmetric: np.ndarray = (found + found.T) / 2
    return symmetric


def _tree(values: np.ndarray) -> np.ndarray | None:
    """The linkage of the first axis; None for a single one."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    if len(values) < 2:
        return None
    tree: np.ndarray = linkage(squareform(distances(values.reshape(len(values), -1)), checks=False), "average")
    return tree


def _order(tree: np.ndarray | None, n: int) -> list[int]:
    from scipy.cluster.hierarchy import leaves_list

    return list(range(n)) if tree is None else [int(i) for i in leaves_list(tree)]


def _rows(values: np.ndarray, readouts: list[str], drugs: list[str], screens: list[str]) -> pd.DataFrame:
    """A row a screen and readout, a column a drug, in the order of the map."""
    import pandas as pd

    frames = [
        pd.DataFrame(values[index].T.round(2), columns=drugs).assign(**{"readout ": readout, "screen ": screens})
        for index, readout in enumerate(readouts)
    ]
    whole = pd.concat(frames, ignore_index=True)
    # A drug may be called `screen`; the blank keeps the two apart until here.
    ordered = whole[["screen ", "readout ", *drugs]]
    return ordered.set_axis(["screen", "readout", *drugs], axis=1)


@dataclass(frozen=True)
class HeatMap:
    """One figure.

    Attributes:
        values: readout x drug x screen, NaN where there is none.
        hit: likewise, whether it is a hit.
        readouts: of its panels.
        drugs: of its rows.
        screens: of the columns of each panel.
        of_screens: their tree, None for a single one.
        of_drugs: the tree of all drugs, likewise.
        n_drugs: how many these are.
        first: place of the first row among them.
    """

    values: np.ndarray
    hit: np.ndarray
    readouts: list[str]
    drugs: list[str]
    screens: list[str]
    of_screens: np.ndarray | None
    of_drugs: np.ndarray | None
    n_drugs: int
    first: int

    def draw(self) -> Figure:
        """The figure, not yet laid out."""
        n, n_screens = len(self.readouts), len(self.screens)
        width = float(np.clip(n * n_screens * 22, 420, _room(self.drugs)))
        column = width / (n * n_screens)
        height = _ROW_PX * len(self.drugs)
        figure = new_figure(width + _MOST_PX - _room(self.drugs), 150 + height + (110 if column >= _NAMED_PX else 20))
        layout: Any = figure.get_layout_engine()
        layout.set(w_pad=0.02, h_pad=0.03, wspace=0.005, hspace=0.005)
        grid: Any = figure.subplots(
            2, n + 1, squeeze=False, width_ratios=[_TREE_PX / (width / n), *([1.0] * n)],
            height_ratios=[max(45 / height, 0.03), 1],
        )  # fmt: skip
        grid[0, 0].axis("off")
        _branches(grid[1, 0], self.of_drugs, self.n_drugs, (self.first, len(self.drugs)), sideways=True)
        for index, panel in enumerate(grid[1, 1:]):
            _branches(grid[0, index + 1], self.of_screens, n_screens, (0, n_screens), sideways=False)
            grid[0, index + 1].set_title(label(self.readouts[index]), fontsize=9, loc="left")
            image = self._panel(panel, index, column)
        panel.set_yticks(range(len(self.drugs)), [label(drug) for drug in self.drugs], fontsize=_LETTERS_PT)
        bar = figure.colorbar(
            image, ax=list(grid[1, 1:]), location="bottom", fraction=0.03, aspect=50, pad=0.03, extend="max"
        )
        bar.set_label("DSS", fontsize=_LETTERS_PT)
        bar.ax.tick_params(labelsize=_LETTERS_PT)
        return figure

    def _panel(self, axes: Any, index: int, column: float) -> Any:
        """The panel of a readout, whose columns are so many pixels wide."""
        values = self.values[index]
        axes.patch.set(facecolor="#ffffff", hatch="////", edgecolor="#8a8f98")
        image = axes.imshow(
            np.ma.masked_invalid(values), cmap="Blues", vmin=0, vmax=_FULL_COLOUR_AT, aspect="auto",
            interpolation="none",
        )  # fmt: skip
        if column >= _DOT_PX:
            y, x = np.nonzero(self.hit[index])
            light = values[y, x] > 0.55 * _FULL_COLOUR_AT
            axes.scatter(x, y, s=7, c=np.where(light, "#ffffff", "#222222").tolist(), linewidths=0)
        if column >= _NAMED_PX:
            names = [label(name) for name in self.screens]
            axes.set_xticks(range(len(names)), names, rotation=90, fontsize=_LETTERS_PT)
        else:
            axes.set_xticks([])
            axes.set_xlabel(f"{len(self.screens)} screens", fontsize=_LETTERS_PT)
        axes.set_yticks(range(len(self.drugs)), [""] * len(self.drugs))
        axes.yaxis.tick_right()
        axes.tick_params(length=0)
        return image


def _branches(axes: Any, tree: np.ndarray | None, n: int, shown: tuple[int, int], sideways: bool) -> None:
    """A tree of n leaves beside those that are shown: the first of them, and how many."""
    from matplotlib.collections import LineCollection
    from scipy.cluster.hierarchy import dendrogram

    axes.axis("off")
    if tree is None or n > _MOST_LEAVES:
        return
    found = dendrogram(tree, no_plot=True)
    # scipy puts leaf i at 5 + 10 i.
    places, heights = (np.array(found["icoord"]) - 5) / 10, np.array(found["dcoord"])
    first, second = (heights, places) if sideways else (places, heights)
    axes.add_collection(LineCollection(list(np.dstack([first, second])), colors="#5d636c", linewidths=0.6))
    across, up = (shown[0] - 0.5, sum(shown) - 0.5), (0, float(heights.max()) * 1.02 or 1.0)
    axes.set_xlim(up[::-1] if sideways else across)
    axes.set_ylim(across[::-1] if sideways else up)
