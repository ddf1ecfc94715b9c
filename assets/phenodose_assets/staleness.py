"""Sensors that keep products and what they were made from in step.

`changed_inputs` tells Dagster what raw folders and settings hold now; what was made from another version is shown as
stale. `stale_screens` is off from the start: switched on, it makes again what is stale and only that.

Belongs here: which screens are looked at in a tick, and which stale assets are asked for. Does not belong here: what
is looked at (`outside`), and what stale means (Dagster: another version of the code or of an input).

What Dagster knows of staleness is not public; it is imported where it is used, so that a Dagster that has moved it
loads the graph all the same and only `stale_screens` says that it cannot work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from phenodose.errors import PhenodoseError
from phenodose.files import hash_json
from phenodose_assets.outside import Outside, new_observations
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME
from phenodose_assets.resources import StoreResource

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
    from dagster._core.definitions.events import AssetKeyPartitionKey

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


def outside_sensor(outside: Sequence[Outside]) -> dg.SensorDefinition:
    """Tells Dagster of every raw file and setting of every screen that has changed."""

    @dg.sensor(
        name="changed_inputs",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        asset_selection=dg.AssetSelection.assets(*(thing.asset_key for thing in outside)),
        description="Looks at the raw folder and settings of every screen; what was made from others is then stale.",
    )
    def changed_inputs(context: dg.SensorEvaluationContext, store: StoreResource) -> dg.SensorResult:
        opened, told = store.open(), []
        turn = _Turn(context)
        for screen in turn:
            try:
                folder = store.source_of(screen)
            except PhenodoseError as error:
                context.log.warning(f"{screen} is not looked at: {error}")
                continue
            if folder.is_dir():
                told += new_observations(context.instance, opened, folder, outside)
        return dg.SensorResult(asset_events=told, cursor=turn.last)

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
        turn = _Turn(context)
        for screen in turn:
            if screen in busy:
                continue
            try:
                stale = first_stale(context.instance, graph, screen)
            except ImportError as error:
                context.log.error(f"{_OTHER_DAGSTER} ({error})")
                return dg.SkipReason(_OTHER_DAGSTER)
            if stale:
                run_key = f"{screen}:{hash_json({key.to_user_string(): why for key, why in stale.items()})}"
                requests.append(dg.RunRequest(run_key, partition_key=screen, asset_selection=sorted(stale)))
        return dg.SensorResult(requests, cursor=turn.last)

    return stale_screens


def first_stale(instance: dg.DagsterInstance, graph: BaseAssetGraph[Any], screen: str) -> dict[dg.AssetKey, list[str]]:
    """The stale assets of a screen that no other stale asset comes before.

    An asset that is stale for the only reason that a plugin was installed beside those it takes is left out, until that
    plugin's product is there.

    Returns:
        Why each is stale, one text a cause; a new change makes other texts.
    """
    from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleCauseCategory, StaleStatus
    from dagster._core.loader import LoadingContextForTest

    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    stale: dict[dg.AssetKey, list[str]] = {}
    for key in graph.toposorted_asset_keys:
        if not graph.get(key).is_partitioned or not graph.get(key).is_materializable:
            continue
        if resolver.get_status(key, screen) is not StaleStatus.STALE:
            continue
        causes = []
        for cause in resolver.get_stale_causes(key, screen):
            version = ""
            if cause.dependency is not None:
                version = _version(instance, cause.dependency)
                if cause.category is StaleCauseCategory.DEPENDENCIES and not version:
                    continue
            elif cause.category is StaleCauseCategory.CODE:
                version = str(graph.get(key).code_version)
            causes.append(f"{cause.category.value} {cause.reason} {cause.dependency_asset_key} {version}")
        if causes:
            stale[key] = causes
    return {key: why for key, why in stale.items() if not stale.keys() & graph.get_ancestor_asset_keys(key)}


def _version(instance: dg.DagsterInstance, key: AssetKeyPartitionKey) -> str:
    """The newest version of an asset; '' if there is none."""
    from dagster._core.definitions.data_version import extract_data_version_from_entry

    record = instance.get_latest_data_version_record(key.asset_key, partition_key=key.partition_key)
    version = extract_data_version_from_entry(record.event_log_entry) if record else None
    return version.value if version else ""


def _unfinished(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    return instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))


class _Turn:
    """The screens that one tick looks at, in order of name, going on after the last one of the tick before.

    Attributes:
        last: the screen looked at last.
    """

    def __init__(self, context: dg.SensorEvaluationContext, now: Callable[[], float] = time.monotonic) -> None:
        self.last = context.cursor
        self._now = now
        every = sorted(context.instance.get_dynamic_partitions(SCREEN_PARTITIONS_NAME))
        later = [screen for screen in every if screen > (self.last or "")]
        self._screens = later + [screen for screen in every if screen not in later]

    def __iter__(self) -> Iterator[str]:
        end = self._now() + MOST_SECONDS
        for screen in self._screens:
            self.last = screen
            yield screen
            if self._now() >= end:
                return
