"""Limits that the operating system holds, for a process that answers one question of somebody else.

DuckDB looks at its own limits between two blocks of rows. One call of a function that works long or makes a long text
(`levenshtein`, `repeat`) is one such block, and its memory is not counted. So the process itself is limited.

Does not belong here: the question and DuckDB's limits (`phenodose.cohort.query`).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Bytes beyond what the process holds already that a question may take in all: DuckDB's 2 GB, and as much again for
#: the answer.
MOST_BYTES = 4 << 30
#: Seconds that DuckDB has to stop by itself after its time is over.
GRACE_S = 2.0


@contextmanager
def process_limits(
    seconds: float, most_bytes: int = MOST_BYTES, end: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Bound the memory of this process while the block runs, and end the process if the block does not end.

    Args:
        seconds: time that the question may take; the process ends `GRACE_S` later.
        most_bytes: memory that the process may take on top of what it holds; where the operating system can say so.
        end: ends the process, told why; by default it writes the reason to stderr and exits with 2.
    """
    why = (
        f"phenodose: the query took longer than {seconds:g} s and did not stop by itself, so it was ended; "
        "narrow it, or allow more time with --seconds."
    )
    watchdog = threading.Timer(seconds + GRACE_S, end or _end, [why])
    watchdog.daemon = True
    watchdog.start()
    try:
        with _bounded_memory(most_bytes):
            yield
    finally:
        watchdog.cancel()


def _end(why: str) -> None:
    sys.stderr.write(f"{why}\n")
    sys.stderr.flush()
    os._exit(2)


@contextmanager
def _bounded_memory(most_bytes: int) -> Iterator[None]:
    held = _data_bytes()
    if held is None:
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = held + most_bytes
    bounds = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *bounds]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int | None:
    """Private writable memory of this process, as Linux counts it for RLIMIT_DATA; None elsewhere."""
    try:
        with Path("/proc/self/statm").open(encoding="ascii") as handle:
            return int(handle.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
