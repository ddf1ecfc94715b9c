"""Screens at a glance: their inputs, and what the store holds of them.

Belongs here: the summaries behind `phenodose screen list` and `phenodose screen show`. Does not belong here: the
patient report.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from phenodose.errors import PhenodoseError
from phenodose.screens.raw_copy import screen_at
from phenodose.store.store import Store
from phenodose.tables import TABLES

if TYPE_CHECKING:
    from phenodose.cohort.verdicts import Judge

_OF_COHORT = """
    SELECT s.screen, strftime(min(r.started_at), '%Y-%m-%d') AS made_on, s.entity, s.verdict, s.n_hits, s.ranked_by
    FROM screens s LEFT JOIN runs r USING (screen) GROUP BY ALL
"""
_OF_COHORT_COLUMNS = ("made_on", "entity", "verdict", "n_hits", "ranked_by")


def screen_overview(store: Store, screen_id: str) -> dict[str, Any]:
    """Inputs and products of a screen, as JSON-able values.

    Raises:
        StoreError: the screen is not registered in the store.
    """
    source = store.source_of(screen_id)
    overview: dict[str, Any] = {"screen": screen_id, "source": str(source)}
    try:
        screen = screen_at(source, store)
    except PhenodoseError as error:
        overview["source_fault"] = str(error)
    else:
        overview |= {
            "sample": screen.sample,
            "kind": screen.kind,
            "layout": screen.layout_path.name if screen.layout_path else "none",
            "image_folders": ", ".join(screen.plate_folders) or "none",
            "readout_folders": ", ".join(screen.readout_folders) or "none",
        }
    overview["plates"] = [path.name for path in store.plates(screen_id)]
    overview["rows"] = {name: count for name in TABLES if (count := len(store.read_table(name, screen_id)))}
    report = store.report_path(screen_id)
    overview["report"] = str(report) if report.is_file() else "none"
    return overview


def listed_screens(store: Store, judge: Judge | None = None) -> list[dict[str, Any]]:
    """All registered screens, with what the cohort says of them; None for what it does not know (yet).

    Args:
        store: the store.
        judge: is asked about screens whose tables or raw folders have changed since the cohort was built; without it
            the cohort's word stands.

    Returns:
        screen, made_on (YYYY-MM-DD), entity, verdict, n_hits, ranked_by, source; a mapping a screen.
    """
    from phenodose.cohort.changed import changed_since_built
    from phenodose.cohort.query import query

    known: dict[str, dict[str, Any]] = {}
    if store.cohort_path.exists():
        # One that an older version has built does not know them.
        with suppress(PhenodoseError):
            known = {row["screen"]: row for row in query(store, _OF_COHORT, row_limit=None).table.to_pylist()}
    changed = changed_since_built(store, judge) if judge is not None else set()
    rows = []
    for name in store.screens():
        cells = {column: known.get(name, {}).get(column) for column in _OF_COHORT_COLUMNS}
        if judge is not None and name in changed:
            try:
                judged = judge.judge(name)
            except PhenodoseError:  # a damaged table: which, is told where the screen is looked at
                judged = {"verdict": "fail", "n_hits": None, "ranked_by": None}
            cells |= {column: cell for column, cell in judged.items() if column in cells}
        rows.append({"screen": name, **cells, "source": str(store.source_of(name))})
    return rows
