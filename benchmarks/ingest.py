"""Raw TIFFs to an OME-Zarr plate at plate scale, side by side with the other ways of storing the same bytes.

On one generated plate (`raw_plate.py`: 8 wells x 24 planes of 2048 x 2048 uint16, 1.6 GB), in turn and each in its
own process: `cp -r`; ome-zarr-py as its documentation writes a plate; zarr-python with the same sharding; ours, with
checksums and maximum projections. All read from the page cache and are synced to disk; imports are not timed. Prints
MB/s of pixels, CPU seconds, peak memory of the process tree, size, files a well, the machine's load, and ratios:
medians over the rounds, each of neighbours in time. Takes about three minutes and 5 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from ingest_ways import WAYS, read_stack, stacks
from raw_plate import write_plate

#: What issue 4 asks for.
LEAST = {"ome-zarr": 15.0, "zarr": 1.8, "cp": 0.8}
MOST_MEMORY_MB, MOST_SIZE, MOST_FILES = 300, 0.62, 20


def run(way: str, raw: Path, out: Path, warm: Path) -> dict[str, Any]:
    """Run one way in a process of its own; its figures, the peak memory of its processes, and what it has stored."""
    command = [sys.executable, str(Path(__file__).with_name("ingest_ways.py")), way, str(raw), str(out), str(warm)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    memory = _Memory(process.pid)
    memory.start()
    answer, _ = process.communicate()
    memory.stop.set()
    memory.join()
    if process.returncode:
        raise SystemExit(f"{way} failed")
    files = [path for path in out.rglob("*") if path.is_file()]
    return json.loads(answer) | {
        "load": os.getloadavg()[0],
        "memory_mb": memory.peak / 1e6,
        "bytes": sum(path.stat().st_size for path in files),
        "files": len(files),
    }


class _Memory(threading.Thread):
    """Watches the resident memory of a process and everything below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.stop = pid, 0, threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.02):
            self.peak = max(self.peak, sum(map(_resident, _tree(self.pid))))


def _tree(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(each for child in children for each in _tree(child))]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def check(way: str, raw: Path, out: Path) -> None:
    """The last plane of the last well is the TIFF's, pixel by pixel."""
    well, paths = list(stacks(raw).items())[-1]
    if way != "cp":
        stored = zarr.open_array(out / well / "0" / ("0" if (out / well / "0" / "0").exists() else "s0"), mode="r")
        if not np.array_equal(stored[0, -1], read_stack(paths[-1:])[0, 0]):
            raise SystemExit(f"{way}: the pixels differ")


def measure(raw: Path, folder: Path, warm: Path, rounds: int, ome_rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Every way in turn, `rounds` times; the slow one `ome_rounds` times."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS:
            if way == "ome-zarr" and number >= ome_rounds:
                continue
            out = folder / f"out-{way}"
            out.mkdir()
            found[way].append(run(way, raw, out / "P1.ome.zarr", warm))
            check(way, raw, out / "P1.ome.zarr")
            shutil.rmtree(out)
            print(f"round {number + 1}: {way:<10} {found[way][-1]['seconds']:6.2f} s", file=sys.stderr)  # noqa: T201
    return found


def main() -> None:
    """Time all ways and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wells", type=int, default=8)
    parser.add_argument("--planes", type=int, default=24)
    parser.add_argument("--size-px", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ome-rounds", type=int, default=1)
    parser.add_argument("--raw", type=Path, help="a plate that raw_plate.py has written, instead of a new one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phenodose-benchmark-") as name:
        folder = Path(name)
        warm = write_plate(folder / "warm", 1, 2, 64)
        raw = arguments.raw or write_plate(folder / "raw", arguments.wells, arguments.planes, arguments.size_px)
        planes = [path for paths in stacks(raw).values() for path in paths]
        for path in planes:
            path.read_bytes()
        megabytes = sum(read_stack([path]).nbytes for path in planes[:1]) * len(planes) / 1e6
        found = measure(raw, folder, warm, arguments.rounds, arguments.ome_rounds)
    wells = len({path.name.split("_s1")[0] for path in planes})
    print(f"{megabytes:.0f} MB of pixels, {wells} wells, {os.cpu_count()} processors")  # noqa: T201
    print(f"{'way':<11}{'MB/s':>7}{'best':>7}{'CPU s':>8}{'memory MB':>11}{'size':>8}{'files/well':>12}{'load':>7}")  # noqa: T201
    for way, runs in found.items():
        if not runs:
            continue
        middle = {key: statistics.median(each[key] for each in runs) for key in runs[0]}
        best = megabytes / min(each["seconds"] for each in runs)
        print(  # noqa: T201
            f"{way:<11}{megabytes / middle['seconds']:>7.0f}{best:>7.0f}{middle['cpu_seconds']:>8.1f}"
            f"{max(each['memory_mb'] for each in runs):>11.0f}{middle['bytes'] / megabytes / 1e6:>8.1%}"
            f"{middle['files'] / wells:>12.1f}{middle['load']:>7.1f}"
        )
    ours = found["phenodose"]
    for way, least in LEAST.items():
        if not found[way]:
            continue
        pairs = list(zip(found[way], ours, strict=False))
        ratio = statistics.median(each["seconds"] / mine["seconds"] for each, mine in pairs)
        cpu = statistics.median(each["cpu_seconds"] / mine["cpu_seconds"] for each, mine in pairs)
        print(f"phenodose is {ratio:.2f} times as fast as {way} (wanted {least}), {cpu:.2f} times by CPU")  # noqa: T201
    memory = max(each["memory_mb"] for each in ours)
    size, files = ours[0]["bytes"] / megabytes / 1e6, ours[0]["files"] / wells
    print(f"memory {memory:.0f} MB (at most {MOST_MEMORY_MB}), size {size:.1%} (at most {MOST_SIZE:.0%}), ", end="")  # noqa: T201
    print(f"{files:.1f} files a well (at most {MOST_FILES})")  # noqa: T201


if __name__ == "__main__":
    main()
