"""Copies of what lies in an object store, on this machine, for libraries that need a real file.

A copy is the place as it was at one moment: every object has the same ETag before and after it is fetched, else it is
fetched again. What has not changed is not fetched again. A copy lies in a folder of its own, named after the ETags, so
that a reader of an older one is not disturbed.

Belongs here: making, finding and forgetting copies. Does not belong here: what the files mean, and writing to the
object store (`phenodose.io.files`).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from phenodose.errors import StoreError
from phenodose.io.files import hash_json, sync_file
from phenodose.io.places import download, versions
from phenodose.io.privacy import made_folder

_TRIES = 8
_AT_A_TIME = 8
_STATE = "state.json"
#: Seconds after which a copy is forgotten that nobody asked for: one that a newer copy replaces, and any other.
REPLACED_S, UNUSED_S = 3600.0, 7 * 24 * 3600.0


def local_copy(path: Path, name: str, copies: Path) -> Path:
    """A copy of a file or folder of an object store as it is now.

    Args:
        path: its place in the object store.
        name: its path in the store.
        copies: the folder of all copies.

    Returns:
        The file or folder, not to be written to; where nothing lies at `path`, a path at which there is nothing.

    Raises:
        StoreError: it changed again and again while it was fetched.
    """
    import filelock

    own = copies / name.replace("/", "+")
    state = versions(path)
    kept = _kept(own, state)
    if not state or _used(kept):
        return kept / path.name
    made_folder(copies.parent)
    own.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(own / ".lock"), tempfile.TemporaryDirectory(prefix=".", dir=own) as folder:
        made = Path(folder) / "copy"
        state = _fetch(path, made / path.name, _newest(own))
        kept = _kept(own, state)
        if state and not _used(kept):
            (made / _STATE).write_text(json.dumps(state), encoding="utf-8")
            made.rename(kept)
    _forget(copies, kept)
    return kept / path.name


def copied_versions(copy: Path) -> dict[str, str] | None:
    """Version of every object in a copy, by its path in it, the same on all machines; None for what is no copy."""
    try:
        state: dict[str, str] = json.loads((copy.parent / _STATE).read_text(encoding="utf-8"))
    except OSError:
        return None
    return state


def _kept(own: Path, state: Mapping[str, str]) -> Path:
    return own / hash_json(state)


def _used(kept: Path) -> bool:
    """Note that a copy was asked for; False if there is none."""
    with suppress(FileNotFoundError):
        os.utime(kept)
        return True
    return False


def _fetch(path: Path, target: Path, older: Path | None) -> dict[str, str]:
    """Make `target` be what lies at `path`, and return its versions.

    Args:
        path: the place in the object store.
        target: local file or folder.
        older: another copy of the place, from which unchanged files are taken.
    """
    have: dict[str, str] = {}
    target.parent.mkdir(parents=True)
    if older is not None:
        have = json.loads((older / _STATE).read_text(encoding="utf-8"))
        _link(older / path.name, target, have)
    for _ in range(_TRIES):
        state = versions(path)
        _remove(target, (name for name in have if state.get(name) != have[name]))
        wanted = [name for name in state if state[name] != have.get(name)]
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(lambda name: _get(path / name if name else path, _within(target, name)), wanted))
        after = versions(path)
        have = {name: version for name, version in state.items() if after.get(name) == version}
        _remove(target, state.keys() - have.keys())
        if after == have:
            return have
    raise StoreError(f"{path}: it changes faster than it can be fetched; wait until nothing writes to it.")


def _get(path: Path, target: Path) -> None:
    download(path, target)
    if target.is_file():
        sync_file(target)


def _within(target: Path, name: str) -> Path:
    return target / name if name else target


def _remove(target: Path, names: Iterable[str]) -> None:
    for name in names:
        _within(target, name).unlink(missing_ok=True)


def _link(source: Path, target: Path, names: Iterable[str]) -> None:
    for name in names:
        there = _within(target, name)
        there.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(_within(source, name), there)
        except OSError:  # a disk without hard links
            shutil.copy2(_within(source, name), there)


def _newest(own: Path) -> Path | None:
    made = [state.parent for state in own.glob(f"*/{_STATE}")]
    return max(made, key=lambda folder: folder.stat().st_mtime, default=None)


def _forget(copies: Path, kept: Path) -> None:
    """Remove copies that nobody has asked for in a while."""
    now = time.time()
    for state in copies.glob(f"*/*/{_STATE}"):
        folder = state.parent
        limit = REPLACED_S if folder.parent == kept.parent else UNUSED_S
        with suppress(FileNotFoundError):
            if folder != kept and now - folder.stat().st_mtime > limit:
                shutil.rmtree(folder, ignore_errors=True)
