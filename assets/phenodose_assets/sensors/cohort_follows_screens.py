"""The sensor `cohort_follows_screens`: asks for the cohort once after a wave of runs, however many screens it has.

Dagster's own automation condition looks at every partition of every asset in every tick, a core for ever at a few
thousand screens; here a tick that finds nothing new costs the same, whatever their number.

Belongs here: when the cohort is asked for. Does not belong here: making it (`phenodose_assets.assets.cohort`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import dagster as dg

from phenodose_assets.dead_runs import NOT_OVER, end_dead_runs
from phenodose_assets.sensors.kept_instance import instance_of

_INTERVAL_SECONDS = 60
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
        instance = instance_of(context)
        newest = _newest(instance, [*upstream, *cohort])
        made = max((newest[key] for key in upstream), key=lambda each: each.number)
        if made.number <= int(context.cursor or 0):
            return dg.SkipReason("Nothing was made of a screen since.")
        if all(_has_seen(instance, newest[key], made) for key in cohort):
            return dg.SkipReason("The cohort was made since, of all screens.")
        if _is_busy(instance, cohort):
            end_dead_runs(instance)
            return dg.SkipReason("Runs of screens, or of the cohort, are queued or under way.")
        request = dg.RunRequest(run_key=f"cohort:{made.number}", asset_selection=list(cohort))
        return dg.SensorResult([request], cursor=str(made.number))

    return cohort_follows_screens


class _Made(NamedTuple):
    """An asset's newest materialization: its number among all events, 0 for none; when it was; in which run."""

    number: int = 0
    at: float = 0.0
    run: str = ""


def _newest(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, _Made]:
    """Each asset's newest materialization; one statement."""
    found = dict.fromkeys(keys, _Made())
    for record in instance.get_asset_records(list(keys)):
        entry = record.asset_entry
        if entry.last_materialization is not None:
            event = entry.last_materialization
            number = entry.last_materialization_storage_id or 0
            found[entry.asset_key] = _Made(number, event.timestamp, event.run_id)
    return found


def _has_seen(instance: dg.DagsterInstance, cohort: _Made, made: _Made) -> bool:
    """Whether the cohort was made of what was made of a screen: what came while its run worked may have come too late.

    In a run that makes both, the cohort comes last. An event without a run was reported by somebody, who knows.
    """
    if cohort.number < made.number:
        return False
    record = instance.get_run_record_by_id(cohort.run) if cohort.run not in ("", made.run) else None
    return record is None or (record.start_time is not None and record.start_time >= made.at)


def _is_busy(instance: dg.DagsterInstance, cohort: Sequence[dg.AssetKey]) -> bool:
    runs = [record.dagster_run for record in instance.get_run_records(dg.RunsFilter(statuses=NOT_OVER))]
    return any(_PARTITION in run.tags or not set(cohort).isdisjoint(run.asset_selection or ()) for run in runs)
