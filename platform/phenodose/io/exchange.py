"""Two folders that exchange their names in one step, so that there is no moment in which neither has it.

Linux knows that request (renameat2), and most of its file systems; elsewhere the caller has to go another way.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2


def exchanged(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders of a file system; False if it cannot, and nothing has changed."""
    request = _request()
    return request is not None and request(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


@cache
def _request() -> Any:
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    return function
