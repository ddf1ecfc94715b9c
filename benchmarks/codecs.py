"""Size against CPU of the codecs that a chunk of 1024 x 1024 pixels (uint16) can have, on four kinds of noise.

Of every codec: size by pixels, MB of pixels a CPU second packed and unpacked (one thread, best of `--rounds`), and
whether every reader of Zarr v3 reads it: `core` is what the specification itself names (blosc, zstd, gzip), the others
need zarr-python with numcodecs. Each first chunk is put into an array as it is and read back by zarr-python.

Rows with "own frame" put frames of zstd with parameters of their own into a blosc frame, which any blosc decoder reads:
blosc itself offers zstd's levels only. They need the package `zstandard`, and Huffman only needs the library libzstd
of the system; pcodec needs `pcodec`. What is not installed is left out.
`.venv/bin/python benchmarks/codecs.py`; --real FOLDER for the kind `real`.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import struct
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from noise_kinds import KINDS, REAL_FOLDER
from numcodecs import Blosc
from raw_plate import plane_pixels

SIDE = 1024
_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
_SHUFFLES = {"shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}
# Parameters of zstd by their numbers in zstd.h; the last forces Huffman's code on literals of any strategy.
_ZSTD = {"level": 100, "window_log": 101, "hash_log": 102, "min_match": 105, "target_length": 106, "literals": 1002}

Pack = Callable[[np.ndarray], bytes]
Unpack = Callable[[bytes], object]


@dataclass(frozen=True)
class Way:
    """One codec: its name, its codecs in `zarr.json`, and both directions."""

    name: str
    codecs: list[dict[str, Any]]
    pack: Pack
    unpack: Unpack

    @property
    def is_core(self) -> bool:
        """Whether all its codecs are of the specification itself."""
        return all(not codec["name"].startswith("numcodecs.") for codec in self.codecs)


def blosc(cname: str, level: int, shuffle: str, block_kib: int = 1024) -> Way:
    """Blosc as numcodecs and zarr-python write it."""
    codec = Blosc(cname=cname, clevel=level, shuffle=_SHUFFLES[shuffle], blocksize=block_kib << 10)
    name = f"blosc {cname} {level} {shuffle}, {block_kib} KiB"
    return Way(name, [_BYTES, _blosc_json(cname, level, shuffle, block_kib)], codec.encode, codec.decode)


def _blosc_json(cname: str, level: int, shuffle: str, block_kib: int) -> dict[str, Any]:
    options = {"cname": cname, "clevel": level, "shuffle": shuffle, "typesize": 2, "blocksize": block_kib << 10}
    return {"name": "blosc", "configuration": options}


def zstd_alone(level: int) -> Way:
    """The codec `zstd` of the specification, bytes as they are."""
    codec = numcodecs.Zstd(level=level)
    described = {"name": "zstd", "configuration": {"level": level, "checksum": False}}
    return Way(f"zstd {level}, no shuffle", [_BYTES, described], codec.encode, codec.decode)


def framed(name: str, compress: Callable[[np.ndarray], bytes]) -> Way:
    """A blosc frame of one block in two streams (low bytes, high bytes), each packed by `compress`.

    Layout: https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
    """

    def pack(values: np.ndarray) -> bytes:
        plain = (values.astype(np.uint8), (values >> 8).astype(np.uint8))
        streams = map(compress, plain)
        # A stream that does not get smaller stands as it is.
        parts = [
            packed if len(packed) < values.size else each.tobytes() for packed, each in zip(streams, plain, strict=True)
        ]
        body = b"".join(struct.pack("<i", len(part)) + part for part in parts)
        size = 20 + len(body)
        # Version 2, version of the zstd format 1, byte shuffle (bit 0) and zstd (4 in the upper three bits).
        head = struct.pack("<BBBBIII", 2, 1, 0b10000001, 2, values.nbytes, values.nbytes, size)
        return head + struct.pack("<i", 20) + body

    return Way(name, [_BYTES, _blosc_json("zstd", 1, "shuffle", 0)], pack, Blosc().decode)


def tuned(hash_log: int) -> Way | None:
    """Zstd's fast strategy with a table of 2**hash_log places, which finds long matches only, within 128 KiB."""
    try:
        import zstandard
    except ImportError:
        return None
    parameters = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=17, hash_log=hash_log, min_match=7, strategy=zstandard.STRATEGY_FAST, target_length=0
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return framed(f"own frame, zstd fast, table 2^{hash_log}", lambda values: compressor.compress(values.data))


def huffman_only() -> Way | None:
    """Zstd that looks for hardly any match and leaves the rest to Huffman's code."""
    found = ctypes.util.find_library("zstd")
    if not found:
        return None
    library = ctypes.CDLL(found)
    library.ZSTD_createCCtx.restype = ctypes.c_void_p
    library.ZSTD_CCtx_setParameter.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    library.ZSTD_compress2.restype = ctypes.c_size_t
    library.ZSTD_compress2.argtypes = [ctypes.c_void_p, *[ctypes.c_void_p, ctypes.c_size_t] * 2]
    context = library.ZSTD_createCCtx()
    for name, value in {"level": 1, "target_length": 1 << 17, "literals": 1}.items():
        library.ZSTD_CCtx_setParameter(context, _ZSTD[name], value)
    room = np.empty(2 * SIDE * SIDE, np.uint8)

    def compress(values: np.ndarray) -> bytes:
        size = library.ZSTD_compress2(context, room.ctypes.data, room.size, values.ctypes.data, values.size)
        return room[:size].tobytes()

    return framed("own frame, Huffman only", compress)


