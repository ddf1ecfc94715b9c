"""Ticks of sensors share one instance of Dagster: opening it anew was most of what a quiet tick cost."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from phenodose.store.store import Store
from phenodose_assets.resources import StoreResource
from phenodose_assets.sensors.changed_inputs import changed_inputs_sensor
from phenodose_assets.sensors.kept_instance import instance_of


def test_a_quiet_tick_opens_no_instance_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        first = dg.build_sensor_context(instance_ref=instance.get_ref())
        kept = instance_of(first)
        assert kept.run_storage.get_run_storage_id() == instance.run_storage.get_run_storage_id()

        def opened(ref: object) -> None:
            raise AssertionError("an instance was opened for one tick")

        monkeypatch.setattr(dg.DagsterInstance, "from_ref", opened)
        sensor = changed_inputs_sensor(StoreResource.of(Store.open(tmp_path / "store"), tmp_path / "inbox"), [])
        with dg.build_sensor_context(instance_ref=instance.get_ref(), sensor_name=sensor.name) as tick:
            assert isinstance(sensor(tick), dg.SensorResult)
            assert instance_of(tick) is kept


def test_a_context_made_by_hand_keeps_its_instance() -> None:
    own = dg.DagsterInstance.ephemeral()
    assert instance_of(dg.build_sensor_context(instance=own)) is own
