"""Sensors that keep products and what they were made from in step.

`changed_inputs` tells Dagster what raw folders and settings hold now; what was made from another version is shown as
stale. `stale_screens` is off from the start: switched on, it makes again what is stale and only that.

Belongs here: which screens are looked at in a tick, and which stale assets are asked for. Does not belong here: what
is looked at (`external`), and what stale means (Dagster: another version of the code or of an input).

What Dagster knows of staleness is not public; it is imported where it is used, so that a Dagster that has moved it
loads the graph all the same and only `stale_screens` says that it cannot work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import dagster as dg

from phenodose.errors import PhenodoseError
from phenodose.io.files import hash_json
from phenodose.store.checkpoints import checkpoints_read_once
from phenodose_assets.external import ExternalAsset, known_versions, new_observations
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME
from phenodose_assets.resources import StoreResource

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
    from dagster._core.definitions.events import AssetKeyPartitionKey

_T = TypeVar("_T")

_INTERVAL_SECONDS = 30
#: A tick looks at as many screens as it can in this time; the next one goes on with the others.
MOST_SECONDS = 15.0
_OTHER_DAGSTER = f"Dagster {dg.__version__} does not tell what is stale in the way known here; make it again by hand."
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def changed_inputs_sensor(external: Sequence[ExternalAsset]) -> dg.SensorDefinition:
    """Tells Dagster of every raw file and setting of every screen that has changed."""

    @dg.sensor(
        name="changed_inputs",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.assets(*(thing.asset_key for thing in external)),
        description="Looks at the raw folder and settings of every screen; what was made from others is then stale.",
    )
    def changed_inputs(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult:
        opened, news = store.open(), []
        told = known_versions(context.instance, external)
        every = sorted(context.instance.get_dynamic_partitions(SCREEN_PARTITIONS_NAME))
        last = context.cursor or ""
        in_turn = [*(name for name in every if name > last), *(name for name in every if name <= last)]
        with checkpoints_read_once():
            for screen in in_time(in_turn):
                last = screen
                try:
                    folder = store.source_of(screen)
                except PhenodoseError as error:
                    context.log.warning(f"{screen} is not looked at: {error}")
                    continue
                if folder.is_dir():
                    news += new_observations(context.instance, opened, folder, external, told)
        return dg.SensorResult(asset_events=news, cursor=last)

    return changed_inputs


def stale_sensor(job: Any) -> dg.SensorDefinition:
    """Asks for what is stale, from above: what comes after follows in a later tick, if it is then stale itself."""

    @dg.sensor(
        name="stale_screens",
        job=job,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Makes again what is stale, and only that, for every screen. Off until you switch it on.",
    )
    def stale_screens(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        assert context.repository_def is not None
        graph, requests = context.repository_def.asset_graph, []
        busy = {run.tags.get("dagster/partition") for run in _unfinished(context.instance)}
        turn = _Changed(context.instance, graph, context.cursor)
        try:
            look = Staleness(context.instance, graph)
        except ImportError as error:
            context.log.error(f"{_OTHER_DAGSTER} ({error})")
            return dg.SkipReason(_OTHER_DAGSTER)
        for screen in in_time(sorted(turn.waiting - busy)):
            stale = look.first_stale(screen)
            turn.waiting.remove(screen)
            if stale:
                run_key = f"{screen}:{hash_json({key.to_user_string(): why for key, why in stale.items()})}"
                requests.append(dg.RunRequest(run_key, partition_key=screen, asset_selection=sorted(stale)))
        return dg.SensorResult(requests, cursor=turn.cursor)

    return stale_screens


class Staleness:
    """What is stale, as of now: what has been read once, of any screen, is not asked for again.

    Made anew for every tick. What happens meanwhile is an event after those that the tick began with, so that the
    next one looks at its screen.

    Raises:
        ImportError: Dagster has moved what it knows of staleness.
    """

    def __init__(self, instance: dg.DagsterInstance, graph: BaseAssetGraph[Any]) -> None:
        from dagster._core.definitions.data_version import CachingStaleStatusResolver
        from dagster._core.loader import LoadingContextForTest

        self._instance, self._graph = instance, graph
        self._resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))

    def first_stale(self, screen: str) -> dict[dg.AssetKey, list[str]]:
        """The stale assets of a screen that no other stale asset comes before.

        An asset that is stale for the only reason that a plugin was installed beside those it takes is left out, until
        that plugin's product is there.

        Returns:
            Why each is stale, one text a cause; a new change makes other texts, and so does a product made since.
        """
        graph, stale = self._graph, {}
        for key in graph.toposorted_asset_keys:
            if (
                graph.get(key).is_partitioned
                and graph.get(key).is_materializable
                and (causes := self._causes(key, screen))
            ):
                made = self._instance.get_latest_data_version_record(key, False, screen)
                stale[key] = [*causes, f"since {made.storage_id if made else None}"]
        return {key: why for key, why in stale.items() if not stale.keys() & graph.get_ancestor_asset_keys(key)}

    def _causes(self, key: dg.AssetKey, screen: str) -> list[str]:
        from dagster._core.definitions.data_version import StaleCauseCategory, StaleStatus

        if self._resolver.get_status(key, screen) is not StaleStatus.STALE:
            return []
        causes = []
        for cause in self._resolver.get_stale_causes(key, screen):
            version = ""
            if cause.dependency is not None:
                version = _version(self._instance, cause.dependency)
                if cause.category is StaleCauseCategory.DEPENDENCIES and not version:
                    continue
            elif cause.category is StaleCauseCategory.CODE:
                version = str(self._graph.get(key).code_version)
            causes.append(f"{cause.category.value} {cause.reason} {cause.dependency_asset_key} {version}")
        return causes


def _version(instance: dg.DagsterInstance, key: AssetKeyPartitionKey) -> str:
    """The newest version of an asset; '' if there is none."""
    from dagster._core.definitions.data_version import extract_data_version_from_entry

    record = instance.get_latest_data_version_record(key.asset_key, partition_key=key.partition_key)
    version = extract_data_version_from_entry(record.event_log_entry) if record else None
    return version.value if version else ""


def _unfinished(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    return instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))


class _Changed:
    """The screens of which Dagster was told something since the tick before, and those that tick did not come to.

    Nothing can have become stale but by an event or by another graph; so a tick asks once an asset for what is new,
    and looks into those screens only.

    Attributes:
        waiting: screens still to be looked at.
    """

    def __init__(self, instance: dg.DagsterInstance, graph: BaseAssetGraph[Any], cursor: str | None) -> None:
        before = _state(cursor)
        every = set(instance.get_dynamic_partitions(SCREEN_PARTITIONS_NAME))
        self._graph = hash_json(
            {
                key.to_user_string(): [
                    str(graph.get(key).code_version),
                    sorted(above.to_user_string() for above in graph.get(key).parent_keys),
                ]
                for key in graph.get_all_asset_keys()
            }
        )
        same = before.get("graph") == self._graph
        seen = int(before["last_event"]) if same else 0
        self._last_event = seen
        self.waiting = set(before["waiting"]) if same else set(every)
        for key in graph.get_all_asset_keys():
            if graph.get(key).is_partitioned:
                newer = self._newer(instance, key, graph.get(key).is_materializable, seen)
                self.waiting |= newer.keys()
                self._last_event = max(self._last_event, *newer.values(), 0)
        self.waiting &= every

    @staticmethod
    def _newer(instance: dg.DagsterInstance, key: dg.AssetKey, made: bool, event: int) -> Mapping[str, int]:
        """The newest event after an event, by screen."""
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION if made else dg.DagsterEventType.ASSET_OBSERVATION
        return instance.get_latest_storage_id_by_partition(key, kind, after_cursor=event)

    @property
    def cursor(self) -> str:
        """What the next tick goes on from."""
        return json.dumps({"graph": self._graph, "last_event": self._last_event, "waiting": sorted(self.waiting)})


def _state(cursor: str | None) -> dict[str, Any]:
    """A cursor as it was written here; empty for none and for that of an older version, a screen's name."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def in_time(every: Iterable[_T], now: Callable[[], float] = time.monotonic) -> Iterator[_T]:
    """As many as a tick has time for, at least one."""
    end = now() + MOST_SECONDS
    for one in every:
        yield one
        if now() >= end:
            return
