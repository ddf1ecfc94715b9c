"""From a layout and its readouts to scores, curves and quality figures, without a store.

Belongs here: the order of the steps for a whole layout, and the tables the command `score` writes. Does not
belong here: any of the steps (`phenodose.screens`, `viability`, `quality`, `dose_response`), files, the
asset graph (which calls the same steps one by one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from phenodose.dose_response.combination import PREFIX, combination_differences
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import FitName, IntervalName, fit_curves
from phenodose.dose_response.points import curve_points
from phenodose.dose_response.scoring import score_with_all
from phenodose.errors import Faults, InputError, NotMade, PluginError
from phenodose.io.parallel import in_processes, usable_cores
from phenodose.plugins import PluginChoices, Registry, Scorer, registry
from phenodose.progress import Progress
from phenodose.quality.report import curve_qc_rows, qc_rows
from phenodose.quality.wells import checked_viability
from phenodose.sandbox.plugin_process import is_sandboxed, renew, shared_sandbox
from phenodose.screens.layout import Layout
from phenodose.screens.matrices import match_to_layout
from phenodose.settings.plugin_limits import PluginLimits
from phenodose.tables import CURVE_FIT_COLUMNS
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import Grouping, RisesWith, falls_with_viability, refuse_lost_drugs

#: Stands in the column readout where nothing says what was measured.
READOUT = "readout"

#: From so many samples on (every readout counts) processes are worth their start, and progress is told.
MANY_TASKS = 8

SCORE_COLUMNS = (
    *("sample", "drug", "scorer", "score", "lower", "upper", "bound", "unit", "hit", "status"),
    *("lower_bound", "upper_bound", "published_value"),
)
_FIRST = ("model", "bottom", "top", "log10_mid", "slope", "asymmetry", "gof", "objective", "status")
CURVE_COLUMNS = ("sample", "drug", *_FIRST, *(name for name in CURVE_FIT_COLUMNS if name not in _FIRST))
QC_COLUMNS = ("sample", "plate", "metric", "value", "threshold", "verdict", "explanation")

_FALLS = (
    "sample {sample}: the positive controls have the larger raw values, so these were taken to rise with cell death; "
    "say so with --rises-with death, or look for swapped controls in the layout."
)


@dataclass(frozen=True)
class Normalisation:
    """How raw values become viability.

    Attributes:
        by: group whose controls viability is relative to.
        negative: names of the control of viability 1, by well type or treatment, most wanted first.
        positive: names of the control of viability 0, likewise.
        rises_with: what a larger raw value means; None takes what the controls say.
        mask_uncontrolled: leave out the wells of groups without usable controls, instead of refusing.
    """

    by: Grouping = "plate"
    negative: Sequence[str] = ("neg",)
    positive: Sequence[str] = ("pos",)
    rises_with: RisesWith | None = None
    mask_uncontrolled: bool = False


@dataclass(frozen=True)
class Scored:
    """What a layout gives.

    Attributes:
        scores: one row a sample, drug and scorer with `SCORE_COLUMNS`; with named readouts and with replicates
            a column more each.
        curves: one row a sample and drug with `CURVE_COLUMNS`; more columns likewise.
        qc: one row a figure with `QC_COLUMNS`; with named readouts a column more.
        notes: a sentence on each thing that was left out.
        faults: a sentence on each faulty plugin, whose scores are missing.
    """

    scores: pd.DataFrame
    curves: pd.DataFrame
    qc: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """What one sample has of one readout."""

    sample: str
    readout: str
    wells: pd.DataFrame
    viability: pd.DataFrame


@dataclass(frozen=True)
class _Settings:
    """What is the same for all tasks; see `score_layout`."""

    fit: FitName
    per_replicate: bool
    bootstrap: int
    intervals: IntervalName
    seed: int
    tell_falling: bool
    scorers: Sequence[Scorer]
    optional: Sequence[Scorer]


def score_layout(
    layout: Layout,
    matrices: pd.DataFrame | Mapping[str, pd.DataFrame] | None,
    scorers: Sequence[Scorer],
    *,
    fit: FitName = "robust",
    normalisation: Normalisation = Normalisation(),
    per_replicate: bool = False,
    bootstrap: int = 200,
    intervals: IntervalName = "posterior",
    seed: int = 0,
    optional: Sequence[Scorer] = (),
    workers: int | None = 1,
    listener: Progress | None = None,
    plugins: Registry | None = None,
) -> Scored:
    """Normalise, fit and score every sample and readout of a layout.

    Where a drug was given alone and with an add-on, rows of the scorers 'dc<scorer>' give the difference.

    A scorer that works in a process of its own (`plugin_process.kept_apart`) and fails costs its own scores alone.

    Args:
        layout: the wells.
        matrices: from `read_matrices`, or several of these by name of the readout; None takes the readouts of
            the layout itself.
        scorers: what to score with.
        fit: 'robust' or 'nplr'.
        normalisation: the controls, and what viability is relative to.
        per_replicate: add rows for each replicate by itself.
        bootstrap: draws for the intervals of the scores; 0 for none.
        intervals: what the draws are, 'posterior' or 'bootstrap' (`fit_curves`).
        seed: seed of the draws.
        optional: more scorers; one that lacks what it needs is left out with a note.
        workers: processes that score; the result is the same whatever their number. None takes all cores where
            there are samples enough. Scorers that are not installed as plugins stay in this process.
        listener: is told the samples done (every readout counts), and their number, where these are many.
        plugins: where other processes find the scorers; None for everything that is installed.

    Raises:
        InputError: there are no readouts, no controls or no therapy wells, drug wells lack usable controls
            (unless they may be masked), or the files do not fit.
    """
    if not (layout.frame["well_type"] == "therapy").any():
        raise InputError(
            f"{layout.path}: there are no therapy wells; set WellType to therapy for the wells with drugs."
        )
    controls_of = str(layout.path)
    n = normalisation
    choose_controls(layout.frame, n.negative, n.positive, controls_of)
    faults = Faults(controls_of)
    named = isinstance(matrices, Mapping)
    by_readout = matrices if isinstance(matrices, Mapping) else {READOUT: matrices}
    tasks: list[_Task] = []
    for readout, values in by_readout.items():
        for sample, wells, raw in _samples(layout, values):
            try:
                controls = choose_controls(wells, n.negative, n.positive, f"sample {sample}")
                viability = checked_viability(raw, wells, controls, n.by, rises_with=n.rises_with)
                viability = viability.assign(readout=readout)
                if not n.mask_uncontrolled:
                    refuse_lost_drugs(viability, wells, controls, n.by)
            except InputError as error:
                told = str(error) if str(error).startswith("sample ") else f"sample {sample}: {error}"
                faults.add(f"readout {readout}, {told}" if named else told)
                continue
            tasks.append(_Task(sample, readout, wells, viability))
    faults.raise_if_any()
    settings = _Settings(
        fit, per_replicate, bootstrap, intervals, seed, n.rises_with is None, tuple(scorers), tuple(optional)
    )
    parts: list[Scored] = []
    many = len(tasks) >= MANY_TASKS
    if workers is None:
        workers = usable_cores() if many else 1
    for part in _score_tasks(tasks, settings, workers, plugins or registry()):
        parts.append(part)
        if listener is not None and many:
            listener(len(parts), len(tasks), tasks[len(parts) - 1].sample)
    if named:
        parts = [
            replace(part, notes=[f"readout {task.readout}, {note}" for note in part.notes])
            for part, task in zip(parts, tasks, strict=True)
        ]
    names = [scorer.name for scorer in (*scorers, *optional)]
    last = [*(["readout"] if named else []), *(["replicate"] if per_replicate else [])]
    return _joined(parts, [*names, *(PREFIX + name for name in names)], list(by_readout), last)


def _score_tasks(tasks: Sequence[_Task], settings: _Settings, workers: int, plugins: Registry) -> Iterator[Scored]:
    """What every task gives, in order."""
    known = tuple(plugins.usable("scorer").values()) if workers > 1 else ()
    everyone = (settings.scorers, settings.optional)
    if not all(_class_of(scorer) in known for some in everyone for scorer in some):
        yield from (_score_task(task, settings) for task in tasks)
        return
    recipes = [[(scorer.name, scorer.parameters.model_dump()) for scorer in some] for some in everyone]
    plain = replace(settings, scorers=(), optional=())
    site = plugins.choices, plugins.limits
    yield from in_processes(_score_elsewhere, [(task, plain, recipes, site) for task in tasks], workers)


def _class_of(scorer: Scorer) -> type[Scorer]:
    """The scorer's class; of one that works in a process of its own, the class that does the work."""
    cls: type[Scorer] = type(scorer).__mro__[1] if is_sandboxed(scorer) else type(scorer)
    return cls


