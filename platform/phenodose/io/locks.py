"""One process at a time, on this machine or on all.

On a machine the lock is the operating system's: it goes when its process goes, however that ends. Several machines see
a bucket or a shared folder, where there is no such thing (a file server may not tell one machine of another's locks):
there a lease is held beside it (`phenodose.io.leases`).

Belongs here: locks. Does not belong here: what is done under them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from phenodose.errors import BusyError
from phenodose.io.guarded_writes import guarded
from phenodose.io.leases import acquire
from phenodose.io.lock_places import LockFiles, LockObject
from phenodose.io.places import is_remote
from phenodose.io.processes import is_of_one_machine


@contextmanager
def locked(path: Path, local: Path, busy: Callable[[str], str], wait_seconds: float = 0) -> Iterator[None]:
    """Hold a lock.

    Where several machines see it, everything that this process writes below the lock's folder is refused from the
    moment on that another process has taken the lock over, because this one was suspended.

    Args:
        path: the lock's file, or its object in an object store.
        local: its file on this machine, which is `path` itself in a folder.
        busy: the message if somebody else holds it, told who.
        wait_seconds: how long to wait for them.

    Raises:
        BusyError: another process holds the lock, or has taken it over meanwhile.
    """
    import filelock

    until = time.monotonic() + wait_seconds
    local.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(local)
    try:
        lock.acquire(timeout=wait_seconds)
    except filelock.Timeout:
        raise BusyError(busy("another process")) from None
    try:
        shared = is_remote(path) or not is_of_one_machine(path.parent)
        if not shared:
            yield
            return
        lease = acquire(
            LockObject(path) if is_remote(path) else LockFiles(path.with_name(f"{path.name}.lease")),
            str(path),
            local,
            busy,
            until,
        )
        try:
            with guarded(path.parent, lease.expect):
                yield
        except BaseException:
            # It has its own tale to tell.
            with suppress(BusyError):
                lease.end()
            raise
        lease.end()
    finally:
        lock.release()
