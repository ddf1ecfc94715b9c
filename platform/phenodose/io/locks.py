"""One process at a time, on this machine or on all.

On a machine the lock is the operating system's: it goes when its process goes, however that ends. Several machines see
a bucket or a shared folder, where there is no such thing (a file server may not tell one machine of another's locks):
there a lease is held beside it (`phenodose.io.leases`).

Belongs here: locks. Does not belong here: what is done under them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from phenodose.errors import BusyError, PhenodoseError
from phenodose.io.guarded_writes import guarded
from phenodose.io.leases import acquire, holder_of
from phenodose.io.lock_places import LockFiles, LockObject
from phenodose.io.places import is_remote
from phenodose.io.processes import is_of_one_machine

#: Beside a lock, or in a folder above it: several machines use what lies here, whatever file system this one sees.
SEVERAL_MACHINES = ".several_machines"
#: How many folders above a lock are looked at for it.
_ABOVE = 8


@contextmanager
def locked(
    path: Path,
    local: Path,
    busy: Callable[[str], str],
    wait_seconds: float = 0,
    below: Sequence[Path] | None = None,
) -> Iterator[None]:
    """Hold a lock.

    Where several machines see it, everything that this process writes below the lock's folder is refused from the
    moment on that another process has taken the lock over, because this one was suspended.

    Args:
        path: the lock's file, or its object in an object store.
        local: its file on this machine, which is `path` itself in a folder.
        busy: the message if somebody else holds it, told who.
        wait_seconds: how long to wait for them.
        below: folders in which a late writer is refused; the lock's own by default.

    Raises:
        BusyError: another process holds the lock, or has taken it over meanwhile.
        StoreError: the object store writes whatever condition it is given, so that nothing can be locked there.
    """
    import filelock

    remote = is_remote(path)
    at = LockObject(path) if remote else LockFiles(path.with_name(f"{path.name}.lease"))

    until = time.monotonic() + wait_seconds
    local.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(local)
    try:
        lock.acquire(timeout=wait_seconds)
    except filelock.Timeout:
        raise BusyError(busy(holder_of(at))) from None
    try:
        if not remote and not seen_by_several_machines(path.parent):
            yield
            return
        if isinstance(at, LockObject):
            at.expect_conditions()
        lease = acquire(at, str(path), local, busy, until)
        try:
            with ExitStack() as guards:
                for folder in below or (path.parent,):
                    guards.enter_context(guarded(folder, lease.expect))
                yield
        except BaseException as error:
            try:
                lease.end()
            except BusyError as lost:
                if isinstance(error, Exception) and not isinstance(error, PhenodoseError):
                    # Whoever has the lock now has cleared away what was under way.
                    raise lost from error
            # Else it has its own tale to tell.
            raise
        lease.end()
    finally:
        lock.release()


def seen_by_several_machines(folder: Path) -> bool:
    """Whether other machines may use a folder of this one; then it is said beside the lock for all of them.

    A machine whose own disk is exported to others sees a disk like any other: it learns it from the note that they
    leave, or from `phenodose store check`.
    """
    if any((place / SEVERAL_MACHINES).exists() for place in (folder, *list(folder.parents)[:_ABOVE])):
        return True
    if is_of_one_machine(folder):
        return False
    with suppress(OSError):
        (folder / SEVERAL_MACHINES).touch()
    return True