def _score_elsewhere(
    work: tuple[_Task, _Settings, list[list[tuple[str, dict[str, Any]]]], tuple[PluginChoices, PluginLimits]],
) -> Scored:
    """`_score_task` in another process, with scorers made there."""
    task, settings, recipes, site = work
    plugins = registry(*site)
    known = plugins.usable("scorer")
    scorers, optional = ([shared_sandbox(known[name], given, plugins) for name, given in some] for some in recipes)
    return _score_task(task, replace(settings, scorers=scorers, optional=optional))


def _score_task(task: _Task, settings: _Settings) -> Scored:
    """Fit and score one readout of one sample."""
    wells, viability = task.wells, task.viability
    fitted = fit_curves(
        curve_points(viability, wells, settings.per_replicate),
        fit=settings.fit,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
        intervals=settings.intervals,
        noise="batch",
    )
    curves = fitted.select(fitted.n_points > 0)
    scores, left_out, faults = _score(curves, settings.scorers, settings.optional)
    if len(scores):
        scores = pd.concat([scores, combination_differences(scores, wells)], ignore_index=True)
    singly = fitted if settings.per_replicate else fit_curves(curve_points(viability, wells), fit=settings.fit)
    figures = [qc_rows(viability, wells, task.readout), curve_qc_rows(viability, wells, singly, task.readout)]
    qc = pd.concat(figures, ignore_index=True).assign(sample=task.sample)
    notes = [*_notes(task.sample, viability, wells, fitted), *left_out]
    if settings.tell_falling and falls_with_viability(viability):
        notes.append(_FALLS.format(sample=task.sample))
    return Scored(scores, curves.to_frame(), qc, notes, faults)


