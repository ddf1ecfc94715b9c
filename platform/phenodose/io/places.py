"""Where products lie: a folder, or a prefix of an object store such as `s3://bucket/store`.

A place is a `pathlib.Path`, or for an address with `://` a `UPath` of the same methods (universal-pathlib over
fsspec; S3 through s3fs). Credentials and the server come from the environment as for every AWS program
(`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT_URL`, ...).

Folders can be renamed and synced; an object store has neither, but a whole object is written or is not. So everything
that consists of several files has one that says that the others are there (`MARKS`), and it goes last.

Belongs here: the difference between folders and object stores. Does not belong here: what the files mean.
"""

from __future__ import annotations

import inspect
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, cast

from phenodose.errors import MissingInputError, StoreError
from phenodose.io.guarded_writes import expect_held, is_guarded, put_unchanged
from phenodose.io.zipped import ZippedPath, zipped

#: Names of the files that are written last and removed first: with it a Zarr group or a checkpoint is there.
MARKS = ("zarr.json", "record.json")
_AT_A_TIME = 8
# Parts of large objects; small, because a part is held in memory.
_PART_BYTES = 8 << 20


def place(location: str | Path) -> Path:
    """The place at a path or address; a zipped OME-Zarr (`.ozx`) is a place like the folder it was made of.

    Raises:
        StoreError: nothing is installed for addresses of that kind.
    """
    if not isinstance(location, str):
        return zipped(location) if isinstance(location, Path) else location
    if "://" not in location:
        return zipped(Path(location))
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
def storage_errors(path: Path, remedy: str) -> Iterator[None]:
    """Turn failures of the disk or the object store into a `StoreError` that names the place.

    Args:
        path: what is being read or written.
        remedy: what the user can do, as the end of a sentence.
    """
    try:
        yield
    except (FileExistsError, MissingInputError):
        raise
    except Exception as error:
        if not isinstance(error, OSError) and not of_client(error):
            raise
        raise StoreError(f"{path}: {_reason(error)}; {remedy}.") from error


def of_client(error: BaseException | None) -> bool:
    """Whether an error comes from the client of an object store, which has a tree of errors of its own."""
    if error is None:
        return False
    if isinstance(error, OSError) and of_client(error.__cause__):
        return True
    return type(error).__module__.startswith(("botocore", "aiobotocore", "aiohttp"))


def client_fault(error: Exception, where: object) -> StoreError | None:
    """What the user can do about an error of an object store's client; None if it is another error."""
    if not of_client(error):
        return None
    return StoreError(
        f"{where}: {_reason(error)}; check the address, the credentials and AWS_ENDPOINT_URL, then run this again."
    )


def expect_bucket(path: Path) -> None:
    """Ask an object store whether the bucket of an address is there and may be listed.

    Raises:
        StoreError: it is not, or the server does not answer.
    """
    filesystem, root = filesystem_of(path)
    if not hasattr(filesystem, "call_s3"):
        return
    bucket, _, key = root.partition("/")
    try:
        filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=f"{key}/" if key else "", MaxKeys=1)
    except Exception as error:
        raise client_fault(error, path) or error from error


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error).rstrip(".")
    text = error.strerror or str(error) or type(error).__name__
    return f"{text}: {error.filename}" if error.filename else text


def read_bytes(path: Path) -> bytes | None:
    """A file's bytes; None if there is no such file.

    To be asked rather than `path.is_file()`, which says no in an object store whatever goes wrong.
    """
    try:
        if is_remote(path):
            return object_bytes(*filesystem_of(path))
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def object_bytes(filesystem: Any, name: str) -> bytes:
    """An object's bytes, by one request.

    Raises:
        FileNotFoundError: there is no such object.
    """
    # Newer s3fs would ask for the size first, so as to fetch a large object in several parts at once.
    takes = inspect.signature(filesystem.cat_file).parameters
    return bytes(filesystem.cat_file(name, **{"max_concurrency": 1} if "max_concurrency" in takes else {}))


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    expect_held(path)
    if not is_remote(path):
        path.unlink(missing_ok=True)
        return
    filesystem, name = filesystem_of(path)
    with suppress(FileNotFoundError):
        filesystem.rm_file(name)


