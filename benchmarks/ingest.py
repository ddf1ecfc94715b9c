"""Raw TIFFs to an OME-Zarr plate at plate scale, side by side with the other ways of storing the same bytes.

On one generated plate for each kind of noise (`noise_kinds.py`; by default `raw_plate.py`'s own: 8 wells x 24 planes of
2048 x 2048 uint16, 1.6 GB), in turn and each in its own process: `cp -r`; ours, with checksums and maximum projections,
by as many threads as processors and by one; ours as an index alone, with one picture read by it; tensorstore,
acquire-zarr (if installed) and zarr-python with the same shards; ome-zarr-py as its documentation writes a plate. All
read from the page cache and are synced to disk; imports are not timed.

Prints MB/s of pixels, CPU seconds a GB, by how much these are more than those of the codec alone (measured within the
same run), the share of the thread that waits for the others (what no further processor makes faster), peak memory of
the process tree, size, files a well, bytes that the process read by those of the pixels, and the machine's load:
medians over the rounds; and ratios, each of neighbours in time. `--links` writes one well and links it: a plate of any
size without its bytes, for memory and index. Takes about three minutes a kind and 5 GB of disk.
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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from ingest_ways import WAYS, read_stack, stacks
from noise_kinds import KINDS, REAL_FOLDER, SPHEROID
from raw_plate import write_plate

PEERS = ("cp", "tensorstore", "acquire", "zarr", "ome-zarr")
#: What is no part of the project's own environment.
NEEDS = {"tensorstore": "tensorstore", "acquire": "acquire_zarr"}


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
    if way == "virtual":
        from phenodose.plates.plate import Plate

        plate = Plate.open(out)
        stored = plate.stack(plate.wells[-1])
        if not np.array_equal(stored[-1], read_stack(paths[-1:])[0, 0]):
            raise SystemExit("virtual: the pixels differ")
    elif way != "cp":
        stored = zarr.open_array(out / well / "0" / ("0" if (out / well / "0" / "0").exists() else "s0"), mode="r")
        if not np.array_equal(stored[0, -1], read_stack(paths[-1:])[0, 0]):
            raise SystemExit(f"{way}: the pixels differ")


def measure(
    ways: list[str], raw: Path, folder: Path, warm: Path, rounds: int, ome_rounds: int
) -> dict[str, list[dict[str, Any]]]:
    """Every way in turn, `rounds` times; the slow one `ome_rounds` times."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways if way != "ome-zarr" or ome_rounds}
    for number in range(rounds):
        for way in ways:
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
    """Time all ways on all kinds of noise and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wells", type=int, default=8)
    parser.add_argument("--planes", type=int, default=24)
    parser.add_argument("--size-px", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--ome-rounds", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[SPHEROID], help="of noise (`noise_kinds.py`)")
    parser.add_argument("--real", type=Path, default=REAL_FOLDER, help="the acquisition behind the kind `real`")
    parser.add_argument("--links", action="store_true", help="all wells are links to the images of the first")
    parser.add_argument("--raw", type=Path, help="a plate that raw_plate.py has written, instead of new ones")
    asked = parser.parse_args()
    ways = [way for way in asked.ways if way not in NEEDS or find_spec(NEEDS[way]) or missing(way)]
    for kind in asked.kinds[:1] if asked.raw else asked.kinds:
        with tempfile.TemporaryDirectory(prefix="phenodose-benchmark-") as name:
            folder = Path(name)
            warm = write_plate(folder / "warm", 1, 2, 64)
            raw = asked.raw or write_plate(
                folder / "raw",
                asked.wells,
                asked.planes,
                asked.size_px,
                kind=kind,
                real=asked.real,
                links=asked.links,
            )
            planes = [path for paths in stacks(raw).values() for path in paths]
            for path in {path.stat().st_ino: path for path in planes}.values():
                path.read_bytes()
            megabytes = sum(read_stack([path]).nbytes for path in planes[:1]) * len(planes) / 1e6
            found = measure(ways, raw, folder, warm, asked.rounds, asked.ome_rounds)
        print(f"\n{kind}: ", end="")  # noqa: T201
        show(found, megabytes, len({path.name.split("_s1")[0] for path in planes}), len(planes))


def missing(way: str) -> bool:
    """Say that a way is left out."""
    print(f"{way}: left out, {NEEDS[way]} is not installed", file=sys.stderr)  # noqa: T201
    return False


def show(found: dict[str, list[dict[str, Any]]], megabytes: float, wells: int, planes: int) -> None:
    """Print the table of one plate, and how the ingest compares."""
    print(f"{megabytes:.0f} MB of pixels, {wells} wells, {planes} planes, {os.cpu_count()} processors")  # noqa: T201
    print(  # noqa: T201
        f"{'way':<13}{'MB/s':>6}{'best':>6}{'CPU s/GB':>10}{'of codec':>10}{'serial':>8}{'memory MB':>11}{'size':>8}"
        f"{'files/well':>12}{'read':>9}{'load':>6}"
    )
    for way, runs in found.items():
        middle = {key: statistics.median(each[key] for each in runs) for key in runs[0]}
        best = megabytes / min(each["seconds"] for each in runs)
        codec = f"{middle['cpu_seconds'] / middle['codec_seconds']:.2f} x" if "codec_seconds" in middle else ""
        serial = f"{middle['serial_seconds'] / middle['cpu_seconds']:.0%}" if codec else ""
        cpu = middle["cpu_seconds"] / megabytes * 1e3
        print(  # noqa: T201
            f"{way:<13}{megabytes / middle['seconds']:>6.0f}{best:>6.0f}{cpu:>10.2f}"
            f"{codec:>10}{serial:>8}{max(each['memory_mb'] for each in runs):>11.0f}"
            f"{middle['bytes'] / megabytes / 1e6:>8.1%}{middle['files'] / wells:>12.1f}"
            f"{middle['bytes_read'] / megabytes / 1e6:>9.2%}{middle['load']:>6.1f}"
        )
    ours = found.get("phenodose", [])
    for way, runs in found.items():
        pairs = list(zip(runs, ours, strict=False))
        if pairs and way in PEERS:
            ratio = statistics.median(each["seconds"] / mine["seconds"] for each, mine in pairs)
            cpu = statistics.median(each["cpu_seconds"] / mine["cpu_seconds"] for each, mine in pairs)
            print(f"phenodose is {ratio:.2f} times as fast as {way}, {cpu:.2f} times by CPU")  # noqa: T201


if __name__ == "__main__":
    main()
