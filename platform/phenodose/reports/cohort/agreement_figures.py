"""Figures of agreement: between replicates, and between imaging and metabolic readouts.

Does not belong here: hit mismatches as words (`tables`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.dose_response.agreement import compared
from phenodose.plots.cohort_drawing import (
    MOST_POINTS,
    CohortFigure,
    absent,
    cloud,
    correlation,
    correlation_words,
    label,
    new_figure,
)
from phenodose.plots.palette import look
from phenodose.plugins.preferences import duplicate_phases

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from phenodose.reports.cohort.source import Cohort

_LINES = 60


def replicate_scores(cohort: Cohort) -> CohortFigure:
    """DSS of one replicate against another, a panel a readout."""
    name, title, rows = "replicate_dss", "DSS of replicates", cohort.replicate_scores
    if rows.empty:
        return absent(name, title, "Fig. 8", "no screen has scores of single replicates.")
    note = "A point is a drug of a screen. R is Pearson's, ρ Spearman's correlation." + _counted(rows, "readout")
    panels = [(str(readout), of) for readout, of in rows.groupby("readout")]
    words = [("DSS, one replicate", "DSS, other replicate")] * len(panels)
    return CohortFigure(
        name, title, "Fig. 8", note, rows,
        lambda: _scatter(cohort, panels, "first", "second", words),
    )  # fmt: skip


def modality_pairs(cohort: Cohort) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Every two readouts: first, second, and the drugs of all screens that both score.

    Columns: screen, drug, first_score, second_score, first_hit, second_hit, difference (first minus second), agreement.
    """
    scored = cohort.scores[cohort.scores["score"].notna()]
    columns = ["score", "lower", "upper", "p_hit_fraction", "readout_failed", "hit"]
    by = {r: own.set_index(["screen", "sample", "drug"])[columns] for r, own in scored.groupby("readout")}
    names = {
        f"{name}{end}": f"{which}_{name}" for name in columns for which, end in (("first", "_i"), ("second", "_m"))
    }
    for index, first in enumerate(cohort.readouts):
        for second in cohort.readouts[index + 1 :]:
            both = by[first].add_suffix("_i").join(by[second].add_suffix("_m"), how="inner")
            if len(both):
                yield first, second, compared(both, cohort.hit_threshold).rename(columns=names).reset_index()


def between_modalities(cohort: Cohort) -> list[tuple[str, str, pd.DataFrame]]:
    """Those of `modality_pairs` of an imaging with a metabolic readout, imaging first."""
    found = []
    for first, second, both in modality_pairs(cohort):
        if (first in cohort.metabolic) == (second in cohort.metabolic):
            continue
        if first in cohort.metabolic:
            turned = {"first_score": "second_score", "second_score": "first_score"}
            turned |= {"first_hit": "second_hit", "second_hit": "first_hit"}
            found.append((second, first, both.rename(columns=turned).assign(difference=-both["difference"])))
        else:
            found.append((first, second, both))
    return found


def modalities(cohort: Cohort) -> CohortFigure:
    """DSS of imaging against metabolic readouts, a panel a pair."""
    import pandas as pd

    name, title, pairs = "imaging_against_metabolic", "DSS of imaging against metabolic readouts", []
    pairs = between_modalities(cohort)
    if not pairs:
        return absent(name, title, "", "no screen has scores of both an imaging and a metabolic readout.")
    frames = [
        both.assign(imaging_readout=first, metabolic_readout=second).rename(
            columns={"first_score": "imaging_dss", "second_score": "metabolic_dss"}
        )
        for first, second, both in pairs
    ]
    columns = ["imaging_readout", "metabolic_readout", "screen", "drug", "imaging_dss", "metabolic_dss"]
    rows = pd.concat(frames, ignore_index=True)[columns]
    # A line for the eye: hits come from the table.
    threshold = cohort.hit_threshold
    dotted = "" if threshold is None else f"; dotted: a DSS of {threshold:g}"
    note = f"A point is a drug of a screen{dotted}. R is Pearson's, ρ Spearman's correlation."
    note += _counted(rows, "imaging_readout")
    panels = [(first, both) for first, _, both in pairs]
    words = [(f"DSS, {label(second)}", f"DSS, {label(first)}") for first, second, _ in pairs]
    return CohortFigure(
        name, title, "", note, rows, lambda: _scatter(cohort, panels, "second_score", "first_score", words, threshold)
    )


