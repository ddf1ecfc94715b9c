"""Whether a screen on a cluster comes to its end as on one machine, whatever dies: on a real Slurm and PostgreSQL.

Run: sudo .venv/bin/python benchmarks/cluster.py [--check 1 --check 2 ...] [--times 10] [--packages DEBS] [--keep DIR]

`slurm_rig` makes the cluster of one machine. The checks:

1  A screen of two plates: its plates are ingested on different nodes, every table is that of a run of one process.
2  A node dies in the middle of a training: the step goes on elsewhere, the run succeeds, the network is the same.
3  The run worker dies in the middle of a training: the run is resumed, the training is not started again.
6  Two trainings at once, on two nodes with a card each: both at work at the same time, never both on one node.
7  The coordinator's DAGSTER_HOME cannot be seen from any node, and the raw folders from one node only.
9  What a screen costs: jobs and their processor seconds (the smallest job does next to nothing); hand-overs are gone.

Checks 2, 3 and 6 are tried `--times` times. It ends with 1 where a check did not hold, and with 0 and the reason where
there is no cluster to be had.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import dagster as dg
import numpy as np
import pandas as pd
from slurm_rig import STEP_NODES, CannotRun, Rig
from slurm_site import Site, ended, events, jobs_of_steps, node_of_step, run_of, waited, worker_processes

from phenodose.store.store import Store

TRAINED, SCREEN = "CE_001_V1_DS1", "SC_001_V1_DS1"
#: The folder in which a training of phase I lies while it is under way.
_UNDER_WAY = ".phase1.training"
_NETWORK = "What is trained: a small network, or a readout that only counts, for machines of few processors."
_EPOCHS = "Of the training: so many that it is seen before it is over; a fast machine needs hundreds for a network."
#: Share of the seconds that a training takes by itself in which it is surely at work, once it has left a first point; a
#: network needs half of them to be made ready.
_SHARE = {"cnn": 0.2, "counting": 0.6}
MOST_JOBS, MOST_S = 12, 1800.0


class Checks:
    """The checks, each of which says in what it did not hold: nothing where it did."""

    def __init__(self, site: Site, instance: dg.DagsterInstance, seed: int) -> None:
        self.site, self.instance, self.random = site, instance, np.random.default_rng(seed)
        self.training = f"checkpoint__{site.network}__phase1.make"
        self.alone = Store.open(site.folder / "alone_store")
        self.notes: dict[str, list[str]] = {}
        self._rounds = itertools.count(101)
        self._a_node_is_down = threading.Lock()

    def one(self) -> list[str]:
        """A screen of two plates."""
        self._control_experiment()
        self._arrive(SCREEN, SCREEN)
        run = ended(self.instance, SCREEN, MOST_S)
        faults = _not_a_success(self.instance, run)
        parts = events(self.instance, run.run_id).query("step.str.startswith('plate_images.part[')", engine="python")
        nodes = {step: node_of_step(self.instance, run.run_id, step, self.site.rig) for step in set(parts["step"])}
        self._note("1", f"plates on {nodes}")
        if len(set(nodes.values())) < 2:
            faults.append(f"plates were ingested on {nodes}")
        return faults + [f"other table: {each}" for each in self.site.differences(self.alone, SCREEN, SCREEN)]

    def two(self) -> list[str]:
        """A node dies in the middle of a training."""
        with self._a_node_is_down:
            screen, run = self._in_training()
            node = node_of_step(self.instance, run.run_id, self.training, self.site.rig)
            self.site.rig.kill_node(node)
            killed = time.time()
            try:
                waited(lambda: self._is_elsewhere(screen, run, node), "other node", MOST_S)
                noticed = f"Slurm noticed after {self.site.rig.lost_at(node) - killed:.0f} s"
            finally:
                self.site.rig.start_node(node)
                self.site.rig.wait_for_nodes(node)
        run = ended(self.instance, screen, MOST_S)
        elsewhere = node_of_step(self.instance, run.run_id, self.training, self.site.rig)
        self._note("2", f"{noticed}, {self._begun_again(run, killed)}")
        faults = self._result(screen, run)
        return faults if elsewhere != node else [*faults, f"it was tried again on {node}, which had died"]

    def three(self) -> list[str]:
        """The run worker dies in the middle of a training."""
        screen, run = self._in_training()
        for process in worker_processes(run.run_id):
            _kill(process)
        killed = time.time()
        run = ended(self.instance, screen, MOST_S)
        log = events(self.instance, run.run_id)
        resumed = log[log["said"].str.contains("resume", case=False) & (log["at"] > killed)]["at"]
        self._note("3", f"resumed after {resumed.min() - killed:.0f} s" if len(resumed) else "was not resumed")
        starts = int(self._of_training(run)["kind"].isin(["STEP_START", "STEP_RESTARTED"]).sum())
        faults = self._result(screen, run)
        return faults if starts == 1 else [*faults, f"the training was started {starts} times"]

    def six(self) -> list[str]:
        """Two trainings at once on two nodes with a card each."""
        screens = [self._another(), self._another()]
        both: dict[str, str] = {}
        faults: list[str] = []
        until = time.monotonic() + MOST_S
        runs = [run_of(self.instance, screen) for screen in screens]
        while not all(run is not None and run.is_finished for run in runs):
            if time.monotonic() > until:
                return ["the runs did not end"]
            asking = ["squeue", "--noheader", "--states=RUNNING", "--partition=all", "--format=%j|%N|%m"]
            at_work = [line.split("|") for line in self.site.rig.command(*asking).splitlines()]
            trainings = {name: node for name, node, memory in at_work if memory == "1500M"}
            if len(trainings) > len(set(trainings.values())):
                faults.append(f"two trainings on one node: {trainings}")
            if len(trainings) > 1:
                both |= trainings
            time.sleep(1)
            runs = [run_of(self.instance, screen) for screen in screens]
        if not both:
            faults.append("the two were never at work at the same time")
        for screen, run in zip(screens, runs, strict=True):
            faults += self._result(screen, run) if run else []
        return faults

    def seven(self) -> list[str]:
        """Raw folders on one node only; what is the coordinator's is hidden from all nodes in every check."""
        with self.site.raw_on(STEP_NODES[0]):
            screen = self._another()
            return self._result(screen, ended(self.instance, screen, MOST_S))

    def nine(self) -> list[str]:
        """What a screen costs."""
        run = run_of(self.instance, SCREEN)
        if run is None:
            self.one()
            run = run_of(self.instance, SCREEN)
        assert run is not None
        steps = jobs_of_steps(self.instance, run.run_id)
        count = len(steps)
        cpu = steps["job"].map(self.site.cpu_s).dropna()
        of_one = f"the smallest {cpu.min():.1f}, half below {cpu.median():.1f}"
        self._note("9", f"{count} jobs for {SCREEN}, {cpu.sum():.0f} CPU-s; {of_one}")
        faults = [] if count <= MOST_JOBS else [f"{count} jobs, where {MOST_JOBS} are allowed"]
        left = self.site.store.root / ".hand_over"
        waited(lambda: not any(left.glob("*")), "end of the hand-overs", 120)
        return faults

    def _control_experiment(self) -> None:
        """The control experiment that the screens start from, made once."""
        if run_of(self.instance, TRAINED) is None:
            self._arrive(TRAINED, TRAINED)
            if faults := _not_a_success(self.instance, ended(self.instance, TRAINED, MOST_S)):
                raise CannotRun(f"{TRAINED}: {faults[0]}")

    def _arrive(self, raw: str, screen: str) -> None:
        self.site.arrive(self.site.folder / "raw" / raw, screen)

    def _another(self) -> str:
        """A further control experiment, of the same bytes as the first, comes into the inbox."""
        screen = f"CE_{next(self._rounds)}_V1_DS1"
        self._arrive(TRAINED, screen)
        return screen

    def _in_training(self) -> tuple[str, dg.DagsterRun]:
        """A control experiment whose training is under way, at a random moment of it; a later one if it was over."""
        while True:
            screen = self._another()
            run = self._awaited(screen)
            if not (self._of_training(run)["kind"] == "STEP_SUCCESS").any():
                return screen, run
            ended(self.instance, screen, MOST_S)

    def _awaited(self, screen: str) -> dg.DagsterRun:
        """The run of a screen, a random time after its training began."""
        work = self.site.store.root / "screens" / screen

        def begun() -> bool:
            run = run_of(self.instance, screen)
            # Not rglob, which fails where a folder goes while it looks.
            under_way = any(_UNDER_WAY in Path(each).parts and files for each, _, files in os.walk(work))
            return under_way or (run is not None and run.is_finished)

        waited(begun, f"training of {screen}", MOST_S)
        seconds = float(self.alone.read_table("checkpoints", TRAINED)["seconds"].iloc[0])
        time.sleep(self.random.uniform(0, _SHARE[self.site.network] * seconds))
        run = run_of(self.instance, screen)
        assert run is not None
        return run

    def _is_elsewhere(self, screen: str, run: dg.DagsterRun, node: str) -> bool:
        """Whether a run's training has begun again on another node than one, or the run has ended."""
        now = run_of(self.instance, screen)
        begun = (self._of_training(run)["kind"] == "STEP_RESTARTED").any()
        other = node_of_step(self.instance, run.run_id, self.training, self.site.rig) not in ("", node)
        return (now is not None and now.is_finished) or (begun and other)

    def _begun_again(self, run: dg.DagsterRun, killed: float) -> str:
        """When a run's training was seen to be gone, submitted again and at work again, in words."""
        log = self._of_training(run)
        after = log[log["at"] > killed].groupby("kind")["at"].max() - killed
        stages = {"STEP_UP_FOR_RETRY": "Dagster", "STEP_WORKER_STARTING": "submitted", "STEP_RESTARTED": "begun again"}
        return ", ".join(f"{name} after {after[kind]:.0f} s" for kind, name in stages.items() if kind in after)

    def _of_training(self, run: dg.DagsterRun) -> pd.DataFrame:
        """The events of the training's step."""
        log = events(self.instance, run.run_id)
        return log[log["step"] == self.training]

    def _result(self, screen: str, run: dg.DagsterRun) -> list[str]:
        """In what a run of a control experiment is not what a run of one process gives."""
        tables = self.site.differences(self.alone, screen, TRAINED)
        return _not_a_success(self.instance, run) + [f"other table: {each}" for each in tables]

    def _note(self, check: str, said: str) -> None:
        click.echo(f"{time.strftime('%H:%M:%S')} check {check}: {said}")
        self.notes.setdefault(check, []).append(said)


