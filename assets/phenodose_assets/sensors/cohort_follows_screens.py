"""The sensor `cohort_follows_screens`: asks for the cohort once after a wave of runs, however many screens it has.

Dagster's own automation condition looks at every partition of every asset in every tick, a core for ever at a few
thousand screens; here a tick that finds nothing new costs the same, whatever their number.

Belongs here: when the cohort is asked for. Does not belong here: making it (`phenodose_assets.assets.cohort`).
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from phenodose_assets.dead_runs import NOT_OVER, end_dead_runs

_INTERVAL_SECONDS = 30
_PARTITION = "dagster/partition"


def cohort_sensor(upstream: Sequence[dg.AssetKey], cohort: Sequence[dg.AssetKey]) -> dg.SensorDefinition:
    """Asks for the assets of the cohort when something that they are made from was made after them.

    It waits until no run is queued or under way that makes something of a screen, or of the cohort. What failed is
    asked for again when the next screen is made. The cursor is the newest event that a run was asked for.

    Args:
        upstream: what the cohort is made from.
        cohort: what is made again.
    """

    @dg.sensor(
        name="cohort_follows_screens",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.assets(*cohort),
        description="Makes the cohort database and report again after runs of screens, once they have ended.",
    )
    def cohort_follows_screens(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        newest = _newest(context.instance, [*upstream, *cohort])
        made = max(newest[key] for key in upstream)
        handled = max(int(context.cursor or 0), min(newest[key] for key in cohort))
        if made <= handled:
            return dg.SkipReason("Nothing was made of a screen since.")
        if _is_busy(context.instance, cohort):
            end_dead_runs(context.instance)
            return dg.SkipReason("Runs of screens, or of the cohort, are queued or under way.")
        request = dg.RunRequest(run_key=f"cohort:{made}", asset_selection=list(cohort))
        return dg.SensorResult([request], cursor=str(made))

    return cohort_follows_screens


def _newest(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, int]:
    """The number of each asset's newest materialization, 0 for none; one statement."""
    found = dict.fromkeys(keys, 0)
    for record in instance.get_asset_records(list(keys)):
        found[record.asset_entry.asset_key] = record.asset_entry.last_materialization_storage_id or 0
    return found


def _is_busy(instance: dg.DagsterInstance, cohort: Sequence[dg.AssetKey]) -> bool:
    runs = [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(statuses=NOT_OVER))]
    return any(_PARTITION in run.tags or not set(cohort).isdisjoint(run.asset_selection or ()) for run in runs)
