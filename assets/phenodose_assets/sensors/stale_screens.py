"""The sensor `stale_screens`: makes again what is stale, and only that. Off until somebody switches it on.

A product is stale if its plugin has another version than when it was made, or if something it was made from has. With
every product Dagster keeps, as tags of the event, the version of the plugin and the newest event of each input.

Belongs here: what is stale, and which of it is asked for. Does not belong here: observing inputs (`changed_inputs`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from phenodose.io.files import hash_json
from phenodose_assets.data_versions import DATA_VERSION, Fetch, newest_events, tags_of
from phenodose_assets.dead_runs import NOT_OVER, end_dead_runs
from phenodose_assets.external import NOTHING
from phenodose_assets.graph.kept import wave_tags
from phenodose_assets.graph.screen_asset import ScreenAsset
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME
from phenodose_assets.sensors.kept_instance import instance_of
from phenodose_assets.sensors.ticks import in_time

_INTERVAL_SECONDS = 30
#: Events of one asset that a tick reads; the next one goes on with the others.
_MOST_EVENTS = 1000
#: Screens whose events are read at once.
_AT_ONCE = 50
_CODE_VERSION = "dagster/code_version"
#: Tag of a product, by input: the newest event of that input, of whatever screen, when the product was made.
_INPUT = "dagster/input_event_pointer/"


def stale_screens_sensor(job: Any, assets: Sequence[ScreenAsset]) -> dg.SensorDefinition:
    """Asks for one run a screen: of what is stale, and of all that was made from it.

    A step of the run keeps a product if nothing that it was made from comes out another (`graph.kept`), so that a
    product which is made again and comes out the same costs one step. The cohort follows each run once.

    Args:
        job: job of everything that is made for one screen.
        assets: everything that is made for one screen, each after what it is made from.
    """

    @dg.sensor(
        name="stale_screens",
        job=job,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Makes again what is stale, and only that, for every screen. Off until you switch it on.",
    )
    def stale_screens(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        requests, instance = [], instance_of(context)
        end_dead_runs(instance)
        unfinished = instance.get_run_records(dg.RunsFilter(statuses=NOT_OVER))
        busy = {record.dagster_run.tags.get("dagster/partition") for record in unfinished}
        turn = _Turn(instance, assets, context.cursor)
        free = sorted(turn.waiting - busy)
        for some in in_time(free[start : start + _AT_ONCE] for start in range(0, len(free), _AT_ONCE)):
            turn.waiting -= set(some)
            for screen, wave in stale_waves(instance, assets, some).items():
                requests.append(
                    dg.RunRequest(
                        f"{screen}:{hash_json(wave.first)}",
                        partition_key=screen,
                        asset_selection=[_asset_key(key) for key in wave.together],
                        tags=wave_tags(wave.stale),
                    )
                )
        return dg.SensorResult(requests, cursor=turn.cursor)

    return stale_screens


@dataclass(frozen=True)
class Wave:
    """What of a screen is made again in one run.

    Attributes:
        first: the stale assets that no other stale asset comes before; by asset, why it is stale, one text a cause. A
            new change makes other texts, and so does a product made since.
        stale: all assets with a cause of their own.
        together: these, and what was made from them; in the order of the pipeline.
    """

    first: dict[str, list[str]]
    stale: list[str]
    together: list[str]


def first_stale(
    instance: dg.DagsterInstance, assets: Sequence[ScreenAsset], screens: Collection[str]
) -> dict[str, dict[str, list[str]]]:
    """By screen and asset, why it is stale; assets that come after a stale one are left out (`Wave.first`)."""
    return {screen: wave.first for screen, wave in stale_waves(instance, assets, screens).items()}


def stale_waves(
    instance: dg.DagsterInstance, assets: Sequence[ScreenAsset], screens: Collection[str]
) -> dict[str, Wave]:
    """What of screens is stale, and what comes after it; screens without a stale asset are left out.

    What was never made is missing, and not stale. An asset that takes a new input is stale once that input is there.

    Args:
        instance: where Dagster keeps its events.
        assets: everything that is made for one screen, each after what it is made from.
        screens: the screens to look into.
    """
    events = _Events(instance, assets, screens)
    found = {}
    for screen in screens:
        wave, gone = Wave({}, [], []), set[str]()
        for asset in assets:
            causes, after = list(_causes(events, screen, asset)), not gone.isdisjoint(_inputs(asset))
            if not causes and not after:
                continue
            gone.add(asset.key)
            if events.newest(asset.key, screen) is not None:
                wave.together.append(asset.key)
            if causes:
                wave.stale.append(asset.key)
                if not after:
                    wave.first[asset.key] = causes
        if wave.first:
            found[screen] = wave
    return found


def _inputs(asset: ScreenAsset) -> list[str]:
    return [*asset.needs, *asset.any_of, *(thing.key for thing in asset.external)]


def _causes(events: _Events, screen: str, asset: ScreenAsset) -> Iterator[str]:
    made = events.newest(asset.key, screen)
    if made is None:
        return
    by_hand = _CODE_VERSION not in made.tags  # reported in the UI, as made from what there was
    before, since = len(_INPUT), f"since {made.event}"
    seen = {tag[before:]: int(of) if of.isdigit() else 0 for tag, of in made.tags.items() if tag.startswith(_INPUT)}
    if not by_hand and asset.code_version not in (None, made.tags[_CODE_VERSION]):
        yield f"version {asset.code_version} {since}"
    for key in sorted(seen.keys() - _inputs(asset)):
        yield f"without {key} {since}"
    for key in _inputs(asset):
        newest = events.newest(key, screen)
        known = made.event if by_hand else seen.get(key)
        if newest is not None and events.has_changed(key, screen, known):
            yield f"{key} {newest.tags.get(DATA_VERSION)} {since}"


@dataclass(frozen=True)
class _Event:
    """A materialization, or an observation of what no asset makes: its number and tags."""

    event: int
    tags: Mapping[str, str]


class _Events:
    """The newest events of some screens, read once."""

    def __init__(self, instance: dg.DagsterInstance, assets: Sequence[ScreenAsset], screens: Collection[str]) -> None:
        self._fetch = dict(_fetches(instance, assets))
        self._newest = {
            (key, screen): _Event(record.storage_id, tags_of(record))
            for key, fetch in self._fetch.items()
            for screen, record in newest_events(fetch, _asset_key(key), screens).items()
        }

    def newest(self, key: str, screen: str) -> _Event | None:
        """The newest event of an asset."""
        return self._newest.get((key, screen))

    def has_changed(self, key: str, screen: str, event: int | None) -> bool:
        """Whether an asset or input has another version than it had at an event; None for before all of its events."""
        newest = self._newest[key, screen]
        if event is not None and newest.event <= event:
            return False
        then: Sequence[dg.EventLogRecord] = []
        if event is not None:
            wanted = dg.AssetRecordsFilter(_asset_key(key), asset_partitions=[screen], before_storage_id=event + 1)
            then = self._fetch[key](wanted, limit=1).records
        # Of an input of which nothing was said there was no event.
        before = tags_of(then[0]).get(DATA_VERSION) if then else NOTHING
        return before != newest.tags.get(DATA_VERSION)


def _asset_key(key: str) -> dg.AssetKey:
    return dg.AssetKey(key.split("/"))


def _fetches(instance: dg.DagsterInstance, assets: Sequence[ScreenAsset]) -> Iterator[tuple[str, Fetch]]:
    """How the events of every asset and of every input of one are asked for."""
    made = {asset.key for asset in assets}
    for key in sorted(made.union(*map(_inputs, assets))):
        yield key, instance.fetch_materializations if key in made else instance.fetch_observations


class _Turn:
    """The screens of which there is an event since the tick before, and those that it did not come to.

    Nothing can have become stale but by an event or by another graph; so a tick asks once an asset for new events, and
    looks into the screens of these only.

    Attributes:
        waiting: screens still to be looked at.
    """

    def __init__(self, instance: dg.DagsterInstance, assets: Sequence[ScreenAsset], cursor: str | None) -> None:
        before = _state(cursor)
        every = set(instance.get_dynamic_partitions(SCREEN_PARTITIONS_NAME))
        self._graph = hash_json({asset.key: [asset.code_version, *sorted(_inputs(asset))] for asset in assets})
        same = before.get("graph") == self._graph
        self.waiting = set(before["waiting"]) if same else set(every)
        seen = before["seen"] if same else {}
        self._seen: dict[str, int] = {}
        for key, fetch in _fetches(instance, assets):
            if key in seen:
                wanted = dg.AssetRecordsFilter(_asset_key(key), after_storage_id=seen[key])
                new = fetch(wanted, limit=_MOST_EVENTS, ascending=True).records
                self.waiting |= {str(record.partition_key) for record in new}
            else:
                new = fetch(_asset_key(key), limit=1).records
            self._seen[key] = new[-1].storage_id if new else seen.get(key, 0)
        self.waiting &= every

    @property
    def cursor(self) -> str:
        """What the next tick goes on from."""
        return json.dumps({"graph": self._graph, "seen": self._seen, "waiting": sorted(self.waiting)})


def _state(cursor: str | None) -> dict[str, Any]:
    """A cursor as it was written here; empty for none and for that of an older version."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "seen" in found else {}
