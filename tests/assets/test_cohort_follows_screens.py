"""The cohort is made again once after a wave of runs, however many screens the wave has."""

from __future__ import annotations

import dagster as dg
import pytest

from phenodose_assets.assets.cohort import AFTER_SCREENS

screens = dg.DynamicPartitionsDefinition(name="screen")


@dg.asset(partitions_def=screens)
def layout() -> None:
    pass


@dg.asset(partitions_def=screens, deps=[layout])
def scores() -> None:
    pass


@dg.asset(deps=[layout, scores], automation_condition=AFTER_SCREENS)
def cohort() -> None:
    pass


@pytest.mark.filterwarnings("ignore:.*include_sources.*")  # Dagster's own call of a beta of its own
def test_it_waits_for_what_all_runs_make_and_is_asked_for_once() -> None:
    job = dg.define_asset_job("screen", selection=[layout, scores])
    definitions = dg.Definitions(assets=[layout, scores, cohort], jobs=[job])
    cursor = None
    with dg.DagsterInstance.ephemeral() as instance:

        def asked_for() -> int:
            nonlocal cursor
            result = dg.evaluate_automation_conditions(definitions, instance, cursor=cursor)
            cursor = result.cursor
            return result.total_requested

        instance.add_dynamic_partitions("screen", ["A", "B"])
        assert asked_for() == 0
        resolved = definitions.resolve_job_def("screen")
        runs = [instance.create_run_for_job(resolved, tags={"dagster/partition": screen}) for screen in ("A", "B")]
        asked = []
        for screen in ("A", "B"):
            for asset in (layout, scores):
                instance.report_runless_asset_event(dg.AssetMaterialization(asset.key, partition=screen))
                asked.append(asked_for())
        assert asked == [0, 0, 0, 1]
        for run in runs:
            instance.report_run_canceled(run)
        assert asked_for() == 0
