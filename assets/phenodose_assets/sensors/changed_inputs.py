"""The sensor `changed_inputs`: tells Dagster what raw folders and settings hold now.

What was made from another version of them is then stale.

Belongs here: which screens a tick looks at. Does not belong here: what is looked at (`external`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import dagster as dg

from phenodose.io.files import hash_json
from phenodose.screens.external_inputs import look_at
from phenodose.screens.raw_copy import keep, screen_at
from phenodose.store.checkpoints import checkpoints_read_once
from phenodose_assets.external import ExternalAsset, Found, unknown_versions
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME
from phenodose_assets.resources import StoreResource
from phenodose_assets.sensors.ticks import in_time

_INTERVAL_SECONDS = 30


def changed_inputs_sensor(external: Sequence[ExternalAsset]) -> dg.SensorDefinition:
    """Observes every raw file and setting of every screen that has changed.

    The cursor holds one hash a screen of all that was found; Dagster is asked what it knows only of a screen whose
    hash is another.
    """

    @dg.sensor(
        name="changed_inputs",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.assets(*(asset.asset_key for asset in external)),
        description="Looks at the raw folder and settings of every screen; what was made from others is then stale.",
    )
    def changed_inputs(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult:
        opened = store.open()
        changed: dict[str, Found] = {}
        every = sorted(context.instance.get_dynamic_partitions(SCREEN_PARTITIONS_NAME))
        last, before = _state(context.cursor)
        seen = {name: before[name] for name in every if name in before}
        in_turn = [*(name for name in every if name > last), *(name for name in every if name <= last)]
        with checkpoints_read_once():
            for name in in_time(in_turn):
                last = name
                try:
                    folder = store.source_of(name)
                    found = look_at(folder, opened, external)
                    hashed = hash_json({asset.key: version for asset, (version, _) in found.items()})[:16]
                    if hashed != seen.get(name) and folder.is_dir():
                        # For the machines that do not have the folder.
                        keep(opened, screen_at(folder, opened))
                except Exception as error:  # whatever is wrong with a screen is wrong with it alone
                    context.log.warning(f"{name} is not looked at: {error}")
                    continue
                if hashed != seen.get(name):
                    changed[name], seen[name] = found, hashed
        observed = unknown_versions(context.instance, changed)
        return dg.SensorResult(asset_events=observed, cursor=json.dumps({"last": last, "seen": seen}))

    return changed_inputs


def _state(cursor: str | None) -> tuple[str, dict[str, Any]]:
    """The screen that the tick before came to, and a hash of what was found of each."""
    try:
        found = json.loads(cursor or "{}")
        return str(found["last"]), dict(found["seen"])
    except (ValueError, KeyError, TypeError):  # none yet, or that of an older version
        return "", {}
