"""Making the many files of a well lasting while waiting little for the disk.

The disk is asked to start on what has been written long before it is waited for: pixels reach it while others are
encoded, and the files of a well share one entry in the file system's journal instead of taking one each. Only Linux
knows that request; elsewhere the sync takes longer, and is worth the same.

Belongs here: a folder of files. Does not belong here: a single one (`phenodose.io.files`).
"""

from __future__ import annotations

import ctypes
import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from phenodose.io.files import sync_folder

_OPEN_AT_ONCE = 64
_START = 2  # SYNC_FILE_RANGE_WRITE: begin, and do not wait.


def sync_tree(folder: Path) -> None:
    """Make everything in a folder lasting, files before the folders that hold them."""
    tree = list(os.walk(folder, topdown=False))
    files = [Path(place) / name for place, _, names in tree for name in names]
    for start in range(0, len(files), _OPEN_AT_ONCE):
        with ExitStack() as opened:
            some = files[start : start + _OPEN_AT_ONCE]
            handles = [opened.enter_context(file.open("rb")).fileno() for file in some]
            # The disk starts on all of them before the first is waited for.
            for handle in handles:
                start_writeback(handle)
            for handle in handles:
                os.fsync(handle)
    for place, _, _ in tree:
        sync_folder(Path(place))


def start_writeback(handle: int, offset: int = 0, n_bytes: int = 0) -> None:
    """Ask the disk to begin with a part of a file, without waiting; nothing is lasting by this alone.

    Args:
        handle: of the open file.
        offset: where the part begins.
        n_bytes: its length; 0 for all to the end.
    """
    request = _request()
    if request is not None:
        # Refused by some file systems; faults of the disk are told by the sync.
        request(handle, offset, n_bytes, _START)


@cache
def _request() -> Any:
    try:
        function = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function
