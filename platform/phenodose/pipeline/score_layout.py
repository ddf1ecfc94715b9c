"""From a layout and its readouts to scores, curves and quality metrics, without a store.

Belongs here: the order of the steps for a whole layout, and the tables the command `score` writes. Does not
belong here: any of the steps, which the asset graph calls too (`phenodose.pipeline.viability`, `curves`, `scores`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from phenodose.dose_response.combination import PREFIX
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import FitName, IntervalName
from phenodose.drug_library.library import DrugLibrary
from phenodose.errors import Faults, InputError, NotMade, PluginError
from phenodose.io.parallel import in_processes, usable_cores
from phenodose.names import corrected_name
from phenodose.pipeline.curves import CurveParameters, curves_of
from phenodose.pipeline.dose_matrices import PAIRS, READOUT, SUMS, installed_measures, joined
from phenodose.pipeline.drugs import known_drugs, reachable_of
from phenodose.pipeline.normalisation import Normalisation
from phenodose.pipeline.plate_correction import Correction, CorrectionParameters, corrected_readings
from phenodose.pipeline.scores import scores_of, why_no_scores
from phenodose.pipeline.time_courses import course_notes, course_table, starts_of
from phenodose.pipeline.viability import viability_of
from phenodose.pipeline.well_table import well_table
from phenodose.plugins import PluginChoices, Preferences, Readout, Registry, Scorer, StagedReadout, registry
from phenodose.plugins.isolation import is_sandboxed, renew, shared_sandbox
from phenodose.progress import Progress
from phenodose.screens.layout import Layout
from phenodose.screens.matrices import Readings, match_readings
from phenodose.settings.plugin_limits import PluginLimits
from phenodose.tables import CURVE_FIT_COLUMNS
from phenodose.time_courses.series import CLASS_COLUMNS, course_classes
from phenodose.viability.dose_matrices import has_second_doses
from phenodose.viability.normalise import Grouping, RisesWith

#: Plate-reader values: with what their files say, or the numbers alone.
Values = Readings | pd.DataFrame

#: From so many samples on (every readout counts) processes are worth their start, and progress is told.
MANY_TASKS = 8

SCORE_COLUMNS = (
    *(
        "sample",
        "drug",
        "scorer",
        "score",
        "lower",
        "upper",
        "bound",
        "unit",
        "hit",
        "p_hit_fraction",
        "call",
        "status",
    ),
    *("lower_bound", "upper_bound", "published_value"),
)
_FIRST = ("model", "bottom", "top", "log10_mid", "slope", "asymmetry", "gof", "objective", "status")
CURVE_COLUMNS = ("sample", "drug", *_FIRST, *(name for name in CURVE_FIT_COLUMNS if name not in _FIRST))
COURSE_COLUMNS = ("sample", "drug", "concentration_nM", *CLASS_COLUMNS)
QC_COLUMNS = ("sample", "plate", "metric", "value", "threshold", "verdict", "explanation")


@dataclass(frozen=True)
class Scored:
    """What a layout gives.

    Attributes:
        scores: one row a sample, drug and scorer with `SCORE_COLUMNS`; with named readouts and with replicates
            a column more each.
        curves: one row a sample and drug with `CURVE_COLUMNS`; more columns likewise.
        qc: one row a figure with `QC_COLUMNS`; with named readouts a column more.
        dose_pairs: one row a dose matrix, pair of doses and model, as in the table of that name.
        combination_scores: one row a dose matrix and measure, likewise.
        courses: one row a sample, drug and dose of readouts that were read several times, with `COURSE_COLUMNS`; with
            named readouts a column more; None where all were read once.
        notes: a sentence on each thing that was left out.
        faults: a sentence on each faulty plugin, whose scores are missing.
        wells: one row a well that was read, with the columns of `well_table`; empty unless asked for.
        reachable: one row a pooled curve of a drug with a known C max, as in the table `reachable_effects`; empty
            without a drug library.
    """

    scores: pd.DataFrame
    curves: pd.DataFrame
    qc: pd.DataFrame
    dose_pairs: pd.DataFrame
    combination_scores: pd.DataFrame
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    courses: pd.DataFrame | None = None
    wells: pd.DataFrame = field(default_factory=pd.DataFrame)
    reachable: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class _Task:
    """What one sample has of one readout, with the figures and notes of its viability.

    `starts` are the readings when the treatment began (`starts_of`), `course` what wells do over time; None for a
    readout that was read once.
    """

    sample: str
    readout: str
    wells: pd.DataFrame
    viability: pd.DataFrame
    qc: pd.DataFrame
    notes: list[str]
    starts: pd.DataFrame | None = None
    course: pd.DataFrame | None = None


@dataclass(frozen=True)
class _Settings:
    """What is the same for all tasks; see `score_layout`."""

    curves: CurveParameters
    per_replicate: bool
    scorers: Sequence[Scorer]
    optional: Sequence[Scorer]
    scale_errors: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    library: DrugLibrary | None = None
    site: tuple[PluginChoices, PluginLimits] = (PluginChoices(), PluginLimits())


def score_layout(
    layout: Layout,
    matrices: Values | Mapping[str, Values] | None,
    scorers: Sequence[Scorer],
    *,
    fit: FitName = "robust",
    by: Grouping = "plate",
    negative: Sequence[str] = (),
    positive: Sequence[str] = (),
    rises_with: RisesWith | None = None,
    mask_uncontrolled: bool | None = None,
    lower_anchor: float | str | None = None,
    correction: Correction = "none",
    per_replicate: bool = False,
    well_rows: bool = False,
    bootstrap: int = 200,
    intervals: IntervalName = "posterior",
    seed: int = 0,
    optional: Sequence[Scorer] = (),
    workers: int | None = 1,
    listener: Progress | None = None,
    plugins: Registry | None = None,
    library: DrugLibrary | None = None,
) -> Scored:
    """Normalise, fit and score every sample and readout of a layout.

    The steps, and so the numbers and notes, are those of the asset graph. A readout that has the name of an installed
    one takes its controls, and what its numbers rise with, unless they are named.

    Where a drug was given alone and with an add-on, rows of the scorers 'dc<scorer>' give the difference.

    A scorer that works in a process of its own (`plugin_process.kept_apart`) and fails costs its own scores alone.

    Args:
        layout: the wells.
        matrices: from `read_readings` (or `read_matrices`), or several of these by name of the readout; None takes the
            readouts of the layout itself.
        scorers: what to score with.
        fit: 'robust' or 'nplr'.
        by: group whose controls viability is relative to.
        negative: names of the control of viability 1, by well type or treatment, most wanted first; by default those
            of the readout, or neg.
        positive: names of the control of viability 0, likewise; by default those of the readout, or pos.
        rises_with: what a larger raw value means; by default what the readout or else the controls say.
        mask_uncontrolled: leave out the drug wells of groups without usable controls, instead of refusing; by default
            as the readout says, or refuse.
        lower_anchor: what stands for viability 0 instead of positive controls: a raw value, or the name of wells.
        correction: adds every readout without the effects of place on the plate, as `<readout>_corrected`
            (`phenodose.pipeline.plate_correction`).
        per_replicate: add rows for each replicate by itself.
        well_rows: give `Scored.wells`.
        bootstrap: draws for the intervals of the scores; 0 for none.
        intervals: what the draws are, 'posterior' or 'bootstrap' (`fit_curves`).
        seed: seed of the draws.
        optional: more scorers; one that lacks what it needs is left out with a note.
        workers: processes that score; the result is the same whatever their number. None takes all cores where
            there are samples enough. Scorers that are not installed as plugins stay in this process.
        listener: is told the samples done (every readout counts), and their number, where these are many.
        plugins: where other processes find the scorers; None for everything that is installed.
        library: the drug library that tells C max (`Scored.reachable`); None where nobody asks.

    Raises:
        InputError: there are no readouts, no controls or no therapy wells, drug wells lack usable controls
            (unless they may be masked), or the files do not fit.
    """
    if not (layout.frame["well_type"] == "therapy").any():
        raise InputError(
            f"{layout.path}: there are no therapy wells; set WellType to therapy for the wells with drugs."
        )
    named = isinstance(matrices, Mapping)
    plugins = plugins or registry()
    by_readout = matrices if isinstance(matrices, Mapping) else {READOUT: matrices}
    corrected = CorrectionParameters(correction=correction) if correction != "none" else None
    names_readouts = named or corrected is not None
    faults = Faults(str(layout.path))
    tasks: list[_Task] = []
    noted = list(layout.notes)
    for readout, values in by_readout.items():
        plugin = _installed(readout, plugins) if named else None
        normalisation = Normalisation.of_readout(
            plugin, by, negative, positive, rises_with, mask_uncontrolled, lower_anchor
        )
        text = f"readout {readout}, " * names_readouts
        try:
            screens, notes = _screens(layout, values)
        except InputError as error:
            if not named:
                raise
            faults.add(text + str(error).removeprefix(f"{layout.path}: "))
            continue
        noted += [text + note for note in notes]
        course = values.course if isinstance(values, Readings) else {}
        for wells, raw in screens:
            told = [*layout.notes, *notes]
            common = (normalisation, str(layout.path))
            try:
                times = {hours: _at_time(layout, read, hours, wells) for hours, read in course.items()}
                own = list(_tasks(readout, wells, raw, *common, text, told, times))
                tasks += own
                if corrected is not None:
                    found = corrected_readings(raw, wells, normalisation, corrected, str(layout.path))
                    name = corrected_name(readout)
                    noted += [f"readout {name}, {note}" for note in found.notes]
                    again = _tasks(name, wells, found.raw, *common, f"readout {name}, ", told, {})
                    starts = {task.sample: task.starts for task in own}
                    # the last reading alone is corrected: it has the start of the readout that was measured
                    tasks += [replace(task, starts=_named(starts.get(task.sample), name)) for task in again]
            except InputError as error:
                faults.add(text + str(error).removeprefix(f"{layout.path}: "))
    faults.raise_if_any()
    settings = _Settings(
        CurveParameters(fit=fit, bootstrap=bootstrap, intervals=intervals, seed=seed),
        per_replicate,
        tuple(scorers),
        tuple(optional),
        _scale_errors([task.readout for task in tasks], plugins),
        library,
        (plugins.choices, plugins.limits),
    )
    parts: list[Scored] = []
    many = len(tasks) >= MANY_TASKS
    if workers is None:
        workers = usable_cores() if many else 1
    for part in _score_tasks(tasks, settings, workers, plugins):
        parts.append(part)
        if listener is not None and many:
            listener(len(parts), len(tasks), tasks[len(parts) - 1].sample)
    names = [scorer.name for scorer in (*scorers, *optional)]
    readouts = [one for name in by_readout for one in (name, corrected_name(name))]
    last = [*(["readout"] if names_readouts else []), *(["replicate"] if per_replicate else [])]
    joined = _joined(parts, [*names, *(PREFIX + name for name in names)], readouts, last)
    noted += [] if library is None else known_drugs(layout.drugs, library).notes
    joined = replace(joined, notes=[*dict.fromkeys([*noted, *joined.notes])])
    if not well_rows:
        return joined
    read = [well_table(task.viability, task.wells) for task in tasks]
    return replace(joined, wells=pd.concat(read, ignore_index=True))


def _installed(readout: str, plugins: Registry) -> type[Readout] | None:
    """The installed readout of that name, or that has a phase of that name."""
    for name, plugin in plugins.usable("readout").items():
        if name == readout or (issubclass(plugin, StagedReadout) and readout in plugin.readout_names()):
            found: type[Readout] = plugin
            return found
    return None


def _tasks(
    readout: str,
    wells: pd.DataFrame,
    raw: pd.DataFrame,
    normalisation: Normalisation,
    what: str,
    prefix: str,
    input_notes: Sequence[str],
    times: Mapping[float, pd.DataFrame],
) -> Iterator[_Task]:
    """What every sample has of a readout, which was read at these times."""
    found = viability_of(raw, wells, readout, normalisation, what=what, input_notes=input_notes)
    course = course_table(times, found.viability, wells, readout) if times else None
    told = [*found.notes, *([] if course is None else course_notes(course))]
    for sample in sorted(wells["sample"].unique()):
        own = (wells["sample"] == sample).to_numpy()
        if not (wells.loc[own, "well_type"] == "therapy").any():
            continue
        of_sample = None if course is None else course[course["sample"] == sample]
        yield _Task(
            sample,
            readout,
            wells[own].reset_index(drop=True),
            found.viability[own].reset_index(drop=True),
            found.qc[found.qc["sample"] == sample],
            [prefix + note for note in told if note.startswith(f"sample {sample}: ")],
            None if of_sample is None else starts_of(of_sample, readout),
            of_sample,
        )


def _named(starts: pd.DataFrame | None, readout: str) -> pd.DataFrame | None:
    return None if starts is None else starts.assign(readout=readout)


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


def _scale_errors(readouts: Iterable[str], plugins: Registry) -> dict[str, tuple[float, float, float]]:
    """How far the scales of readouts that bear a plugin's name are usually off, where they are not measured."""
    preferences = Preferences.of(plugins)
    found = {readout: preferences.scale_error(readout) for readout in readouts}
    return {readout: error for readout, error in found.items() if error is not None}


