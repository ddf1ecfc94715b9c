"""A site with a store, an inbox and a coordinator on the made-up cluster of `slurm_rig`, and what its runs did.

The coordinator is Dagster's daemon, which takes runs from its queue: run workers are jobs of the host `head`, heavy
steps are jobs of n1 and n2. The coordinator's DAGSTER_HOME is hidden from all hosts. A node's memory
stands for its graphics card: a training asks for most of it.

Belongs here: starting, watching, comparing. Does not belong here: what is checked (`cluster`).
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import counting_readout
import dagster as dg
import pandas as pd
from slurm_rig import HEAD, NODE_MEMORY_MB, STEP_NODES, CannotRun, Rig

from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_assets.instance import open_instance

POLL_S = 0.5
_CODE = "phenodose_assets.definitions"
_DAGSTER = """\
storage:
  postgres:
    postgres_db:
      hostname: 127.0.0.1
      port: {port}
      username: dagster
      password: none
      db_name: dagster
      scheme: postgresql+psycopg2
run_launcher:
  module: phenodose_assets.executors.slurm_runs
  class: SlurmRunLauncher
  config: {{options: ["--partition=light"], logs: {logs}}}
concurrency:
  pools: {{default_limit: 2}}
run_monitoring:
  enabled: true
  poll_interval_seconds: 10
  start_timeout_seconds: 86400
  max_resume_run_attempts: 3
  free_slots_after_run_end_seconds: 30
telemetry: {{enabled: false}}
nux: {{enabled: false}}
"""
#: A network that learns in seconds: what is tried is what becomes of its training, not what it learns.
_NETWORK = """preset = "small"
micro_widths = [4, 8]
micro_dense = [8]
inference_copies = 0
resume_every_s = 1
epochs_phase1 = {epochs}
epochs_phase2 = {epochs}
epochs_phase3 = {epochs}"""
#: What costs most of the time and brings no further kind of step.
_LEFT_OUT = ("readout:features", "readout:spheroid_area", "embedder:tsne", "embedder:umap", "embedder:shared")
_SITE = f"""\
[cluster]
executor = "slurm"

[cluster.slurm]
gpu = ["--mem={NODE_MEMORY_MB * 3 // 4}"]
python = "%s"

