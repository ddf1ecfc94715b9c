"""Asking the cohort database in SQL: read-only, nothing but the cohort, within limits of time, memory and rows.

Does not belong here: building it (`phenodose.cohort.build`) and what its views mean
(`phenodose.cohort.views`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, MissingInputError, StoreError
from phenodose.io.machine_faults import machine_fault
from phenodose.store.store import Store

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_GUARDED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": "2",
}
#: More than this is no answer that a person reads; texts of any length may come out of functions such as `repeat`.
_MOST_BYTES = 1 << 30
#: Rows that are asked for at a time.
_BATCH_ROWS = 2048


@dataclass(frozen=True)
class QueryResult:
    """The answer to a query.

    Attributes:
        table: the rows, at most as many as the limit.
        truncated: True if there were more rows than the limit.
    """

    table: pa.Table
    truncated: bool


def query(
    store: Store, sql: str, row_limit: int | None = 10_000, seconds: float = 60, memory_limit: str = "2GB"
) -> QueryResult:
    """Ask the cohort one question; nothing can be written, and no other file can be read.

    DuckDB's own limits do not hold inside of one function, such as `repeat` of a large number: who answers questions
    of others puts `phenodose.sandbox.process_limits` around it, as `phenodose sql` does.

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
    with questions(store, seconds, memory_limit) as ask:
        return ask(sql, row_limit)


@contextmanager
def questions(
    store: Store, seconds: float = 60, memory_limit: str = "2GB"
) -> Iterator[Callable[[str, int | None], QueryResult]]:
    """Ask the cohort several questions one after the other, all of the database as it is now, which is opened once.

    Args:
        store: the store.
        seconds: after this long a question is stopped.
        memory_limit: as of `query`.

    Yields:
        What answers a question: its SQL, and the most rows that come back. It raises what `query` raises.

    Raises:
        MissingInputError: the store has no cohort yet.
        StoreError: the file is damaged.
    """
    con = _open(store, memory_limit)
    try:
        yield lambda sql, row_limit: _answer(con, sql, row_limit, seconds)
    finally:
        con.close()


def _answer(con: duckdb.DuckDBPyConnection, sql: str, row_limit: int | None, seconds: float) -> QueryResult:
    timer = threading.Timer(seconds, con.interrupt)
    timer.daemon = True
    try:
        _check_statement(con, sql)
        timer.start()
        return _fetch(con, sql, row_limit)
    except Exception as error:
        raise _user_error(con, sql, seconds, error) from error
    finally:
        timer.cancel()


def _open(store: Store, memory_limit: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    path, there = store.cohort_path, store.local_copy(store.cohort_path)
    if not there.is_file():
        raise MissingInputError(
            f'{path}: the store has no cohort database yet; build it with `phenodose sql --rebuild "SHOW TABLES"`.'
        )
    try:
        con = duckdb.connect(str(there), read_only=True, config=_GUARDED | {"memory_limit": memory_limit})
    except duckdb.Error as error:
        if fault := machine_fault(error, path):
            raise fault from error
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
    reader = relation.to_arrow_reader(_BATCH_ROWS)
    batches, found, taken = [], 0, 0
    for batch in reader:
        batches.append(batch)
        found += batch.num_rows
        if row_limit is not None and found > row_limit:
            break
        taken += batch.nbytes
        if taken > _MOST_BYTES:
            del reader, relation, batch, batches  # the error's traceback would hold the connection open
            raise InputError(f"the answer has more than {_MOST_BYTES >> 20} MiB; choose fewer columns or rows.")
    table = pa.Table.from_batches(batches, schema=reader.schema)
    if row_limit is None or found <= row_limit:
        return QueryResult(table, truncated=False)
    return QueryResult(table.slice(0, row_limit), truncated=True)


def _user_error(con: duckdb.DuckDBPyConnection, sql: str, seconds: float, error: Exception) -> Exception:
    """The error in words that help the one who asked."""
    import duckdb

    text = " ".join(line.strip() for line in str(error).splitlines() if not re.match(r"\s*(LINE \d+:|\^)", line))
    if isinstance(error, duckdb.InterruptException) or "INTERRUPT" in text:
        return InputError(f"the query took longer than {seconds:g} s and was stopped; narrow it, or allow more time.")
    if isinstance(error, (duckdb.OutOfMemoryException, MemoryError)) or "bad_alloc" in text:
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
