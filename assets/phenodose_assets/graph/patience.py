"""A step of a cluster that finds its product locked waits and tries once more.

A lock that several machines see outlives a node that dies: only when it has not changed for a while is it known to be
left over. The step that was tried again on another node comes sooner than that, and would fail for a holder that is
gone. On one machine a lock goes with its process, so there nobody waits.

Belongs here: waiting. Does not belong here: when a lock is left over (`phenodose.io.leases`), and how steps of dead
nodes are tried again (`executors.choice`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import dagster as dg

from phenodose.errors import BusyError
from phenodose.io.leases import RENEW_S, STALE_S

#: After so long a lock that was found has either been renewed, or is left over, seconds.
WAIT_S = STALE_S + RENEW_S


def patiently(
    make: Callable[[], Iterable[Any]],
    say: Callable[[str], None],
    waits: bool,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Any]:
    """What a step tells, the second time if at the first its product was locked.

    Args:
        make: makes the product and gives what is told of it.
        say: is told why nothing happens for a while.
        waits: whether several machines are at work.
        pause: waits so many seconds.
    """
    if not waits:
        yield from make()
        return
    told = list(make())
    busy = next(filter(None, map(_busy, told)), "")
    if busy:
        say(f"{busy} It is tried again in {WAIT_S:.0f} s, when a lock of a dead node has given way.")
        pause(WAIT_S)
        told = list(make())
    yield from told


def _busy(event: Any) -> str:
    """Why the product was locked, if a step tells that; '' otherwise."""
    value = event.value if isinstance(event, dg.Output) else None
    if isinstance(value, dict) and value.get("error") == BusyError.__name__:
        return str(value.get("message", ""))
    return ""
