"""Raw TIFFs to an OME-Zarr plate, against copying the same files: megabytes of pixels a second.

Simulates one plate of uncompressed TIFFs, then, in turn, copies it with `cp -r` followed by `sync` and
ingests it (checksums, maximum projections, pyramids, compression, fsync). Prints both speeds and the
median of their ratio. Both read from the page cache.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from phenodose.plugins import registry
from phenodose.simulation import simulate_screen
from phenodose.storage.ingest import choose_reader, ingest_plate


def copied(raw: Path, out: Path) -> float:
    """Seconds to copy the folder and sync it."""
    start = time.perf_counter()
    subprocess.run(["cp", "-r", str(raw), str(out)], check=True)
    subprocess.run(["sync", "-f", str(out)], check=True)
    return time.perf_counter() - start


def ingested(raw: Path, out: Path) -> float:
    """Seconds to turn the folder into a plate."""
    start = time.perf_counter()
    ingest_plate(raw, out, choose_reader(raw, registry()), "P1")
    return time.perf_counter() - start


def main() -> None:
    """Time both, in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wells", type=int, default=24)
    parser.add_argument("--planes", type=int, default=12)
    parser.add_argument("--size-px", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        screen = simulate_screen(
            folder / "BENCH_CE",
            kind="control-experiment",
            control_wells=arguments.wells,
            planes=arguments.planes,
            size_px=arguments.size_px,
        )
        raw = screen.folder / "P1"
        megabytes = sum(file.stat().st_size for file in raw.rglob("*.tif")) / 1e6
        times: list[tuple[float, float]] = []
        for number in range(arguments.rounds + 1):
            times.append((copied(raw, folder / f"copy{number}"), ingested(raw, folder / f"p{number}.ome.zarr")))
            shutil.rmtree(folder / f"copy{number}")
        copy, ingest = (statistics.median(column) for column in zip(*times[1:], strict=True))
        ratio = statistics.median(ours / floor for floor, ours in times[1:])
    print(f"{megabytes:.0f} MB of TIFFs")  # noqa: T201
    print(f"cp -r and sync:      {megabytes / copy:.0f} MB/s")  # noqa: T201
    print(f"ingest to OME-Zarr:  {megabytes / ingest:.0f} MB/s, {ratio:.2f} times the time of the copy")  # noqa: T201


if __name__ == "__main__":
    main()
