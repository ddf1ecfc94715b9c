"""What a step hands on to another: data in the store, gone with the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import PythonObjectDagsterType

from phenodose.errors import StoreError
from phenodose.store.store import Store
from phenodose_assets.hand_over import FOLDER, HandOver, remove_hand_overs

_RUN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def _job(store: Store, value: object) -> dg.JobDefinition:
    """A step that names parts, one for each, and one that is given them all."""

    @dg.op(out=dg.DynamicOut())
    def names() -> Iterator[dg.DynamicOutput[object]]:
        yield dg.DynamicOutput(value, mapping_key="a")
        yield dg.DynamicOutput(["second"], mapping_key="b")

    @dg.op
    def part(each):  # type: ignore[no-untyped-def]
        return {"part": each}

    @dg.op
    def whole(parts: list):  # type: ignore[no-untyped-def, type-arg]
        return parts

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(HandOver(lambda: store))})
    def job() -> None:
        whole(names().map(part).collect())

    return job


def test_parts_come_back_as_they_were_given(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    store = Store.open(tmp_path)
    value = {"name": "P 1", "n": 3, "x": 0.1, "none": None, "wells": ["C07"]}
    result = _job(store, value).execute_in_process(instance=instance)
    assert result.output_for_node("whole") == [{"part": value}, {"part": ["second"]}]
    assert {path.suffix for path in (tmp_path / FOLDER).rglob("*") if path.is_file()} == {".json"}


@pytest.mark.parametrize("value", [("a", "tuple"), {1: "a"}, float("nan"), b"bytes"], ids=str)
def test_what_is_no_json_is_a_bug_and_never_pickled(
    tmp_path: Path, instance: dg.DagsterInstance, value: object
) -> None:
    with pytest.raises((TypeError, ValueError)):
        _job(Store.open(tmp_path), value).execute_in_process(instance=instance)


def test_what_ended_runs_handed_on_is_removed_and_what_others_left_is_not(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    store = Store.open(tmp_path)
    run = _job(store, "a").execute_in_process(instance=instance).run_id
    for name in (_RUN, "something else"):
        (tmp_path / FOLDER / name).mkdir()
    assert remove_hand_overs(instance, store) == [run]
    assert sorted(path.name for path in (tmp_path / FOLDER).iterdir()) == [_RUN, "something else"]
    assert remove_hand_overs(instance, store) == []


def test_a_hand_over_that_is_gone_says_what_to_do(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    store = Store.open(tmp_path)
    manager = HandOver(lambda: store)
    anything = PythonObjectDagsterType(object)
    output = dg.build_output_context("parts", "result", run_id=_RUN, dagster_type=anything)
    read = dg.build_input_context(upstream_output=output, dagster_type=anything)
    with pytest.raises(StoreError, match=r"is not there: what steps hand on goes when their run ends\. Start"):
        manager.load_input(read)
    manager.handle_output(output, 1)
    file = next(path for path in (tmp_path / FOLDER).rglob("*.json"))
    file.write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        manager.load_input(read)
