"""The sensor over the inbox: a done folder becomes a partition and a run; a bad one stops no other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from phenodose.sandbox.worker import WorkerEnded
from phenodose.store.store import Store
from phenodose_assets.build import SCREEN_JOB
from phenodose_assets.resources import StoreResource
from phenodose_assets.sensors import looked_at_apart, new_screens
from phenodose_assets.sensors.looked_at_apart import Looks
from phenodose_assets.sensors.new_screens import new_screens_sensor

pytestmark = pytest.mark.usefixtures("patient_sensors")


class Tick:
    """One evaluation of the sensor."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        resource = StoreResource.of(Store.open(root / "store"), root / "inbox")
        sensor = new_screens_sensor(resource, SCREEN_JOB)
        context = dg.build_sensor_context(instance=instance, sensor_name="new_screens")
        with context:
            self.result = sensor(context)

    @property
    def run_keys(self) -> dict[str, str]:
        assert isinstance(self.result, dg.SensorResult)
        return {str(request.partition_key): str(request.run_key) for request in self.result.run_requests or []}

    @property
    def added(self) -> list[str]:
        assert isinstance(self.result, dg.SensorResult)
        return [key for request in self.result.dynamic_partitions_requests or [] for key in request.partition_keys]


@pytest.fixture
def own_instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def looked_at_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started folders are looked at in this one, which is sooner done."""

    def refused(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", "python")

    monkeypatch.setattr(looked_at_apart, "Worker", refused)


def test_a_done_folder_becomes_a_partition_and_a_run(
    tmp_path: Path, own_instance: dg.DagsterInstance, write_ctg_screen: Callable[[Path], Path]
) -> None:
    folder = write_ctg_screen(tmp_path / "inbox" / "NEW_V1_DS1")
    tick = Tick(tmp_path, own_instance)
    assert tick.added == ["NEW_V1_DS1"]
    assert list(tick.run_keys) == ["NEW_V1_DS1"]
    assert Store.open(tmp_path / "store").source_of("NEW_V1_DS1") == folder.resolve()


def test_a_folder_without_the_done_mark_is_left_alone(
    tmp_path: Path, own_instance: dg.DagsterInstance, write_ctg_screen: Callable[[Path], Path]
) -> None:
    folder = write_ctg_screen(tmp_path / "inbox" / "NEW_V1_DS1")
    (folder / "_DONE").unlink()
    assert Tick(tmp_path, own_instance).run_keys == {}
    assert Store.open(tmp_path / "store").screens() == []


@pytest.mark.usefixtures("looked_at_here")
def test_the_same_mark_asks_for_the_same_run_and_a_new_one_for_another(
    tmp_path: Path, own_instance: dg.DagsterInstance, write_ctg_screen: Callable[[Path], Path]
) -> None:
    folder = write_ctg_screen(tmp_path / "inbox" / "NEW_V1_DS1")
    first = Tick(tmp_path, own_instance).run_keys
    own_instance.add_dynamic_partitions("screen", ["NEW_V1_DS1"])
    again = Tick(tmp_path, own_instance)
    assert again.run_keys == first
    assert again.added == []
    os.utime(folder / "_DONE", (1, 1))
    assert Tick(tmp_path, own_instance).run_keys != first


@pytest.mark.parametrize("fault", ["bad name!", "wrong settings", "taken id"])
def test_a_bad_folder_is_told_and_stops_no_other(
    tmp_path: Path,
    own_instance: dg.DagsterInstance,
    write_ctg_screen: Callable[[Path], Path],
    fault: str,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    if fault != "wrong settings":  # which another process finds and tells
        request.getfixturevalue("looked_at_here")
    write_ctg_screen(tmp_path / "inbox" / "GOOD_V1_DS1")
    if fault == "bad name!":
        write_ctg_screen(tmp_path / "inbox" / "A bad name")
    elif fault == "wrong settings":
        (write_ctg_screen(tmp_path / "inbox" / "BAD_V1_DS1") / "screen.toml").write_text("sampel = 'X'\n")
    else:
        write_ctg_screen(tmp_path / "inbox" / "BAD_V1_DS1")
        Store.open(tmp_path / "store").register("BAD_V1_DS1", write_ctg_screen(tmp_path / "old" / "BAD_V1_DS1"))
    tick = Tick(tmp_path, own_instance)
    assert tick.added == ["GOOD_V1_DS1"]
    assert list(tick.run_keys) == ["GOOD_V1_DS1"]
    assert "is not taken in" in capsys.readouterr().err


@pytest.mark.usefixtures("looked_at_here")
@pytest.mark.parametrize(("name", "call"), [("_DONE", "stat"), ("screen.toml", "read_text")])
def test_a_folder_that_may_not_be_read_stops_no_other(
    tmp_path: Path,
    own_instance: dg.DagsterInstance,
    write_ctg_screen: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    call: str,
) -> None:
    for screen in ("AAA_V1_DS1", "BAD_V1_DS1", "ZZZ_V1_DS1"):
        (write_ctg_screen(tmp_path / "inbox" / screen) / "screen.toml").touch()
    real = getattr(Path, call)

    def refused(path: Path, *args: Any, **options: Any) -> Any:
        if (path.parent.name, path.name) == ("BAD_V1_DS1", name):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(Path, call, refused)
    assert list(Tick(tmp_path, own_instance).run_keys) == ["AAA_V1_DS1", "ZZZ_V1_DS1"]
    assert "BAD_V1_DS1 is not taken in" in capsys.readouterr().err


def test_a_missing_inbox_is_told(tmp_path: Path, own_instance: dg.DagsterInstance) -> None:
    result = Tick(tmp_path, own_instance).result
    assert isinstance(result, dg.SkipReason)
    assert "PHENODOSE_INBOX" in str(result.skip_message)


def test_a_folder_that_takes_too_long_is_told_and_comes_last(
    tmp_path: Path,
    own_instance: dg.DagsterInstance,
    write_ctg_screen: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for screen in ("AAA_V1_DS1", "ZZZ_V1_DS1"):
        write_ctg_screen(tmp_path / "inbox" / screen)
    looked: list[str] = []

    class SlowFirst(Looks):
        """As if one folder took for ever."""

        def check(self, folder: Path) -> None:
            looked.append(folder.name)
            if folder.name == "AAA_V1_DS1":
                monkeypatch.setattr(looked_at_apart, "MOST_SECONDS", -1.0)
            try:
                super().check(folder)
            finally:
                monkeypatch.undo()
                monkeypatch.setattr(new_screens, "Looks", SlowFirst)

    monkeypatch.setattr(new_screens, "Looks", SlowFirst)
    assert list(Tick(tmp_path, own_instance).run_keys) == ["ZZZ_V1_DS1"]
    assert "AAA_V1_DS1 is not taken in: to look at its layout and readings takes more" in capsys.readouterr().err
    own_instance.add_dynamic_partitions("screen", ["ZZZ_V1_DS1"])
    Tick(tmp_path, own_instance)
    assert looked == ["AAA_V1_DS1", "ZZZ_V1_DS1", "ZZZ_V1_DS1", "AAA_V1_DS1"]


def test_a_file_that_ends_the_process_that_reads_it_stops_no_other(
    tmp_path: Path,
    own_instance: dg.DagsterInstance,
    write_ctg_screen: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for screen in ("AAA_V1_DS1", "BAD_V1_DS1"):
        write_ctg_screen(tmp_path / "inbox" / screen)
    ask = Looks._ask

    def ended(self: Looks, folder: Path | None, seconds: float) -> None:
        if folder is not None and folder.name == "BAD_V1_DS1":
            raise WorkerEnded(-6)
        ask(self, folder, seconds)

    monkeypatch.setattr(Looks, "_ask", ended)
    assert list(Tick(tmp_path, own_instance).run_keys) == ["AAA_V1_DS1"]
    assert "BAD_V1_DS1 is not taken in: a file of its layout or readings ends the process" in capsys.readouterr().err


@pytest.mark.usefixtures("looked_at_here")
def test_a_bug_that_one_folder_shows_stops_no_other(
    tmp_path: Path,
    own_instance: dg.DagsterInstance,
    write_ctg_screen: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for screen in ("AAA_V1_DS1", "BAD_V1_DS1", "ZZZ_V1_DS1"):
        write_ctg_screen(tmp_path / "inbox" / screen)

    def check(self: Looks, folder: Path) -> None:
        if folder.name == "BAD_V1_DS1":
            raise KeyError("a")

    monkeypatch.setattr(Looks, "check", check)
    assert list(Tick(tmp_path, own_instance).run_keys) == ["AAA_V1_DS1", "ZZZ_V1_DS1"]
    assert "BAD_V1_DS1 is not taken in: this is a bug in phenodose (KeyError: 'a')" in capsys.readouterr().err


@pytest.mark.usefixtures("looked_at_here")
def test_where_no_process_can_be_started_folders_are_looked_at_all_the_same(
    tmp_path: Path, own_instance: dg.DagsterInstance, write_ctg_screen: Callable[[Path], Path]
) -> None:
    write_ctg_screen(tmp_path / "inbox" / "AAA_V1_DS1")
    (write_ctg_screen(tmp_path / "inbox" / "BAD_V1_DS1") / "screen.toml").write_text("sampel = 'X'\n")
    assert list(Tick(tmp_path, own_instance).run_keys) == ["AAA_V1_DS1"]
