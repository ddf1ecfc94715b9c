"""How long a tick of a sensor may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")

#: A tick looks at as many screens as it can in this time; the next one goes on with the others. Dagster ends it at 60.
MOST_SECONDS = 15.0


def in_time(every: Iterable[_T], now: Callable[[], float] = time.monotonic) -> Iterator[_T]:
    """As many as a tick has time for, at least one."""
    end = now() + MOST_SECONDS
    for one in every:
        yield one
        if now() >= end:
            return
