"""One process at a time, on this machine or on all.

In a folder the lock is the operating system's: it goes when its process goes, however that ends. An object store has
no such thing: there it is an object that only one can create, which its holder renews; one that has not been renewed
for a minute, or whose process on this machine is gone, is left over and is taken away.

Belongs here: locks. Does not belong here: what is done under them.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from phenodose.errors import BusyError
from phenodose.io.places import is_remote, remove

#: Seconds between two renewals of a lock in an object store, and after which it counts as left over.
RENEW_S, STALE_S = 15.0, 60.0


@contextmanager
def locked(path: Path, local: Path, busy: Callable[[str], str], wait_seconds: float = 0) -> Iterator[None]:
    """Hold a lock.

    Args:
        path: the lock's file, or its object in an object store.
        local: its file on this machine, which is `path` itself in a folder.
        busy: the message if somebody else holds it, told who.
        wait_seconds: how long to wait for them.

    Raises:
        BusyError: another process holds the lock.
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
        if is_remote(path):
            with _lock_object(path, busy, until):
                yield
        else:
            yield
    finally:
        lock.release()


@contextmanager
def _lock_object(lock: Path, busy: Callable[[str], str], until: float) -> Iterator[None]:
    """Hold a lock that is an object in the store."""
    token = uuid.uuid4().hex
    while not _created(lock, token):
        holder = _read(lock)
        if not holder or _left_over(holder):
            remove(lock)
        elif time.monotonic() >= until:
            who = f"process {holder.get('pid')} on {holder.get('host')}"
            raise BusyError(f"{busy(who)} A lock that is left over gives way after {STALE_S:.0f} s.")
        else:
            time.sleep(1)
    stop = threading.Event()
    renewer = threading.Thread(target=_renew, args=(lock, token, stop), name="lock", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        stop.set()
        renewer.join()
        # If the store does not answer, the lock grows old by itself, and what was done has its own tale to tell.
        with suppress(Exception):
            if _read(lock).get("token") == token:
                remove(lock)


def _renew(lock: Path, token: str, stop: threading.Event) -> None:
    while not stop.wait(RENEW_S):
        try:
            lock.write_bytes(_content(token))
        except Exception:
            continue


def _created(lock: Path, token: str) -> bool:
    """Create the object, if nobody has."""
    store: Any = lock
    try:
        store.fs.pipe_file(store.path, _content(token), mode="create")
    except FileExistsError:
        return False
    return True


def _content(token: str) -> bytes:
    return json.dumps(
        {"host": socket.gethostname(), "pid": os.getpid(), "token": token, "renewed": time.time()}
    ).encode()


def _read(lock: Path) -> dict[str, Any]:
    try:
        value = json.loads(lock.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _left_over(holder: dict[str, Any]) -> bool:
    """Whether the holder of a lock is gone; called with this machine's own lock held."""
    if abs(time.time() - float(holder.get("renewed", 0))) > STALE_S:
        return True
    if holder.get("host") != socket.gethostname():
        return False
    if holder.get("pid") == os.getpid():
        # Work of this process that could not take its lock away, because the store did not answer.
        return True
    try:
        os.kill(int(holder.get("pid", 0)), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