def _score_task(task: _Task, settings: _Settings) -> Scored:
    """Fit and score one readout of one sample."""
    measures, lacking = installed_measures(registry(*settings.site)) if has_second_doses(task.wells) else ([], [])
    how = settings.curves, None, settings.per_replicate, task.starts, settings.scale_errors.get(task.readout), measures
    fitted = curves_of(task.viability, task.wells, task.readout, *how)
    # A drug without any value is told in the notes; a store keeps its row, with the reason.
    curves = fitted.batch.select(fitted.batch.n_points > 0)
    scores, left_out, faults = _score(curves, task.wells, settings.scorers, settings.optional)
    prefix = "" if task.readout == READOUT else f"readout {task.readout}, "
    notes = [*task.notes, *(prefix + note for note in [*lacking, *fitted.notes, *left_out])]
    courses = None if task.course is None else course_classes(task.course).assign(readout=task.readout)
    qc = pd.concat([task.qc, fitted.qc], ignore_index=True)
    pairs, sums = fitted.matrices.pairs, fitted.matrices.sums
    faults += fitted.matrices.faults
    reachable = pd.DataFrame() if settings.library is None else reachable_of(curves, task.wells, settings.library)
    return Scored(scores, curves.to_frame(), qc, pairs, sums, notes, faults, courses, reachable=reachable)


