"""Writing Zarr v3 shards directly: encoded chunks are appended to a file, the index comes last.

One writer owns a whole shard, so nothing is ever read back and the memory needed is one chunk. The layout is the
codec `sharding_indexed` of the Zarr v3 specification with the index at the end: pairs of little-endian uint64
(offset, number of bytes) in C order, 2**64-1 twice for a chunk that is not there, then the CRC-32C of the index.
Every chunk is compressed with blosc (zstd 1, byte shuffle) and followed by its own CRC-32C, so that a reader
refuses a flipped bit.

Belongs here: the bytes of one array. Does not belong here: what the array means (`ngff`, `well_writer`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from phenodose.errors import StoreError
from phenodose.io.fsync import start_writeback

#: Longest side of a chunk.
CHUNK_PX = 1024
_MISSING = 2**64 - 1
# Blocks as large as the chunk: better ratio and faster than blosc's own choice (measured on ImageXpress planes).
_BLOCK_BYTES = 1 << 20
_LEVEL = 1
# So much goes to the disk at a time while more is encoded; syncing the finished file then has little to wait for.
_WRITE_OUT_BYTES = 8 << 20


def chunk_side(size: int) -> int:
    """Side of the chunks that cut `size` pixels into equal parts of at most `CHUNK_PX`."""
    return math.ceil(size / math.ceil(size / CHUNK_PX))


def array_metadata(
    shape: Sequence[int], shard: Sequence[int], chunk: Sequence[int], dtype: str, dimensions: Sequence[str]
) -> dict[str, Any]:
    """The `zarr.json` of a sharded array.

    Args:
        shape: of the array.
        shard: shape of a shard, a multiple of `chunk`; it may reach past the array.
        chunk: shape of a chunk within a shard.
        dtype: numpy name of an integer type.
        dimensions: names of the axes.
    """
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    crc = {"name": "crc32c"}
    blosc = {
        "name": "blosc",
        "configuration": {
            "cname": "zstd",
            "clevel": _LEVEL,
            "shuffle": "shuffle",
            "typesize": np.dtype(dtype).itemsize,
            "blocksize": _BLOCK_BYTES,
        },
    }
    sharding = {
        "chunk_shape": list(chunk),
        "codecs": [little, blosc, crc],
        "index_codecs": [little, crc],
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shard)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "dimension_names": list(dimensions),
        "attributes": {},
    }


class ShardWriter:
    """Appends chunks to one shard file; `close` writes the index. The caller syncs the file.

    Example:
        >>> writer = ShardWriter(Path("c/0/0"), grid=(1, 2), chunk=(4, 4), dtype="uint16")  # doctest: +SKIP
        >>> writer.add((0, 1), np.ones((4, 3), "uint16"))  # doctest: +SKIP
        >>> writer.close()  # doctest: +SKIP
    """

    def __init__(
        self, path: Path, grid: Sequence[int], chunk: Sequence[int], dtype: str, lasting: bool = False
    ) -> None:
        """Open the file.

        Args:
            path: the shard's file; its folder is made.
            grid: number of chunks along each axis of the shard.
            chunk: shape of a chunk.
            dtype: numpy name of the pixel type.
            lasting: the file will be synced, so the disk may start on it at once.
        """
        import xxhash

        self.path = path
        self._grid = tuple(grid)
        self._chunk = tuple(chunk)
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._index = np.full((math.prod(self._grid), 2), _MISSING, dtype="<u8")
        self._hash = xxhash.xxh3_128()
        self._bytes = 0
        self._lasting = lasting
        self._begun_bytes = 0
        self._codec = _codec()
        self._buffer: np.ndarray | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=0)

    def add(self, position: Sequence[int], values: np.ndarray) -> None:
        """Append one chunk.

        Args:
            position: place of the chunk in the shard's grid.
            values: the chunk; at the array's end it may be smaller and is filled up with 0.

        Raises:
            StoreError: that chunk was written before.
        """
        place = int(np.ravel_multi_index(tuple(position), self._grid))
        if self._index[place, 0] != _MISSING:
            raise StoreError(f"{self.path}: chunk {tuple(position)} is written twice.")
        payload = self._encoded(values)
        checksum = _crc32c(payload)
        self._index[place] = self._bytes, len(payload) + len(checksum)
        self._append(payload, checksum)

    def close(self) -> tuple[int, str]:
        """Write the index and return the file's number of bytes and xxh3-128.

        A shard without any chunk leaves no file and returns (0, '').
        """
        if not self._bytes:
            self.abandon()
            return 0, ""
        index = self._index.tobytes()
        self._append(index, _crc32c(index))
        self._file.close()
        return self._bytes, str(self._hash.hexdigest())

    def abandon(self) -> None:
        """Close and remove the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _encoded(self, values: np.ndarray) -> bytes:
        if values.shape != self._chunk or values.dtype != self._dtype or not values.flags.c_contiguous:
            # One buffer for all chunks: fresh memory costs as much as the copy.
            if self._buffer is None:
                self._buffer = np.zeros(self._chunk, self._dtype)
            if values.shape != self._chunk:
                self._buffer.fill(0)
            self._buffer[tuple(slice(0, n) for n in values.shape)] = values
            values = self._buffer
        payload: bytes = self._codec.encode(values)
        return payload

    def _append(self, *parts: bytes) -> None:
        for part in parts:
            self._hash.update(part)
            self._bytes += len(part)
        written = os.writev(self._file.fileno(), parts)
        if written < sum(map(len, parts)):
            # The disk took a part only: the rest goes on, or the system says what is wrong.
            rest = memoryview(b"".join(parts))[written:]
            while rest:
                rest = rest[os.write(self._file.fileno(), rest) :]
        if self._lasting and self._bytes >= self._begun_bytes + _WRITE_OUT_BYTES:
            start_writeback(self._file.fileno(), self._begun_bytes, self._bytes - self._begun_bytes)
            self._begun_bytes = self._bytes


def _codec() -> Any:
    """The blosc codec; it takes the size of the items from the array."""
    import numcodecs

    # Blosc's own threads put blocks into the output in the order in which they finish; zarr-python switches them
    # off, too.
    numcodecs.blosc.use_threads = False
    return numcodecs.Blosc(cname="zstd", clevel=_LEVEL, shuffle=numcodecs.Blosc.SHUFFLE, blocksize=_BLOCK_BYTES)


def _crc32c(payload: bytes) -> bytes:
    import google_crc32c

    return int(google_crc32c.value(payload)).to_bytes(4, "little")
