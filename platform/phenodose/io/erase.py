"""Taking folders away as far as it goes: what cannot be removed is told, and all else is gone.

Belongs here: local files, folders and the links among them. Does not belong here: object stores (`places`), and what
the files mean.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

_NAMED = 5


@dataclass
class Erased:
    """What could not be removed.

    Attributes:
        faults: what the system said, for the first few.
        n_left: how many files and folders are left, not counting folders that are not empty for that reason.
    """

    faults: list[str] = field(default_factory=list)
    n_left: int = 0

    def add(self, error: OSError, path: Path) -> None:
        """Note a file or folder that is left."""
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return
        self.n_left += 1
        if len(self.faults) < _NAMED:
            self.faults.append(f"{path} ({error.strerror})")


def erase(path: Path, erased: Erased, keep: str | None = None) -> None:
    """Remove a file, a link (not what it leads to), or a folder with everything in it; nothing if it is not there.

    Args:
        path: the place.
        erased: is told of everything that is left.
        keep: name of a file right in the folder that stays, and the folder with it.
    """
    try:
        if not os.path.lexists(path):
            return
        if path.is_symlink() and keep is not None and path.is_dir():
            path = path.resolve()
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return
        with os.scandir(path) as listed:
            names = [entry.name for entry in listed]
        for name in names:
            if name != keep:
                erase(path / name, erased)
        if keep is None:
            path.rmdir()
    except OSError as error:
        erased.add(error, path)


def size_of(path: Path) -> tuple[int, int]:
    """Number of files at and below a place and their bytes; links count as files, whatever they lead to."""
    if path.is_symlink() or path.is_file():
        return 1, path.lstat().st_size
    n_files = n_bytes = 0
    for parent, subfolders, names in os.walk(path):
        links = [name for name in subfolders if Path(parent, name).is_symlink()]
        for name in [*names, *links]:
            n_files, n_bytes = n_files + 1, n_bytes + Path(parent, name).lstat().st_size
    return n_files, n_bytes


def links_in(path: Path) -> list[tuple[Path, Path]]:
    """Links at and below a place with what they lead to outside of it, and those below that; dead ones are left out."""
    found: list[tuple[Path, Path]] = []
    waiting, seen = [path], set()
    while waiting:
        top = waiting.pop()
        links = [
            Path(parent, name)
            for parent, folders, names in os.walk(top)
            for name in (*folders, *names)
            if Path(parent, name).is_symlink()
        ]
        inside = top.resolve()
        for link in [top] if top.is_symlink() else links:
            target = link.resolve()
            if target.exists() and target not in seen and (link == top or not target.is_relative_to(inside)):
                seen.add(target)
                found.append((link, target))
                waiting.append(target)
    return found
