"""Text of many million lines, plain or packed, without trust in its lines being short.

Belongs here: opening a file of a database. Does not belong here: what stands in its rows (`interaction_files`).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from phenodose.errors import InputError, MissingInputError

_GZIP = b"\x1f\x8b"
#: Characters; a longer line is no row of a table.
_LONGEST_LINE = 100_000


@contextmanager
def opened_text(path: Path) -> Iterator[IO[str]]:
    """The file as UTF-8 text, unpacked."""
    if not path.is_file():
        raise MissingInputError(f"{path}: there is no such file; check [targets] of site.toml.")
    with path.open("rb") as file:
        start = file.read(400)
    if start[:2] == _GZIP:
        try:
            with gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as unpacked:
                yield cast("IO[str]", _Lines(cast("IO[str]", unpacked), path))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path}: is packed, and damaged or cut off ({error}); fetch it again.") from error
        return
    if start[:2] == b"PK" or b"\0" in start:
        raise InputError(f"{path}: is not a text file; save it as tab-separated text, or packed as .gz.")
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as plain:
        yield cast("IO[str]", _Lines(plain, path))


class _Lines:
    """A text file whose lines are no longer than rows of a table are, so that a hostile one does not fill the memory.

    Raises:
        InputError: while it is read, at the first line that is longer.
    """

    def __init__(self, file: IO[str], path: Path) -> None:
        self._file, self._path, self._open = file, path, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if line := self.readline():
            return line
        raise StopIteration

    def readline(self) -> str:
        line = self._file.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise _one_line(self._path)
        return line

    def read(self, size: int = -1) -> str:
        """The next characters, for pandas; the length of a line goes on from one portion to the next."""
        text = self._file.read(size)
        *before, last = text.replace("\r", "\n").split("\n")
        longest = max([self._open + len(before[0]), *map(len, before[1:])]) if before else 0
        self._open = len(last) if before else self._open + len(last)
        if max(longest, self._open) > _LONGEST_LINE:
            raise _one_line(self._path)
        return text


def _one_line(path: Path) -> InputError:
    return InputError(
        f"{path}: has a line of more than {_LONGEST_LINE} characters, which is no row of a table of interactions; "
        "fetch it again, or give another file."
    )
