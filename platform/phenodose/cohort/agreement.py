"""Whether the cohort database holds the rows of the store's tables: every row of every screen, compared by its hash.

DuckDB's checksums tell damage; they do not tell that somebody wrote into the database, or that it is older than tables.

Belongs here: comparing. Does not belong here: building (`build`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.cohort.build import parts_known
from phenodose.cohort.parts import literal_path, parts_now
from phenodose.cohort.verdicts import JUDGED
from phenodose.cohort.view import identifier, literal
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import duckdb

    from phenodose.store.store import Store
    from phenodose.table import Table

_DUCKDB_AGAIN = 'build it anew with `phenodose sql --rebuild "SHOW TABLES"`'


@dataclass
class Agreement:
    """What the database and the tables have in common.

    Attributes:
        faults: screens whose rows are not those of their files, though these have not changed since; a sentence each.
        older: screens whose files have changed, came or went since the database was built.
    """

    faults: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)


def compare_with_tables(store: Store, con: duckdb.DuckDBPyConnection) -> Agreement:
    """Compare the rows of an open cohort database with the files of the store's tables.

    Args:
        store: the store.
        con: the database, opened to be read.

    Raises:
        duckdb.Error: a file cannot be read.
    """
    folder = store.local_copy(store.root / "tables")
    now, known = parts_now(folder), parts_known(con)
    if not known:  # of another version: it is built anew as a whole
        return Agreement(older=sorted({screen for _, screen in now}))
    changed = {part for part in now.keys() | known.keys() if now.get(part) != known.get(part)}
    found = Agreement(older=sorted({screen for _, screen in changed}))
    left_out = set(con.execute("SELECT table_name, screen FROM build.faults").fetchall())
    for table in TABLES.values():
        same = sorted(s for name, s in now if name == table.name and not {(name, s)} & (changed | left_out))
        if not same:
            continue
        held = _sums(con, table, identifier(table.name), same)
        names = [file for s in same for file in sorted((folder / table.name / f"screen={s}").glob("*.parquet"))]
        written = _sums(con, table, _rows_of(table, names), same)
        found.faults += [
            f"{store.cohort_path}: the rows of {screen} in the table {table.name} are not those of the store's tables; "
            f"{_DUCKDB_AGAIN}."
            for screen in same
            if held.get(screen) != written.get(screen)
        ]
    return found


def _rows_of(table: Table, names: Sequence[Path]) -> str:
    listed = ", ".join(literal(literal_path(file)) for file in names)
    # The empty table lends its columns to files that lack some, as an older version wrote them.
    source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    return f"(SELECT * FROM (SELECT * FROM {identifier(table.name)} LIMIT 0) UNION ALL BY NAME SELECT * FROM {source})"


def _sums(con: duckdb.DuckDBPyConnection, table: Table, source: str, screens: Sequence[str]) -> dict[str, Any]:
    """Number and sum of the hashes of a screen's rows, by screen."""
    columns = [name for name in table.column_names if table.name != "screens" or name not in JUDGED]
    rows = con.execute(
        f"SELECT screen, count(*), sum(hash({', '.join(map(identifier, columns))})::HUGEINT) FROM {source} "
        "WHERE screen IN (SELECT unnest(?)) GROUP BY screen",
        [list(screens)],
    ).fetchall()
    return {screen: rest for screen, *rest in rows}
