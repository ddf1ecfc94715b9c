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
from phenodose_assets.run import materialize_screen

SCREEN, KEY = "PROC_CE", "checkpoint/slow/phase1"
EPOCHS = 6

#: A staged readout of somebody else: it counts, keeps a point to go on from, and fails in the way it is asked to.
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
    fail: str = ""
    stops_after: int = 99
    seed: int = 0


class BrokenWeightsError(CheckpointError):
    """A class that no other process knows."""


class SlowReadout(StagedReadout):
    name: ClassVar[str] = "slow"
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "A staged readout of another distribution"
    Parameters: ClassVar[type[Parameters]] = SlowParameters
    phases: ClassVar[tuple[Phase, ...]] = (
        Phase("phase1", "control-experiment", None, "controls", 2, True, "Counts to six."),
    )

    def train(self, phase, data, parent, out, progress):
        if self.parameters.fail:
            raise {
                "checkpoint": CheckpointError("the weights are damaged; train again."),
                "own": BrokenWeightsError("the weights are broken; train again."),
                "not made": NotMade("there is nothing to learn."),
                "bug": ZeroDivisionError("no such thing"),
            }[self.parameters.fail]
        if os.environ.get("SLOW_IS_OFFLINE"):
            raise DownloadError("the first weights could not be fetched; connect this machine once.")
        hours = float(os.environ.get("SLOW_TAKES_HOURS", "0.5"))
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
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
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
        simulate_screen(root / "raw" / SCREEN, kind="control-experiment", control_wells=12, size_px=48, planes=1)
        register_screen(store, root / "raw" / SCREEN)
        with dg.DagsterInstance.ephemeral() as instance:
            materialize_screen(store, SCREEN, select="ingest,tensors", instance=instance).raise_if_failed()
        yield store
    registry.cache_clear()


@pytest.fixture
def train(screen: Store, instance: dg.DagsterInstance, look_at: Callable[..., Any]) -> Callable[..., Any]:
    """Trains the phase in a process of its own."""

    def run(select: str = KEY, listener: Any = None, training: str = "process", **parameters: Any) -> Any:
        outcome = materialize_screen(
            screen,
            SCREEN,
            select=select,
            parameters={"slow": parameters},
            instance=instance,
            progress=listener,
            training=training,
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
    done = train(f"{KEY},viability/slow_phase1", listener=told.append, seed=1)
    done.outcome.raise_if_failed()
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


@pytest.mark.parametrize(
    ("fail", "error", "sentence"),
    [
        ("checkpoint", "CheckpointError", "the weights are damaged; train again."),
        ("own", "CheckpointError", "the weights are broken; train again."),
    ],
)
def test_errors_that_teach_keep_class_and_sentence(
    train: Callable[..., Any], fail: str, error: str, sentence: str
) -> None:
    done = train(fail=fail)
    fault = done.outcome.failed[KEY]
    assert (fault.message, fault.mendable) == (sentence, True)
    assert done.checks(KEY)["made"].metadata["error"].value == error


def test_what_is_not_made_is_skipped(train: Callable[..., Any]) -> None:
    assert train(fail="not made").outcome.skipped == {KEY: "there is nothing to learn."}


def test_what_this_machine_cannot_train_is_skipped_unless_somebody_asked_for_it(
    train: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOW_IS_OFFLINE", "1")
    skipped = train().outcome.skipped[KEY]
    assert skipped.startswith(f"phase1 of {SCREEN} is not trained: the first weights could not be fetched; connect")
    monkeypatch.delenv("SLOW_IS_OFFLINE")
    monkeypatch.setenv("SLOW_TAKES_HOURS", "40")
    unasked = train(select=f"{KEY},viability/slow_phase1").outcome
    assert unasked.success
    reason = unasked.skipped[KEY]
    assert reason.startswith(f"phase1 of {SCREEN} would take about 40 h 00 min on this machine")
    assert "a larger longest_h under [training] in site.toml" in reason
    assert unasked.skipped["viability/slow_phase1"] == f"needs {KEY}"
    asked = train(seed=9).outcome.failed[KEY]
    assert (asked.message, asked.mendable) == (reason, True)


def test_a_bug_of_a_plugin_names_it_with_the_lines_of_the_other_process(
    train: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    fault = train(fail="bug").outcome.failed[KEY]
    assert fault.message.startswith("readout 'slow' of slow-readout 1.0 (slow_readout:SlowReadout) raised ")
    assert "ZeroDivisionError: no such thing (slow_readout.py, line " in fault.message
    assert 'slow_readout.py", line' in capfd.readouterr().err


def test_a_bug_of_our_own_keeps_its_class_and_lines() -> None:
    try:
        raise ZeroDivisionError("of our own")
    except ZeroDivisionError as error:
        told = fault_of(error)
    fault = HandlerFault.read(told).error()
    assert (type(fault), str(fault)) == (ZeroDivisionError, "of our own")
    assert 'raise ZeroDivisionError("of our own")' in str(fault.__cause__)


def test_a_listener_that_fails_ends_the_training(train: Callable[..., Any], screen: Store) -> None:
    def listen(event: Any) -> None:
        if event.state == "progress":
            raise RuntimeError("the terminal is gone")

    fault = train(listener=listen, seed=3, stops_after=1).outcome.failed[KEY]
    assert "the terminal is gone" in fault.message


def test_a_way_to_train_that_is_none_is_refused(train: Callable[..., Any]) -> None:
    fault = train(training="proces").outcome.failed[KEY]
    assert fault.mendable
    assert "set it to process or inline" in fault.message


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize(("name", "seed"), [("SIGKILL", 4), ("SIGTERM", 6)])
def test_a_training_ended_from_outside_says_so_in_a_sentence_and_is_gone_on_with(
    train: Callable[..., Any], screen: Store, capfd: pytest.CaptureFixture[str], name: str, seed: int
) -> None:
    def kill(event: Any) -> None:
        if event.state == "progress" and event.done == 3:
            os.kill(process_of(event.message), getattr(signal, name))

    fault = train(listener=kill, seed=seed, stops_after=3).outcome.failed[KEY]
    assert fault.mendable
    assert f"ended by {name}" in fault.message
    assert "\n" not in fault.message
    assert ("memory" in fault.message) == (name == "SIGKILL")
    assert capfd.readouterr().err == ""
    told: list[Any] = []
    train(listener=told.append, seed=seed).outcome.raise_if_failed()
    assert next(event.done for event in told if event.state == "progress") > 3
    events = read_events(screen.checkpoint_dir(SCREEN, "slow", "phase1") / "logs" / EVENTS)
    assert [event.step for event in events[1:]] == list(range(1, EPOCHS + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_run_that_is_told_to_end_ends_with_its_training_and_is_gone_on_with(
    train: Callable[..., Any], screen: Store
) -> None:
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


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_training_dies_with_the_run(screen: Store) -> None:
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
