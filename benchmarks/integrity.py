"""What it costs that nothing stored is taken on trust: hashed beside not hashed, in one process.

Run: python benchmarks/integrity.py [--rounds 15] [--run]

First each product by itself, written and read in turn as it is and with the checks taken out; printed are CPU
milliseconds (medians) and their ratio. Then, with --run, a screen of 75 drugs is made by the graph in this process, and
the CPU seconds inside of everything that seals, checks and notes versions are told as a share of the whole run.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np
import pandas as pd
import xarray as xr

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.io.zarr_groups import open_group, write_group
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN = "BENCH_V1_DS1"
QUERY = "SELECT readout, plate, avg(viability_fraction) FROM viability GROUP BY ALL ORDER BY ALL"
#: What is taken out: where it is called, and what stands in its place.
CHECKS: dict[str, Callable[..., Any]] = {
    "phenodose.store.table_files.sealed": lambda content: content,
    "phenodose.store.table_files.check_seal": lambda *of: None,
    "phenodose.store.table_files.read_sealed": lambda *of: None,
    "phenodose.io.zarr_groups.seal_group": lambda folder: None,
    "phenodose.io.zarr_groups.check_group": lambda *of: None,
}
#: What a run does beside: the versions of what a step is made from, the seals of what it wrote.
NOTES = ("phenodose_assets.graph.screen_asset.versions_now", "phenodose.lineage.record._seals")


@contextmanager
def trusting() -> Iterator[None]:
    """Meanwhile nothing is sealed and nothing is checked."""
    with ExitStack() as stack:
        for name, instead in CHECKS.items():
            stack.enter_context(patch(name, instead))
        yield


def viability(screen: str, n_wells: int = 3 * 384) -> pd.DataFrame:
    """Rows of a screen of three plates."""
    rng = np.random.default_rng(0)
    wells = [(f"P{n // 384 + 1}", chr(65 + n % 384 // 24), n % 24 + 1) for n in range(n_wells)]
    frame = TABLES["viability"].frame(
        [
            {"screen": screen, "plate": p, "well": f"{r}{c:02d}", "row": r, "column": c, "readout": "ctg"}
            for p, r, c in wells
        ]
    )
    own: dict[str, Any] = {"run_id": "r", "plugin": "ctg", "plugin_version": "1", "parameters": "{}", "masked": False}
    return frame.assign(raw=rng.random(n_wells), viability_fraction=rng.random(n_wells), **own)


def compared(what: str, work: Callable[[], object], rounds: int) -> None:
    """Print CPU milliseconds of some work with and without the checks, in turn."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * rounds + 2):
        checked = bool(number % 2)
        with ExitStack() as stack:
            if not checked:
                stack.enter_context(trusting())
            start = time.process_time()
            work()
            if number > 1:  # the first of each kind warms up
                taken[checked].append(1000 * (time.process_time() - start))
    with_checks, without = (statistics.median(taken[kind]) for kind in (True, False))
    click.echo(f"{what:44} {without:8.1f} {with_checks:8.1f}  {with_checks / without:5.2f}")


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Times of each work.")
@click.option("--run", "with_run", is_flag=True, help="Make a screen, and tell the share of a run.")
def main(rounds: int, with_run: bool) -> None:
    """Print what integrity costs."""
    with tempfile.TemporaryDirectory(prefix="phenodose-benchmark-") as name:
        place = Path(name)
        store = Store.open(place / "store")
        click.echo(f"{'':44} {'trusting':>8} {'checked':>8}  ratio   (CPU ms)")
        rows = viability(SCREEN)
        compared("write a table of 1,152 rows", lambda: store.write_table("viability", SCREEN, "ctg", rows), rounds)
        compared("read it", lambda: store.read_table("viability", SCREEN, "ctg"), rounds)
        images = np.random.default_rng(0).integers(0, 4000, (108, 224, 224, 3), np.uint16)
        tensors = xr.Dataset({"pseudo_rgb": (("well", "y", "x", "channel"), images)})

        def write() -> None:
            shutil.rmtree(place / "t.zarr", ignore_errors=True)
            write_group(tensors, place / "t.zarr")

        compared("write a group of 108 images of 224 px", write, min(rounds, 5))
        compared("read it", lambda: open_group(place / "t.zarr", "")["pseudo_rgb"].load(), rounds)
        for number in range(40):
            screen = f"S{number:02d}_V1_DS1"
            store.write_table("viability", screen, "ctg", viability(screen))
        compared("rebuild a cohort of 41 screens, all files read", lambda: rebuild_cohort(store, whole=True), rounds)
        compared("a query of it", lambda: query(store, QUERY), rounds)
        if with_run:
            _share_of_run(place)


def _share_of_run(place: Path) -> None:
    from run_screen import simulated

    from phenodose.screens.registration import register_screen
    from phenodose_assets.instance import open_instance
    from phenodose_assets.run import materialize_screen

    folder = place / SCREEN
    folder.mkdir()
    simulated().to_excel(folder / "layout.xlsx", index=False)
    store = Store.open(place / "run")
    register_screen(store, folder)
    spent: dict[str, float] = {}
    with ExitStack() as stack:
        for name in (*CHECKS, *NOTES):
            stack.enter_context(patch(name, _timed(name, spent)))
        instance = stack.enter_context(open_instance(store))
        start = time.process_time()
        materialize_screen(store, SCREEN, instance=instance)
        whole = time.process_time() - start
    for name, seconds in spent.items():
        click.echo(f"  {name.rpartition('.')[2]:20} {seconds:7.3f} CPU-s  {100 * seconds / whole:5.2f} %")
    click.echo(f"of a run of {whole:.1f} CPU-s: {100 * sum(spent.values()) / whole:.2f} %")


def _timed(name: str, spent: dict[str, float]) -> Callable[..., Any]:
    """The function of a name; the CPU seconds inside are added up."""
    module, _, attribute = name.rpartition(".")
    function = getattr(__import__(module, fromlist=[attribute]), attribute)

    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            spent[name] = spent.get(name, 0.0) + time.thread_time() - start

    return timed


if __name__ == "__main__":
    main()
