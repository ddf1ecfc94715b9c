"""The pixels of one image of a well, read when they are asked for, and whether they are that image's.

Belongs here: an array of one channel, and comparing its file with what was written. Does not belong here: which image
is meant (`plate`), and comparing every byte of a plate (`verify`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import StoreError
from phenodose.io.files import hash_file
from phenodose.io.places import file_bytes, is_remote

if TYPE_CHECKING:
    import zarr

INGEST_AGAIN = "run `phenodose ingest` again: it writes what is missing"
#: Larger files are compared by their number of bytes alone, and so are those in a bucket; their chunks have checksums.
#: Compressed images of several megabytes agree in it by a chance of one in a million.
HASHED_UP_TO_BYTES = 8 << 20


def check_file(path: Path, written: list[Any] | None, whose: str) -> None:
    """Refuse a file of pixels that is not there, or is that of another image.

    A chunk's checksum tells a damage, but not that the file belongs to another well, site or channel.

    Args:
        path: the shard.
        written: its number of bytes and xxh3-128, as its well's attributes have them; None if they name no such file.
        whose: the well, for messages.

    Raises:
        StoreError: the file is missing, or is not the one that was written.
    """
    size = file_bytes(path)
    if size is None:
        # Zarr would give zeros for a shard that has been lost.
        raise StoreError(f"{path}: {whose}: the pixels are missing; {INGEST_AGAIN}.")
    if written is None:
        raise StoreError(f"{path}: {whose}: the well was made without this file; delete the well and {INGEST_AGAIN}.")
    small = size <= HASHED_UP_TO_BYTES and not is_remote(path)
    if size != written[0] or (small and hash_file(path) != written[1]):
        raise StoreError(
            f"{path}: {whose}: the pixels are damaged: the file is not the one that was written (another image's, cut, "
            f"or changed); delete the well's folder and {INGEST_AGAIN}."
        )


class StackView:
    """One channel of one well as an array with dims z, y, x; pixels are read when it is indexed."""

    def __init__(self, array: zarr.Array[Any], lead: tuple[int, ...], where: str) -> None:
        self._array = array
        self._lead = lead
        self._where = where
        self.shape: tuple[int, ...] = array.shape[-3:]
        self.dtype: np.dtype[Any] = array.dtype

    @property
    def ndim(self) -> int:
        """Always 3."""
        return 3

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: Any) -> np.ndarray:
        place = place if isinstance(place, tuple) else (place,)
        try:
            return np.asarray(self._array[(*self._lead, *place)])
        except (ValueError, RuntimeError, TypeError, KeyError, ArithmeticError) as error:
            raise StoreError(
                f"{self._where}: the pixels are damaged ({error}); delete the folder and {INGEST_AGAIN}."
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[...], dtype=dtype)
