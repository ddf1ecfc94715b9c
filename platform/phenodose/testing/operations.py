"""Counting operations instead of seconds: lines of Python that a call executes.

A count is the same on a slow and on a busy machine, and an endless loop is stopped by it. Work inside compiled
libraries counts as the one line that calls them, so a loop over curves is seen and a sum over an array is not.

Belongs here: the counter. Does not belong here: how much a kind of plugin may take (the modules of the kinds).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Value = TypeVar("Value")


class TooManyOperations(BaseException):
    """The budget is spent. No `Exception`, so that no plugin catches it by accident."""


def counted(call: Callable[[], Value], at_most: int) -> tuple[Value, int]:
    """What a call gives, and how many lines of Python it executed.

    Args:
        call: the work, in this thread.
        at_most: lines after which it is stopped.

    Raises:
        TooManyOperations: it executed more lines.
    """
    lines = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines > at_most:
                raise TooManyOperations(f"more than {at_most:,} lines")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        value = call()
    finally:
        sys.settrace(before)
    return value, lines
