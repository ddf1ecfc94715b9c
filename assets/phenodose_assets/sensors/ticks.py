"""How long a tick of a sensor may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")

#: A tick looks at as many screens as it can in this time; the next one goes on with the others. Dagster ends it at 60.
MOST_SECONDS = 15.0


#: As long as it finds nothing new, a tick ends after this: it comes again soon, and nobody waits for it.
QUIET_SECONDS = 4.0


def in_time(
    every: Iterable[_T],
    now: Callable[[], float] = time.monotonic,
    most_seconds: Callable[[], float] = lambda: MOST_SECONDS,
) -> Iterator[_T]:
    """As many as a tick has time for, at least one; `most_seconds` is asked after each."""
    begin = now()
    for one in every:
        yield one
        if now() - begin >= most_seconds():
            return