def files(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder whose relative path is `pattern`, in order of path; one listing in an object store."""
    if not is_remote(folder):
        return sorted(folder.glob(pattern))
    depth = pattern.count("/")
    found = [name for name in sizes(folder) if name.count("/") == depth and PurePosixPath(name).match(pattern)]
    return [folder / name for name in sorted(found, key=lambda name: name.split("/"))]


def versions(path: Path) -> dict[str, str]:
    """What every file below a folder of an object store holds, as its ETag, by relative path; '' is `path` itself."""
    filesystem, root = filesystem_of(path)
    found = filesystem.find(root, detail=True)
    return {
        name[len(root) + 1 :]: f"{each['size']} {each.get('ETag') or filesystem.ukey(name)}"
        for name, each in sorted(found.items())
        if not name.endswith("/")
    }


def download(path: Path, target: Path) -> None:
    """Write the object at `path` to a local file; nothing if it is not there any more."""
    filesystem, name = filesystem_of(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        filesystem.get_file(name, str(target))
    except FileNotFoundError:
        target.unlink(missing_ok=True)


def upload(source: Path, target: Path, makes_valid: bool = True) -> None:
    """Write a local file to the object `target`, whole or not at all.

    Args:
        source: the file.
        target: the object.
        makes_valid: whether something is there with it (`MARKS`): then, where a lock is held for it (`guarded`), it is
            written only if it is still as it was when the lock was last sure.

    Raises:
        BusyError: the lock is another's by now, or the object is.
    """
    filesystem, name = filesystem_of(target)
    if makes_valid and is_guarded(target) and hasattr(filesystem, "call_s3"):
        put_unchanged(filesystem, source, target, name, _PART_BYTES)
    else:
        expect_held(target)
        filesystem.put_file(str(source), name, chunksize=_PART_BYTES)


def file_bytes(path: Path) -> int | None:
    """Number of bytes of a file, None if there is none; one request in an object store."""
    if isinstance(path, ZippedPath):
        return path.n_bytes()
    with suppress(FileNotFoundError, NotADirectoryError):
        if is_remote(path):
            filesystem, name = filesystem_of(path)
            found = filesystem.info(name)
            return int(found["size"]) if found["type"] == "file" else None
        there = path.stat()
        return there.st_size if stat.S_ISREG(there.st_mode) else None
    return None


def sizes(folder: Path) -> dict[str, int]:
    """Number of bytes of every file below a folder, by its path relative to it; one listing in an object store."""
    if is_remote(folder):
        filesystem, root = filesystem_of(folder)
        found = filesystem.find(root, detail=True)
        return {name[len(root) + 1 :]: int(each["size"]) for name, each in sorted(found.items())}
    if isinstance(folder, ZippedPath):
        return folder.sizes()
    there = {}
    for parent, _, files in os.walk(folder):
        for file in files:
            path = Path(parent) / file
            there[path.relative_to(folder).as_posix()] = path.stat().st_size
    return there


def folders(path: Path) -> list[Path]:
    """The folders in a folder, in order of name; one listing in an object store."""
    if is_remote(path):
        filesystem, root = filesystem_of(path)
        with suppress(FileNotFoundError):
            listed = [each["name"] for each in filesystem.ls(root, detail=True) if each["type"] == "directory"]
            return [path / PurePosixPath(name).name for name in sorted(listed)]
        return []
    if not path.is_dir():
        return []
    return sorted((child for child in path.iterdir() if child.is_dir()), key=lambda child: child.name)


def remove_tree(folder: Path) -> None:
    """Remove a folder with everything in it, the file that makes it valid first; nothing if it is not there."""
    expect_held(folder)
    if not is_remote(folder):
        if folder.is_dir():
            shutil.rmtree(folder)
        return
    filesystem, root = filesystem_of(folder)
    found = list(sizes(folder))
    marks = _marks(found)
    for name in [*marks, *(name for name in found if name not in marks)]:
        filesystem.rm_file(f"{root}/{name}")


def upload_tree(source: Path, target: Path) -> None:
    """Make the objects below `target` be the files of a local folder; the one that makes it valid goes last.

    Until that last object is there, the target has none, so that a half uploaded folder is never taken for a whole
    one.
    """
    filesystem, root = filesystem_of(target)
    names, there = list(sizes(source)), list(sizes(target))
    marks, old_marks = _marks(names), _marks(there)
    expect_held(target)
    for name in old_marks:
        filesystem.rm_file(f"{root}/{name}")
    others = [name for name in names if name not in marks]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        list(pool.map(lambda name: upload(source / name, target / name, makes_valid=False), others))
        surplus = sorted(set(there) - set(names) - set(old_marks))
        expect_held(target)
        list(pool.map(lambda name: filesystem.rm_file(f"{root}/{name}"), surplus))
    for name in marks:
        upload(source / name, target / name)


def _marks(names: Iterable[str]) -> list[str]:
    """Those of a folder's files that make it valid: the outermost that have such a name."""
    found = [name for name in names if PurePosixPath(name).name in MARKS]
    outermost = min((name.count("/") for name in found), default=0)
    return [name for name in found if name.count("/") == outermost]


def zarr_store(path: Path) -> Any:
    """The read-only Zarr store of a place, for `zarr.open_group` and `zarr.open_array`."""
    import zarr

    if isinstance(path, ZippedPath):
        return path.zarr_store()
    if not is_remote(path):
        return zarr.storage.LocalStore(path, read_only=True)
    return zarr.storage.FsspecStore.from_url(str(path), storage_options=dict(_options(path)), read_only=True)


def filesystem_of(path: Path) -> tuple[Any, str]:
    """The fsspec file system of a remote place, and the place's name in it."""
    remote: Any = path
    return remote.fs, str(remote.path).rstrip("/")


def _options(path: Path) -> dict[str, Any]:
    remote: Any = path
    options: dict[str, Any] = dict(remote.storage_options)
    return options
