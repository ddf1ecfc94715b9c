"""The ways of storing a plate that `ingest.py` compares, each run in a process of its own.

`python benchmarks/ingest_ways.py WAY RAW OUT WARM` first stores the tiny plate WARM, so that imports are not timed,
then stores RAW in OUT, syncs, and prints seconds and CPU seconds as JSON. The plate lies in the layout of
`raw_plate.py`: one site, one channel.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np

LEVELS = 4


def stacks(raw: Path) -> dict[str, list[Path]]:
    """The files of every well, lowest plane first: 'B/02' -> paths."""
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in raw.rglob("*.tif"):
        row, column = re.findall(r"_([A-Z])([0-9]{2})_s1", path.name)[0]
        found.setdefault(f"{row}/{column}", []).append((int(path.parent.name.split("_")[1]), path))
    return {well: [path for _, path in sorted(planes)] for well, planes in sorted(found.items())}


def read_stack(paths: list[Path]) -> np.ndarray:
    """All planes of a well: dims c, z, y, x."""
    import tifffile

    return np.stack([tifffile.imread(path) for path in paths])[None]


def copy(raw: Path, out: Path, pool: Executor) -> None:
    """`cp -r`: the same bytes again."""
    subprocess.run(["cp", "-r", str(raw), str(out)], check=True)


def phenodose(raw: Path, out: Path, pool: Executor, workers: int | None = None) -> None:
    """The project's own ingest: checksums of sources, chunks and files, MIP, pyramid, fsync, crash safety."""
    from phenodose.plates.ingest import ingest_plate
    from phenodose.plugins import choose_reader, registry

    ingest_plate(raw, out, choose_reader(raw, registry()), "P1", workers=workers)


def virtual(raw: Path, out: Path, pool: Executor) -> None:
    """The project's virtual plate: an index of the raw images, and one picture read by it."""
    from phenodose.plates.ingest import ONLY, ingest_plate
    from phenodose.plates.plate import Plate
    from phenodose.plugins import choose_reader, registry

    ingest_plate(raw, out, choose_reader(raw, registry()), "P1", virtual=ONLY)
    plate = Plate.open(out)
    plate.middle(plate.wells[0])


def tensorstore(raw: Path, out: Path, pool: Executor) -> None:
    """Tensorstore with the same shards, chunks and codec; no MIP, no checksums."""
    import tensorstore

    from phenodose.plates.pyramid import halve

    for well, paths in stacks(raw).items():
        pixels = read_stack(paths)
        for level in range(LEVELS):
            if level:
                pixels = np.stack([halve(plane) for plane in pixels[0]])[None]
            y, x = pixels.shape[2:]
            blosc = {"cname": "zstd", "clevel": 1, "shuffle": "shuffle", "typesize": 2, "blocksize": 1 << 20}
            codecs = [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "blosc", "configuration": blosc},
            ]
            inner = {"chunk_shape": [1, 1, min(1024, y), min(1024, x)], "codecs": codecs}
            metadata = {
                "shape": list(pixels.shape),
                "data_type": "uint16",
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(pixels.shape)}},
                "codecs": [{"name": "sharding_indexed", "configuration": inner}],
            }
            place = {"driver": "file", "path": str(out / well / "0" / str(level))}
            tensorstore.open({"driver": "zarr3", "kvstore": place, "metadata": metadata}, create=True).result()[...] = (
                pixels
            )


