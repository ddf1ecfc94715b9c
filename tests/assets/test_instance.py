"""The instance: runs are kept where the UI looks, and a killed run does not block the next."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from phenodose.errors import InputError
from phenodose.store.store import Store
from phenodose_assets.instance import PROCESS_TAG, end_dead_runs, open_instance, this_process


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return tmp_path


def test_without_any_setting_runs_are_kept_in_the_store(here: Path) -> None:
    store = Store.open(here / "store")
    with open_instance(store) as instance:
        instance.add_dynamic_partitions("screen", ["A"])
        assert not instance.is_ephemeral
        assert not instance.telemetry_enabled
    with open_instance(store) as again:
        assert list(again.get_dynamic_partitions("screen")) == ["A"]
    assert [path.name for path in here.iterdir()] == ["store"]


def test_dagster_home_wins(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(here / "home"))
    (here / "home").mkdir()
    (here / "home" / "dagster.yaml").touch()
    with open_instance(Store.open(here / "store")) as instance:
        assert instance.root_directory == str(here / "home")


ASKED_FOR = "telemetry:\n  enabled: true\n"


@pytest.mark.parametrize("settings", [None, "nux:\n  enabled: true\n", ASKED_FOR])
def test_no_home_gets_telemetry(here: Path, monkeypatch: pytest.MonkeyPatch, settings: str | None) -> None:
    @dg.op
    def nothing() -> None:
        pass

    @dg.job
    def work() -> None:
        nothing()

    monkeypatch.setenv("DAGSTER_HOME", str(here / "home"))
    monkeypatch.setenv("HOME", str(here / "user"))
    if settings is not None:
        (here / "home").mkdir()
        (here / "home" / "dagster.yaml").write_text(settings)
    with open_instance(Store.open(here / "store")) as instance:
        assert not instance.telemetry_enabled
        assert work.execute_in_process(instance=instance).success
    assert not {".telemetry", "logs", ".logs_queue"} & {path.name for path in (here / "home").iterdir()}
    assert not (here / "user").exists()
    written = (here / "home" / "dagster.yaml").read_text()
    assert written == settings if settings is not None else "telemetry:\n  enabled: false" in written


def test_a_relative_home_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "home")
    with (
        pytest.raises(InputError, match="DAGSTER_HOME=home: is a relative path"),
        open_instance(Store.open(here / "s")),
    ):
        pass
    assert not (here / "home").exists()


def test_a_dagster_yaml_that_keeps_no_runs_is_passed_over(here: Path) -> None:
    (here / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with open_instance(Store.open(here / "store")) as instance:
        assert instance.root_directory == str(here / "store" / ".dagster")


def started_run(instance: dg.DagsterInstance, process: str) -> str:
    @dg.job
    def nothing() -> None:
        pass

    run = instance.create_run_for_job(nothing, tags={PROCESS_TAG: process})
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level="debug",
            user_message="",
            run_id=run.run_id,
            timestamp=0.0,
            dagster_event=dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "nothing"),
        )
    )
    return run.run_id


def test_runs_of_killed_processes_are_ended_and_others_left_alone(here: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    computer = this_process().rpartition(":")[0]
    with dg.DagsterInstance.ephemeral() as instance:
        killed = started_run(instance, f"{computer}:{dead.pid}")
        alive = started_run(instance, f"{computer}:{os.getpid()}")
        elsewhere = started_run(instance, f"another-computer:{dead.pid}")
        untagged = started_run(instance, "")
        assert end_dead_runs(instance) == [killed]
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses[killed] is dg.DagsterRunStatus.FAILURE
    assert {statuses[run] for run in (alive, elsewhere, untagged)} == {dg.DagsterRunStatus.STARTED}
