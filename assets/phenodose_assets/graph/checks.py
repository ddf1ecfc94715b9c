"""Asset checks: what is looked at in every product.

Belongs here: the names of the checks, the schema check of written tables, quality metrics as checks. Does not belong
here: computing quality metrics, their limits, and whether one stops what comes after (`phenodose.quality`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from phenodose.pipeline.context import Verdict
from phenodose.quality.metric import Metric
from phenodose.quality.metric import Step as QualityStep
from phenodose.quality.metrics import metrics_of
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
    """A check for every quality metric that a step tells: name -> description with its default limit."""
    return {name: _description(metric) for name, metric in metrics_of(step).items()}


def _description(metric: Metric) -> str:
    verbs = {"good": "passes", "poor": "fails"}
    parts = [f"{verbs[side]} {words}" for side, words in metric.limit_words.items()]
    judged = f"By default it {' and '.join(parts)}." if parts else "It has no limit by default."
    return f"{metric.title}: {metric.meaning} {judged}"


def quality_verdicts(qc: pd.DataFrame, limits: Limits) -> list[Verdict]:
    """One verdict a quality metric that has a value; one without a limit passes and is told.

    A figure that is beyond its limit anywhere raises its flag: a warning, or an error where it blocks.

    Args:
        qc: rows of the table `qc` of one step.
        limits: the limits that judged them.
    """
    known = qc[qc["value"].notna()]
    return [_quality_verdict(str(metric), rows, limits) for metric, rows in known.groupby("metric", sort=False)]


def _places(some: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """What each figure is of: its plate, and of several samples the sample."""
    if "sample" not in rows or len(rows["sample"].unique()) <= 1:
        return [str(plate) for plate in some["plate"]]
    return [f"{sample}, {plate}" for sample, plate in zip(some["sample"], some["plate"], strict=True)]


def _quality_verdict(metric: str, rows: pd.DataFrame, limits: Limits) -> Verdict:
    bad = rows[rows["verdict"].isin(["warn", "fail"])]
    limit = limits.of[metric]
    described = [f"{place}: {text}" for place, text in zip(_places(bad, rows), bad["explanation"], strict=True)]
    metadata: dict[str, object] = {
        place: float(value) for place, value in zip(_places(rows, rows), rows["value"], strict=True)
    }
    metadata["limits"] = f"good {limit.good}, poor {limit.poor} ({limit.origin})"
    error = limit.block and bool((rows["verdict"] == "fail").any())
    text = " ".join(described) or " ".join(dict.fromkeys(rows["explanation"].astype(str)))
    return Verdict(metric, bad.empty, text, metadata, error)