def acquire_zarr(raw: Path, out: Path, pool: Executor) -> None:
    """Acquire-zarr, a plane at a time, with the same shards, chunks, codec and pyramid; no MIP, no checksums."""
    import acquire_zarr as acquire
    import tifffile

    for well, paths in stacks(raw).items():
        y, x = tifffile.imread(paths[0]).shape
        side = min(1024, y)
        sizes = [("c", 1, 1), ("z", len(paths), 1), ("y", y, side), ("x", x, side)]
        kinds = acquire.DimensionType
        dimensions = [
            acquire.Dimension(
                name=name,
                kind=kinds.CHANNEL if name == "c" else kinds.SPACE,
                array_size_px=size,
                chunk_size_px=chunk,
                shard_size_chunks=-(-size // chunk),
            )
            for name, size, chunk in sizes
        ]
        array = acquire.ArraySettings(
            output_key="0",
            dimensions=dimensions,
            data_type=np.uint16,
            downsampling_method=acquire.DownsamplingMethod.MEAN,
            max_levels=LEVELS,
            compression=acquire.CompressionSettings(
                compressor=acquire.Compressor.BLOSC1, codec=acquire.CompressionCodec.BLOSC_ZSTD, level=1, shuffle=1
            ),
        )
        (out / well).parent.mkdir(parents=True, exist_ok=True)
        stream = acquire.ZarrStream(acquire.StreamSettings(arrays=[array], store_path=str(out / well), overwrite=True))
        for path in paths:
            stream.append(tifffile.imread(path))
        stream.close()


def ome_zarr(raw: Path, out: Path, pool: Executor) -> None:
    """ome-zarr-py as its documentation writes a plate, with as many pyramid levels; no MIP, no checksums."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import zarr
        from ome_zarr.writer import write_image, write_plate_metadata, write_well_metadata

        wells = stacks(raw)
        root = zarr.open_group(str(out), mode="w")
        rows, columns = (sorted({well.split("/")[part] for well in wells}) for part in (0, 1))
        write_plate_metadata(root, rows, columns, list(wells))
        for well, paths in wells.items():
            group = root.require_group(well)
            write_well_metadata(group, ["0"])
            factors = [2**level for level in range(1, LEVELS)]
            write_image(read_stack(paths), group.require_group("0"), axes="czyx", scale_factors=factors)


def zarr_sharded(raw: Path, out: Path, pool: Executor) -> None:
    """zarr-python with the same shards, chunks and codec, in as many processes as processors; no MIP, no checksums."""
    wells = stacks(raw)
    for well in wells:
        (out / well / "0").mkdir(parents=True)
    list(pool.map(_zarr_well, [out / well / "0" for well in wells], wells.values()))


def _zarr_well(folder: Path, paths: list[Path]) -> None:
    import zarr
    from zarr.codecs import BloscCodec

    from phenodose.plates.pyramid import halve

    pixels = read_stack(paths)
    group = zarr.open_group(folder, mode="w", zarr_format=3)
    for level in range(LEVELS):
        if level:
            pixels = np.stack([halve(plane) for plane in pixels[0]])[None]
        array = group.create_array(
            str(level),
            shape=pixels.shape,
            dtype=pixels.dtype,
            shards=pixels.shape,
            chunks=(1, 1, min(1024, pixels.shape[2]), min(1024, pixels.shape[3])),
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=2, blocksize=1 << 20),
        )
        array[:] = pixels


WAYS: dict[str, Callable[[Path, Path, Executor], None]] = {
    "cp": copy,
    "phenodose": phenodose,
    "one thread": partial(phenodose, workers=1),
    "virtual": virtual,
    "tensorstore": tensorstore,
    "acquire": acquire_zarr,
    "zarr": zarr_sharded,
    "ome-zarr": ome_zarr,
}


def cpu_seconds() -> float:
    """CPU seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed(way: str, raw: Path, out: Path, warm: Path) -> dict[str, Any]:
    """Store a plate and sync it; wall and CPU seconds."""
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        if way == "zarr":
            # Every worker imports what it needs.
            list(pool.map(_zarr_well, [out.with_name(f"warm{n}") for n in range(workers)], [stacks(warm)["B/02"]] * 2))
        else:
            WAYS[way](warm, out.with_name(f"warm-{way}.ome.zarr"), pool)
        # Not the command: a forked child would for a moment be counted as a second copy of this process's memory.
        os.sync()
        codec = _CodecClock() if way in ("phenodose", "one thread") else None
        read = _bytes_read()
        before, start, main = cpu_seconds() + _workers_cpu(pool), time.perf_counter(), time.thread_time()
        WAYS[way](raw, out, pool)
        main = time.thread_time() - main
        os.sync()
        seconds = time.perf_counter() - start
        used = cpu_seconds() + _workers_cpu(pool) - before
    found = {"seconds": seconds, "cpu_seconds": used, "serial_seconds": main, "bytes_read": _bytes_read() - read}
    return found | ({"codec_seconds": codec.seconds} if codec else {})


class _CodecClock:
    """CPU seconds of all threads in the ingest's codec."""

    def __init__(self) -> None:
        from phenodose.plates import shard

        self.seconds, self._lock, make = 0.0, Lock(), shard._codec

        def watched() -> Any:
            codec = make()

            def encode(values: np.ndarray) -> bytes:
                start = time.thread_time()
                packed: bytes = codec.encode(values)
                used = time.thread_time() - start
                with self._lock:
                    self.seconds += used
                return packed

            return SimpleNamespace(encode=encode)

        shard._codec = watched


def _bytes_read() -> int:
    """Bytes that this process has asked the kernel for."""
    return int(Path("/proc/self/io").read_text().split()[1])


def _workers_cpu(pool: ProcessPoolExecutor) -> float:
    """CPU seconds of workers that are still running."""
    ticks = 0
    for pid in list(pool._processes or ()):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    name, *places = sys.argv[1:]
    print(json.dumps(timed(name, *map(Path, places))))  # noqa: T201
