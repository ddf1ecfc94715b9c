"""A crate on its way: a folder or a zip that files are put into, each with its size and SHA-256.

Belongs here: writing, and what was written. Does not belong here: what the files are (`contents`).
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from phenodose.errors import StoreError

#: Ending of a crate in one file.
ZIPPED = ".zip"
#: Files within a zip have one time, so that the same screen gives the same bytes; the oldest that a zip can tell.
_TIME = (1980, 1, 1, 0, 0, 0)
_STORED = (".zip", ".png", ".xlsx", ".parquet")


@dataclass(frozen=True)
class Written:
    """A file of a crate: number of bytes, and SHA-256 in hexadecimal digits."""

    n_bytes: int
    sha256: str


@dataclass
class Parcel:
    """A folder, or a zip, that a crate is written into.

    Attributes:
        place: where it is written.
        zipped: whether it is one file.
        files: what was put into it, by path within it, in order.
    """

    place: Path
    zipped: bool
    files: dict[str, Written] = field(default_factory=dict)
    _archive: zipfile.ZipFile | None = None
    _taken: set[str] = field(default_factory=set)

    def __enter__(self) -> Parcel:
        if self.zipped:
            self._archive = zipfile.ZipFile(self.place, "w", allowZip64=True)
        else:
            self.place.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._archive is not None:
            self._archive.close()

    def put(self, name: str, content: bytes) -> None:
        """Write a file.

        Args:
            name: its path in the crate, parts separated by /.
            content: its bytes.

        Raises:
            StoreError: there is one of that name, also where capital letters do not count.
        """
        if name.casefold() in self._taken:
            raise StoreError(f"{name}: two files of the crate would have this name; rename the plate it belongs to.")
        if self._archive is None:
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        else:
            info = zipfile.ZipInfo(name, _TIME)
            plain = name.endswith(_STORED) or "/c/" in name  # chunks of pixels are compressed already
            info.compress_type = zipfile.ZIP_STORED if plain else zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            self._archive.writestr(info, content)
        self.files[name] = Written(len(content), hashlib.sha256(content).hexdigest())
        self._taken.add(name.casefold())
