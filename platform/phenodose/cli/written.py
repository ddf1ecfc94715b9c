"""Tables that a command writes: where they go, and all of them or none.

Belongs here: CSV files of several tables. Does not belong here: what stands in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def places_of(wanted: Mapping[str, tuple[str, Path | None]], read: Iterable[Path | None]) -> dict[str, Path]:
    """Where each table goes, checked before anything is computed.

    Args:
        wanted: table -> the option that names its file, and the file; None where it is not wanted.
        read: files and folders of files that the command reads.

    Raises:
        InputError: a file is named twice, is a folder, or is one that is read, which would be lost.
    """
    from phenodose.errors import InputError

    places = {table: path for table, (_, path) in wanted.items() if path is not None}
    options: dict[Path, list[str]] = {}
    for option, path in wanted.values():
        if path is not None:
            options.setdefault(path.resolve(), []).append(option)
    for named in options.values():
        if len(named) > 1:
            raise InputError(f"{' and '.join(named)} name the same file; give each its own.")
    for path in places.values():
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give the name of a CSV file in it.")
    inputs = {one.resolve() for one in read if one is not None}
    for path, named in options.items():
        if path in inputs or (path.exists() and not inputs.isdisjoint(path.parents)):
            raise InputError(f"{named[0]} {path.name}: is an input and would be lost; name another.")
    return places


def write_together(tables: dict[Path, pd.DataFrame]) -> None:
    """Write all tables as CSV aside, then move all into place.

    Raises:
        InputError: a file cannot be written.
    """
    from phenodose.errors import InputError
    from phenodose.io.files import written_aside
    from phenodose.io.spreadsheet_text import harmless_frame

    try:
        with ExitStack() as stack:
            for path, table in tables.items():
                aside = stack.enter_context(written_aside(path))
                harmless_frame(table).to_csv(aside, index=False)
    except OSError as error:
        raise InputError(f"{error.filename or 'the results'}: cannot be written ({error.strerror}).") from error
