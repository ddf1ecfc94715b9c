"""Zipped OME-Zarr (RFC-9, `.ozx`): one file that is read like the folder it was made of, and writing one.

Source: RFC-9 of NGFF (single-file OME-Zarr): the root of the archive is the root of the hierarchy; nothing is
compressed again; `zarr.json` files come first, breadth first; the archive's comment tells the version of NGFF.

Belongs here: paths into an archive, and the order of its entries. Does not belong here: what the documents say.
"""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from phenodose.errors import InputError

ENDINGS = (".ozx", ".zarr.zip")
_BLOCK_BYTES = 1 << 22
_DOCUMENTS = ("zarr.json", ".zattrs", ".zgroup", ".zarray", ".zmetadata")


def is_archive(path: Path) -> bool:
    """Whether a path is a zipped OME-Zarr by its name, and a file."""
    return path.name.lower().endswith(ENDINGS) and _is_plain_file(path)


def _is_plain_file(path: Path) -> bool:
    return Path(os.fspath(path)).is_file()


class ZippedPath(type(Path())):  # type: ignore[misc]
    """A path whose front part is an archive: `P1.ozx/B/02/0` is a folder in it. It can be read, not written."""

    def exists(self, *args: Any, **kwargs: Any) -> bool:
        """Whether there is such a file or folder in the archive."""
        return self.is_file() or self.is_dir()

    def is_file(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the archive has such a file."""
        archive, inside = _split(self)
        return inside in archive.sizes

    def is_dir(self, *args: Any, **kwargs: Any) -> bool:
        """Whether the archive has files below it; the archive itself is a folder."""
        archive, inside = _split(self)
        return inside in archive.folders

    def n_bytes(self) -> int | None:
        """Bytes of a file; None if the archive has no such file."""
        archive, inside = _split(self)
        return archive.sizes.get(inside)

    def is_symlink(self) -> bool:
        """Never."""
        return False

    def read_bytes(self) -> bytes:
        """A file's bytes, checked against the archive's checksum."""
        archive, inside = _split(self)
        if inside not in archive.sizes:
            raise FileNotFoundError(str(self))
        try:
            return archive.zip.read(inside)
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
            raise InputError(
                f"{self}: the file in the archive is damaged ({error}); copy the archive again."
            ) from error

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        """The file's bytes as a stream; modes other than reading bytes are refused."""
        if mode != "rb":
            raise OSError(f"{self}: an archive can be read only, as bytes")
        return BytesIO(self.read_bytes())

    def iterdir(self) -> Iterator[ZippedPath]:
        """The files and folders right in a folder."""
        archive, inside = _split(self)
        front = f"{inside}/" if inside else ""
        below = {name[len(front) :].split("/")[0] for name in archive.sizes if name.startswith(front)}
        return (self / name for name in sorted(below))

    def sizes(self) -> dict[str, int]:
        """Bytes of every file below a folder, by its path relative to it."""
        archive, inside = _split(self)
        front = f"{inside}/" if inside else ""
        return {name[len(front) :]: size for name, size in sorted(archive.sizes.items()) if name.startswith(front)}

    def zarr_store(self) -> Any:
        """The read-only Zarr store of a group or array in the archive."""
        import zarr

        archive, inside = _split(self)
        return zarr.storage.StorePath(archive.store(), inside)


class _Archive:
    """An open archive: sizes of its files, its folders, and a Zarr store that is opened once."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InputError(f"{path}: the archive cannot be read ({error}); copy it again.") from error
        self.sizes = {info.filename: info.file_size for info in self.zip.infolist() if not info.is_dir()}
        self.folders = {""}
        for name in self.sizes:
            parts = name.split("/")[:-1]
            self.folders.update("/".join(parts[: n + 1]) for n in range(len(parts)))
        self._store: Any = None
        self._opening = threading.Lock()

    def store(self) -> Any:
        """The Zarr store of the whole archive."""
        import zarr
        from zarr.core.sync import sync

        with self._opening:
            if self._store is None:
                # A store that is handed on with a path in it must be open already.
                self._store = sync(zarr.storage.ZipStore.open(self.path, mode="r", read_only=True))
            return self._store


def stored_twice(path: Path) -> list[str]:
    """Files of pixels that an archive holds twice, the last of which counts; [] for a folder.

    Documents that are there several times are usual: programs append the newer one.
    """
    if not isinstance(path, ZippedPath):
        return []
    count = Counter(info.filename for info in _split(path)[0].zip.infolist())
    return sorted(name for name, n in count.items() if n > 1 and name.rpartition("/")[2] not in _DOCUMENTS)


@lru_cache(maxsize=16)
def _archive(path: str, changed_ns: int, n_bytes: int) -> _Archive:
    return _Archive(path)


def _split(path: Path) -> tuple[_Archive, str]:
    """The archive of a path, and the name in it; '' is its root."""
    for above in (path, *path.parents):
        if above.name.lower().endswith(ENDINGS):
            text = os.fspath(above)
            if _is_plain_file(above):
                stat = Path(text).stat()
                inside = "" if above == path else path.relative_to(above).as_posix()
                return _archive(text, stat.st_mtime_ns, stat.st_size), inside
    raise FileNotFoundError(str(path))


def zipped(path: Path) -> Path:
    """The path, as one into an archive where it is an archive or leads into one."""
    if not isinstance(path, ZippedPath) and any(is_archive(above) for above in (path, *path.parents)):
        return ZippedPath(path)
    return path


def entry_order(names: Iterable[str]) -> list[str]:
    """The order of an archive's entries: the root's `zarr.json`, the others breadth first, then everything else."""
    documents = [name for name in names if name.rpartition("/")[2] == "zarr.json"]
    documents.sort(key=lambda name: (name.count("/"), name.split("/")))
    return [*documents, *sorted(set(names) - set(documents))]


def write_archive(folder: Path, out: Path, names: Iterable[str], ngff_version: str) -> None:
    """Write files of a folder as one zipped OME-Zarr.

    Args:
        folder: the root of the hierarchy; a place of any kind.
        out: the archive; a local file.
        names: the files, relative to the folder.
        ngff_version: version of NGFF, for the archive's comment.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in entry_order(list(names)):
            # A fixed time: the same plate gives the same archive.
            info = zipfile.ZipInfo(name)
            with (folder / name).open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                while block := source.read(_BLOCK_BYTES):
                    target.write(block)
        said = {"ome": {"version": ngff_version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
        archive.comment = json.dumps(said).encode()
