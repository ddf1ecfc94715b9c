"""Trainings run in a process of their own: what they tell, raise and leave behind crosses to the step."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from phenodose.learning.epoch_logs import EVENTS, read_events
from phenodose.plugins import registry
from phenodose.sandbox.messages import HandlerFault, fault_of
from phenodose.screens.registration import register_screen
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store
from phenodose_assets.graph import training_watch
from phenodose_assets.run import Graph, materialize_screen

SCREEN, KEY = "PROC_CE", "checkpoint/slow/phase1"
EPOCHS = 6
FETCH = "the first weights could not be fetched; connect this machine once."

#: A staged readout of somebody else: it counts, keeps a point to go on from, and has phases that fail by name.
READOUT = '''
import json, os, time
from typing import Any, ClassVar
import numpy as np
from phenodose.errors import CheckpointError, DownloadError, NotMade
from phenodose.plugins import (
    Inference, Parameters, Phase, StagedReadout, TrainingRecord, TrainingTime, tell_epoch, tell_time
)
from phenodose.io.files import write_json, hash_file


class SlowParameters(Parameters):
    stops_after: int = 99
    seed: int = 0


class BrokenWeightsError(CheckpointError):
    """A class that no other process knows."""


class SlowReadout(StagedReadout):
    name: ClassVar[str] = "slow"
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "A staged readout of another distribution"
    Parameters: ClassVar[type[Parameters]] = SlowParameters
    phases: ClassVar[tuple[Phase, ...]] = tuple(
        Phase(name, "control-experiment", None, "controls", 2, name in ("phase1", "long"), "Counts to six.")
        for name in ("phase1", "twin", "deaf", "damaged", "own", "nothing", "bug", "offline", "long")
    )

    def train(self, phase, data, parent, out, progress):
        faults = {
            "damaged": CheckpointError("the weights are damaged; train again."),
            "own": BrokenWeightsError("the weights are broken; train again."),
            "nothing": NotMade("there is nothing to learn."),
            "bug": ZeroDivisionError("no such thing"),
            "offline": DownloadError("the first weights could not be fetched; connect this machine once."),
        }
        if phase.name in faults:
            raise faults[phase.name]
        hours = 40 if phase.name == "long" else 0.5
        tell_time(progress, TrainingTime(hours * 3600, 1.0, False, "6 epochs"))
        point = out / "point.json"
        history = json.loads(point.read_text()) if point.is_file() else []
        for epoch in range(len(history), 6):
            if epoch == self.parameters.stops_after:
                time.sleep(3600)  # until it is ended
            history.append({"loss": 1 / (epoch + 1), "accuracy": 0.5})
            write_json(point, history)
            tell_epoch(progress, epoch + 1, 6, f"process {os.getpid()}", history[-1])
        write_json(out / "weights.json", [float(data.images.mean()), self.parameters.seed])
        record = TrainingRecord(
            phase.name, hash_file(out / "weights.json"), None, "", self.parameters.model_dump(), history, None, 1.0,
            len(data.wells), 0, {"process": os.getpid()},
        )
        write_json(out / "record.json", {"format": 1, **record.__dict__})
        return record

    def infer(self, checkpoint, tensors, progress=lambda *_: None):
        n = tensors.sizes["well"]
        return Inference(np.linspace(0.2, 0.8, n) + os.getpid() * 0, np.full((n, 2), float(os.getpid()), np.float32))
'''


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory, site_of: Callable[..., str]) -> Iterator[Store]:
    """A control experiment with tensors, and the readout installed."""
    root = tmp_path_factory.mktemp("process")
    installed = root / "site"
    info = installed / "slow_readout-1.0.dist-info"
    info.mkdir(parents=True)
    (installed / "slow_readout.py").write_text(READOUT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-readout\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[phenodose.readouts]\nslow = slow_readout:SlowReadout\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(installed))
        registry.cache_clear()
        store = Store.open(root / "store")
        store.root.mkdir()
        (store.root / "site.toml").write_text(site_of("readout:slow"))
        simulate_screen(root / "raw" / SCREEN, kind="control-experiment", control_wells=12, size_px=48, planes=1)
        register_screen(store, root / "raw" / SCREEN)
        with dg.DagsterInstance.ephemeral() as instance:
            materialize_screen(store, SCREEN, select="ingest,tensors", instance=instance).raise_if_failed()
        yield store
    registry.cache_clear()


@pytest.fixture(scope="module")
def graph(screen: Store) -> Graph:
    """The store's graph, whose networks are trained in a process of their own."""
    return Graph(screen, training="process")


@pytest.fixture
def train(screen: Store, graph: Graph, instance: dg.DagsterInstance, look_at: Callable[..., Any]) -> Callable[..., Any]:
    """Trains phases in a process of their own."""

    def run(select: str = KEY, listener: Any = None, **parameters: Any) -> Any:
        outcome = materialize_screen(
            screen,
            SCREEN,
            select=select,
            parameters={"slow": parameters},
            instance=instance,
            progress=listener,
            graph=graph,
        )
        return look_at(screen, outcome, instance)

    return run


