"""Who may read what is written: the user alone, unless the site says otherwise.

Scores, images and names of patients lie in products, in caches and in what is on its way. Every file that a process
makes goes by its umask, also those of libraries and of the processes that it starts; so it is set here, once for all
of them, by the faces when they begin, and as site.toml says when the store is known.

Rights are only ever taken away: what the user's own umask does not give stays away, whatever the site allows.

Belongs here: the umask and folders that are private whatever it is. Does not belong here: reading site.toml.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

#: Who may read new files: their owner alone, the owner's group too, or whoever the user's umask lets.
ReadableBy = Literal["owner", "group", "everyone"]
READABLE_BY = get_args(ReadableBy)
_TAKEN = {"owner": 0o077, "group": 0o007, "everyone": 0o000}

#: The umask that the user started this process with, while files are private.
_own_umask: int | None = None


@contextmanager
def private_files() -> Iterator[None]:
    """While the block runs, new files are the owner's alone, or as `readable_by` then says."""
    global _own_umask
    if _own_umask is not None:  # within another block of this process
        yield
        return
    _own_umask = os.umask(_TAKEN["owner"])
    os.umask(_own_umask | _TAKEN["owner"])
    try:
        yield
    finally:
        os.umask(_own_umask)
        _own_umask = None


def private_from_now_on(who: ReadableBy = "owner") -> None:
    """As `private_files`, to the end of this process: for processes that a server starts."""
    global _own_umask
    if _own_umask is None:
        _own_umask = os.umask(_TAKEN["owner"])
    readable_by(who)


def readable_by(who: ReadableBy) -> None:
    """Let others read files that are made from now on; nothing where `private_files` is not at work."""
    if _own_umask is not None:
        os.umask(_own_umask | _TAKEN[who])


def made_folder(path: Path) -> Path:
    """A folder for what others should not see: as the site says, and private where nobody has said anything.

    Called from Python, where the umask is the program's own, it is the owner's alone.
    """
    path.mkdir(mode=0o700 if _own_umask is None else 0o777, parents=True, exist_ok=True)
    return path


def private_folder(path: Path) -> Path:
    """A folder that its owner alone can enter, made if it is not there.

    Raises:
        PermissionError: it is there and belongs to another user, or is a link.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise PermissionError(13, "is a link or belongs to another user; remove it", str(path))
    if found.st_mode & 0o077:
        path.chmod(0o700)
    return path