def delta() -> Way:
    """Differences of neighbours in x, then blosc."""
    first, then = numcodecs.Delta(dtype="<u2"), Blosc(cname="zstd", clevel=1, shuffle=Blosc.SHUFFLE, blocksize=1 << 20)
    described = {"name": "numcodecs.delta", "configuration": {"dtype": "<u2", "astype": "<u2"}}
    return Way(
        "delta, blosc zstd 1 shuffle",
        [described, _BYTES, _blosc_json("zstd", 1, "shuffle", 1024)],
        lambda values: then.encode(first.encode(values.ravel())),
        lambda packed: first.decode(np.frombuffer(then.decode(packed), "<u2")),
    )


def pcodec() -> Way | None:
    """Pcodec, level 4."""
    try:
        from numcodecs.pcodec import PCodec

        codec = PCodec(level=4)
    except ImportError:
        return None
    return Way("pcodec 4", [{"name": "numcodecs.pcodec", "configuration": {"level": 4}}], codec.encode, codec.decode)


def ways() -> Iterator[Way]:
    """All that is installed; the first is the ingest's own."""
    yield blosc("zstd", 1, "shuffle")
    for level, shuffle, block_kib in ((1, "shuffle", 256), (3, "shuffle", 1024), (5, "shuffle", 1024)):
        yield blosc("zstd", level, shuffle, block_kib)
    yield blosc("zstd", 1, "bitshuffle")
    yield blosc("lz4", 1, "shuffle")
    yield blosc("lz4", 1, "bitshuffle")
    yield blosc("lz4", 5, "bitshuffle", 256)
    yield zstd_alone(1)
    yield zstd_alone(-1)
    yield from (way for way in (tuned(10), tuned(6), huffman_only()) if way)
    yield delta()
    yield from (way for way in (pcodec(),) if way)


def reads_back(way: Way, chunk: np.ndarray) -> bool:
    """Whether zarr-python reads the packed chunk as the pixels that it was."""
    store: Any = zarr.storage.MemoryStore()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of codecs that are not in the specification
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(chunk.shape),
            "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk.shape)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": way.codecs,
            "attributes": {},
        }
        folder = {"zarr.json": _json(document), "c/0/0": bytes(way.pack(chunk))}
        store = zarr.storage.MemoryStore({k: zarr.core.buffer.cpu.Buffer.from_bytes(v) for k, v in folder.items()})
        return bool(np.array_equal(zarr.open_array(store, mode="r")[:], chunk))


def _json(document: dict[str, Any]) -> bytes:
    import json

    return json.dumps(document).encode()


def seconds(step: Callable[[Any], object], items: Sequence[Any], rounds: int) -> float:
    """CPU seconds of a step over all items, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.thread_time()
        for item in items:
            step(item)
        best = min(best, time.thread_time() - start)
    return best


def entropy(chunks: Sequence[np.ndarray]) -> float:
    """Size by pixels that no code of single pixels goes below."""
    found = []
    for chunk in chunks:
        share = np.bincount(chunk.ravel()) / chunk.size
        found.append(-float(np.sum(share[share > 0] * np.log2(share[share > 0]))) / 16)
    return float(np.mean(found))


def main() -> None:
    """Measure and print a table for each kind of noise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--real", type=Path, default=REAL_FOLDER)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    numcodecs.blosc.use_threads = False
    for kind in asked.kinds:
        plane = plane_pixels(0, 6, 24, 2 * SIDE, 1, kind, asked.real)
        chunks = [np.ascontiguousarray(plane[y : y + SIDE, x : x + SIDE]) for y in (0, SIDE) for x in (0, SIDE)]
        megabytes = sum(chunk.nbytes for chunk in chunks) / 1e6
        print(f"\n{kind}: single pixels' entropy {entropy(chunks):.1%}")  # noqa: T201
        print(f"{'codec':<36}{'size':>7}{'pack MB/s':>11}{'unpack':>8}  readers")  # noqa: T201
        for way in ways():
            if not reads_back(way, chunks[0]):
                raise SystemExit(f"{way.name}: zarr-python reads other pixels")
            packed = [way.pack(chunk) for chunk in chunks]
            into, out = seconds(way.pack, chunks, asked.rounds), seconds(way.unpack, packed, asked.rounds)
            size = sum(map(len, packed)) / megabytes / 1e6
            print(  # noqa: T201
                f"{way.name:<36}{size:>7.1%}{megabytes / into:>11.0f}{megabytes / out:>8.0f}  "
                f"{'core' if way.is_core else 'numcodecs'}"
            )


if __name__ == "__main__":
    main()
