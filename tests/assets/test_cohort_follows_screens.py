"""The cohort is made again once after a wave of runs, however many screens the wave has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
import sqlalchemy

from phenodose_assets.sensors.cohort_follows_screens import cohort_sensor

screens = dg.DynamicPartitionsDefinition(name="screen")


@dg.asset(partitions_def=screens)
def layout() -> None:
    pass


@dg.asset(partitions_def=screens, deps=[layout])
def scores() -> None:
    pass


@dg.asset(deps=[layout, scores])
def cohort() -> None:
    pass


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("screen", ["A", "B"])
        yield made


@pytest.fixture
def asked_for(instance: dg.DagsterInstance) -> Callable[[], int]:
    """How many runs the next tick asks for."""
    job = dg.define_asset_job("screen", selection=[layout, scores])
    sensor = cohort_sensor([layout.key, scores.key], [cohort.key])
    definitions = dg.Definitions(assets=[layout, scores, cohort], jobs=[job], sensors=[sensor])
    cursor = None

    def tick() -> int:
        nonlocal cursor
        with dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions) as context:
            result = definitions.resolve_sensor_def("cohort_follows_screens")(context)
        if isinstance(result, dg.SkipReason):
            return 0
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
        requests = result.run_requests or []
        assert [request.asset_selection for request in requests] == [[cohort.key]]
        return len(requests)

    return tick


def made(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, screen: str | None = None) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(asset.key, partition=screen))


def test_it_waits_for_all_runs_of_screens_and_is_asked_for_once(
    instance: dg.DagsterInstance, asked_for: Callable[[], int]
) -> None:
    assert asked_for() == 0
    job = dg.Definitions(
        assets=[layout, scores], jobs=[dg.define_asset_job("screen", selection=[layout, scores])]
    ).resolve_job_def("screen")
    runs = [instance.create_run_for_job(job, tags={"dagster/partition": screen}) for screen in ("A", "B")]
    asked = []
    for screen, run in zip(("A", "B"), runs, strict=True):
        for asset in (layout, scores):
            made(instance, asset, screen)
            asked.append(asked_for())
        instance.report_run_canceled(run)
        asked.append(asked_for())
    assert asked == [0, 0, 0, 0, 0, 1]
    assert asked_for() == 0


def test_a_cohort_that_was_made_since_is_not_asked_for(
    instance: dg.DagsterInstance, asked_for: Callable[[], int]
) -> None:
    made(instance, scores, "A")
    made(instance, cohort)
    assert asked_for() == 0
    made(instance, layout, "B")
    assert asked_for() == 1
    assert asked_for() == 0  # whatever has become of that run


def test_what_was_made_while_the_cohort_was_is_asked_for_again(
    instance: dg.DagsterInstance, asked_for: Callable[[], int]
) -> None:
    made(instance, scores, "A")

    @dg.asset(name="cohort")
    def slow_cohort() -> None:
        made(instance, scores, "B")  # of another run, after the tables were read

    assert dg.materialize([slow_cohort], instance=instance).success
    assert asked_for() == 1
    assert dg.materialize([cohort], instance=instance, selection=[cohort]).success
    assert asked_for() == 0


def test_a_cohort_whose_run_began_afterwards_is_not_asked_for(
    instance: dg.DagsterInstance, asked_for: Callable[[], int]
) -> None:
    both = [layout, scores, cohort]
    assert dg.materialize(both, instance=instance, partition_key="A", selection=[layout, scores]).success
    assert dg.materialize(both, instance=instance, selection=[cohort]).success
    assert asked_for() == 0


def test_it_waits_while_the_cohort_is_being_made(instance: dg.DagsterInstance, asked_for: Callable[[], int]) -> None:
    made(instance, scores, "A")
    run = instance.create_run_for_job(
        dg.Definitions(assets=[cohort], jobs=[dg.define_asset_job("own", [cohort])]).resolve_job_def("own"),
        asset_selection=frozenset([cohort.key]),
    )
    assert asked_for() == 0
    instance.report_run_canceled(run)
    assert asked_for() == 1


@contextmanager
def _statements() -> Iterator[list[str]]:
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        sent.append(statement)

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sqlalchemy.event.remove(sqlalchemy.engine.Engine, "before_cursor_execute", note)


def test_a_quiet_tick_costs_the_same_with_many_screens(
    instance: dg.DagsterInstance, asked_for: Callable[[], int]
) -> None:
    numbers = []
    for screen in ("A", "B", "C", "D", "E"):
        made(instance, layout, screen)
        made(instance, cohort)
        with _statements() as sent:
            assert asked_for() == 0
        numbers.append(len(sent))
    assert len(set(numbers)) == 1
