"""Which screens the cohort database is behind of.

Does not belong here: bringing it up to date (`build`), what is older than its inputs (`phenodose.lineage.freshness`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from phenodose.cohort.parts import Parts, parts_now
from phenodose.cohort.verdicts import says_nothing_new

if TYPE_CHECKING:
    from phenodose.cohort.verdicts import Judge
    from phenodose.store.store import Store


def changed_since_built(store: Store, judge: Judge | None = None) -> set[str]:
    """The screens with a table that is not the one the cohort database holds; all where there is no database.

    With a judge also those whose raw folders look otherwise than when the database was built.
    """
    import duckdb

    now, held = parts_now(store.local_copy(store.root / "tables")), Parts()
    inputs: dict[str, str] = {}
    there = store.local_copy(store.cohort_path)
    # A damaged one, or one that an older version has built, holds nothing that is known.
    with suppress(duckdb.Error):
        if there.is_file():
            con = duckdb.connect(str(there), read_only=True)
            try:
                rows = con.execute("SELECT * FROM build.parts").fetchall()
                inputs = dict(con.execute("SELECT screen, state FROM build.inputs").fetchall())
            finally:
                con.close()
            held = {(str(table), str(screen)): str(state) for table, screen, state in rows}
    changed = {part[1] for part in now.keys() | held.keys() if now.get(part) != held.get(part)}
    if judge is None:
        return changed
    return changed | {name for name, state in inputs.items() if not says_nothing_new(judge.state(name), state)}
