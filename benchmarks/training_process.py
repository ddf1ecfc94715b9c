"""What a process of its own costs a training, and what memory it spares the run: both ways side by side.

One control experiment of tiny images is trained with a network of a few thousand weights, so that next to nothing but
the ways themselves is measured. Printed are the CPU seconds of everything, processes it starts included, and the memory
that the process of the run holds when the run is over, in which everything that follows takes place.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from phenodose.simulation import simulate_screen
from phenodose.store.store import Store

SCREEN, WAYS = "WAYS_CE", ("inline", "process")
#: Trains phase I; tells CPU seconds and memory of this process (VmRSS of /proc) and of the processes it started.
RUN = """
import json, resource, sys
from pathlib import Path
import dagster as dg
from phenodose.store.store import Store
from phenodose_assets.run import materialize_screen

root, screen, way, select, seed = sys.argv[1:]
with dg.DagsterInstance.ephemeral() as instance:
    materialize_screen(
        Store.open(root), screen, select=select, instance=instance, training=way,
        parameters={"cnn": {"epochs_phase1": 2, "micro_widths": [4, 8], "seed": int(seed)}} if seed else None,
    ).raise_if_failed()
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([sum(u.ru_utime + u.ru_stime for u in used), int(status["VmRSS"].split()[0]) / 1024]))
"""


@click.command()
@click.option("--repeats", type=click.IntRange(min=1), default=2, show_default=True, help="Trainings each way.")
def main(repeats: int) -> None:
    """Print what both ways take."""
    with tempfile.TemporaryDirectory() as folder:
        raw, root = Path(folder) / "raw" / SCREEN, Path(folder) / "store"
        simulate_screen(raw, kind="control-experiment", control_wells=16, size_px=48, planes=1)
        Store.open(root).register(SCREEN, raw)
        run(root, "inline", "ingest,tensors", "")
        click.echo("way       CPU s   run's process, MB")
        for repeat in range(repeats):
            for way in WAYS:
                cpu, memory = run(root, way, "checkpoint/cnn/phase1", str(2 * repeat + WAYS.index(way)))
                click.echo(f"{way:<8} {cpu:6.1f}   {memory:17.0f}")


def run(root: Path, way: str, select: str, seed: str) -> tuple[float, float]:
    """CPU seconds, and MB of the run's process at its end."""
    command = [sys.executable, "-c", RUN, str(root), SCREEN, way, select, seed]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu, memory = json.loads(out.splitlines()[-1])
    return float(cpu), float(memory)


if __name__ == "__main__":
    main()
