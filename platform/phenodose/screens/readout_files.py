"""The plate-reader files of a file, a folder or a zip, as bytes in memory.

Belongs here: which files count, and the limits that keep a damaged or hostile archive from filling the memory. Does not
belong here: what they hold (`matrices`, `dialects`).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from phenodose.errors import InputError, MissingInputError
from phenodose.io.spreadsheet import ACCEPTED

#: Limits that keep a damaged or hostile archive from filling the memory.
MOST_FILE_BYTES = 64 * 2**20
MOST_TOTAL_BYTES = 512 * 2**20
MOST_FILES = 10_000


@dataclass(frozen=True)
class ReadoutFile:
    """One file: its name below the source, and its bytes."""

    name: str
    content: bytes

    @property
    def stem(self) -> str:
        """The name without folders and ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending in lower case, with its dot."""
        return PurePosixPath(self.name).suffix.lower()


def readout_files(source: Path) -> Iterator[ReadoutFile]:
    """The plate-reader files of a source, in order of name; hidden files and other kinds are passed over.

    Raises:
        InputError: there is no such source, or it is larger than plate-reader files can be.
    """
    if source.is_dir():
        for name in names_in_folder(source):
            yield ReadoutFile(name, _read_file(source / name))
    elif not source.is_file():
        raise MissingInputError(f"{source}: there is no such file or folder with readouts; check the path.")
    elif source.suffix.lower() == ".zip":
        yield from _zip_files(source)
    elif source.suffix.lower() in ACCEPTED:
        yield ReadoutFile(source.name, _read_file(source))
    else:
        raise InputError(f"{source}: readouts are one of {', '.join(ACCEPTED)}, a folder or a .zip of these.")


def names_in_folder(folder: Path) -> list[str]:
    """Names in a folder of its plate-reader files, at any depth, sorted; without hidden ones and other kinds."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if _is_matrix(name))


def _is_matrix(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX", "~$")) for part in path.parts)
    return not hidden and path.suffix.lower() in ACCEPTED


def _read_file(path: Path) -> bytes:
    if path.stat().st_size > MOST_FILE_BYTES:
        raise InputError(f"{path}: is larger than {MOST_FILE_BYTES >> 20} MiB, too large for a plate-reader file.")
    return path.read_bytes()


def _zip_files(source: Path) -> Iterator[ReadoutFile]:
    """The plate-reader files of an archive, read in memory under the limits; nothing is unpacked to disk."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_archive(source, entries)
            total = 0
            for entry in sorted(entries, key=lambda entry: entry.filename):
                if not _is_matrix(entry.filename):
                    continue
                with archive.open(entry) as handle:
                    content = handle.read(MOST_FILE_BYTES + 1)
                total += len(content)
                if len(content) > MOST_FILE_BYTES or total > MOST_TOTAL_BYTES:
                    raise InputError(
                        f"{source}: {entry.filename} unpacks to more than a plate-reader archive can hold "
                        f"({MOST_FILE_BYTES >> 20} MiB a file, {MOST_TOTAL_BYTES >> 20} MiB in all)."
                    )
                yield ReadoutFile(entry.filename, content)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise InputError(f"{source}: cannot be opened as a zip ({error}); pack the files again.") from error


def _check_archive(source: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_FILES:
        raise InputError(f"{source}: holds {len(entries)} files, more than {MOST_FILES}; pack only the readouts.")
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise InputError(f"{source}: the entry {entry.filename!r} points outside the archive; pack it again.")
