"""Where products lie: a folder, or a prefix of an object store such as `s3://bucket/store`.

A place is a `pathlib.Path`, or for an address with `://` a `UPath` of the same methods (universal-pathlib over
fsspec; S3 through s3fs). Credentials and the server come from the environment as for every AWS program
(`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`, ...).

Folders can be renamed and synced; an object store has neither, but a whole object is written or is not. So everything
that consists of several files has one that says that the others are there (`zarr.json` for Zarr), and it goes last.

Belongs here: the difference between folders and object stores. Does not belong here: what the files mean.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from phenodose.errors import MissingInputError, StoreError

#: Written last and removed first: with it a Zarr group is there.
LAST = "zarr.json"
_UPLOADS = 8
# Parts of large objects; small, because a part is held in memory.
_PART_BYTES = 8 << 20


def place(location: str | Path) -> Path:
    """The place at a path or address.

    Raises:
        StoreError: nothing is installed for addresses of that kind.
    """
    if not isinstance(location, str):
        return location
    if "://" not in location:
        return Path(location)
    from upath import UPath

    options: dict[str, Any] = {"use_listings_cache": False}
    if location.startswith(("s3://", "s3a://")):
        options["default_block_size"] = _PART_BYTES
    try:
        return cast("Path", UPath(location.rstrip("/"), **options))
    except (ImportError, ValueError) as error:
        raise StoreError(f"{location}: such addresses cannot be used ({error}); give a folder or s3://....") from error


def is_remote(path: Any) -> bool:
    """Whether a place is in an object store."""
    return not isinstance(path, (Path, str)) and getattr(path, "protocol", "") not in ("", "file", "local")


def absolute(path: Path) -> Path:
    """A folder's place with the working directory resolved; an address stays."""
    return path if is_remote(path) else path.absolute()


@contextmanager
def told(path: Path, remedy: str) -> Iterator[None]:
    """Turn failures of the disk or the object store into a `StoreError` that names the place.

    Args:
        path: what is being read or written.
        remedy: what the user can do, as the end of a sentence.
    """
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        if isinstance(error, MissingInputError):
            raise
        raise StoreError(f"{path}: {_reason(error)}; {remedy}.") from error
    except Exception as error:
        # The client of S3 has a tree of errors of its own.
        if not type(error).__module__.startswith(("botocore", "aiobotocore", "aiohttp")):
            raise
        raise StoreError(f"{path}: {error}; {remedy}.") from error


def _reason(error: OSError) -> str:
    text = error.strerror or str(error) or type(error).__name__
    return f"{text}: {error.filename}" if error.filename else text


def read_bytes(path: Path) -> bytes | None:
    """A file's bytes; None if there is no such file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def sizes(folder: Path) -> dict[str, int]:
    """Number of bytes of every file below a folder, by its path relative to it; one listing in an object store."""
    if is_remote(folder):
        filesystem, root = _filesystem(folder)
        found = filesystem.find(root, detail=True)
        return {name[len(root) + 1 :]: int(each["size"]) for name, each in sorted(found.items())}
    there = {}
    for parent, _, files in os.walk(folder):
        for file in files:
            path = Path(parent) / file
            there[path.relative_to(folder).as_posix()] = path.stat().st_size
    return there


def folders(path: Path) -> list[Path]:
    """The folders in a folder, in order of name."""
    if not path.is_dir():
        return []
    return sorted((child for child in path.iterdir() if child.is_dir()), key=lambda child: child.name)


def remove_tree(folder: Path) -> None:
    """Remove a folder with everything in it, the file that makes it valid first; nothing if it is not there."""
    if not is_remote(folder):
        if folder.is_dir():
            shutil.rmtree(folder)
        return
    filesystem, root = _filesystem(folder)
    found = filesystem.find(root)
    if f"{root}/{LAST}" in found:
        filesystem.rm_file(f"{root}/{LAST}")
    for name in found:
        if name != f"{root}/{LAST}":
            filesystem.rm_file(name)


def upload_tree(source: Path, target: Path) -> None:
    """Make the objects below `target` be the files of a local folder; `zarr.json` of the folder itself goes last.

    Until that last object is there, the target has none, so that a half uploaded folder is never taken for a whole
    one.
    """
    filesystem, root = _filesystem(target)
    names = list(sizes(source))
    surplus = set(sizes(target)) - set(names)
    if filesystem.exists(f"{root}/{LAST}"):
        filesystem.rm_file(f"{root}/{LAST}")

    def put(name: str) -> None:
        filesystem.put_file(str(source / name), f"{root}/{name}", chunksize=_PART_BYTES)

    with ThreadPoolExecutor(_UPLOADS) as pool:
        list(pool.map(put, (name for name in names if name != LAST)))
        list(pool.map(lambda name: filesystem.rm_file(f"{root}/{name}"), sorted(surplus - {LAST})))
    if LAST in names:
        put(LAST)


def zarr_store(path: Path) -> Any:
    """The read-only Zarr store of a place, for `zarr.open_group` and `zarr.open_array`."""
    import zarr

    if not is_remote(path):
        return zarr.storage.LocalStore(path, read_only=True)
    return zarr.storage.FsspecStore.from_url(str(path), storage_options=dict(_options(path)), read_only=True)


def _filesystem(path: Path) -> tuple[Any, str]:
    """The fsspec file system of a remote place, and the place's name in it."""
    remote: Any = path
    return remote.fs, str(remote.path).rstrip("/")


def _options(path: Path) -> dict[str, Any]:
    remote: Any = path
    options: dict[str, Any] = dict(remote.storage_options)
    return options
