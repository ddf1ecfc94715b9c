"""Asset checks: what is looked at in every product.

Belongs here: the names of the checks, the schema check of written tables, and quality figures as checks.
Does not belong here: computing quality figures or their thresholds (`phenodose.quality`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from phenodose.store import Store
from phenodose.tables import TABLES
from phenodose_assets.step import Verdict

if TYPE_CHECKING:
    import pandas as pd

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
    import pyarrow.parquet as pq

    path = store.table_part(table, screen, part)
    if not path.is_file():
        return [f"{path} was not written."]
    declared, written = TABLES[table].arrow_schema(), pq.read_schema(path)
    if not written.equals(declared):
        expected = ", ".join(f"{f.name} {f.type}" for f in declared)
        return [f"{path.name} holds {', '.join(f'{f.name} {f.type}' for f in written)}; declared is {expected}."]
    return [f"{path.name}: {fault}" for fault in TABLES[table].faults(store.read_table(table, screen, part))]


def quality_verdict(check: str, qc: pd.DataFrame, metrics: Sequence[str]) -> Verdict | None:
    """Quality figures as one check; None if there is no such figure.

    Args:
        check: name of the check.
        qc: rows of the table `qc`.
        metrics: the figures that the check is about.
    """
    rows = qc[qc["metric"].isin(metrics) & qc["value"].notna()]
    if rows.empty:
        return None
    bad = rows[rows["verdict"].isin(["warn", "fail"])]
    told = bad if len(bad) else rows
    names = [f"{metric} {plate}" for metric, plate in zip(rows["metric"], rows["plate"], strict=True)]
    metadata = dict(zip(names, rows["value"].astype(float).tolist(), strict=True))
    return Verdict(check, bad.empty, " ".join(dict.fromkeys(map(str, told["explanation"]))), metadata)
