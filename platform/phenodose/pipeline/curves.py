"""Viability to dose-response curves, with quality metrics and notes.

Belongs here: which wells become curves, for every face alike. Does not belong here: gathering and fitting
(`phenodose.dose_response`), and where fits are kept (`phenodose.store.curves`).

Curves are fitted once, with their draws: of every drug with all replicates pooled, and of each replicate by itself.
Every scorer reads these, so that all scores of a curve rest on the same fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from phenodose.dose_response import ENGINE_VERSION
from phenodose.errors import NotMade
from phenodose.io.files import hash_file
from phenodose.names import corrected_name, measured_name
from phenodose.pipeline.dose_matrices import (
    PAIRS,
    SUMS,
    ReadoutMatrices,
    installed_measures,
    of_single_drugs,
    readout_matrices,
)
from phenodose.pipeline.time_courses import OF_COURSES, TIME_COURSES, starts_of, write_course_results
from phenodose.plugins import CombinationMeasure, Parameters, Plugin, Preferences
from phenodose.store.curves import curves_key, drop_points, write_points
from phenodose.tables import TABLES
from phenodose.viability.dose_matrices import has_second_doses

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.lineage.provenance import Provenance
    from phenodose.pipeline.context import Context
    from phenodose.quality.gates import Limits


#: Table of what add-ons change dose by dose.
EFFECTS = "combination_effects"
#: All tables of what two drugs do together.
COMBINATIONS = (EFFECTS, PAIRS, SUMS)


class CurveParameters(Parameters):
    """How viabilities become curves."""

    fit: Literal["robust", "nplr"] = Field("robust", description="Fit: robust, or the weighted one of the literature")
    bootstrap: int = Field(200, ge=0, le=10_000, description="Draws of each curve, for the scores' 95 % intervals")
    intervals: Literal["posterior", "bootstrap"] = Field(
        "posterior",
        description="What is drawn: curves as probable as the wells make them, or refits of wells drawn again",
    )
    seed: int = Field(0, ge=0, description="Seed of the draws")


class CurveFitting(Plugin):
    """The platform's own curve fitting, so that curves have a provenance like every plugin's rows."""

    name: ClassVar[str] = "curves"
    version: ClassVar[str] = ENGINE_VERSION
    description: ClassVar[str] = "Dose-response curves of 2 to 5 parameters"
    Parameters: ClassVar[type[Parameters]] = CurveParameters
    parameters: CurveParameters


@dataclass(frozen=True)
class ReadoutCurves:
    """The curves of one readout.

    Attributes:
        batch: the curves with points and draws: pooled, and of single replicates unless these were not wanted.
        qc: one row a quality metric, with the columns of `qc_rows` and sample.
        matrices: what the dose matrices of two drugs show.
        notes: a sentence on every sample with drugs of which no well has a value, whose inhibition falls with dose, or
            whose wells no curve describes, and on what dose matrices lack.
    """

    batch: CurveBatch
    qc: pd.DataFrame
    matrices: ReadoutMatrices
    notes: list[str] = field(default_factory=list)


def curves_of(
    viability: pd.DataFrame,
    wells: pd.DataFrame,
    readout: str,
    parameters: CurveParameters | None = None,
    limits: Limits | None = None,
    per_replicate: bool = True,
    starts: pd.DataFrame | None = None,
    scale_error: tuple[float, float, float] | None = None,
    measures: Sequence[CombinationMeasure] | None = None,
) -> ReadoutCurves:
    """Fit every drug of every sample of one readout.

    Args:
        viability: rows of one readout, as `viability_of` gives them.
        wells: `Layout.frame` (or the table `wells`), one row a well.
        readout: name of the readout.
        parameters: fit and draws; the defaults if None.
        limits: limits of quality metrics; the defaults if None.
        per_replicate: keep the curves of single replicates, with draws; else they serve the quality metrics alone.
        starts: readings when the treatment began, of a screen that was read several times (`doublings_of`).
        scale_error: how far the readout's scale is usually off (`Readout.scale_error`).
        measures: of two drugs together; None for every installed one with its defaults.
    """
    import pandas as pd

    from phenodose.dose_response.fit import fit_curves
    from phenodose.dose_response.points import POOLED, curve_points
    from phenodose.dose_response.posterior import posterior_draws
    from phenodose.pipeline.shared_errors import with_shared_errors
    from phenodose.quality.report import curve_qc_rows, matrix_qc_rows

    p = parameters or CurveParameters()
    matrices = readout_matrices(viability, wells, readout, p.bootstrap, p.seed, measures)
    curved = of_single_drugs(viability, wells)
    points = curve_points(curved, wells, starts=starts)
    if per_replicate or p.intervals == "bootstrap":
        how: dict[str, Any] = {"fit": p.fit, "bootstrap": p.bootstrap, "seed": p.seed, "intervals": p.intervals}
        batch = fit_curves(curve_points(curved, wells, per_replicate, starts=starts), **how, noise="batch")
        judged = batch if per_replicate else fit_curves(points, fit=p.fit)
    else:  # a curve does not depend on the others: those of all replicates together are among them
        judged = fit_curves(points, fit=p.fit)
        batch = judged.select((judged.keys["replicate"] == POOLED).to_numpy())
        if p.bootstrap:
            batch = replace(batch, draws=posterior_draws(batch, p.bootstrap, p.seed, "batch"))
    batch = with_shared_errors(batch, curved, wells, p.seed, scale_error)
    figures, notes = [], []
    for sample in sorted(wells["sample"].dropna().unique()):
        mine = wells[wells["sample"] == sample]
        rows = curved.merge(mine[["plate", "well"]], on=["plate", "well"], how="inner")
        of_sample = (judged.keys["sample"] == sample).to_numpy()
        if rows.empty or rows["masked"].astype(bool).all():
            continue
        some = judged if of_sample.all() else judged.select(of_sample)
        figures.append(curve_qc_rows(rows, mine, some, readout, limits).assign(sample=sample))
        notes += _notes(sample, some)
    for sample, of_matrices in ((of, some) for of, some in matrices.figures.items() if some):
        figures.append(matrix_qc_rows(of_matrices, readout, limits).assign(sample=sample))
    return ReadoutCurves(batch, pd.concat(figures, ignore_index=True), matrices, [*notes, *matrices.notes])


def _notes(sample: str, curves: CurveBatch) -> list[str]:
    from phenodose.quality.curve_shapes import curve_shapes, shape_notes

    lost = sorted(curves.keys.loc[(curves.n_points == 0) & (curves.keys["replicate"] == "pooled"), "drug"])
    notes = [f"sample {sample}: no well with a value for {', '.join(lost)}."] if lost else []
    return notes + shape_notes(sample, curve_shapes(curves))


# --- of a screen in the store ---------------------------------------------------------------------


@dataclass(frozen=True)
class ScreenCurves:
    """The curves of a screen by one readout, as they stand in the store.

    Attributes:
        batch: the curves, pooled and of single replicates.
        qc: rows of the table `qc`.
        viability: rows of the table `viability` that they were fitted to.
        wells: rows of the table `wells`.
        plugin: the curve fitting with its parameters.
        inputs: names and hashes of what was read.
        notes: as of `ReadoutCurves`, each begins with the readout.
    """

    batch: CurveBatch
    qc: pd.DataFrame
    viability: pd.DataFrame
    wells: pd.DataFrame
    plugin: CurveFitting
    inputs: dict[str, Any]
    notes: list[str]


def curve_parts(readout: str) -> tuple[tuple[str, str], ...]:
    """(table, part) of the files that the curves of a readout have."""
    key = curves_key(readout)
    return (("curves", key), *((table, key) for table in (*COMBINATIONS, *OF_COURSES)), ("qc", key))


def make_corrected_curves(step: Context, readout: str) -> ScreenCurves | None:
    """Fit the viability of `<readout>_corrected`, where there is one; where not, earlier curves are removed.

    Returns:
        None where there are no such curves: no viability, or its quality blocks.
    """
    own = corrected_name(readout)
    for table, part in curve_parts(own):
        step.store.drop_table_part(table, step.screen_id, part)
    drop_points(step.store, step.screen_id, own)
    try:
        return make_curves(step, own)
    except NotMade:
        return None


def make_curves(step: Context, readout: str) -> ScreenCurves:
    """Fit the stored viability of a screen and write rows, points, draws, what two drugs do together, and time courses.

    Raises:
        NotMade: there are no drug wells or no viability, or its quality blocks.
    """
    from phenodose.dose_response.combination_effects import combination_effects

    key = f"viability/{readout}"
    wells = step.wells()
    if not (wells["well_type"] == "therapy").any():
        raise NotMade(f"the layout of {step.screen_id} holds no drug wells (WellType therapy), so there are no curves.")
    viability = step.store.read_table("viability", step.screen_id, key)
    if viability.empty:
        raise NotMade(f"{step.screen_id} has no viability of {readout}; materialize `{key}` first.")
    if blocked := step.block_of(key):
        raise NotMade(blocked)
    plugin = step.create(CurveFitting)
    checkpoint = viability["checkpoint"].dropna()
    provenance = step.provenance(plugin, str(checkpoint.iloc[0]) if len(checkpoint) else None)
    start = step.store.read_table(TIME_COURSES, step.screen_id, f"viability/{measured_name(readout)}")
    preferences = Preferences.of_store(step.store)
    measures, left_out = _measures(step, preferences, wells)
    found = curves_of(
        viability,
        wells,
        readout,
        plugin.parameters,
        step.limits,
        starts=starts_of(start, readout),
        scale_error=preferences.scale_error(readout),
        measures=measures,
    )
    rows = provenance.stamp(found.batch.to_frame().assign(screen=step.screen_id))
    step.store.write_table("curves", step.screen_id, curves_key(readout), rows[TABLES["curves"].column_names])
    write_points(step.store, step.screen_id, readout, found.batch)
    effects = provenance.stamp(combination_effects(found.batch, wells).assign(screen=step.screen_id))
    by_measure = {one.name: step.provenance(one, provenance.checkpoint) for one in measures}
    together = {
        EFFECTS: effects,
        PAIRS: _stamped(found.matrices.pairs, "model", by_measure, step.screen_id),
        SUMS: _stamped(found.matrices.sums, "measure", by_measure, step.screen_id),
    }
    for table, stamped in together.items():
        step.store.write_table(table, step.screen_id, curves_key(readout), stamped[TABLES[table].column_names])
    write_course_results(step, readout, viability, wells, provenance)
    qc = provenance.stamp(found.qc.assign(screen=step.screen_id))
    step.store.write_table("qc", step.screen_id, curves_key(readout), qc)
    return ScreenCurves(
        found.batch,
        qc,
        viability,
        wells,
        plugin,
        {key: hash_file(step.store.table_part("viability", step.screen_id, key))},
        [f"readout {readout}, {note}" for note in [*left_out, *found.notes, *found.matrices.faults]],
    )


def _measures(
    step: Context, preferences: Preferences, wells: pd.DataFrame
) -> tuple[list[CombinationMeasure], list[str]]:
    """The measures with the step's parameters, if they have anything to measure, and a note on each that cannot be."""
    return installed_measures(step.plugins, preferences, step.create) if has_second_doses(wells) else ([], [])


def _stamped(rows: pd.DataFrame, column: str, by_measure: Mapping[str, Provenance], screen: str) -> pd.DataFrame:
    """Rows with the provenance of the measure that a column names, in their order."""
    import pandas as pd

    rows = rows.assign(screen=screen)
    parts = [by_measure[str(name)].stamp(own) for name, own in rows.groupby(column, sort=False)]
    empty = TABLES[PAIRS if column == "model" else SUMS].empty()
    return pd.concat(parts).sort_index() if parts else empty
