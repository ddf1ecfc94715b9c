"""The cohort database: every declared table of every screen in one DuckDB file, for reading only.

Belongs here: building `cohort.duckdb` from the Parquet tables and asking it in SQL. The file is built
aside and moved into place, so a reader sees the old cohort or the new one, never a half. It is a copy:
the truth stays in `tables/`. Does not belong here: what the views mean (`phenodose.storage.cohort_views`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import BusyError, InputError, MissingInputError, StoreError, TableError
from phenodose.files import written_aside
from phenodose.quality.limits import Limits
from phenodose.site import read_site
from phenodose.storage.cohort_views import cohort_views, identifier, literal
from phenodose.store import Store
from phenodose.tables import TABLES, Table

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: The file format: readable by every DuckDB from 1.5 on, whichever version wrote it.
STORAGE_VERSION = "v1.5.0"
_GUARDED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": "2",
}
_READ_PARQUET = "read_parquet(?, union_by_name = true, hive_partitioning = false)"


@dataclass(frozen=True)
class CohortSummary:
    """What a rebuild put into the cohort.

    Attributes:
        path: the database.
        rows: rows of every table.
        faults: a sentence for every file that was left out and every key that is not unique; empty if
            all is well.
    """

    path: Path
    rows: Mapping[str, int]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class QueryResult:
    """The answer to a query.

    Attributes:
        table: the rows, at most as many as the limit.
        truncated: True if there were more rows than the limit.
    """

    table: pa.Table
    truncated: bool


def metabolic_readouts() -> list[str]:
    """Readouts that come from a plate reader: `ctg` always, others by the installed plugins."""
    from phenodose.plugins import PlateReaderReadout, registry

    classes = registry().usable("readout")
    return sorted({"ctg", *(name for name, found in classes.items() if issubclass(found, PlateReaderReadout))})


def rebuild_cohort(store: Store, wait_seconds: float = 600) -> CohortSummary:
    """Build `cohort.duckdb` anew from the store's tables and put it in place of the old one.

    A file that does not fit its table is left out and named in the summary. One rebuild runs at a time;
    readers are never blocked and go on with the cohort that they opened.

    Args:
        store: the store.
        wait_seconds: how long to wait for another rebuild.

    Raises:
        BusyError: another rebuild did not end in time.
    """
    from filelock import FileLock, Timeout

    store.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.root / ".cohort.lock")
    try:
        with lock.acquire(timeout=wait_seconds):
            return _rebuild(store)
    except Timeout as error:
        raise BusyError(
            f"{store.cohort_path}: another process has been rebuilding the cohort for {wait_seconds:g} s; "
            "wait for it to end, then run this again."
        ) from error


def _rebuild(store: Store) -> CohortSummary:
    import duckdb

    faults: list[str] = []
    with written_aside(store.cohort_path) as aside:
        con = duckdb.connect(str(aside), config={"storage_compatibility_version": STORAGE_VERSION})
        try:
            for table in TABLES.values():
                _create(con, table)
                files = sorted((store.root / "tables" / table.name).glob("screen=*/*.parquet"))
                faults += _fill(con, table, files)
                faults += _double_keys(con, table)
            _create_views(con, store)
            rows = {name: _number(con, f"SELECT count(*) FROM {identifier(name)}") for name in TABLES}
            con.execute("CHECKPOINT")
        finally:
            con.close()
        # Left by someone who opened the old file for writing; it does not fit the new one.
        store.cohort_path.with_name(store.cohort_path.name + ".wal").unlink(missing_ok=True)
    return CohortSummary(store.cohort_path, rows, tuple(faults))


def _create(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    con.execute(table.duckdb_ddl())
    con.execute(f"COMMENT ON TABLE {identifier(table.name)} IS {literal(table.description)}")
    for column in table.columns:
        meaning = f"{column.description} [{column.unit}]" if column.unit else column.description
        name = f"{identifier(table.name)}.{identifier(column.name)}"
        con.execute(f"COMMENT ON COLUMN {name} IS {literal(meaning)}")


def _fill(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> list[str]:
    """Insert all files; where that fails, one by one, naming those that do not fit."""
    import duckdb

    try:
        _insert(con, table, files)
        return []
    except (duckdb.Error, TableError):
        faults = []
    for file in files:
        try:
            _insert(con, table, [file])
        except (duckdb.Error, TableError) as error:
            if file.exists():  # else its writer took it away meanwhile, which is no fault
                reason = str(error).splitlines()[0]
                faults.append(
                    f"{file} is left out of the cohort: {reason} Make the screen again with this version of phenodose."
                )
    return faults


def _insert(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> None:
    if not files:
        return
    names = [str(file) for file in files]
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {_READ_PARQUET}", [names]).fetchall()}
    missing = [column.name for column in table.columns if column.required and column.name not in present]
    if missing:
        raise TableError(f"it lacks the columns {', '.join(missing)} of the table {table.name}.")
    columns = ", ".join(identifier(name) for name in table.column_names if name in present)
    con.execute(
        f"INSERT INTO {identifier(table.name)} ({columns}) SELECT {columns} FROM {_READ_PARQUET} ORDER BY ALL", [names]
    )


def _double_keys(con: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    key = ", ".join(identifier(name) for name in table.key)
    found = con.execute(
        f"SELECT {key} FROM {identifier(table.name)} GROUP BY {key} HAVING count(*) > 1 ORDER BY {key}"
    ).fetchall()
    if not found:
        return []
    example = ", ".join(f"{name}={value}" for name, value in zip(table.key, found[0], strict=True))
    return [f"table {table.name}: {len(found)} keys stand in more than one file of the store, such as {example}."]


def _create_views(con: duckdb.DuckDBPyConnection, store: Store) -> None:
    site = read_site(store.root)
    readouts = [row[0] for row in con.execute("SELECT DISTINCT readout FROM scores ORDER BY readout").fetchall()]
    for view in cohort_views(readouts, metabolic_readouts(), Limits.resolve(site.quality)):
        con.execute(f"CREATE VIEW {identifier(view.name)} AS {view.sql}")
        con.execute(f"COMMENT ON VIEW {identifier(view.name)} IS {literal(view.description)}")


def query(
    store: Store, sql: str, row_limit: int | None = 10_000, seconds: float = 60, memory_limit: str = "2GB"
) -> QueryResult:
    """Ask the cohort one question; nothing can be written, and no other file can be read.

    Args:
        store: the store.
        sql: one statement: SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW or SUMMARIZE.
        row_limit: most rows that come back; None for all.
        seconds: after this long the query is stopped.
        memory_limit: most memory that the query may take, in DuckDB's words.

    Raises:
        InputError: the statement is not one of those, has a fault, takes too long or too much memory.
        MissingInputError: the store has no cohort yet.
        StoreError: the file is damaged.
    """
    con = _open(store.cohort_path, memory_limit)
    timer = threading.Timer(seconds, con.interrupt)
    timer.daemon = True
    try:
        _check_statement(con, sql)
        timer.start()
        return _fetch(con, sql, row_limit)
    except Exception as error:
        raise _told(con, sql, seconds, error) from error
    finally:
        timer.cancel()
        con.close()


def _open(path: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    if not path.is_file():
        raise MissingInputError(
            f'{path}: the store has no cohort database yet; build it with `phenodose sql --rebuild "SHOW TABLES"`.'
        )
    try:
        con = duckdb.connect(str(path), read_only=True, config=_GUARDED | {"memory_limit": memory_limit})
    except duckdb.Error as error:
        raise StoreError(
            f"{path} cannot be opened ({str(error).splitlines()[0]}); close programs that write to it, and build "
            'it anew with `phenodose sql --rebuild "SHOW TABLES"`.'
        ) from error
    con.execute("SET lock_configuration = true")
    return con


def _check_statement(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    import duckdb

    kinds = [statement.type for statement in con.extract_statements(sql)]
    if kinds != [duckdb.StatementType.SELECT]:
        found = ", ".join(kind.name for kind in kinds) or "nothing"
        raise InputError(f"the cohort answers one SELECT, WITH, DESCRIBE or SHOW statement at a time; this is {found}.")


def _fetch(con: duckdb.DuckDBPyConnection, sql: str, row_limit: int | None) -> QueryResult:
    import pyarrow as pa

    relation: Any = con.sql(sql)  # its rows leave as Arrow without a copy, in DuckDB 1.5 and 2 alike
    reader = relation.to_arrow_reader(10_000)
    batches, found = [], 0
    for batch in reader:
        batches.append(batch)
        found += batch.num_rows
        if row_limit is not None and found > row_limit:
            break
    table = pa.Table.from_batches(batches, schema=reader.schema)
    if row_limit is None or found <= row_limit:
        return QueryResult(table, truncated=False)
    return QueryResult(table.slice(0, row_limit), truncated=True)


def _told(con: duckdb.DuckDBPyConnection, sql: str, seconds: float, error: Exception) -> Exception:
    """The error in words that help the one who asked."""
    import duckdb

    text = " ".join(line.strip() for line in str(error).splitlines() if not re.match(r"\s*(LINE \d+:|\^)", line))
    if isinstance(error, duckdb.InterruptException) or "INTERRUPT" in text:
        return InputError(f"the query took longer than {seconds:g} s and was stopped; narrow it, or allow more time.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return InputError("the query needs more memory than it may take; narrow it with WHERE, or aggregate.")
    if isinstance(error, duckdb.PermissionException):
        return InputError("the query may read the cohort only: no files, no addresses and no extensions.")
    if isinstance(error, duckdb.CatalogException):
        return InputError(f"{text} The cohort has: {', '.join(_relations(con))}.")
    if isinstance(error, duckdb.BinderException):
        columns = "; ".join(f"{name} ({', '.join(c)})" for name, c in _relations(con).items() if _names(sql, name))
        return InputError(f"{text} Columns: {columns}." if columns else text)
    if isinstance(error, duckdb.Error):
        return InputError(text)
    return error


def _relations(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Columns of every table and view of the cohort."""
    found: dict[str, list[str]] = {}
    rows = (
        con.cursor()
        .execute(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'main' ORDER BY table_name, ordinal_position"
        )
        .fetchall()
    )
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


def _names(sql: str, table: str) -> bool:
    return re.search(rf"\b{re.escape(table)}\b", sql, re.IGNORECASE) is not None


def _number(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row: Any = con.execute(sql).fetchone()
    return int(row[0])
