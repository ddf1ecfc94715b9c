"""Data versions as Dagster keeps them: tags of the events of an asset.

Belongs here: reading the newest events of many screens with Dagster's documented calls. Does not belong here: what a
version is made of (`external`, `record`), and what is stale (`sensors.stale_screens`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import dagster as dg

DATA_VERSION = "dagster/data_version"

#: `DagsterInstance.fetch_materializations` or `fetch_observations`.
Fetch = Callable[..., dg.EventRecordsResult]


def newest_events(fetch: Fetch, key: dg.AssetKey, screens: Collection[str]) -> dict[str, dg.EventLogRecord]:
    """The newest event of an asset for each of the screens that have one: mostly one query for all."""
    newest: dict[str, dg.EventLogRecord] = {}
    missing = set(screens)
    while missing:
        wanted = dg.AssetRecordsFilter(key, asset_partitions=sorted(missing))
        records = fetch(wanted, limit=2 * len(missing)).records
        if not records:
            break
        for record in records:
            newest.setdefault(str(record.partition_key), record)
        missing -= newest.keys()
    return newest


def tags_of(record: dg.EventLogRecord) -> Mapping[str, str]:
    """The tags of an event."""
    return record.event_log_entry.tags or {}


def data_version(record: dg.EventLogRecord) -> str:
    """The data version that an event tells; empty if it tells none."""
    return tags_of(record).get(DATA_VERSION, "")
