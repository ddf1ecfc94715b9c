"""Bringing the tables of a cohort database up to date with the Parquet files of the store.

Belongs here: which rows go and come, faults of files. Does not belong here: which screens have changed (`parts`), and
what is made of the rows (`kept_views`, `verdicts`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.cohort.parts import literal_path
from phenodose.cohort.view import identifier, literals
from phenodose.errors import StoreError, TableError
from phenodose.io.machine_faults import is_of_one_file, machine_fault
from phenodose.store.table_files import check_table
from phenodose.table import Table

if TYPE_CHECKING:
    import duckdb
    import pyarrow.parquet as pq

#: Screens whose rows are read at once: memory does not grow with the store.
AT_ONCE = 100
_READ_PARQUET = "read_parquet(?, union_by_name = true, hive_partitioning = false)"


def in_parts(screens: Sequence[str], at_once: int = AT_ONCE) -> Iterator[list[str]]:
    """The screens, some at a time."""
    left = iter(screens)
    while some := list(islice(left, at_once)):
        yield some


def bring_up_to_date(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    screens: Sequence[str],
    there: Collection[str],
    folder: Path,
    told_as: str,
) -> None:
    """Replace the rows of screens by those of their files.

    Args:
        con: the database.
        table: which table.
        screens: their ids, in order.
        there: those of them that may have rows or faults.
        folder: the store's tables on this machine.
        told_as: what faults call that folder.
    """
    for some in in_parts(screens):
        if old := [screen for screen in some if screen in there]:
            _remove(con, table, old)
        files = [file for s in some for file in sorted((folder / table.name / f"screen={s}").glob("*.parquet"))]
        faults = [(file.parent.name.removeprefix("screen="), fault) for file, fault in _fill(con, table, files)]
        for screen, fault in [*faults, *_double_keys(con, table, some)]:
            text = fault.replace(str(folder), told_as)
            con.execute("INSERT INTO build.faults VALUES (?, ?, ?)", [table.name, screen, text])


def _remove(con: duckdb.DuckDBPyConnection, table: Table, screens: Sequence[str]) -> None:
    # Their names are written out, so that DuckDB skips what cannot hold them.
    deleted: Any = con.execute(f"DELETE FROM {identifier(table.name)} WHERE screen IN ({literals(screens)})").fetchone()
    if deleted[0]:
        con.execute("UPDATE build.made SET replaced_rows = replaced_rows + ?", [deleted[0]])
    con.execute(f"DELETE FROM build.faults WHERE table_name = ? AND screen IN ({literals(screens)})", [table.name])


def _fill(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> list[tuple[Path, str]]:
    """Insert all files; where that fails, one half and the other, naming the files that do not fit."""
    import duckdb

    if not files:
        return []
    try:
        _insert(con, table, files)
        return []
    except (duckdb.Error, StoreError, MemoryError) as error:
        origin = (error.__cause__ or error) if isinstance(error, StoreError) else error
        fault = machine_fault(origin, files[0])
        if fault is not None and not is_of_one_file(origin):
            raise fault from error
        if len(files) > 1:
            middle = len(files) // 2
            return _fill(con, table, files[:middle]) + _fill(con, table, files[middle:])
        if not files[0].exists() and not files[0].is_symlink():  # its writer took it away meanwhile, which is no fault
            return []
        reason = str(fault or error).splitlines()[0].removeprefix(f"{files[0]}: ")
        told = fault or (isinstance(error, StoreError) and not isinstance(error, TableError))
        remedy = "" if told else " Make the screen again with this version of phenodose."
        text = f"{files[0]} is left out of the cohort: {reason}{remedy}"
        return [(files[0], text)]


def _insert(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> None:
    """Insert the rows of files in the order of files and rows; all or none."""
    about = [check_table(file) for file in files]
    names = [literal_path(file) for file in files]
    told = [one for one in about if one is not None]
    if len(told) == len(about):
        present = {name for one in told for name in one.schema.names}
    else:  # DuckDB says what is wrong with those
        present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {_READ_PARQUET}", [names]).fetchall()}
    missing = [column.name for column in table.columns if column.required and column.name not in present]
    if missing:
        raise TableError(f"it lacks the columns {', '.join(missing)} of the table {table.name}.")
    unsure = [
        name
        for name, file, one in zip(names, files, about, strict=True)
        if one is None or not _is_of_one_screen(one, file.parent.name.removeprefix("screen="))
    ]
    if unsure:
        _check_screens(con, unsure)
    columns = ", ".join(identifier(name) for name in table.column_names if name in present)
    con.execute(f"INSERT INTO {identifier(table.name)} ({columns}) SELECT {columns} FROM {_READ_PARQUET}", [names])


def _is_of_one_screen(about: pq.FileMetaData, screen: str) -> bool:
    """Whether the file's own statistics say that every row is of this screen."""
    if "screen" not in about.schema.names:
        return False
    column = about.schema.names.index("screen")
    for number in range(about.num_row_groups):
        found = about.row_group(number).column(column).statistics
        if found is None or not found.has_min_max or found.null_count != 0 or (found.min, found.max) != (screen,) * 2:
            return False
    return True


def _check_screens(con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> None:
    """Every row is of the screen whose folder the file lies in; rows of others could never be taken out again.

    Raises:
        TableError: a file holds rows of another screen.
    """
    folder_screen = "regexp_extract(filename, '[/\\\\]screen=([^/\\\\]*)[/\\\\][^/\\\\]*$', 1)"
    strange: Any = con.execute(
        f"SELECT screen, {folder_screen} FROM read_parquet(?, union_by_name = true, hive_partitioning = false, "
        f"filename = true) WHERE screen IS DISTINCT FROM {folder_screen} LIMIT 1",
        [list(names)],
    ).fetchone()
    if strange is not None:
        raise TableError(f"it holds rows of screen {strange[0]!r} but lies in the folder of {strange[1]!r}.")


def _double_keys(con: duckdb.DuckDBPyConnection, table: Table, screens: Sequence[str]) -> list[tuple[str, str]]:
    """Screens with a key that stands in more than one file, and the sentence about it."""
    key = ", ".join(identifier(name) for name in table.key)
    found = con.execute(
        f"SELECT {key} FROM {identifier(table.name)} WHERE screen IN ({literals(screens)}) "
        f"GROUP BY {key} HAVING count(*) > 1 ORDER BY {key}"
    ).fetchall()
    by_screen: dict[str, list[tuple[Any, ...]]] = {}
    for row in found:
        by_screen.setdefault(str(row[table.key.index("screen")]), []).append(row)
    faults = []
    for screen, rows in by_screen.items():
        example = ", ".join(f"{name}={value}" for name, value in zip(table.key, rows[0], strict=True))
        text = f"table {table.name}: {len(rows)} keys stand in more than one file of the store, such as {example}."
        faults.append((screen, text))
    return faults
