"""The sensor `changed_inputs`: tells Dagster what raw folders and settings hold now.

What was made from another version of them is then stale.

Belongs here: which screens a tick looks at. Does not belong here: what is looked at (`external`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import dagster as dg

from phenodose.io.files import hash_json
from phenodose.screens.external_inputs import look_at
from phenodose.screens.raw_copy import keep, screen_at
from phenodose.store.checkpoints import checkpoints_read_once
from phenodose_assets.external import ExternalAsset, Found, unknown_versions
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME
from phenodose_assets.resources import StoreResource
from phenodose_assets.sensors.kept_instance import instance_of
from phenodose_assets.sensors.ticks import MOST_SECONDS, QUIET_SECONDS, in_time

_INTERVAL_SECONDS = 120
#: Screens that came last, whose folders people still work on: half of a tick is theirs.
_NEWEST = 20


def changed_inputs_sensor(store: StoreResource, external: Sequence[ExternalAsset]) -> dg.SensorDefinition:
    """Observes every raw file and setting of every screen that has changed.

    The cursor holds one hash a screen of all that was found; Dagster is asked what it knows only of a screen whose
    hash is another. A tick that finds nothing new ends after a second, and the next one goes on where it was.
    """

    @dg.sensor(
        name="changed_inputs",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.assets(*(asset.asset_key for asset in external)),
        description="Looks at the raw folder and settings of every screen; what was made from others is then stale.",
    )
    def changed_inputs(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        opened, instance = store.open(), instance_of(context)
        changed: dict[str, Found] = {}
        coming = instance.get_dynamic_partitions(SCREEN_PARTITIONS_NAME)
        turns = [sorted(coming[:-_NEWEST]), sorted(coming[-_NEWEST:])]
        lasts, before = _state(context.cursor)
        seen = {name: before[name] for name in coming if name in before}
        with checkpoints_read_once():
            for name in in_time(
                _in_turn(turns, lasts), most_seconds=lambda: MOST_SECONDS if changed else QUIET_SECONDS
            ):
                lasts[name in turns[1]] = name
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
        observed = unknown_versions(instance, changed)
        return dg.SensorResult(
            asset_events=observed, cursor=json.dumps({"last": lasts[0], "last_of_newest": lasts[1], "seen": seen})
        )

    return changed_inputs


def _in_turn(turns: Sequence[Sequence[str]], lasts: Sequence[str]) -> Iterator[str]:
    """One of each list after the other, each list from behind the screen that the tick before came to."""
    rotated = [
        [*(name for name in names if name > last), *(name for name in names if name <= last)]
        for names, last in zip(turns, lasts, strict=True)
    ]
    return (name for names in zip_longest(*rotated) for name in names if name is not None)


def _state(cursor: str | None) -> tuple[list[str], dict[str, Any]]:
    """Of both lists the screen that the tick before came to, and a hash of what was found of each screen."""
    try:
        found = json.loads(cursor or "{}")
        return [str(found["last"]), str(found.get("last_of_newest", ""))], dict(found["seen"])
    except (ValueError, KeyError, TypeError):  # none yet, or that of an older version
        return ["", ""], {}
