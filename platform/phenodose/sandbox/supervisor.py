"""The process between a caller and its worker, which sees to it that nothing of the worker's stays behind.

A worker's code can start processes that outlive it, in sessions of their own, and can end its parent. So its parent is
this small process, which runs nobody else's code: it adopts whatever the worker leaves (Linux makes it the parent of
orphans), ends all of it when the worker ends or the caller is gone, and ends in the way the worker did.

Belongs here: the life of the processes. Does not belong here: what the worker does (`child`). Where there are no such
means (other systems than Linux), the worker is the caller's own child.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from phenodose.sandbox.process_limits import end_with_caller

_PR_SET_CHILD_SUBREAPER = 36
#: Processes that the worker's libraries started have so long to clean up behind it: shared memory, say.
_CLEAN_UP_SECONDS = 0.5
_POLL_SECONDS = 0.01


def divide(caller: int, handle: int) -> None:
    """Divide this process in two; it returns in the worker alone, which is the child.

    Args:
        caller: process id of the one that started this process.
        handle: the worker's connection, which only the worker keeps.
    """
    if sys.platform != "linux":
        return
    try:
        watch = os.pidfd_open(caller)
    except OSError:
        # A kernel or a container that does not allow it; or the caller is gone, and the connection tells so.
        return
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    worker = os.fork()
    if worker == 0:
        for place in (watch, wake, waker):
            os.close(place)
        # A group of its own: what it sends to its group does not reach its parent.
        os.setpgid(0, 0)
        end_with_caller()
        if os.getppid() == 1:
            os._exit(0)
        return
    os.close(handle)
    os._exit(_supervise(worker, watch, wake, waker))


def _supervise(worker: int, caller: int, wake: int, waker: int) -> int:
    """Wait until the worker ends, the caller is gone or says so; the exit code for this process."""
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    signal.signal(signal.SIGCHLD, lambda number, _: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    status: int | None = None
    while status is None and not told:
        status = _reaped(worker)
        if status is None and caller in select.select([wake, caller], [], [], 60)[0]:
            break
        with suppress(OSError):
            os.read(wake, 4096)
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    _end_all(_CLEAN_UP_SECONDS)
    if status is None or os.WIFEXITED(status):
        return 0 if status is None else os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    with suppress(OSError, ValueError):
        # In the way of the worker, but without a file of this process's memory.
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _reaped(worker: int) -> int | None:
    """Take note of ended children; how the worker ended, if it is one of them."""
    found = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == worker:
                found = ended[1]
    return found


def _end_all(patience: float) -> None:
    """End every descendant of this process; those that are about to end by themselves are given some time."""
    end = time.monotonic() + patience
    while True:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = list(descendants(os.getpid()))
        if not left:
            return
        if time.monotonic() >= end:
            for process in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
        if time.monotonic() >= end + 10 * patience:
            # In the kernel, waiting for a device: there is nothing more that can be done.
            return
        time.sleep(_POLL_SECONDS)


def descendants(process: int) -> Iterator[int]:
    """The processes that a process has started, and those that they have, the first one first."""
    for child in _children(process):
        yield child
        yield from descendants(child)


def _children(process: int) -> list[int]:
    found: list[int] = []
    known = False
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        known = True
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return found if known else _children_by_parent(process)


def _children_by_parent(process: int) -> list[int]:
    """As `_children`, for a kernel that does not list children: by what every process says of its parent."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError):
            if place.read_text("utf-8", "replace").rpartition(")")[2].split()[1] == str(process):
                found.append(int(place.parent.name))
    return sorted(found)
