"""Seconds of a screen of 3 x 308 wells without a graphics card and without a network, from its plates to viability.

Run: python benchmarks/features_of_a_screen.py [--px 224] [--drugs 75]

A screen of three plates is simulated, taken in and made tensors of; the time is that of a second command, which makes
what comes between the OME-Zarr plates and the viability of every well: tensors and the readout `features` with the
settings it has when nothing is set. Beside it stands the floor: the multiplications of the filters by one matrix
product of the same size on the same cores.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from phenodose.learning.filter_bank import WIDTHS
from phenodose.store.store import Store

_VIEWS, _COPIES, _CHANNELS = 2, 2, 2


@click.command()
@click.option("--px", type=click.Choice(["64", "96", "192", "224"]), default="224", show_default=True)
@click.option("--drugs", type=click.IntRange(2, 75), default=75, show_default=True, help="10 wells each, on 3 plates.")
def main(px: str, drugs: int) -> None:
    """Simulate, take in, and time what is left."""
    with tempfile.TemporaryDirectory() as folder:
        inbox, store = Path(folder) / "SPEED_V1_DS1", f"--store={Path(folder) / 'store'}"
        drawn = 256 if px == "224" else int(px)
        _phenodose("simulate", str(inbox), f"--drugs={drugs}", f"--size-px={drawn}", "--planes=3")
        _phenodose("run", str(inbox), store, "--select=layout,plate_images")
        select = "--select=pseudo_rgb,viability/features"
        wall, cpu = _phenodose("run", inbox.name, store, select, "--param", f"tensors.size_px={px}")
        wells = len(Store.open(Path(folder) / "store").read_table("viability", inbox.name, "viability/features"))
        work = wells * _multiplications(int(px))
        floor = work / _rate()
        click.echo(f"{wells} wells of {px} px: {wall:.0f} s, {cpu:.0f} CPU-s on {os.cpu_count()} cores")
        click.echo(
            f"the filters' {work / 1e12:.2f} tera-multiplications alone: {floor:.0f} s; ratio {wall / floor:.1f}"
        )


def _multiplications(px: int) -> float:
    """Multiplications of one well: two views, two copies."""
    total, inputs, side = 0, _CHANNELS, px
    for width in (2 * 9 * _CHANNELS, *WIDTHS):
        total += side * side * 9 * inputs * width
        inputs, side = width, side // 2
    return float(total * _VIEWS * _COPIES)


def _rate() -> float:
    """Multiplications a second of a matrix product of the filters' kind, on all cores."""
    one, other = np.ones((12544, 324), np.float32), np.ones((324, 72), np.float32)
    clock = time.perf_counter()
    for _ in range(20):
        one @ other
    return 20 * one.size * other.shape[1] / (time.perf_counter() - clock)


def _phenodose(*arguments: str) -> tuple[float, float]:
    """Seconds and CPU seconds of a command."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, "-m", "phenodose", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - clock, spent


if __name__ == "__main__":
    main()
