"""A metabolic screen of 75 drugs from folder to report: `phenodose run` beside `phenodose score` of the same layout.

Run: python benchmarks/run_screen.py [--layout LAYOUT.xlsx] [--rounds 3]

Both are commands in processes of their own, in turn, each run into a new store. Printed are seconds and CPU seconds
of each (medians), also of a run with a connection to SQLite for every event of Dagster, their ratio, and where the
CPU seconds of one run go: imports, building the graph, every asset, and what Dagster takes beside them. Without a
layout a screen of the same size is simulated: 3 plates of 384 wells, 75 drugs, five doses, duplicates. A busy machine
makes seconds and CPU seconds larger; the speed of a plain loop before and after says by how much, and the ratio
remains.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd

#: Runs the command, and tells what each asset took of the CPU.
STEPS = """
import json, sys, time
clock = time.process_time()
from phenodose.cli import main
from phenodose_assets import run as launch
took = {"imports": time.process_time()}
started, before = {}, launch.Graph.__init__

def built(self, *arguments, **named):
    start = time.process_time()
    before(self, *arguments, **named)
    took["graph"] = time.process_time() - start

launch.Graph.__init__ = built
heard = launch.StepEvent.__init__

def hear(event, *arguments, **named):
    heard(event, *arguments, **named)
    if event.state == "started":
        started[event.asset] = time.process_time()
    elif event.state != "progress":
        took[event.asset] = time.process_time() - started[event.asset]

launch.StepEvent.__init__ = hear
try:
    main(sys.argv[2:])
finally:
    took["total"] = time.process_time()
    open(sys.argv[1], "w").write(json.dumps(took))
"""

#: Runs the command as Dagster alone would: each event has a connection of its own.
CLOSED = """
import contextlib, sys
from phenodose_assets import instance
instance.connections_kept = lambda log: contextlib.nullcontext()
from phenodose.cli import main
main(sys.argv[1:])
"""


@click.command()
@click.option("--layout", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A layout with readouts.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each command.")
def main(layout: Path | None, rounds: int) -> None:
    """Print what `phenodose run` and `phenodose score` take for one screen."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        screen = place / "BENCH_V1_DS1"
        screen.mkdir()
        if layout is None:
            simulated().to_excel(screen / "layout.xlsx", index=False)
        else:
            shutil.copyfile(layout, screen / "layout.xlsx")
        click.echo(f"a loop of 10 million additions: {loop():.2f} CPU-s")
        taken: dict[str, list[tuple[float, float]]] = {"score": [], "run": [], "run, a connection an event": []}
        for number in range(rounds):
            out = place / f"scores{number}.csv"
            taken["score"].append(_timed(["score", f"--layout={screen / 'layout.xlsx'}", f"--out={out}"]))
            taken["run"].append(_timed(["run", str(screen), f"--store={place / f'store{number}'}"]))
            closed = ["run", str(screen), f"--store={place / f'closed{number}'}"]
            taken["run, a connection an event"].append(_timed(closed, ["-c", CLOSED]))
        for name, found in taken.items():
            wall, cpu = (statistics.median(values) for values in zip(*found, strict=True))
            click.echo(f"phenodose {name:27} {wall:6.1f} s {cpu:6.1f} CPU-s")
        ratio = statistics.median(run[1] / score[1] for run, score in zip(taken["run"], taken["score"], strict=True))
        click.echo(f"run / score: {ratio:.1f} times the CPU seconds")
        _steps(place, screen)
        click.echo(f"a loop of 10 million additions: {loop():.2f} CPU-s")


def _steps(place: Path, screen: Path) -> None:
    """Print where the CPU seconds of one run go."""
    text = place / "steps.json"
    arguments = [sys.executable, "-c", STEPS, str(text), "run", str(screen), f"--store={place / 'steps'}"]
    subprocess.run(arguments, check=True, capture_output=True, env=_environment(place))
    took: dict[str, float] = json.loads(text.read_text(encoding="utf-8"))
    total = took.pop("total")
    scores = {name: took.pop(name) for name in list(took) if name.startswith("scores/")}
    took[f"{len(scores)} x scores/*"] = sum(scores.values())
    took["Dagster, beside the assets"] = total - sum(took.values())
    for name, seconds in took.items():
        click.echo(f"  {name:28} {seconds:6.2f} CPU-s")
    click.echo(f"  {'together':28} {total:6.2f} CPU-s")


def _timed(arguments: Sequence[str], program: Sequence[str] = ("-m", "phenodose")) -> tuple[float, float]:
    """Seconds and CPU seconds of a command."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, *program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(Path(tempfile.gettempdir())))
    wall, after = time.monotonic() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise click.ClickException(f"phenodose {arguments[0]} failed:\n{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _environment(home: Path) -> dict[str, str]:
    """This environment, in which runs are kept inside the store."""
    return {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"} | {"HOME": str(home)}


def loop() -> float:
    """CPU seconds of a plain loop: about 0.5 on a core that nobody else uses."""
    clock, total = time.process_time(), 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - clock


def simulated() -> pd.DataFrame:
    """A layout with readouts: 75 drugs, five doses, duplicates, and 32 controls of each kind a plate."""
    random = np.random.default_rng(1)
    rows = []
    for plate in range(3):
        wells = [(chr(65 + row), column) for row in range(16) for column in range(1, 25)]
        for place, (row, column) in enumerate(wells):
            drug, dose = plate * 25 + place // 10, place % 5
            well = {"Plate": plate + 1, "Row": row, "Column": column, "Sample": "BENCH"}
            if place < 250:
                middle = drug % 5 - 0.5
                effect = (0.2 + 0.8 * (drug % 7) / 6) / (1 + 10 ** (middle - dose))
                well |= {"WellType": "therapy", "Treatment": f"drug {drug:02d}", "Concentration": 10.0**dose}
                well |= {"Replicate": 1 + place % 10 // 5, "Readout": 1e5 * (1 - 0.95 * effect)}
            elif place < 314:
                kind, value = ("neg", 1e5) if place % 2 else ("pos", 5e3)
                well |= {"WellType": kind, "Treatment": kind, "Readout": value}
            else:
                well |= {"WellType": "empty", "Readout": 1e3}
            rows.append(well | {"Readout": well["Readout"] * random.normal(1, 0.05)})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