[plugins]
disable = """
#: What differs between two runs of the same screen: ids, times, and the seals of files that hold them.
_IDS_AND_TIMES = {"run_id", "started_at", "finished_at", "tried_at", "seconds", "files"}
#: What differs between two screens of the same bytes under two names.
_NAMES = {"screen", "source", "path", "trained_on"}
#: Hashes of rows that hold the screen's name.
_MADE_OF_NAMES = {"version", "made_from"}


class Site:
    """The store, the inbox, and the runs of the coordinator."""

    def __init__(self, folder: Path, rig: Rig, network: str) -> None:
        """Lay out everything.

        Args:
            folder: where.
            rig: the cluster.
            network: the staged readout that learns, `cnn` or `counting`; the other is left out.
        """
        self.folder, self.rig, self.home, self.network = folder, rig, folder / "coordinator", network
        self.store = Store.open(folder / "store")
        for each in (self.store.root, folder / "inbox", folder / "raw", folder / "logs", self.home):
            each.mkdir(parents=True, exist_ok=True)
        for store in (self.store.root, folder / "alone_store"):
            store.mkdir(exist_ok=True)
            (store / "site.toml").write_text(_site(network) % self._timed_python())
        if not (folder / "plugins").exists():
            counting_readout.install(folder / "plugins")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(folder / "plugins"), os.environ.get("PYTHONPATH", "")])
        text = _DAGSTER.format(port=rig.postgres_port, logs=folder / "logs")
        (self.home / "dagster.yaml").write_text(text)

    @contextmanager
    def coordinator(self) -> Iterator[dg.DagsterInstance]:
        """Dagster's daemon with its code location, while the block runs; gives the instance."""
        os.environ["DAGSTER_HOME"] = str(self.home)
        with open_instance(self.store) as instance:
            daemon = [sys.executable, str(Path(sys.executable).with_name("dagster-daemon")), "run", "-m", _CODE]
            self.rig.spawn("daemon", daemon, self._surroundings(), self.folder)
            try:
                yield instance
            finally:
                self.rig.end("daemon")

    def phenodose(self, *arguments: str) -> None:
        """Run a command of phenodose in this place, outside the cluster.

        Raises:
            CannotRun: it fails.
        """
        own = {**os.environ, "DAGSTER_HOME": str(self.folder / "alone")}
        command = [sys.executable, "-c", "from phenodose.cli import main; main()", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=own, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotRun(f"phenodose {' '.join(arguments)}: {done.stderr[-2000:]}")

    def simulate(self, screen: str, *options: str, epochs: int) -> Path:
        """A raw screen beside the inbox, whose networks learn for so many epochs a phase."""
        folder = self.folder / "raw" / screen
        self.phenodose("simulate", str(folder), "--size-px=48", "--planes=1", *options)
        settings = folder / "screen.toml"
        text = settings.read_text()
        settings.write_text(text.replace('preset = "small"', _NETWORK.format(epochs=epochs)))
        return folder

    def alone(self, screen: str, *options: str, epochs: int) -> None:
        """A raw screen, and what a run of one process makes of it, unless both are there."""
        mark = self.folder / f"{screen}.made"
        if not mark.exists():
            self.phenodose("run", str(self.simulate(screen, *options, epochs=epochs)), "--store=alone_store")
            mark.touch()

    @contextmanager
    def raw_on(self, node: str) -> Iterator[None]:
        """While the block runs, raw folders are seen on one host only, and plates are ingested there."""
        settings = self.store.root / "site.toml"
        text = settings.read_text()
        others = [each for each in (HEAD, *STEP_NODES) if each != node]
        settings.write_text(text.replace("[cluster.slurm]\n", f'[cluster.slurm]\nplates = ["--nodelist={node}"]\n'))

        def start_again(hidden: Sequence[Path]) -> None:
            for each in others:
                self.rig.kill_node(each)
                self.rig.start_node(each, hidden)
            self.rig.wait_for_nodes(*others)

        start_again([self.folder / "inbox"])
        try:
            yield
        finally:
            settings.write_text(text)
            start_again([])

    def _timed_python(self) -> Path:
        """A Python for jobs that notes what processor time a job took."""
        python, times = self.folder / "python", self.folder / "times"
        times.mkdir(exist_ok=True)
        python.write_text(f'#!/bin/sh\n{sys.executable} "$@"\nended=$?\ntimes > {times}/$SLURM_JOB_ID\nexit $ended\n')
        python.chmod(0o755)
        return python

    def cpu_s(self, job: str) -> float:
        """Processor seconds of a job that ended by itself; not a number of another one."""
        noted = self.folder / "times" / job
        if not noted.is_file():
            return math.nan
        of_children = noted.read_text().splitlines()[1].replace("s", "").split()
        return sum(
            60 * float(minutes) + float(seconds) for minutes, seconds in (each.split("m") for each in of_children)
        )

    def arrive(self, raw: Path, screen: str) -> None:
        """Let a raw screen come into the inbox under a name: the sensor `new_screens` starts its run."""
        on_its_way = self.folder / "on_its_way" / screen
        shutil.copytree(raw, on_its_way)
        on_its_way.rename(self.folder / "inbox" / screen)

    def _surroundings(self) -> dict[str, str]:
        """The environment of whatever belongs to the coordinator."""
        return {
            **self.rig.environment,
            "DAGSTER_HOME": str(self.home),
            "PHENODOSE_STORE": str(self.store.root),
            "PHENODOSE_INBOX": str(self.folder / "inbox"),
        }

    def differences(self, other: Store, screen: str, of_other: str) -> list[str]:
        """Tables of a screen that are not those of a screen of another store, but for ids, times and names."""
        found = []
        left_out = _IDS_AND_TIMES | _NAMES | (_MADE_OF_NAMES if screen != of_other else set())
        for table in TABLES:
            here, there = self.store.read_table(table, screen), other.read_table(table, of_other)
            here, there = _plain(here, left_out), _plain(there, left_out)
            here, there = here.replace(screen, of_other, regex=True), there.replace(screen, of_other, regex=True)
            if not here.equals(there):
                columns = [name for name in here if name in there and not here[name].equals(there[name])]
                found.append(f"{table} ({len(here)} and {len(there)} rows; {', '.join(columns)})")
        return found


def _site(network: str) -> str:
    other = "readout:cnn" if network == counting_readout.NAME else f"readout:{counting_readout.NAME}"
    return f"{_SITE}{json.dumps([*_LEFT_OUT, other])}\n"


def _plain(frame: pd.DataFrame, left_out: set[str]) -> pd.DataFrame:
    """Rows as text without some columns, in an order that does not hang on how they came."""
    kept = frame[[name for name in frame if name not in left_out]].astype(str)
    if {"asset", "inputs"} <= set(kept):
        assets = set(kept["asset"])
        kept["inputs"] = kept["inputs"].map(lambda text: _without(text, assets), na_action="ignore")
    return kept.sort_values(list(kept)).reset_index(drop=True)


def _without(inputs: str, assets: set[str]) -> str:
    """The inputs of a step, without the hashes of other steps' files: these hold ids of runs."""
    return json.dumps({name: seen for name, seen in json.loads(inputs).items() if name not in assets})


def run_of(instance: dg.DagsterInstance, screen: str) -> dg.DagsterRun | None:
    """The newest run of a screen; None before there is one."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": screen}), limit=1)
    return runs[0] if runs else None


def waited(found: Callable[[], object], what: str, seconds: float) -> None:
    """Wait for something.

    Raises:
        TimeoutError: it did not come.
    """
    until = time.monotonic() + seconds
    while not found():
        if time.monotonic() > until:
            raise TimeoutError(f"no {what} within {seconds:g} s")
        time.sleep(POLL_S)


def ended(instance: dg.DagsterInstance, screen: str, seconds: float) -> dg.DagsterRun:
    """The run of a screen, when it has ended.

    Raises:
        TimeoutError: it has not.
    """

    def over() -> bool:
        run = run_of(instance, screen)
        return run is not None and run.is_finished

    waited(over, f"end of the run of {screen}", seconds)
    run = run_of(instance, screen)
    assert run is not None
    return run


def events(instance: dg.DagsterInstance, run_id: str) -> pd.DataFrame:
    """What a run's event log holds of its steps: columns step, kind, at (seconds), said."""
    rows = [
        {"step": event.step_key, "kind": event.event_type_value, "at": entry.timestamp, "said": event.message or ""}
        for entry in instance.all_logs(run_id)
        if (event := entry.dagster_event) is not None
    ]
    return pd.DataFrame(rows, columns=["step", "kind", "at", "said"])


def jobs_of_steps(instance: dg.DagsterInstance, run_id: str) -> pd.DataFrame:
    """The jobs of Slurm that a run's steps became, in order: columns step, job (Slurm's number)."""
    started = events(instance, run_id).query("kind == 'STEP_WORKER_STARTING'")
    numbers = started["said"].str.extract(r"is job (\d+) of Slurm", expand=False)
    return started.assign(job=numbers).dropna(subset="job")[["step", "job"]]


def node_of_step(instance: dg.DagsterInstance, run_id: str, step: str, rig: Rig) -> str:
    """The host of a step's newest job; '' if it has none."""
    numbers = jobs_of_steps(instance, run_id).query("step == @step")["job"]
    # Not asked of squeue, which forgets a job some minutes after its end.
    return rig.node_of_job(numbers.iloc[-1]) if len(numbers) else ""


def worker_processes(run_id: str) -> list[int]:
    """Ids of the processes of a run's worker (not of its steps' jobs)."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if (b"execute_run" in words or b"resume_run" in words) and any(run_id.encode() in word for word in words):
            found.append(int(place.name))
    return found


__all__ = [
    *("HEAD", "Site", "ended", "events", "jobs_of_steps", "node_of_step", "run_of", "waited", "worker_processes"),
]
