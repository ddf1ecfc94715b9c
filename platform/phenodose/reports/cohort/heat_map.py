"""The heat map of DSS: screens x drugs x readouts, both clustered.

Belongs here: distances with missing values, the order, the drawing. Does not belong here: encoding (`cohort_drawing`).
"""

from __future__ import annotations

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
#: Widest map and height of a row: names are still legible where the figure is printed on A4.
_MOST_PX, _ROW_PX = 760.0, 12.5


def dss_heat_map(cohort: Cohort) -> CohortFigure:
    """A panel a readout; screens and drugs stand in the same, clustered order in all of them."""
    title = "DSS of all screens and drugs, clustered"
    if not cohort.readouts:
        return absent(_NAME, title, "", "no screen has scores.")
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
    return CohortFigure(
        _NAME, title, "", note, rows,
        lambda: _draw(values, hit, cohort.readouts, drugs, names, of_screens, of_drugs),
    )  # fmt: skip


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


def _draw(
    values: np.ndarray, hit: np.ndarray, readouts: list[str], drugs: list[str], screens: list[str],
    of_screens: np.ndarray | None, of_drugs: np.ndarray | None,
) -> Figure:  # fmt: skip
    n = len(readouts)
    width = float(np.clip(n * len(screens) * 22, 420, _MOST_PX))
    has_room = width / (n * len(screens)) >= 8
    figure = new_figure(width + 220, 150 + _ROW_PX * len(drugs) + (110 if has_room else 20))
    widths = [110 / (width / n), *([1.0] * n)]
    heights = [max(45 / (_ROW_PX * len(drugs)), 0.03), 1]
    grid: Any = figure.subplots(2, n + 1, squeeze=False, width_ratios=widths, height_ratios=heights)
    grid[0, 0].axis("off")
    _branches(grid[1, 0], of_drugs, len(drugs), sideways=True)
    image: Any = None
    for index, readout in enumerate(readouts, start=1):
        axes = grid[1, index]
        _branches(grid[0, index], of_screens, len(screens), sideways=False)
        grid[0, index].set_title(label(readout), fontsize=9, loc="left")
        axes.patch.set(facecolor="#ffffff", hatch="////", edgecolor="#8a8f98")
        image = axes.imshow(
            np.ma.masked_invalid(values[index - 1]), cmap="Blues", vmin=0, vmax=_FULL_COLOUR_AT, aspect="auto",
            interpolation="none",
        )  # fmt: skip
        if has_room:
            y, x = np.nonzero(hit[index - 1])
            light = values[index - 1][y, x] > 0.55 * _FULL_COLOUR_AT
            axes.scatter(x, y, s=7, c=np.where(light, "#ffffff", "#222222").tolist(), linewidths=0)
            axes.set_xticks(range(len(screens)), [label(name) for name in screens], rotation=90, fontsize=7)
        else:
            axes.set_xticks([])
            axes.set_xlabel(f"{len(screens)} screens", fontsize=8)
        names = [label(drug) for drug in drugs] if index == n else [""] * len(drugs)
        axes.set_yticks(range(len(drugs)), names, fontsize=8)
        axes.yaxis.tick_right()
        axes.tick_params(length=0)
    bar = figure.colorbar(
        image, ax=list(grid[1, 1:]), location="bottom", fraction=0.03, aspect=50, pad=0.03, extend="max"
    )
    bar.set_label("DSS", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _branches(axes: Any, tree: np.ndarray | None, n: int, sideways: bool) -> None:
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
    across, up = (-0.5, n - 0.5), (0, float(heights.max()) * 1.02 or 1.0)
    axes.set_xlim(up[::-1] if sideways else across)
    axes.set_ylim(across[::-1] if sideways else up)
