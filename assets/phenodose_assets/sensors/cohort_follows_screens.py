"""The sensor `cohort_follows_screens`: Dagster's own, for whatever has an automation condition."""

from __future__ import annotations

import dagster as dg


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Runs what has an automation condition; on from the start, unlike Dagster's default."""
    return dg.AutomationConditionSensorDefinition(
        "cohort_follows_screens",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
