"""Which raw files a finished well was made from, so that unchanged ones need not be read again.

What is known holds for that very well: beside the files stands the hash of the attributes that were written with it,
which hold the hash of every plane. So a well that came from a backup, or from another plate, is compared with the raw
images.

A file is unchanged if its size, its modification time and the time of its last change (ctime) are: copy programs keep
the modification time of what they copy, and nothing sets ctime back. Where a network share does not keep ctime, reading
everything again (`ingest --reread`) finds what changed.

Belongs here: sizes and times of raw files. Does not belong here: hashes of pixels, which decide when sizes or times
differ (`ingest`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from phenodose.errors import InputError
from phenodose.plates.plan import WellPlan


class RawFileStats:
    """Sizes and times of the raw files behind every finished well, so that unchanged ones are not read again.

    Only a shortcut: without it the pixels are hashed. A line a well is appended; the last one counts.
    """

    def __init__(self, raw: Path, path: Path, reread: bool = False) -> None:
        """Read what is known.

        Args:
            raw: the raw folder.
            path: the file with what is known.
            reread: take no file for unchanged.
        """
        self._raw = raw
        self._reread = reread
        self._path = path
        self._known: dict[str, Any] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError):  # a line cut off by an interruption
                    well, stats = json.loads(line)
                    self._known[well] = stats

    def stats(self, well: WellPlan) -> dict[str, list[int]]:
        """Size, modification time and time of the last change of each of the well's raw files."""
        found = {}
        for path in sorted({plane.path for plane in well.planes}):
            try:
                stat = (self._raw / path).stat()
            except OSError as error:
                raise InputError(
                    f"{self._raw / path}: well {well.name}: the file cannot be read ({error.strerror})."
                ) from error
            found[path] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        return found

    def unchanged(self, well: WellPlan, stats: dict[str, list[int]], made: str) -> bool:
        """Whether the files are those that the finished well was made from.

        Args:
            well: the well.
            stats: of its files as they are now, from `stats`.
            made: hash of the attributes of the well in place.
        """
        if self._reread:
            return False
        return bool(self._known.get(well.name) == self._entry(stats, made))

    def remember(self, well: WellPlan, stats: dict[str, list[int]], made: str) -> None:
        """Note the files of a finished well; the arguments are those of `unchanged`."""
        self._known[well.name] = self._entry(stats, made)
        with self._path.open("a", encoding="utf-8") as handle:
            # The line break comes first: a line cut off by an interruption does not spoil this one.
            handle.write("\n" + json.dumps([well.name, self._known[well.name]]))

    def _entry(self, stats: dict[str, list[int]], made: str) -> dict[str, Any]:
        return {"raw": str(self._raw), "files": stats, "made": made}

    def folders(self) -> set[str]:
        """The raw folders that the finished wells were made from."""
        return {str(stats["raw"]) for stats in self._known.values()}