def _screens(layout: Layout, matrices: Values | None) -> tuple[list[tuple[pd.DataFrame, pd.DataFrame]], list[str]]:
    """Wells and raw readings (plate, row, column, raw) of everything that was read with this layout, and notes.

    The layout names the samples if it can; matrices of several samples on one layout are named by their files.
    """
    frame = layout.frame
    if matrices is None:
        if not layout.has_readouts:
            raise InputError(
                f"{layout.path}: has no readouts; fill its column Readout, or give the plate-reader files (--readouts)."
            )
        raw = frame[["plate", "row", "column"]].assign(raw=frame["readout"])
        return [(frame if layout.samples else frame.assign(sample=layout.path.stem), raw)], []
    readings = match_readings(matrices if isinstance(matrices, Readings) else Readings(matrices), layout)
    matched = readings.frame.rename(columns={"value": "raw"})
    names = list(dict.fromkeys(matched["sample"]))
    if len(names) == 1 and layout.samples:
        return [(frame, matched)], readings.notes
    screens = [(frame.assign(sample=name), matched[matched["sample"] == name]) for name in names]
    return screens, readings.notes


def _at_time(layout: Layout, read: Readings, hours: float, wells: pd.DataFrame) -> pd.DataFrame:
    """The readings of one time of what is scored with these wells, by its sample where there are several."""
    try:
        found, _ = _screens(layout, read)
    except InputError as error:
        raise InputError(f"{layout.path}: at {hours:g} h: {str(error).removeprefix(f'{layout.path}: ')}") from error
    if len(found) == 1:
        return found[0][1]
    by_sample = {str(own["sample"].iloc[0]): raw for own, raw in found}
    return by_sample[str(wells["sample"].iloc[0])]