def replicate_agreement(cohort: Cohort) -> CohortFigure:
    """Correlations of replicates, a point a screen: before (phase II) and after (phase III) and other readouts."""
    name, title = "replicate_agreement", "Agreement of replicates before and after phase III"
    rows = cohort.replicate_agreement
    if rows.empty:
        return absent(name, title, "Fig. 8", "no screen has replicates.")
    phases = duplicate_phases(cohort.preferences.readout_plugins)
    lines = next((pair for pair in phases if set(pair) <= set(rows["readout"])), None)
    before, after = lines or next(iter(phases), ("", ""))
    note = "A point is a screen, the bar the median over screens; left viability in percent, right DSS. "
    note += (
        f"{before} is before, {after} after phase III; lines join a screen's two (up to {_LINES} screens)."
        if lines
        else f"No screen has both {before} (before) and {after} (after phase III); `phenodose run FOLDER` makes them."
        if phases
        else "No installed readout is taught in these phases."
    )
    return CohortFigure(name, title, "Fig. 8", note, rows, lambda: _draw_agreement(cohort, rows, lines))


def _draw_agreement(cohort: Cohort, rows: pd.DataFrame, joined: tuple[str, str] | None) -> Figure:
    readouts = sorted(set(rows["readout"]))
    looks = cohort.looks(readouts)
    figure = new_figure(1000, 520)
    grid: Any = figure.subplots(2, 2, squeeze=False)
    lines = joined if rows["screen"].nunique() <= _LINES else None
    for line, (measure, words) in enumerate((("pearson", "Pearson's R"), ("spearman", "Spearman's ρ"))):
        for column, quantity in enumerate(("viability", "DSS")):
            axes, own = grid[line, column], rows[(rows["quantity"] == quantity) & np.isfinite(rows[measure])]
            for index, readout in enumerate(readouts):
                values = own.loc[own["readout"] == readout, measure].to_numpy(float)
                if not len(values):
                    continue
                aside = 0.2 * ((np.arange(len(values)) * 0.618) % 1 - 0.5) if not lines else np.zeros(len(values))
                colour, marker = looks[readout].colour, looks[readout].marker
                axes.scatter(
                    index + aside,
                    values,
                    s=14,
                    color=colour,
                    marker=marker,
                    alpha=0.7,
                    linewidths=0,
                    rasterized=len(values) > _LINES,
                )
                axes.hlines(np.median(values), index - 0.25, index + 0.25, color="#222222", linewidth=2)
            if lines:
                ends = [readouts.index(name) for name in lines]
                both = own.pivot_table(measure, "screen", "readout").reindex(columns=list(lines))
                axes.plot(ends, both.dropna().to_numpy().T, color="#8a8f98", linewidth=0.7, zorder=0)
            axes.set_xticks(range(len(readouts)), [label(readout) for readout in readouts], fontsize=8)
            axes.set_xlim(-0.5, len(readouts) - 0.5)
            axes.set_title(quantity if line == 0 else "", fontsize=9, loc="left")
            axes.set_ylabel(words, fontsize=9)
            axes.tick_params(axis="y", labelsize=8)
            axes.spines[["top", "right"]].set_visible(False)
    return figure


def _scatter(
    cohort: Cohort,
    panels: list[tuple[str, pd.DataFrame]],
    x: str,
    y: str,
    words: list[tuple[str, str]],
    threshold: float | None = None,
) -> Figure:
    """Panels with equal axes, their correlations above them; colour and marker by readout."""
    columns = min(len(panels), 4)
    lines = -(-len(panels) // columns)
    figure = new_figure(max(300 * columns, 420), 350 * lines)
    grid: Any = figure.subplots(lines, columns, squeeze=False)
    looks = cohort.looks(name for name, _ in panels)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    for axes, (name, rows), (x_words, y_words) in zip(grid.flat, panels, words, strict=False):
        first, second = rows[x].to_numpy(float), rows[y].to_numpy(float)
        top = max(float(np.max([first, second])), 1.0) * 1.05
        low = min(float(np.min([first, second])), 0.0) - 0.02 * top
        axes.plot([low, top], [low, top], color="#8a8f98", linewidth=0.8)
        cloud(axes, first, second, looks.get(name, look(0)).colour, looks.get(name, look(0)).marker)
        if threshold is not None:
            axes.axhline(threshold, color="#222222", linewidth=0.8, linestyle=":")
            axes.axvline(threshold, color="#222222", linewidth=0.8, linestyle=":")
        axes.set(xlim=(low, top), ylim=(low, top), box_aspect=1)
        axes.set_xlabel(x_words, fontsize=8)
        axes.set_ylabel(y_words, fontsize=8)
        axes.set_title(f"{label(name)}\n{correlation_words(*correlation(first, second))}", fontsize=8.5, loc="left")
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _counted(rows: pd.DataFrame, by: str) -> str:
    if rows[by].value_counts().max() <= MOST_POINTS:
        return ""
    return f" Panels of more than {MOST_POINTS} points show their number in hexagons, darker is more (log scale)."
