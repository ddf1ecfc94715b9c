"""Counterparts of figures of the paper about networks and maps: transfer study, raw viability, phases, map.

Source: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554, Fig. 5, Fig. 7, Table S-III.

Belongs here: drawing them from the cohort, and from the tables that `phenodose transfer-study` and
`phenodose evaluate` left in the store. Does not belong here: making those tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.plots.cohort_drawing import CohortFigure, absent, label, new_figure
from phenodose.plots.palette import look
from phenodose.plugins import ReferenceEmbedder
from phenodose.plugins.preferences import staged_readouts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from phenodose.reports.cohort.source import Cohort
    from phenodose.store.store import Store

_MEASURES = {
    "validation_loss": "validation loss",
    "validation_accuracy": "validation accuracy",
    "validation_auroc": "validation AUROC",
}
_BINS = 50
_MOST_MAP_POINTS = 5_000
_MOST_CLASSES = 15


def transfer_study(store: Store) -> CohortFigure:
    """Validation of phase II by the epochs of phase I."""
    import pandas as pd

    name, title, paper = "transfer_study", "What pretraining is worth", "Fig. 5"
    tables = _csv_files(store.root / "studies", "transfer_")
    needed = ["backbone", "first_weights", "phase1_epochs", *_MEASURES]
    frames = [
        frame.assign(control_experiment=path.stem.removeprefix("transfer_"))
        for path, frame in tables
        if set(needed) <= set(frame.columns)
    ]
    if not frames:
        return absent(
            name, title, paper,
            "the store holds no transfer study; `phenodose transfer-study CONTROL_EXPERIMENT SCREEN...` makes one.",
        )  # fmt: skip
    rows = pd.concat(frames, ignore_index=True)
    note = "Phase II after so many epochs of phase I: a point is a screen, the line their mean, dashed a random start."
    return CohortFigure(name, title, paper, note, rows, lambda: _draw_transfer(rows))


def _draw_transfer(rows: pd.DataFrame) -> Figure:
    figure = new_figure(1000, 340)
    grid: Any = figure.subplots(1, 3)
    looks = {backbone: look(index) for index, backbone in enumerate(dict.fromkeys(rows["backbone"]))}
    for axes, (column, words) in zip(grid, _MEASURES.items(), strict=True):
        known = rows.dropna(subset=[column])
        for (backbone, weights), arm in known.groupby(["backbone", "first_weights"], sort=False, dropna=False):
            random, of = weights == "none", looks[backbone]
            mean = arm.groupby("phase1_epochs")[column].mean()
            axes.scatter(arm["phase1_epochs"], arm[column], s=7, color=of.colour, alpha=0.5, linewidths=0)
            axes.plot(
                mean.index.to_numpy(), mean.to_numpy(), color=of.colour, marker=of.marker, markersize=5,
                linestyle="--" if random else "-", label=f"{label(backbone)}, {'random start' if random else weights}",
            )  # fmt: skip
        axes.set_xlabel("epochs of phase I", fontsize=9)
        axes.set_ylabel(f"{words} of phase II", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = grid[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=8, frameon=False)
    return figure


def raw_viability(cohort: Cohort) -> CohortFigure:
    """Histogram of what the networks answered, controls over all wells."""
    name, title, paper, rows = "raw_viability", "Raw viability of the networks", "Fig. 7", cohort.raw
    if rows.empty:
        return absent(
            name, title, paper,
            f"no screen has viability from a network; `phenodose run FOLDER` with {_a_network(cohort)} makes it.",
        )  # fmt: skip
    rows = rows.assign(from_raw=rows["bin"] / _BINS, to_raw=(rows["bin"] + 1) / _BINS)
    rows = rows[["readout", "well", "from_raw", "to_raw", "wells"]]
    ranges = {str(readout): cohort.preferences.label_range(str(readout)) for readout in sorted(set(rows["readout"]))}
    words = " or ".join(dict.fromkeys(f"{low:g} and {high:g}" for low, high in filter(None, ranges.values())))
    dotted = f" Dotted: {words}, outside of which a network sees what it was not trained on." if words else ""
    note = (
        f"Wells of all screens.{dotted} Each line has its own height: its highest bin is 1. `phenodose evaluate` draws "
        "single screens."
    )
    return CohortFigure(name, title, paper, note, rows, lambda: _draw_raw(rows, ranges))


def _a_network(cohort: Cohort) -> str:
    first = next(iter(staged_readouts(cohort.preferences.readout_plugins)), None)
    return f"a readout such as {first}" if first else "a staged readout"


def _draw_raw(rows: pd.DataFrame, ranges: Mapping[str, tuple[float, float] | None]) -> Figure:
    readouts = sorted(set(rows["readout"]))
    figure = new_figure(max(420, 480 * min(len(readouts), 2)), 280 * -(-len(readouts) // 2))
    grid: Any = figure.subplots(-(-len(readouts) // 2), min(len(readouts), 2), squeeze=False)
    for axes in grid.flat[len(readouts) :]:
        axes.axis("off")
    edges = np.linspace(0, 1, _BINS + 1)
    styles = {"all wells": ("#8a8f98", "-"), "negative": ("#0072B2", "-"), "positive": ("#D55E00", "--")}
    for axes, readout in zip(grid.flat, readouts, strict=False):
        own = rows[rows["readout"] == readout]
        for well, (colour, dashes) in styles.items():
            chosen = own if well == "all wells" else own[own["well"] == well]
            if chosen.empty:
                continue
            counts, _ = np.histogram(chosen["from_raw"] + 0.5 / _BINS, edges, weights=chosen["wells"])
            words = f"{well if well == 'all wells' else well + ' control'} ({int(counts.sum())})"
            axes.stairs(
                counts / counts.max(), edges, color=colour, linestyle=dashes, linewidth=1.4, label=words,
                fill=well == "all wells", alpha=0.35 if well == "all wells" else 1,
            )  # fmt: skip
        for limit in ranges[readout] or ():
            axes.axvline(limit, color="#222222", linewidth=0.9, linestyle=":")
        axes.set_title(label(readout), fontsize=9, loc="left")
        axes.set_xlabel("raw viability", fontsize=9)
        axes.set_ylabel("wells, highest bin = 1", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=7.5, frameon=False, loc="upper center")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def phases(store: Store, cohort: Cohort) -> CohortFigure:
    """Loss, accuracy and AUROC of every trained phase."""
    name, title, paper = "training_phases", "Training of every screen", "Table S-III"
    evaluated = [frame for path, frame in _csv_files(store.root / "evaluation", "phases") if "phase" in frame]
    rows = evaluated[0] if evaluated else cohort.checkpoints
    if rows.empty:
        return absent(
            name, title, paper, "no screen has a trained network; `phenodose run FOLDER` trains one, and "
            "`phenodose evaluate SCREEN...` adds the accuracies.",
        )  # fmt: skip
    text = "From `phenodose evaluate`." if evaluated else (
        "From the checkpoints; `phenodose evaluate SCREEN...` adds the accuracies."
    )  # fmt: skip
    note = f"A point is a screen, the bar the median. {text} All figures are in the CSV."
    return CohortFigure(name, title, paper, note, rows, lambda: _draw_phases(rows))


def _draw_phases(rows: pd.DataFrame) -> Figure:
    known = [c for c in rows.columns if c.endswith(("loss", "accuracy", "auroc")) and rows[c].notna().any()]
    names = sorted(set(rows["phase"]))
    columns = max(min(len(known), 3), 1)
    lines = max(-(-len(known) // columns), 1)
    figure = new_figure(max(320 * columns, 420), 250 * lines)
    grid: Any = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(known) :]:
        axes.axis("off")
    for axes, column in zip(grid.flat, known, strict=False):
        for index, phase in enumerate(names):
            values = rows.loc[rows["phase"] == phase, column].dropna().to_numpy(float)
            aside = 0.2 * ((np.arange(len(values)) * 0.618) % 1 - 0.5)
            of = look(index)
            axes.scatter(
                index + aside,
                values,
                s=16,
                color=of.colour,
                marker=of.marker,
                alpha=0.7,
                linewidths=0,
                rasterized=len(values) > 60,
            )
            if len(values):
                axes.hlines(np.median(values), index - 0.25, index + 0.25, color="#222222", linewidth=2)
        axes.set_xticks(range(len(names)), [label(phase) for phase in names], fontsize=8)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_title(column.replace("_", " "), fontsize=9, loc="left")
        axes.tick_params(axis="y", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def phenotype_maps(cohort: Cohort) -> CohortFigure:
    """Maps that hold the wells of several screens."""
    name, title, rows = "phenotype_map", "Phenotypes of all screens on one map", cohort.maps
    if rows.empty:
        return absent(
            name, title, "Fig. 15", f"no map holds wells of two screens; {_joining(cohort)}"
            "The map of one screen is in its own report.",
        )  # fmt: skip
    note = "A point is a well; by class of its drug, and controls. Only places on the same axes are shown together."
    step = -(-len(rows) // _MOST_MAP_POINTS)
    note += f" Every {step}th of {len(rows)} wells is drawn." if step > 1 else ""
    return CohortFigure(name, title, "Fig. 15", note, rows, lambda: _draw_maps(rows.iloc[::step]))


def _joining(cohort: Cohort) -> str:
    """Which embedders make one map of all screens; '' if none is installed."""
    known = cohort.preferences.embedders
    names = [name for name in cohort.preferences.ordered_embedders() if issubclass(known[name], ReferenceEmbedder)]
    return f"the embedder `{names[0]}` makes one map for all screens. " if names else ""


def _draw_maps(rows: pd.DataFrame) -> Figure:
    spaces = list(rows.groupby(["embedder", "space"], sort=True))[:4]
    figure = new_figure(max(560 * min(len(spaces), 2), 720), 520 * -(-len(spaces) // 2))
    grid: Any = figure.subplots(-(-len(spaces) // 2), min(len(spaces), 2), squeeze=False)
    groups = rows["well_type"].where(rows["well_type"].isin(["neg", "pos"]), rows["drug_class"].fillna("no class"))
    groups = groups.replace({"neg": "negative control", "pos": "positive control"})
    most = [str(group) for group in groups.value_counts().index[:_MOST_CLASSES]]
    groups = groups.where(groups.isin(most), "other classes")
    names = sorted(set(groups))
    looks = {group: look(index) for index, group in enumerate(names)}
    for axes in grid.flat[len(spaces) :]:
        axes.axis("off")
    for axes, ((embedder, space), own) in zip(grid.flat, spaces, strict=False):
        for group in names:
            chosen = own[groups.loc[own.index] == group]
            of = looks[group]
            axes.scatter(
                chosen["x"], chosen["y"], s=12, color=of.colour, marker=of.marker, linewidths=0, label=label(group)
            )
        axes.set_title(
            f"{label(embedder)}, {own['screen'].nunique()} screens ({label(str(space)[:8])})", fontsize=9, loc="left"
        )
        axes.set(xticks=[], yticks=[])
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False)
    return figure


def _csv_files(folder: Path, prefix: str) -> list[tuple[Path, pd.DataFrame]]:
    """Tables of a folder whose names begin so; one that cannot be read is as good as none."""
    import pandas as pd

    found = []
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.startswith(prefix) and path.suffix == ".csv")
    except (FileNotFoundError, NotADirectoryError):
        return []
    for path in paths:
        try:
            with path.open("rb") as file:
                # `none` is a first weight, and `nan` a number.
                frame = pd.read_csv(file, keep_default_na=False, na_values=["", "nan", "NaN"])
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
            continue
        found.append((path, frame))
    return found
