"""What more plugins cost: seconds that the code location takes to load with 0, 1 and 10 scorers more, and the guard.

Each scorer is a distribution of its own, as someone else would install it. Every load is a fresh Python that imports
what Dagster imports; the numbers of scorers take turns, so that a busy machine is unfair to none. Printed are medians,
and the growth a plugin of CPU seconds and of seconds; then what one scorer step costs in the process that guards a
plugin of another distribution (docs/faulty_plugins.md) and in the caller's own.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

NUMBERS = (0, 1, 10)
MODULE = """
from phenodose.plugins import Scorer


class Extra(Scorer):
    name, version, description = "{name}", "1", "Top of the curve"

    def score(self, curves):
        return curves.top
"""
LOAD = """
import json, resource, time
clock = time.monotonic()
from phenodose_assets.definitions import defs
keys = [key.to_user_string() for key in defs.resolve_all_asset_keys()]
used = resource.getrusage(resource.RUSAGE_SELF)
found = sum(key.startswith("scores/extra_") for key in keys)
print(json.dumps([time.monotonic() - clock, used.ru_utime + used.ru_stime, found]))
"""


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="Loads of each number.")
def main(rounds: int) -> None:
    """Print how long the code location takes to load."""
    seconds: dict[int, list[float]] = {number: [] for number in NUMBERS}
    cpu: dict[int, list[float]] = {number: [] for number in NUMBERS}
    with tempfile.TemporaryDirectory() as folder:
        for number in NUMBERS:
            _install(Path(folder) / str(number), number)
            _load(Path(folder) / str(number), number)
        guard = _guard(Path(folder) / "1", rounds)
        for _ in range(rounds):
            for number in NUMBERS:
                wall, used = _load(Path(folder) / str(number), number)
                seconds[number].append(wall)
                cpu[number].append(used)
    for number in NUMBERS:
        click.echo(
            f"{number:2} scorers more: {statistics.median(seconds[number]):.2f} s, "
            f"{statistics.median(cpu[number]):.2f} CPU s"
        )
    for name, figures in (("CPU s", cpu), ("s", seconds)):
        growth = (statistics.median(figures[10]) - statistics.median(figures[0])) / 10
        click.echo(f"growth a plugin: {growth:.3f} {name} (less than 0.1 is wanted)")
    click.echo(guard)


def _install(folder: Path, number: int) -> None:
    folder.mkdir()
    for place in range(number):
        name = f"extra_{place}"
        (folder / f"of_{name}.py").write_text(MODULE.format(name=name), encoding="utf-8")
        info = folder / f"of_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: of_{name}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[phenodose.scorers]\n{name} = of_{name}:Extra\n", encoding="utf-8")


def _guard(folder: Path, rounds: int) -> str:
    """What scoring a screen's curves costs in both ways: 75 drugs, 200 draws each."""
    import numpy as np
    import pandas as pd

    from phenodose.dose_response.fit import fit_curves
    from phenodose.dose_response.points import CurvePoints
    from phenodose.dose_response.scoring import score_curves
    from phenodose.plugins import registry
    from phenodose.plugins.isolation import sandboxed

    sys.path.insert(0, str(folder))
    registry.cache_clear()
    scorer = registry().get("scorer", "extra_0")
    dose = np.tile(np.repeat(np.arange(5.0), 2), (75, 1))
    noise = np.random.default_rng(0).normal(0, 0.03, dose.shape)
    mid = np.linspace(0.5, 3.5, 75)[:, None]
    points = CurvePoints(pd.DataFrame({"drug": range(75)}), dose, 1 / (1 + 10 ** (mid - dose)) + noise)
    curves = fit_curves(points, bootstrap=200)
    ways: dict[str, list[tuple[float, float]]] = {"in the caller's process": [], "guarded, its start included": []}
    for _ in range(rounds):
        for way, taken in ways.items():
            clock, before = time.monotonic(), _used()
            plugin = scorer({}) if way.startswith("in ") else sandboxed(scorer, {}, registry())
            score_curves(curves, plugin)
            del plugin
            taken.append((time.monotonic() - clock, _used() - before))
    lines = [
        f"one scorer step, {way}: {statistics.median(s for s, _ in taken):.3f} s, "
        f"{statistics.median(c for _, c in taken):.3f} CPU s"
        for way, taken in ways.items()
    ]
    return "\n".join(lines)


def _used() -> float:
    """CPU seconds of this process and of those that it has ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def _load(folder: Path, number: int) -> tuple[float, float]:
    """Seconds and CPU seconds of one load."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, used, found = json.loads(done.stdout)
    if found != number:
        raise click.ClickException(f"the graph holds {found} of {number} scorers:\n{done.stderr}")
    return wall, used


if __name__ == "__main__":
    main()
