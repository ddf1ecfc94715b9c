"""Asset checks: what is looked at in every product.

Belongs here: the names of the checks, the schema check of written tables, quality figures as checks, and
whether a figure stops what comes after. Does not belong here: computing quality figures
(`phenodose.quality`) or their limits (`phenodose.quality.gates`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from phenodose.pipeline.context import Context, Verdict
from phenodose.quality.metrics import Metric, metrics_of
from phenodose.quality.metrics import Step as QualityStep
from phenodose.store.store import Store
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.quality.gates import Limits

#: The step came to its end; fails with the error's message.
MADE = "made"
#: Every Parquet file that the step wrote fits its declaration; what comes after is not made if one does not.
SCHEMA = "schema"


def schema_verdict(store: Store, screen: str, parts: Sequence[tuple[str, str]]) -> Verdict:
    """Read back the files of a step and compare them with the declarations of their tables."""
    faults: list[str] = []
    rows: dict[str, int] = {}
    for table, part in parts:
        faults += [f"{table}: {fault}" for fault in schema_faults(store, screen, table, part)]
        if not faults:
            rows[f"rows of {table}"] = rows.get(f"rows of {table}", 0) + len(store.read_table(table, screen, part))
    text = " ".join(faults) or "every file fits its declaration"
    return Verdict(SCHEMA, not faults, text, metadata=rows, error=True)


def schema_faults(store: Store, screen: str, table: str, part: str) -> list[str]:
    """Everything in which one file departs from its declaration, a sentence each."""
    path = store.table_part(table, screen, part)
    written = store.stored_schema(table, screen, part)
    if written is None:
        return [f"{path} was not written."]
    declared = TABLES[table].arrow_schema()
    if not written.equals(declared):
        expected = ", ".join(f"{f.name} {f.type}" for f in declared)
        return [f"{path.name} holds {', '.join(f'{f.name} {f.type}' for f in written)}; declared is {expected}."]
    return [f"{path.name}: {fault}" for fault in TABLES[table].faults(store.read_table(table, screen, part))]


# --- quality ----------------------------------------------------------------------------------------


def quality_checks(step: QualityStep) -> dict[str, str]:
    """A check for every quality figure that a step tells: name -> description with its default limit."""
    return {name: _description(metric) for name, metric in metrics_of(step).items()}


def _description(metric: Metric) -> str:
    verbs = {"good": "passes", "poor": "fails"}
    parts = [f"{verbs[side]} {words}" for side, words in metric.limit_words.items()]
    judged = f"By default it {' and '.join(parts)}." if parts else "It has no limit by default."
    return f"{metric.title}: {metric.meaning} {judged}"


def quality_verdicts(qc: pd.DataFrame, limits: Limits) -> list[Verdict]:
    """One verdict a quality figure that has a value; one without a limit passes and is told.

    A figure that is beyond its limit anywhere raises its flag: a warning, or an error where it blocks.

    Args:
        qc: rows of the table `qc` of one step.
        limits: the limits that judged them.
    """
    told = qc[qc["value"].notna()]
    return [_quality_verdict(str(metric), rows, limits) for metric, rows in told.groupby("metric", sort=False)]


def _quality_verdict(metric: str, rows: pd.DataFrame, limits: Limits) -> Verdict:
    bad = rows[rows["verdict"].isin(["warn", "fail"])]
    limit = limits.of[metric]
    described = [f"{plate}: {text}" for plate, text in zip(bad["plate"], bad["explanation"], strict=True)]
    metadata: dict[str, object] = {str(p): float(v) for p, v in zip(rows["plate"], rows["value"], strict=True)}
    metadata["limits"] = f"good {limit.good}, poor {limit.poor} ({limit.origin})"
    error = limit.block and bool((rows["verdict"] == "fail").any())
    text = " ".join(described) or " ".join(dict.fromkeys(rows["explanation"].astype(str)))
    return Verdict(metric, bad.empty, text, metadata, error)


def quality_block(qc: pd.DataFrame, limits: Limits) -> str:
    """Why the quality of a product stops what needs it; '' if it does not.

    Args:
        qc: rows of the table `qc`: readout, plate, metric, value.
        limits: the limits that hold now, which may be others than those that judged the rows.
    """
    from phenodose.quality.gates import judge

    told = []
    rows: Iterable[Any] = qc[qc["metric"].isin(limits.blocking) & qc["value"].notna()].itertuples()
    for row in rows:
        judgement = judge(row.metric, row.value, limits)
        if judgement.verdict == "fail":
            limit = limits.of[row.metric]
            told.append(
                f"{row.readout}, {row.plate}: {row.metric} is {row.value:.3g}, {judgement.words} (limit {limit.poor:g})"
            )
    if not told:
        return ""
    origins = " and ".join(sorted({limits.of[metric].origin for metric in limits.blocking}))
    return (
        f"blocked by quality ({origins}): {'; '.join(told)}. Mend the data, mask the wells, or set block = false for "
        "the figure."
    )


def stored_block(step: Context, part: str) -> str:
    """Why the quality of a stored product stops what needs it; '' if it does not."""
    if not step.limits.blocking:
        return ""
    return quality_block(step.store.read_table("qc", step.screen_id, part), step.limits)
