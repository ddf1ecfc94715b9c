"""Limits of a process that the operating system knows or holds: memory, time, and the life of the one that started it.

The caller of a worker looks at its memory in use. A process that answers a question of somebody else by itself, such
as an SQL query, is limited while it does (`process_limits`): DuckDB looks at its own limits between two blocks of rows.
One call of a function that works long or makes a long text (`levenshtein`, `repeat`) is one such block, and its memory
is not counted.

Does not belong here: starting and ending processes (`worker`), and DuckDB's own limits (`phenodose.cohort.query`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Bytes beyond what the process holds already that a question may take in all: DuckDB's 2 GB, and as much again for
#: the answer.
MOST_BYTES = 4 << 30
#: Seconds that DuckDB has to stop by itself after its time is over.
GRACE_S = 2.0
#: Addresses that libraries may reserve without using them, bytes.
_RESERVED = 16 << 30
_PR_SET_PDEATHSIG = 1


def end_with_caller() -> None:
    """Let the kernel end this process when the thread that started it is gone, even in an endless loop."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def memory_of(pid: int | str) -> int:
    """Memory that a process has in use, bytes; 0 where the system does not tell."""
    return _status(pid, 1) or 0


def take_at_most(memory_bytes: int) -> None:
    """A last fence: asking for so much more and `_RESERVED` raises MemoryError.

    The system counts addresses here, of which libraries reserve many and use few; so the fence stands further out than
    the limit itself, which the caller holds the process to by looking.
    """
    addresses = _status("self", 0)
    if addresses is None:
        # A system that does not tell: the limit of time alone stands.
        return
    import resource

    most = addresses + memory_bytes + _RESERVED
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


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
    # Private writable memory, as Linux counts it for RLIMIT_DATA.
    held = _status("self", 5)
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


def _status(pid: int | str, place: int) -> int | None:
    """A number of Linux's statm of a process, bytes: addresses, memory in use, .., data; None elsewhere."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[place]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
