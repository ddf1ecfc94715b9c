"""Products that a run keeps, since nothing that they were made from has changed.

The sensor `stale_screens` asks for one run a screen: of what is stale, and of everything that was made from that. Most
of the latter need not be made again where a stale product comes out as it was. So each step of such a run looks first
whether anything of what it was made from is another now.

Belongs here: the tag of such a run, and the comparison. Does not belong here: what is stale (`sensors.stale_screens`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from phenodose.pipeline.context import Context
from phenodose.screens.external_inputs import is_watched

#: Tag of a run that keeps what it can: the keys of what it makes in any case, each after a blank.
MADE_ANYWAY = "phenodose/made_anyway"
KEPT = "kept"


def wave_tags(made_anyway: Collection[str]) -> dict[str, str]:
    """The tags of a run that keeps what it can, but for these assets."""
    return {MADE_ANYWAY: " ".join(made_anyway)}


def kept_version(step: Context, context: dg.OpExecutionContext, made_from: Mapping[str, str]) -> str | None:
    """The version of a step's product if the run keeps it; None if it is to be made.

    Args:
        step: screen, asset and store.
        context: of the Dagster step.
        made_from: versions of what it would be made from now, by key.
    """
    anyway = context.run.tags.get(MADE_ANYWAY)
    if anyway is None or step.asset in anyway.split():
        return None
    rows = step.store.read_table("runs", step.screen_id, step.asset)
    if not step.store.read_table("not_made", step.screen_id, step.asset).empty:
        return None
    if rows.empty or not isinstance(rows["made_from"].iloc[0], str):
        return None
    before: dict[str, str] = json.loads(rows["made_from"].iloc[0])
    # Of raw files and settings that are gone nothing is known; what was made from them stays.
    here = {key: version for key, version in before.items() if key in made_from or not is_watched(key)}
    if here != dict(made_from):
        return None
    version = rows["version"].iloc[0]
    return version if isinstance(version, str) else str(rows["run_id"].iloc[0])


def shown_before(step: Context, context: dg.OpExecutionContext) -> dict[str, Any]:
    """What the UI showed of the product, and that it was kept."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(step.asset.split("/")), asset_partitions=[step.screen_id])
    records = context.instance.fetch_materializations(wanted, limit=1).records
    event = records[0].asset_materialization if records else None
    return {**(event.metadata if event else {}), KEPT: "nothing that it was made from has changed"}
