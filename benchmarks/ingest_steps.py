"""What each step of an ingest costs by itself, one core: the least that a plate can take on this machine.

Takes the files of one well of a plate that `raw_plate.py` has written (a new one of one well if none is given), times
every step on each of its planes alone and prints CPU seconds for a plate of 8 wells x 24 planes, the best of some
repeats. The sum by the number of processors is the time that the pixels need; finding and checking the files, syncing
and waiting come on top.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ingest_ways import stacks
from raw_plate import write_plate

from phenodose.plates.pyramid import halve_and_sum
from phenodose.plates.shard import CHUNK_PX, _codec, _crc32c
from phenodose.plates.tiff import read_page
from phenodose.plates.well_writer import plane_hash

PLATE_PLANES, REPEATS = 8 * 24, 5


def chunks_of(level: np.ndarray) -> list[np.ndarray]:
    """The chunks of one level, each in one piece of memory."""
    places = [(y, x) for y in range(0, level.shape[0], CHUNK_PX) for x in range(0, level.shape[1], CHUNK_PX)]
    return [np.ascontiguousarray(level[y : y + CHUNK_PX, x : x + CHUNK_PX]) for y, x in places]


def pyramid_of(plane: np.ndarray) -> list[np.ndarray]:
    """All levels of a plane."""
    levels = [plane]
    while max(levels[-1].shape) > 256:
        levels.append(halve_and_sum(levels[-1])[0])
    return levels


def seconds(step: Callable[[Any], object], items: Sequence[Any]) -> float:
    """CPU seconds of a step over all items, the best of some repeats."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.thread_time()
        for item in items:
            step(item)
        best = min(best, time.thread_time() - start)
    return best


def main() -> None:
    """Time every step and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, help="a plate that raw_plate.py has written, instead of a new one")
    with tempfile.TemporaryDirectory(prefix="phenodose-benchmark-") as name:
        raw = parser.parse_args().raw or write_plate(Path(name) / "raw", 1, 24, 2048)
        files = next(iter(stacks(raw).values()))
        planes = [read_page(path, 0, "B02") for path in files]
        chunks = [chunk for plane in planes for level in pyramid_of(plane) for chunk in chunks_of(level)]
        codec = _codec()
        packed = [codec.encode(chunk) for chunk in chunks]
        buffer, highest = np.empty((CHUNK_PX, CHUNK_PX), planes[0].dtype), planes[0].copy()
        target = Path(name) / "shard"

        def copy_chunks(plane: np.ndarray) -> None:
            for y in range(0, plane.shape[0], CHUNK_PX):
                for x in range(0, plane.shape[1], CHUNK_PX):
                    np.copyto(buffer, plane[y : y + CHUNK_PX, x : x + CHUNK_PX])

        def write(payloads: list[bytes]) -> None:
            with target.open("wb", buffering=0) as file:
                for payload in payloads:
                    file.write(payload)
            target.unlink()

        steps = {
            "read (page cache)": seconds(lambda path: read_page(path, 0, "B02"), files),
            "hash": seconds(plane_hash, planes),
            "maximum over z": seconds(lambda plane: np.maximum(highest, plane, out=highest), planes),
            "pyramid, mean": seconds(pyramid_of, planes),
            "cut into chunks": seconds(copy_chunks, planes),
            "compress": seconds(codec.encode, chunks),
            "checksums of chunks": seconds(_crc32c, packed),
            "write (page cache)": seconds(write, [packed]),
        }
    share = PLATE_PLANES / len(files)
    for step, used in steps.items():
        print(f"{step:<22}{used * share:6.2f} CPU s")  # noqa: T201
    whole, processors = sum(steps.values()) * share, os.cpu_count() or 1
    compress = steps["compress"] * share
    print(f"{'all':<22}{whole:6.2f} CPU s, by {processors} processors {whole / processors:.2f} s")  # noqa: T201
    print(f"compression alone {compress / processors:.2f} s; load {os.getloadavg()[0]:.1f}")  # noqa: T201


if __name__ == "__main__":
    main()