def _score(
    curves: CurveBatch, wells: pd.DataFrame, scorers: Sequence[Scorer], optional: Sequence[Scorer]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The rows of all scorers, a note on each that cannot score, and a sentence on each faulty one."""
    able: list[Scorer] = []
    notes: list[str] = []
    faults: list[str] = []
    for scorer in (*scorers, *optional):
        try:
            renew(scorer)
            if reason := why_no_scores(curves, scorer):
                notes.append(f"no scores {scorer.name}: {reason}")
        except NotMade as reason:
            if scorer in scorers:
                raise
            notes.append(f"no scores {scorer.name}: {reason}")
        except PluginError as error:
            faults.append(str(error))
        else:
            able.append(scorer)
    here = [scorer for scorer in able if not is_sandboxed(scorer)]
    tables = scores_of(curves, wells, here) if here else []
    for scorer in able:
        if is_sandboxed(scorer):
            try:
                renew(scorer)
                tables += scores_of(curves, wells, [scorer])
            except PluginError as error:
                faults.append(str(error))
    if not tables:
        return pd.DataFrame(columns=[*curves.keys.columns, *SCORE_COLUMNS[2:]]), notes, faults
    return pd.concat(tables, ignore_index=True), notes, faults


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
        joined([part.dose_pairs for part in parts], PAIRS, list(place)),
        joined([part.combination_scores for part in parts], SUMS, list(place)),
        list(dict.fromkeys(note for part in parts for note in part.notes)),
        list(dict.fromkeys(fault for part in parts for fault in part.faults)),
        _courses(parts, place, [name for name in last if name == "readout"]),
        reachable=_reachable([part.reachable for part in parts], place),
    )


def _reachable(parts: Sequence[pd.DataFrame], place: Mapping[str, int]) -> pd.DataFrame:
    """The effects at C max of the parts as one table, in order of sample, readout and drug."""
    some = [part for part in parts if len(part)] or list(parts[:1])
    whole = pd.concat(some, ignore_index=True)
    if whole.empty:
        return whole
    ordered = whole.assign(_readout=whole["readout"].map(place)).sort_values(["sample", "_readout", "drug"])
    return ordered.drop(columns="_readout").reset_index(drop=True)


def _courses(parts: Sequence[Scored], place: Mapping[str, int], last: Sequence[str]) -> pd.DataFrame | None:
    """The time courses of the parts as one table; None if there are none."""
    found = [part.courses for part in parts if part.courses is not None]
    if not found:
        return None
    whole = pd.concat(found, ignore_index=True)
    whole = whole.assign(_readout=whole["readout"].map(place))
    ordered = whole.sort_values(["sample", "_readout", "drug", "concentration_nM"], kind="stable")
    return ordered[[*COURSE_COLUMNS, *last]].reset_index(drop=True)
