"""Figures of quality over the cohort: Z' of every plate, and screens over time.

Does not belong here: agreement of replicates and readouts (`agreement_figures`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.plots.cohort_drawing import CohortFigure, absent, label, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from phenodose.reports.cohort.source import Cohort

#: Z' below this says no more than "poor"; the axis ends here.
_LOWEST_ZPRIME = -1.0
#: Fewer plates are shown as points alone: a violin of them would be invented.
_LEAST_PLATES = 8
_MOST_POINTS_A_READOUT = 300
_MOST_SCREENS_WITH_LINES = 60


def zprime(cohort: Cohort) -> CohortFigure:
    """Robust Z' of every plate, a violin a readout."""
    name, title, rows = "zprime", "Robust Z' of every plate", cohort.zprime
    if rows.empty:
        return absent(name, title, "", "no plate has a robust Z'.")
    below = int((rows["zprime_robust"] < _LOWEST_ZPRIME).sum())
    note = (
        "A point is a plate, the bar the median; dotted: the thresholds of the quality check. Above 0.5 controls are "
        f"far apart, below 0 they overlap. A violin is drawn from {_LEAST_PLATES} plates on."
    )
    note += f" {below} plates below {_LOWEST_ZPRIME:g} are drawn there." if below else ""
    if (rows["readout"].value_counts() > _MOST_POINTS_A_READOUT).any():
        note += f" Of more than {_MOST_POINTS_A_READOUT} plates evenly chosen ones are points; the violin is of all."
    return CohortFigure(name, title, "", note, rows, lambda: _draw_zprime(cohort, rows))


def _draw_zprime(cohort: Cohort, rows: pd.DataFrame) -> Figure:
    readouts = sorted(set(rows["readout"]))
    looks = cohort.looks(readouts)
    figure = new_figure(max(420, 190 * len(readouts) + 90), 380)
    axes: Any = figure.subplots()
    for index, readout in enumerate(readouts):
        of = rows.loc[rows["readout"] == readout, "zprime_robust"]
        values = of.clip(lower=_LOWEST_ZPRIME).sort_values().to_numpy(float)
        if len(values) >= _LEAST_PLATES and np.ptp(values) > 0:
            for body in axes.violinplot(values, [index], widths=0.8, showextrema=False)["bodies"]:
                body.set(facecolor=looks[readout].colour, edgecolor="#222222", alpha=0.3)
        points = values[:: -(-len(values) // _MOST_POINTS_A_READOUT)]
        # Neighbours in value lie side by side.
        aside = 0.12 * ((np.arange(len(points)) * 0.618) % 1 - 0.5)
        axes.scatter(
            index + aside, points, s=12, color=looks[readout].colour, marker=looks[readout].marker, linewidths=0
        )
        axes.hlines(np.median(values), index - 0.2, index + 0.2, color="#222222", linewidth=2)
    for limit in sorted(set(rows["threshold"].dropna())):
        axes.axhline(limit, color="#222222", linewidth=1, linestyle=":")
        axes.text(len(readouts) - 0.42, limit, f"{limit:g}", fontsize=8, va="bottom", ha="right")
    axes.set_xlim(-0.6, len(readouts) - 0.4)
    axes.set_ylim(top=1.0)
    axes.set_xticks(range(len(readouts)), [label(readout) for readout in readouts], fontsize=9)
    axes.set_ylabel("robust Z'")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def over_time(cohort: Cohort) -> CohortFigure:
    """Z', hits and replicate agreement of every screen by its date."""
    name, title = "screens_over_time", "Screens over time"
    dated = cohort.screens.dropna(subset=["made_at"])[["screen", "made_at"]]
    if dated.empty:
        return absent(name, title, "", "no screen has a run with a date.")
    key = ["screen", "readout"]
    pooled = cohort.scores[cohort.scores["score"].notna()]
    hits = pooled.assign(hits=pooled["hit"].eq(True)).groupby(key)["hits"].sum().astype(int)
    viability = cohort.replicate_agreement[cohort.replicate_agreement["quantity"] == "viability"]
    figures = cohort.zprime.groupby(key)["zprime_robust"].median().to_frame("median_zprime_robust")
    figures = figures.join(hits, how="outer").join(viability.set_index(key)["pearson"], how="outer")
    rows = dated.merge(figures.reset_index(), on="screen").rename(columns={"pearson": "replicate_pearson"})
    if rows.empty:
        return absent(name, title, "", "no dated screen has a figure.")
    rows = rows.sort_values(["made_at", "screen", "readout"], ignore_index=True)
    note = (
        "The date is the start of the first step that the store keeps of a screen. From above: median robust Z' of the "
        "plates, number of hits, Pearson's R of the viability of replicates."
    )
    return CohortFigure(name, title, "", note, rows, lambda: _draw_over_time(cohort, rows))


def _draw_over_time(cohort: Cohort, rows: pd.DataFrame) -> Figure:
    panels = {"median_zprime_robust": "robust Z'", "hits": "hits", "replicate_pearson": "R of replicates"}
    readouts = sorted(set(rows["readout"]))
    looks = cohort.looks(readouts)
    figure = new_figure(1000, 560)
    grid: Any = figure.subplots(3, 1, sharex=True)
    few = rows["screen"].nunique() <= _MOST_SCREENS_WITH_LINES
    dates = rows["made_at"].dt.tz_convert("UTC").dt.tz_localize(None)
    for axes, (column, words) in zip(grid, panels.items(), strict=True):
        for readout in readouts:
            own = (rows["readout"] == readout) & rows[column].notna()
            values = rows.loc[own, column].to_numpy(float)
            if column == "median_zprime_robust":
                values = values.clip(min=_LOWEST_ZPRIME)
            look = looks[readout]
            axes.plot(
                dates[own].to_numpy(), values, color=look.colour, marker=look.marker, markersize=5 if few else 2.5,
                linewidth=1 if few else 0, alpha=1 if few else 0.5, rasterized=not few, label=label(readout),
            )  # fmt: skip
        axes.set_ylabel(words, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    # One day alone would be an axis of years.
    day = np.timedelta64(1, "D")
    grid[0].set_xlim(dates.min().to_datetime64() - 3 * day, dates.max().to_datetime64() + 3 * day)
    handles, labels = grid[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=6, fontsize=8, frameon=False)
    return figure
