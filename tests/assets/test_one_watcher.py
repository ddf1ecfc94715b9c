"""A second daemon on an inbox is refused, until the first has been silent for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest

from phenodose.store.store import Store
from phenodose_assets.build import SCREEN_JOB
from phenodose_assets.resources import StoreResource
from phenodose_assets.sensors import new_screens, one_watcher
from phenodose_assets.sensors.new_screens import new_screens_sensor
from phenodose_assets.sensors.one_watcher import AGAIN_S, GONE_S, OneWatcher


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(one_watcher, "now", clock)
    return clock


@pytest.fixture
def instances() -> Iterator[list[dg.DagsterInstance]]:
    with ExitStack() as opened:
        yield [opened.enter_context(dg.DagsterInstance.ephemeral()) for _ in range(2)]


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store.open(tmp_path / "store")
    request.getfixturevalue("s3")
    return Store.open("s3://bucket/lab")


def test_the_first_instance_has_its_turn_and_a_second_is_told_where_it_is(
    store: Store, instances: list[dg.DagsterInstance], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_watcher.socket, "gethostname", lambda: "coordinator")
    one, other = OneWatcher(), OneWatcher()
    for _ in range(10):
        assert one.other(instances[0], store) is None
        assert other.other(instances[1], store) == "coordinator"
        clock.seconds += AGAIN_S + 1


def test_who_has_been_silent_for_long_gives_way_and_does_not_come_back(
    store: Store, instances: list[dg.DagsterInstance], clock: Clock
) -> None:
    one, other = OneWatcher(), OneWatcher()
    assert one.other(instances[0], store) is None
    assert other.other(instances[1], store) is not None
    clock.seconds += GONE_S - 1
    assert other.other(instances[1], store) is not None
    clock.seconds += 2
    assert other.other(instances[1], store) is None
    assert one.other(instances[0], store) is not None


def test_all_processes_of_an_instance_are_one(store: Store, instances: list[dg.DagsterInstance], clock: Clock) -> None:
    assert OneWatcher().other(instances[0], store) is None
    assert OneWatcher().other(instances[0], store) is None


def test_the_sensor_of_a_second_instance_takes_nothing_in_and_says_why(
    tmp_path: Path, instances: list[dg.DagsterInstance], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inbox").mkdir()
    results = []
    for instance in instances:
        monkeypatch.setattr(new_screens, "_WATCHER", OneWatcher())
        resource = StoreResource.of(Store.open(tmp_path / "store"), tmp_path / "inbox")
        sensor = new_screens_sensor(resource, SCREEN_JOB)
        with dg.build_sensor_context(instance=instance, sensor_name="new_screens") as on:
            results.append(sensor(on))
    assert isinstance(results[0], dg.SensorResult)
    assert isinstance(results[1], dg.SkipReason)
    assert "takes in the screens of this store" in str(results[1].skip_message)
    assert "let both use one instance" in str(results[1].skip_message)