def record(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((store.checkpoint_dir(SCREEN, "slow", "phase1") / "record.json").read_text())
    return found


def test_another_process_trains_and_the_step_hears_of_every_epoch(
    train: Callable[..., Any], screen: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import xarray as xr

    monkeypatch.setattr(training_watch, "SHOW_EVERY_S", 0.0)
    told: list[Any] = []
    # Somebody asked for this network: what cannot be trained fails.
    cannot = [f"checkpoint/slow/{phase}" for phase in ("offline", "long")]
    done = train(",".join([KEY, "viability/slow_phase1", *cannot]), listener=told.append, seed=1)
    failed = done.outcome.failed
    assert list(failed) == cannot
    assert all(fault.mendable for fault in failed.values())
    assert failed["checkpoint/slow/offline"].message == FETCH
    assert_too_long(failed["checkpoint/slow/long"].message)
    assert done.outcome.made == [KEY, "viability/slow_phase1"]
    process = record(screen)["extra"]["process"]
    assert process != os.getpid()
    heard = [event for event in told if event.state == "progress" and event.asset == KEY]
    assert [event.done for event in heard] == list(range(1, EPOCHS + 1))
    assert [event.message.endswith(" left") for event in heard] == [False, True, True, True, True, False]
    # Its time was said before it began, and stands beside the real one.
    said = next(event for event in told if event.state in ("said", "progress") and event.asset == KEY)
    assert said.message.startswith(f"phase1 of {SCREEN}: about 30 min of training on this machine (6 epochs)")
    shown = done.materialization(KEY).metadata
    assert (shown["estimated_training_s"].value, shown["training_s"].value) == (1800, 1.0)
    # One process for all networks of a run.
    features = xr.open_zarr(screen.feature_path(SCREEN, "slow_phase1"), consolidated=False)["features"]
    assert set(features.to_numpy().ravel()) == {float(process)}
    # The UI shows epochs as they come, not the last, which is the product itself.
    epochs = [one.metadata for one in done.observations(KEY)]
    assert [one["epoch"].value for one in epochs] == [1, 2, 3, 4, 5]
    assert epochs[2]["loss"].value == pytest.approx(1 / 3)
    assert "data:image/png" in epochs[-1]["training"].value
    events = read_events(screen.checkpoint_dir(SCREEN, "slow", "phase1") / "logs" / EVENTS)
    assert [event.step for event in events[1:]] == list(range(1, EPOCHS + 1))


def assert_too_long(reason: str) -> None:
    assert reason.startswith(f"long of {SCREEN} would take about 40 h 00 min on this machine")
    assert "a larger longest_h under [training] in site.toml" in reason


def test_what_a_training_raises_crosses_and_costs_its_own_phase(
    train: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """Nobody has asked for this network: what cannot be trained is skipped."""
    phases = {name: f"checkpoint/slow/{name}" for name in ("damaged", "own", "nothing", "bug", "offline", "long")}
    done = train(",".join([*phases.values(), "viability/slow_long"]))
    failed, skipped = done.outcome.failed, done.outcome.skipped
    # Errors that teach keep class and sentence; of a class that nobody else knows the nearest one that is known.
    assert list(failed) == [phases["damaged"], phases["own"], phases["bug"]]
    for name, sentence in (
        ("damaged", "the weights are damaged; train again."),
        ("own", "the weights are broken; train again."),
    ):
        assert (failed[phases[name]].message, failed[phases[name]].mendable) == (sentence, True)
        assert done.checks(phases[name])["made"].metadata["error"].value == "CheckpointError"
    # A bug of a plugin names it, with the lines of the other process.
    fault = failed[phases["bug"]]
    assert fault.message.startswith("readout 'slow' of slow-readout 1.0 (slow_readout:SlowReadout) raised ")
    assert "ZeroDivisionError: no such thing (slow_readout.py, line " in fault.message
    assert 'slow_readout.py", line' in capfd.readouterr().err
    assert list(skipped) == [phases["nothing"], phases["offline"], phases["long"], "viability/slow_long"]
    assert skipped[phases["nothing"]] == "there is nothing to learn."
    assert skipped[phases["offline"]].startswith(f"offline of {SCREEN} is not trained: {FETCH}")
    assert_too_long(skipped[phases["long"]])
    assert skipped["viability/slow_long"] == f"needs {phases['long']}"


def test_a_bug_of_our_own_keeps_its_class_and_lines() -> None:
    try:
        raise ZeroDivisionError("of our own")
    except ZeroDivisionError as error:
        told = fault_of(error)
    fault = HandlerFault.read(told).error()
    assert (type(fault), str(fault)) == (ZeroDivisionError, "of our own")
    assert 'raise ZeroDivisionError("of our own")' in str(fault.__cause__)


def test_a_way_to_train_that_is_none_is_refused(screen: Store, instance: dg.DagsterInstance) -> None:
    fault = materialize_screen(screen, SCREEN, select=KEY, instance=instance, training="proces").failed[KEY]
    assert fault.mendable
    assert "set it to process or inline" in fault.message


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize(
    "ends",
    [
        {KEY: "SIGKILL"},
        pytest.param({KEY: "SIGKILL", "checkpoint/slow/twin": "SIGTERM"}, marks=pytest.mark.slow),
    ],
    ids=["killed", "killed and told to end"],
)
def test_a_training_ended_from_outside_says_so_in_a_sentence_and_is_gone_on_with(
    train: Callable[..., Any], screen: Store, capfd: pytest.CaptureFixture[str], ends: dict[str, str]
) -> None:
    """One or two are ended, another with the terminal that listens to it; each leaves the others alone."""
    deaf, seed = "checkpoint/slow/deaf", 20 + len(ends)  # what was trained with a seed is not trained again

    def end(event: Any) -> None:
        if event.state == "progress" and event.asset == deaf:
            raise RuntimeError("the terminal is gone")
        if event.state == "progress" and event.done == 3:
            os.kill(process_of(event.message), getattr(signal, ends[event.asset]))

    failed = train(",".join([*ends, deaf]), listener=end, seed=seed, stops_after=3).outcome.failed
    assert "the terminal is gone" in failed.pop(deaf).message
    assert list(failed) == list(ends)
    for key, name in ends.items():
        fault = failed[key]
        assert fault.mendable
        assert f"ended by {name}" in fault.message
        assert "\n" not in fault.message
        assert ("memory" in fault.message) == (name == "SIGKILL")
    assert capfd.readouterr().err == ""
    told: list[Any] = []
    train(",".join(ends), listener=told.append, seed=seed).outcome.raise_if_failed()
    for key in ends:
        assert next(event.done for event in told if event.state == "progress" and event.asset == key) > 3
        events = read_events(screen.checkpoint_dir(SCREEN, "slow", key.rpartition("/")[2]) / "logs" / EVENTS)
        assert [event.step for event in events[1:]] == list(range(1, EPOCHS + 1))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_run_that_is_told_to_end_ends_with_its_training_and_is_gone_on_with(
    train: Callable[..., Any], screen: Store
) -> None:
    """Its sisters are tests/cli/test_ended.py, tests/platform/sandbox/test_worker.py and the test before this one."""
    told = ["--set", "slow.seed=8", "--set", "slow.stops_after=2"]
    with subprocess.Popen(
        [sys.executable, "-m", "phenodose", "run", SCREEN, "--store", str(screen.root), "--select", KEY, *told],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as run:
        assert run.stderr is not None
        assert "30 min of training" in run.stderr.readline()
        work = screen.checkpoint_dir(SCREEN, "slow", "phase1").with_name(".phase1.training")
        while len(json.loads((work / "point.json").read_text() if (work / "point.json").is_file() else "[]")) < 2:
            time.sleep(0.05)
        workers = children_of(run.pid)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate()
    assert (run.returncode, out) == (143, "")
    lines = [line for line in err.splitlines() if not line.startswith(f"{SCREEN}: {KEY} ")]
    assert lines == ["phenodose: ended by SIGTERM; what was made is kept, run the same command again to go on."]
    assert workers
    while any(is_alive(worker) for worker in workers):
        time.sleep(0.05)
    heard: list[Any] = []
    train(listener=heard.append, seed=8).outcome.raise_if_failed()
    assert next(event.done for event in heard if event.state == "progress") == 3


def children_of(process: int) -> list[int]:
    """The processes that a process has started."""
    return [
        int(child) for path in Path(f"/proc/{process}/task").glob("*/children") for child in path.read_text().split()
    ]


def process_of(message: str) -> int:
    found = re.search(r"process (\d+)", message)
    assert found is not None, message
    return int(found.group(1))


def is_alive(process: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


CHILD = """
import sys, dagster as dg
from phenodose.store.store import Store
from phenodose_assets.run import materialize_screen
store, screen, key = sys.argv[1:]
with dg.DagsterInstance.ephemeral() as instance:
    materialize_screen(
        Store.open(store), screen, select=key, instance=instance, training="process",
        parameters={"slow": {"seed": 5, "stops_after": 1}},
        progress=lambda event: print(event.message, flush=True),
    )
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_training_dies_with_the_run(screen: Store) -> None:
    """Its sister is tests/platform/sandbox/test_worker.py::test_it_ends_when_the_caller_is_killed."""
    path = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(screen.root), SCREEN, KEY],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "\n"
        worker = process_of(next(line for line in run.stdout if "process" in line))
        run.kill()
    # It would sleep for an hour before the second epoch.
    while is_alive(worker):
        time.sleep(0.05)
    work = screen.checkpoint_dir(SCREEN, "slow", "phase1").with_name(".phase1.training")
    assert json.loads((work / "point.json").read_text()) == [{"accuracy": 0.5, "loss": 1.0}]