def _samples(layout: Layout, matrices: pd.DataFrame | None) -> list[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Name, wells and raw readings (plate, row, column, raw) of every sample.

    The layout names the sample if it can; matrices of several samples on one layout are named by their files.
    """
    frame = layout.frame
    if matrices is None:
        if not layout.has_readouts:
            raise InputError(
                f"{layout.path}: has no readouts; fill its column Readout, or give the plate-reader files (--readouts)."
            )
        raw = frame[["plate", "row", "column"]].assign(raw=frame["readout"])
        by_name = {sample: frame["sample"] == sample for sample in layout.samples}
        if not by_name:
            return [(layout.path.stem, frame.assign(sample=layout.path.stem), raw)]
        return [(name, frame[wells].reset_index(drop=True), raw[wells]) for name, wells in by_name.items()]
    matched = match_to_layout(matrices, layout).rename(columns={"value": "raw"})
    names = list(dict.fromkeys(matched["sample"]))
    if len(names) == 1 and layout.samples:
        found = []
        for sample in layout.samples:
            wells = frame[frame["sample"] == sample].reset_index(drop=True)
            found.append((sample, wells, matched[matched["plate"].isin(wells["plate"])]))
        return found
    return [(name, frame.assign(sample=name), matched[matched["sample"] == name]) for name in names]


def _score(
    curves: CurveBatch, scorers: Sequence[Scorer], optional: Sequence[Scorer]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The rows of all scorers, a note on each optional one that cannot score, and a sentence on each faulty one."""
    able: list[Scorer] = list(scorers)
    notes: list[str] = []
    faults: list[str] = []
    for scorer in optional:
        try:
            scorer.score(curves)
        except NotMade as reason:
            notes.append(f"no scores {scorer.name}: {reason}")
        except PluginError as error:
            faults.append(str(error))
        else:
            able.append(scorer)
    apart = [scorer for scorer in able if is_sandboxed(scorer)]
    here = [scorer for scorer in able if scorer not in apart]
    tables = score_with_all(curves, here) if here else []
    for scorer in apart:
        try:
            renew(scorer)
            tables += score_with_all(curves, [scorer])
        except PluginError as error:
            faults.append(str(error))
    if not tables:
        return pd.DataFrame(columns=[*curves.keys.columns, *SCORE_COLUMNS[2:]]), notes, faults
    return pd.concat(tables, ignore_index=True), notes, faults


def _notes(sample: str, viability: pd.DataFrame, wells: pd.DataFrame, curves: CurveBatch) -> list[str]:
    """What was left out, a sentence a reason, where it concerns wells with drugs."""
    therapy = (wells["well_type"] == "therapy").to_numpy()
    reasons = viability.loc[therapy & viability["masked"].to_numpy(), "mask_reason"].value_counts()
    notes = [f"sample {sample}: {count} therapy wells left out: {reason}." for reason, count in reasons.items()]
    flags = viability.loc[therapy, "flag"].value_counts()
    if len(flags):
        told = ", ".join(f"{count} {flag}" for flag, count in flags.items())
        notes.append(f"sample {sample}: {flags.sum()} therapy wells look doubtful ({told}); they count all the same.")
    lost = sorted(curves.keys.loc[(curves.n_points == 0) & (curves.keys["replicate"] == "pooled"), "drug"])
    return [*notes, f"sample {sample}: no well with a value for {', '.join(lost)}."] if lost else notes


def _joined(
    parts: Sequence[Scored], scorer_names: Sequence[str], readouts: Sequence[str], last: Sequence[str]
) -> Scored:
    """The parts as whole tables, in order of sample, readout, drug and scorer (pooled before single replicates).

    `last` are further columns at the end: readout, replicate.
    """
    order = {name: position for position, name in enumerate(scorer_names)}
    place = {name: position for position, name in enumerate(readouts)}
    scored = [part.scores for part in parts if len(part.scores)] or [parts[0].scores]
    scores = pd.concat(scored, ignore_index=True)
    curves = pd.concat([part.curves for part in parts], ignore_index=True)
    by = ["sample", "_readout", "_single", "replicate", "drug"]
    scores, curves = (
        table.assign(_readout=table["readout"].map(place), _single=table["replicate"] != "pooled")
        for table in (scores, curves)
    )
    scores = scores.assign(_scorer=scores["scorer"].map(order)).sort_values([*by, "_scorer"], kind="stable")
    curves = curves.sort_values(by, kind="stable")
    qc = pd.concat([part.qc for part in parts], ignore_index=True)
    return Scored(
        scores[[*SCORE_COLUMNS, *last]].reset_index(drop=True),
        curves[[*CURVE_COLUMNS, *last]].reset_index(drop=True),
        qc[[*QC_COLUMNS, *(name for name in last if name == "readout")]],
        list(dict.fromkeys(note for part in parts for note in part.notes)),
        list(dict.fromkeys(fault for part in parts for fault in part.faults)),
    )
