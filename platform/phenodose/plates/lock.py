"""One ingest of a plate at a time.

Belongs here: who may write a plate. Does not belong here: writing it (`plate_ingest`), and how a lock is held
(`phenodose.io.locks`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from phenodose.io.files import hash_bytes
from phenodose.io.locks import locked as held
from phenodose.io.places import is_remote


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
    if is_remote(out):
        aside = Path(tempfile.gettempdir()) / f"phenodose-ingest-{hash_bytes(str(out).encode())}"
        lock = out.with_name(f".{out.name}.lock")
    else:
        aside = out.with_name(f".{out.name}.ingest")
        lock = aside / "lock"
    with held(
        lock, aside / "lock", lambda who: f"plate {plate}: {who} is ingesting it into {out}; wait until that is done."
    ):
        yield aside