def _not_a_success(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    if run.status is dg.DagsterRunStatus.SUCCESS:
        return []
    log = events(instance, run.run_id)
    why = log[log["kind"].isin(["STEP_FAILURE", "PIPELINE_FAILURE"])][["step", "said"]].to_string(index=False)
    return [f"run {run.run_id} ended with {run.status.value}: {why}"]


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


CHECKS: dict[str, tuple[Callable[[Checks], list[str]], bool]] = {
    "1": (Checks.one, False),
    "9": (Checks.nine, False),
    "2": (Checks.two, True),
    "3": (Checks.three, True),
    "6": (Checks.six, True),
    "7": (Checks.seven, False),
}


@click.command()
@click.option("--check", "checks", multiple=True, type=click.Choice(list(CHECKS)), help="Which; default all.")
@click.option("--times", type=click.IntRange(min=1), default=10, show_default=True, help="How often 2, 3 and 6.")
@click.option("--at-once", type=click.IntRange(min=1), default=1, show_default=True, help="Tries of a check at once.")
@click.option("--network", type=click.Choice(["cnn", "counting"]), default="cnn", show_default=True, help=_NETWORK)
@click.option("--epochs", type=click.IntRange(min=1), default=40, show_default=True, help=_EPOCHS)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the moments.")
@click.option("--packages", type=click.Path(path_type=Path), help="Folder with Slurm's Debian packages.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for everything; references are kept.")
def main(
    checks: tuple[str, ...],
    times: int,
    at_once: int,
    network: str,
    epochs: int,
    seed: int,
    packages: Path | None,
    keep: Path | None,
) -> None:
    """Make a cluster, try the checks on it, and print what held."""
    warnings.simplefilter("ignore")
    folder = keep or Path(tempfile.mkdtemp(prefix="phenodose-cluster-"))
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711)
    for part in ("rig", "coordinator", "store", "inbox", "on_its_way", "logs", "times"):
        shutil.rmtree(folder / part, ignore_errors=True)
    rig, held = Rig(folder / "rig", hidden=[folder / "coordinator"]), False

    def end(*_: object) -> None:
        rig.stop()
        os._exit(143)

    # The cluster ends with this process, however that is asked to end; tries that are under way are not waited for.
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, end)
    try:
        import dagster_postgres  # noqa: F401

        (folder / "coordinator").mkdir()
        rig.start(packages)
        tables = _tried(Site(folder, rig, network), checks or tuple(CHECKS), times, at_once, epochs, seed)
        held = bool((tables["tried"] == tables["held"]).all())
    except (CannotRun, ImportError) as reason:
        click.echo(f"not run: {reason}")
        return
    finally:
        rig.stop()
        if keep is None and held:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            click.echo(f"what everybody printed: {folder / 'logs'} (run workers, steps), {folder / 'rig/log'}")
    click.echo(tables.to_string(index=False))
    sys.exit(int(not held))


