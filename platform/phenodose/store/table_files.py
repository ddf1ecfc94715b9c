"""The Parquet files of tables: sealed when they are written, checked when they are read.

Every file holds the hash of all its other bytes in its metadata (`phenodose.io.seals`); Parquet's own checksums leave
the headers out, and a flipped bit there changes numbers without a word.

Belongs here: the bytes of one file of a table. Does not belong here: where files lie and which rows are wanted
(`phenodose.store.store`), what a table is (`phenodose.table`).
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import StoreError, TableError
from phenodose.io.machine_faults import machine_fault
from phenodose.io.places import is_remote, read_bytes
from phenodose.io.seals import OPEN_SEAL, check_seal, read_sealed, seal_of, sealed
from phenodose.table import of_arrow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from phenodose.table import Table

#: What to do about a table that is damaged.
MAKE_AGAIN = "take the file away and make the screen again with `phenodose run SCREEN`"
#: In a file's metadata: which file of which table it is.
_PLACE = "phenodose.place"
#: Rows of files read before, by table, place and seal, the one that was asked for last at the end: the steps of a run
#: read the same tables again and again. What a file holds is compared with its seal each time all the same.
_READ: OrderedDict[tuple[str, str, str], tuple[int, pd.DataFrame]] = OrderedDict()
#: Most bytes of files whose rows are kept, and of one of them.
_MOST_KEPT, _LARGEST_KEPT = 8_000_000, 1_000_000
_ONE_AT_A_TIME = threading.Lock()


def check_inside(file: Path) -> None:
    """A file of a table lies in its table's folder, and is no link to anywhere else.

    The folder `tables`, or the store, may be a link: whoever set the store up put it there.

    Raises:
        TableError: a link leads out of the store's tables, or to nothing.
    """
    if not (file.is_symlink() or file.parent.is_symlink() or file.parents[1].is_symlink()):
        return  # nothing leads out; to follow two paths to their ends costs more than what a file says of itself
    tables = file.parents[2].resolve()
    place = file.resolve()
    if not place.is_relative_to(tables):
        raise TableError(f"it is a link to {place}, outside the tables of the store; put the file itself there.")
    if file.is_symlink() and not place.exists():
        raise TableError(f"it is a link to {place}, where nothing lies; remove it.")


def check_table(file: Path) -> pq.FileMetaData | None:
    """A file of a table on this machine is in its place, and as it was written.

    Returns:
        What the file says of itself; None without a seal, for such a file may be anything.

    Raises:
        TableError: it is a link out of the tables.
        StoreError: it has changed since it was written.
    """
    check_inside(file)
    content = read_sealed(file, MAKE_AGAIN)
    return None if content is None else _expect_place(content, file)


def _place(path: Path) -> str:
    """Which file of which table: table, screen and part, wherever the store lies."""
    return "/".join(path.parts[-3:])


def _expect_place(content: bytes, path: Path) -> pq.FileMetaData | None:
    """A file lies where it was written: whole files of a table can be exchanged, too; what it says of itself.

    Raises:
        StoreError: it was written as another file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not seal_of(content):
        return None
    try:
        about = pq.read_metadata(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    held = (about.metadata or {}).get(_PLACE.encode(), b"").decode()
    if held and held != _place(path):
        raise StoreError(f"{path}: is the file {held}, put in the place of this one; {MAKE_AGAIN}.")
    return about


def sealed_parquet(rows: pa.Table, path: Path) -> bytes:
    """Rows as the bytes of a Parquet file, whose metadata hold its place and the seal of all of it."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    with pq.ParquetWriter(sink, rows.schema, compression="zstd") as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata({_PLACE: _place(path), "phenodose.seal": OPEN_SEAL})
    return sealed(sink.getvalue())


def read_part(path: Path, content: bytes, table: Table) -> pd.DataFrame:
    """The rows of a file of a table, by its bytes; columns that it lacks and may lack are empty.

    They may be given to others, too: whoever changes them takes a copy.

    Args:
        path: where it lies.
        content: its bytes, which fit their seal.
        table: what it is a file of.

    Raises:
        StoreError: they are no table, lack columns that the table must have, or are of another screen.
    """
    key = (table.name, _place(path), seal_of(content))
    with _ONE_AT_A_TIME:
        if key in _READ:
            _READ.move_to_end(key)
            return _READ[key][1]
    rows = _parsed(path, content, table)
    if key[2] and len(content) <= _LARGEST_KEPT:
        with _ONE_AT_A_TIME:
            _READ[key] = len(content), rows
            kept = sum(size for size, _ in _READ.values())
            while kept > _MOST_KEPT:
                kept -= _READ.popitem(last=False)[1][0]
    return rows


def _parsed(path: Path, content: bytes, table: Table) -> pd.DataFrame:
    import pyarrow.parquet as pq

    schema = table.arrow_schema()
    needed = {column.name for column in table.columns if column.required}
    held = readable(path, pq.read_schema, content)
    lacking = sorted(needed - set(held.names))
    if lacking:
        raise StoreError(f"{path}: lacks the columns {', '.join(lacking)} of the table {table.name}; {MAKE_AGAIN}.")
    # To hand a small file to other threads, or to what can fill columns in, takes several times as long as to read it.
    threads = len(content) > _LARGEST_KEPT
    if held.equals(schema):
        read = readable(path, _whole, content, use_threads=threads)
    else:
        read = readable(path, pq.read_table, content, schema=schema, partitioning=None)
    rows = of_arrow(read, use_threads=threads)
    of_folder = path.parent.name.removeprefix("screen=")
    others = rows.loc[rows["screen"] != of_folder, "screen"]
    if len(others):
        raise StoreError(
            f"{path}: holds rows of screen {others.iloc[0]!r}, but lies in the folder of {of_folder!r}; {MAKE_AGAIN}."
        )
    return rows


def _whole(content: Any, use_threads: bool) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.ParquetFile(content).read(use_threads=use_threads)


def readable(path: Path, read: Callable[..., Any], content: bytes, **how: Any) -> Any:
    """What `read` gives of a file's bytes.

    Raises:
        StoreError: they are no table, or one of other types.
    """
    import pyarrow as pa

    try:
        return read(pa.BufferReader(content), **how)
    except (pa.ArrowException, OSError) as error:
        raise machine_fault(error, path) or _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> StoreError:
    reason = str(error).splitlines()[0].rstrip(".")
    return StoreError(f"{path}: cannot be read as a table ({reason}); {MAKE_AGAIN}.")


def contents_of(parts: list[Path]) -> Iterator[tuple[Path, bytes]]:
    """The parts that are there, each with its bytes, which are checked against their seal.

    Raises:
        StoreError: a part has changed since it was written, cannot be read, or is a link out of the store.
    """
    contents: Iterable[bytes | None]
    if any(is_remote(part) for part in parts):
        with ThreadPoolExecutor(8) as pool:
            contents = list(pool.map(read_bytes, parts))
    else:
        contents = map(_content, parts)
    for part, content in zip(parts, contents, strict=True):
        if content is not None:
            check_seal(content, part, MAKE_AGAIN)
            if (part.parts[-3], _place(part), seal_of(content)) not in _READ:
                _expect_place(content, part)
            yield part, content


def _content(part: Path) -> bytes | None:
    if not (part.is_file() or part.is_symlink()):
        return None
    try:
        check_inside(part)
        return part.read_bytes()
    except FileNotFoundError:
        return None  # its writer took it away meanwhile
    except (TableError, OSError) as error:
        raise machine_fault(error, part) or _unreadable(part, error) from error
