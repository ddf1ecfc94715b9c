"""Writing files so that none is ever half there.

Belongs here: write aside, sync, move into place; hashing of files. Does not belong here: knowledge of
what the files mean.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from phenodose.errors import InputError
from phenodose.io.exchange import exchanged
from phenodose.io.guarded_writes import expect_held
from phenodose.io.places import is_remote, upload, upload_tree

#: Who writes: a machine since its start, and a process; older versions did not say it.
_WRITER = r"(?:-(?P<machine>[0-9a-f]{12})-(?P<process>\d+))?"
#: What `written_aside` calls a file on its way, and what DuckDB lays beside it; a process that is killed leaves it.
_PARTIAL = re.compile(rf"\.(?P<of>.+)\.[0-9a-f]{{8}}{_WRITER}\.partial(\.wal|\.tmp)?")
#: What it calls a folder that a new one is about to take the place of, where the two cannot exchange their names.
_OLD = re.compile(rf"\.(?P<of>.+)\.[0-9a-f]{{8}}{_WRITER}\.old")
#: Seconds after which a leftover of a writer that cannot be asked about counts as such.
_FORGOTTEN_S = 24 * 3600.0
#: A file that was written just now may be written again within one step of the file system's clock.
_SETTLED_NS = 2_000_000_000
#: Hash of files that this process has read, and what the file system said of them then.
_HASHES: dict[Path, tuple[tuple[int, ...], str]] = {}
#: Folders in which this process has taken away what killed ones left.
_CLEARED: set[Path] = set()


def user_cache() -> Path:
    """The folder for what can be made again, in the user's cache as every program finds it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser().absolute() / "phenodose"


def is_vacant(path: Path) -> bool:
    """Whether nothing is at `path`, or a folder with nothing in it but what a killed `written_aside` left."""
    if not path.exists():
        return True
    return path.is_dir() and all(_PARTIAL.fullmatch(child.name) for child in path.iterdir())


def clear_partials(folder: Path, of: str | None = None) -> None:
    """Remove what killed processes left half written in `folder`; only who holds its lock may do so.

    A folder that had made room for a new one comes back, if the new one did not take its place any more.

    Args:
        folder: where to look.
        of: the name of the file or folder that was being written; any by default.
    """
    if is_remote(folder):
        return  # An object is there or it is not.
    _clear(folder, lambda match: of in (None, match["of"]))


def _clear(folder: Path, counts: Callable[[re.Match[str]], bool]) -> None:
    for leftover, name in _left(folder, _OLD, counts):
        if (folder / name).exists():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.rename(folder / name)
            sync_folder(folder)
    for leftover, _ in _left(folder, _PARTIAL, counts):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def where_it_goes(path: str) -> str:
    """The place of a file on its way, for messages; any other path as it is."""
    folder, slash, name = path.rpartition("/")
    match = _PARTIAL.fullmatch(name)
    return f"{folder}{slash}{match['of']}" if match else path


def _left(folder: Path, pattern: re.Pattern[str], counts: Callable[[re.Match[str]], bool]) -> list[tuple[Path, str]]:
    """What lies in a folder under such a name, and of what it is."""
    found = [(child, pattern.fullmatch(child.name)) for child in folder.glob(".*")]
    return [(child, match["of"]) for child, match in found if match and counts(match)]


def _clear_once(folder: Path) -> None:
    """Take away what processes left that have ended since, once a process; what others write stays."""
    if folder in _CLEARED:
        return
    _CLEARED.add(folder)

    def has_ended(match: re.Match[str]) -> bool:
        if match["machine"] == _this_machine():
            return not _is_alive(int(match["process"]))
        with suppress(OSError):
            return time.time() - (folder / match.string).lstat().st_mtime > _FORGOTTEN_S
        return False

    with suppress(OSError):  # what cannot be cleared away is in nobody's way
        _clear(folder, has_ended)


@cache
def _this_machine() -> str:
    """Twelve hexadecimal digits for this machine since its start, as its processes count themselves."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hash_bytes("\n".join(parts).encode())[:12]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _aside(path: Path, ending: str) -> Path:
    """A name beside a place that nobody else takes, and that says who does."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}-{_this_machine()}-{os.getpid()}.{ending}")


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(file: Path) -> None:
    """Make a file's bytes survive a power cut."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it is synced and moved into place.

    If the block raises, the temporary file or folder is removed and `path` stays as it was. A folder already at `path`
    is replaced whole, and at no moment is there none where the file system can exchange names; one behind a link is
    replaced where it lies. In an object store the temporary place is a local one, which is uploaded when the block ends
    well; the file that makes a folder valid goes last (`phenodose.io.places.MARKS`).
    """
    if is_remote(path):
        with _uploaded(path) as aside:
            yield aside
        return
    if path.is_symlink() and path.is_dir():
        path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_once(path.parent)
    aside = _aside(path, "partial")
    try:
        yield aside
        if aside.is_dir():
            for file in sorted(aside.rglob("*")):
                if file.is_file():
                    sync_file(file)
            expect_held(path)
            _replace_folder(aside, path)
        else:
            sync_file(aside)
            expect_held(path)
            aside.replace(path)
        sync_folder(path.parent)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


@contextmanager
def written_where_named(path: Path) -> Iterator[Path]:
    """`written_aside` for a file that a person has named.

    Raises:
        InputError: no file can be written there.
    """
    try:
        with written_aside(path) as aside:
            yield aside
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"{path} cannot be written ({reason}); name a file in a folder that takes one.") from error


@contextmanager
def _uploaded(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="phenodose-") as folder:
        aside = Path(folder) / path.name
        yield aside
        if aside.is_dir():
            upload_tree(aside, path)
        else:
            upload(aside, path)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, aside and moved into place."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON with sorted keys, aside and moved into place."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def hash_bytes(*parts: bytes | memoryview) -> str:
    """xxh3-128 of the concatenated parts, 32 hexadecimal digits."""
    import xxhash

    digest = xxhash.xxh3_128()
    for part in parts:
        digest.update(part)
    return str(digest.hexdigest())


def hash_file(path: Path, block_bytes: int = 1 << 22) -> str:
    """xxh3-128 of a file's bytes, 32 hexadecimal digits."""
    import xxhash

    digest = xxhash.xxh3_128()
    with path.open("rb") as handle:
        while block := handle.read(block_bytes):
            digest.update(block)
    return str(digest.hexdigest())


def hash_as_it_is(path: Path) -> str:
    """The hash of a file; read anew only if the file system says that it was touched since this process read it."""
    about = path.stat()
    signature = (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    known = _HASHES.get(path)
    if known is not None and known[0] == signature:
        return known[1]
    found = hash_file(path)
    if time.time_ns() - max(about.st_mtime_ns, about.st_ctime_ns) > _SETTLED_NS:
        _HASHES[path] = (signature, found)
    return found


def hash_json(value: Any) -> str:
    """xxh3-128 of a JSON value written with sorted keys and no spaces."""
    return hash_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode())


def _replace_folder(aside: Path, path: Path) -> None:
    if not path.exists():
        aside.rename(path)
        return
    if exchanged(aside, path):
        shutil.rmtree(aside)  # the old one, under the new one's name
        return
    old = _aside(path, "old")
    path.rename(old)
    aside.rename(path)
    shutil.rmtree(old)