def _tried(site: Site, names: tuple[str, ...], times: int, at_once: int, epochs: int, seed: int) -> pd.DataFrame:
    site.alone(TRAINED, "--kind=control-experiment", "--control-wells=20", epochs=epochs)
    if {"1", "9"} & set(names):
        site.alone(SCREEN, "--drugs=2", "--plates=2", f"--phase1={TRAINED}", epochs=4)
    rows = []
    with site.coordinator() as instance:
        checks = Checks(site, instance, seed)
        for name in names:
            tried = times if CHECKS[name][1] else 1
            with ThreadPoolExecutor(at_once) as threads:
                held = sum(threads.map(lambda number: _holds(checks, name, number), range(1, tried + 1)))  # noqa: B023
            rows.append({"check": name, "tried": tried, "held": held, "notes": "; ".join(checks.notes.get(name, []))})
    return pd.DataFrame(rows)


def _holds(checks: Checks, name: str, number: int) -> bool:
    """Try a check once, and say what became of it."""
    clock = time.monotonic()
    try:
        faults = CHECKS[name][0](checks)
    except Exception as error:  # The other tries are made all the same.
        traceback.print_exc()
        faults = [f"{type(error).__name__}: {error}"]
    seconds = time.monotonic() - clock
    click.echo(
        f"{time.strftime('%H:%M:%S')} check {name}, try {number}, {seconds:.0f} s: {'; '.join(faults) or 'held'}"
    )
    return not faults


if __name__ == "__main__":
    main()
