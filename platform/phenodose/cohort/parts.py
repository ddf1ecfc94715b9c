"""Which Parquet files the store's tables have now, by table and screen: it tells a rebuild which screens have changed.

Belongs here: states of files. Does not belong here: reading their rows (`fill`), what a database was made from
(`build`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from phenodose.io.copies import copied_versions
from phenodose.io.files import hash_bytes, hash_json
from phenodose.tables import TABLES

#: (table, screen) -> what its files are now.
Parts = dict[tuple[str, str], str]


def parts_now(folder: Path) -> Parts:
    """What the files of every table and screen are now: a hash of names, sizes and times of writing.

    Of a copy of a bucket's tables, whose times are those of this machine, a hash of names and of the objects' versions.
    """
    if (versions := copied_versions(folder)) is not None:
        return _of_versions(versions)
    found: Parts = {}
    for table in TABLES:
        try:
            with os.scandir(folder / table) as entries:
                screens = sorted(entry.name for entry in entries if entry.name.startswith("screen="))
        except FileNotFoundError:
            continue
        for name in screens:
            files = sorted(_file_states(f"{folder}/{table}/{name}"))
            if files:
                found[table, name.removeprefix("screen=")] = hash_bytes("\0".join(files).encode())
    return found


def _of_versions(versions: Mapping[str, str]) -> Parts:
    of_part: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for path, version in versions.items():
        table, *place, name = path.split("/")
        if table in TABLES and len(place) == 1 and place[0].startswith("screen=") and name.endswith(".parquet"):
            of_part.setdefault((table, place[0].removeprefix("screen=")), []).append((name, version))
    return {part: hash_json(sorted(of_part[part])) for part in sorted(of_part)}


def _file_states(folder: str) -> Iterator[str]:
    """Name, size and time of writing of every Parquet file of a folder, of a link those of what it points to."""
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if entry.name.endswith(".parquet")]
    except (FileNotFoundError, NotADirectoryError):  # taken away meanwhile, or no folder
        return
    for entry in entries:
        with suppress(FileNotFoundError):  # its writer took it away meanwhile
            link = ""
            if entry.is_symlink():
                link = f" -> {Path(entry.path).readlink()}"
                state = entry.stat(follow_symlinks=Path(entry.path).exists())
            else:
                state = entry.stat(follow_symlinks=False)
            yield f"{entry.name}{link}\0{state.st_size}\0{state.st_mtime_ns}"


def literal_path(file: Path) -> str:
    """A file's path as DuckDB reads it: it takes `*`, `?` and `[` in a path for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(file))
