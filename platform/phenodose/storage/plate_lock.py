"""One ingest of a plate at a time.

In a folder the lock is the operating system's: it goes when its process goes, however that ends. An object store has
no such thing: there it is an object that only one can create, which its holder renews; one that has not been renewed
for a minute, or whose process on this machine is gone, is left over and is taken away.

Belongs here: who may write a plate. Does not belong here: writing it (`plate_ingest`).
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from phenodose.errors import BusyError
from phenodose.files import hash_bytes
from phenodose.places import is_remote

#: Seconds between two renewals of a lock in an object store, and after which it counts as left over.
RENEW_S, STALE_S = 15.0, 60.0


@contextmanager
def locked(out: Path, plate: str) -> Iterator[Path]:
    """Hold the plate's lock.

    Args:
        out: the plate.
        plate: its name, for the message.

    Yields:
        A local folder for wells that are being written: beside a plate in a folder, else in the temporary folder.

    Raises:
        BusyError: another ingest of the plate is going on.
    """
    import filelock

    remote = is_remote(out)
    if remote:
        aside = Path(tempfile.gettempdir()) / f"phenodose-ingest-{hash_bytes(str(out).encode())}"
    else:
        aside = out.with_name(f".{out.name}.ingest")
    aside.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(aside / "lock", timeout=0):
            if remote:
                with _lock_object(out.with_name(f".{out.name}.lock"), out, plate):
                    yield aside
            else:
                yield aside
    except filelock.Timeout:
        raise BusyError(
            f"plate {plate}: another process is ingesting it into {out}; wait until that is done."
        ) from None


@contextmanager
def _lock_object(lock: Path, out: Path, plate: str) -> Iterator[None]:
    """Hold a lock that is an object in the store."""
    token = uuid.uuid4().hex
    if not _created(lock, token):
        holder = _read(lock)
        if holder and not _left_over(holder):
            raise BusyError(
                f"plate {plate}: process {holder.get('pid')} on {holder.get('host')} is ingesting it into {out}; wait "
                f"until that is done. A lock that is left over gives way after {STALE_S:.0f} s."
            )
        lock.unlink(missing_ok=True)
        if not _created(lock, token):
            raise BusyError(f"plate {plate}: another process has just begun to ingest it into {out}; wait for it.")
    stop = threading.Event()
    renewer = threading.Thread(target=_renew, args=(lock, token, stop), name="plate-lock", daemon=True)
    renewer.start()
    try:
        yield
    finally:
        stop.set()
        renewer.join()
        # If the store does not answer, the lock grows old by itself, and the ingest has its own tale to tell.
        with suppress(Exception):
            if _read(lock).get("token") == token:
                lock.unlink(missing_ok=True)


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
    """Whether the holder of a lock is gone; called with this machine's own lock of the plate held."""
    if abs(time.time() - float(holder.get("renewed", 0))) > STALE_S:
        return True
    if holder.get("host") != socket.gethostname():
        return False
    if holder.get("pid") == os.getpid():
        # An ingest of this process that could not take its lock away, because the store did not answer.
        return True
    try:
        os.kill(int(holder.get("pid", 0)), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
