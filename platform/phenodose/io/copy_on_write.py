"""Copies that share their bytes with the original until one of the two is changed, where the file system can.

A hard link would be changed with the file by whoever writes in place (an editor, a damaged disk block); a copy on write
is not, and costs as little. Where the file system cannot (ext4, object stores), the bytes are copied.

Belongs here: copying one file. Does not belong here: copies of a bucket on this machine (`copies`).
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from phenodose.errors import StoreError
from phenodose.io.places import is_remote, read_bytes, sizes

#: Linux's request for a copy on write (`ioctl_ficlone(2)`): btrfs, XFS, bcachefs, OCFS2.
_FICLONE = 0x40049409


def copy_file(source: Path, target: Path) -> None:
    """Copy a file of a folder or an object store to a file on this machine.

    Raises:
        StoreError: it is gone by now.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if is_remote(source):
        content = read_bytes(source)
        if content is None:
            raise StoreError(f"{source}: was removed while it was copied; run this again.")
        target.write_bytes(content)
        return
    try:
        if not _cloned(source, target):
            shutil.copyfile(source, target)
    except FileNotFoundError as error:
        raise StoreError(f"{source}: was removed while it was copied; run this again.") from error


def copy_tree(source: Path, target: Path) -> None:
    """Copy every file below a folder or a prefix; nothing if nothing is there."""
    for name in sizes(source):
        copy_file(source / name, target / name)


def _cloned(source: Path, target: Path) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            return False
    return True
