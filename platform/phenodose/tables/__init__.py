"""Every table of the store, declared once.

Belongs here: the name, columns, types, units, keys and meaning of each table, a module for each kind. The
Parquet schema, the DuckDB table, the blocking asset check and the docs page all come from these
declarations. Does not belong here: what a table is (`phenodose.table`), reading and writing
(`phenodose.store.store`, `phenodose.cohort.query`), and computing.
"""

from __future__ import annotations

from phenodose.table import Table
from phenodose.tables.columns import PROVENANCE
from phenodose.tables.curations import CURATIONS
from phenodose.tables.dose_response import (
    COMBINATION_EFFECTS,
    COMBINATION_SCORES,
    CURVE_FIT_COLUMNS,
    CURVES,
    DOSE_PAIRS,
    REACHABLE_EFFECTS,
    SCORES,
)
from phenodose.tables.images import CHECKPOINTS, EMBEDDINGS, PHENOTYPES
from phenodose.tables.readings import OBJECT_COLUMNS, OBJECTS, QC, VIABILITY
from phenodose.tables.screens import DRUGS, NOT_MADE, PLATES, RUNS, SCREENS, WELLS
from phenodose.tables.targets import TARGET_INTERACTIONS, TARGETS
from phenodose.tables.time_courses import COURSE_CLASSES, COURSE_CURVES, TIME_COURSES

__all__ = ["CURVE_FIT_COLUMNS", "OBJECT_COLUMNS", "PROVENANCE", "QC", "TABLES", "schema_markdown"]

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        SCREENS,
        PLATES,
        WELLS,
        DRUGS,
        VIABILITY,
        OBJECTS,
        CURVES,
        COMBINATION_EFFECTS,
        DOSE_PAIRS,
        COMBINATION_SCORES,
        SCORES,
        REACHABLE_EFFECTS,
        TARGETS,
        TARGET_INTERACTIONS,
        TIME_COURSES,
        COURSE_CLASSES,
        COURSE_CURVES,
        QC,
        EMBEDDINGS,
        PHENOTYPES,
        CHECKPOINTS,
        RUNS,
        NOT_MADE,
        CURATIONS,
    )
}


def schema_markdown() -> str:
    """The docs page of all tables, made from the declarations."""
    parts = [
        "# Tables\n\nEvery table of the store, as `phenodose.tables` declares it; `make docs` writes this page. "
        "The truth is Parquet\nbelow `tables/<table>/screen=<screen>/`; `cohort.duckdb` holds the same rows for SQL, "
        "with views (sql_cookbook.md)."
    ]
    for table in TABLES.values():
        lines = [f"## {table.name}", "", table.description, "", f"Key: {', '.join(table.key)}.", ""]
        lines += ["| column | type | unit | may be empty | meaning |", "|---|---|---|---|---|"]
        lines += [
            f"| {c.name} | {c.type} | {c.unit} | {'no' if c.required else 'yes'} | {c.description} |"
            for c in table.columns
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
