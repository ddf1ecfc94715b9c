"""The instance: runs are kept where the UI looks, and a killed run does not block the next."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from phenodose.errors import InputError
from phenodose.io import processes
from phenodose.io.files import write_text
from phenodose.store.store import Store
from phenodose_assets import dead_runs
from phenodose_assets.dead_runs import PROCESS_TAG, end_dead_runs, tagged
from phenodose_assets.instance import instance_home, open_instance


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


_POSTGRES = "storage:\n  postgres:\n    postgres_url: postgresql://nobody@nowhere/dagster\n"


@pytest.mark.parametrize(
    ("settings", "refused"),
    [(None, True), ("storage:\n  sqlite:\n    base_dir: /\n", False), ("nux: {}\n", True), (_POSTGRES, False)],
    ids=["none", "SQLite elsewhere", "no storage", "PostgreSQL"],
)
def test_sqlite_on_a_file_server_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, settings: str | None, refused: bool
) -> None:
    home = here / "home"
    if settings is not None:
        write_text(home / "dagster.yaml", settings)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    mounts = f"root / ext4 rw 0 0\nserver:/lab {here.resolve()} nfs4 rw 0 0\n"
    monkeypatch.setattr(processes, "_mounts", mounts.splitlines)
    if not refused:
        assert instance_home(Store.open(here / "store")) == home
        return
    with pytest.raises(InputError, match=r"home: lies on a file server \(nfs4\).* set DAGSTER_HOME to a folder on"):
        instance_home(Store.open(here / "store"))


def test_a_dagster_yaml_that_keeps_no_runs_is_passed_over(here: Path) -> None:
    (here / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with open_instance(Store.open(here / "store")) as instance:
        assert instance.root_directory == str(here / "store" / ".dagster")


def run_of(instance: dg.DagsterInstance, tags: dict[str, str], started: bool = True) -> str:
    """Id of a run with these tags that was made, and started or not."""

    @dg.job
    def nothing() -> None:
        pass

    run = instance.create_run_for_job(nothing, tags=tags)
    if started:
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
    """By the id alone, as an older phenodose tagged them."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    computer = platform.node()
    with dg.DagsterInstance.ephemeral() as instance:
        killed = run_of(instance, {PROCESS_TAG: f"{computer}:{dead.pid}"})
        never_started = run_of(instance, {PROCESS_TAG: f"{computer}:{dead.pid}"}, started=False)
        alive = run_of(instance, {PROCESS_TAG: f"{computer}:{os.getpid()}"})
        elsewhere = run_of(instance, {PROCESS_TAG: f"another-computer:{dead.pid}"})
        untagged = run_of(instance, {PROCESS_TAG: ""})
        assert set(end_dead_runs(instance)) == {killed, never_started}
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert {statuses[run] for run in (killed, never_started)} == {dg.DagsterRunStatus.FAILURE}
    assert {statuses[run] for run in (alive, elsewhere, untagged)} == {dg.DagsterRunStatus.STARTED}


def test_a_process_of_the_same_id_is_told_from_one_that_is_gone(here: Path) -> None:
    """After a restart of the machine, or in a container, where the id is always 1."""
    store = Store.open(here / "store")
    with open_instance(store) as instance:
        with tagged(instance) as tags:
            of_this = run_of(instance, tags)
            # What a process of this id that was killed has left: its lock is there, and nobody holds it.
            (lock,) = (here / "store" / ".dagster" / ".phenodose" / "processes").iterdir()
            left = lock.with_name("0" * 32)
            left.touch()
            gone = {name: left.name if value == lock.name else value for name, value in tags.items()}
            started, waiting = run_of(instance, gone), run_of(instance, gone, started=False)
            instance.event_log_storage.set_concurrency_slots("gpu", 1)
            instance.event_log_storage.claim_concurrency_slot("gpu", started, "a_step")
            assert set(end_dead_runs(instance)) == {started, waiting}
            assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 0
            assert not left.exists()
            run = instance.get_run_by_id(of_this)
            assert run is not None
            assert run.status is dg.DagsterRunStatus.STARTED
        assert not lock.exists()


def test_a_slot_of_a_run_that_is_over_is_freed(here: Path) -> None:
    with open_instance(Store.open(here / "store")) as instance:
        run = run_of(instance, {})
        instance.report_run_failed(instance.get_run_by_id(run))  # type: ignore[arg-type]
        instance.event_log_storage.set_concurrency_slots("gpu", 1)
        instance.event_log_storage.claim_concurrency_slot("gpu", run, "a_step")
        assert end_dead_runs(instance) == []
        assert instance.event_log_storage.get_concurrency_info("gpu").active_slot_count == 0


def test_a_run_of_the_ui_that_was_never_started_is_ended_in_the_end(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = run_of(instance, {}, started=False)
        assert end_dead_runs(instance) == []
        monkeypatch.setattr(dead_runs, "_MOST_BEFORE_START", -10.0)
        assert end_dead_runs(instance) == [run]


OPEN = """
import sys
from pathlib import Path
from phenodose.store.store import Store
from phenodose_assets.instance import open_instance
sys.stdin.read()
with open_instance(Store.open(Path(sys.argv[1]))) as instance:
    instance.add_dynamic_partitions("screen", [sys.argv[2]])
"""


@pytest.mark.parametrize(("rounds", "names"), [(1, "AB"), pytest.param(20, "ABC", marks=pytest.mark.slow)])
def test_processes_that_open_a_new_instance_at_once_make_one(here: Path, rounds: int, names: str) -> None:
    for number in range(rounds):
        place = here / f"store_{number}"
        others = [
            subprocess.Popen([sys.executable, "-c", OPEN, str(place), name], stdin=subprocess.PIPE) for name in names
        ]
        for other in others:
            assert other.stdin is not None
            other.stdin.close()
        assert [other.wait() for other in others] == [0 for _ in names]
        with open_instance(Store.open(place)) as instance:
            assert set(instance.get_dynamic_partitions("screen")) == set(names)
