"""One ingest of a plate at a time.

Belongs here: who may write a plate. Does not belong here: writing it (`plate_ingest`), and how a lock is held
(`phenodose.io.locks`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phenodose.io.files import hash_bytes, user_cache
from phenodose.io.locks import locked as held
from phenodose.io.places import is_remote
from phenodose.io.privacy import made_folder, private_folder


def cached_aside(out: Path) -> Path:
    """The folder on this machine for a plate in an object store: its lock, wells under way, and what raw files were."""
    return user_cache() / "ingest" / hash_bytes(str(out).encode())


@contextmanager
def locked(out: Path, plate: str) -> Iterator[Path]:
    """Hold the plate's lock.

    Args:
        out: the plate.
        plate: its name, for the message.

    Yields:
        A local folder for wells that are being written: beside a plate in a folder, else one in the user's cache that
        nobody else can enter.

    Raises:
        BusyError: another ingest of the plate is going on.
    """
    if is_remote(out):
        aside = private_folder(cached_aside(out))
        lock = out.with_name(f".{out.name}.lock")
    else:
        aside = made_folder(out.with_name(f".{out.name}.ingest"))
        lock = aside / "lock"
    with held(
        lock,
        aside / "lock",
        lambda who: f"plate {plate}: {who} is ingesting it into {out}; wait until that is done.",
        below=(out, aside),
    ):
        yield aside
