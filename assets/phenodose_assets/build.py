"""The one door: `build_definitions` for the UI, the command line and the tests.

Belongs here: which assets there are, found from the installed plugins, and how they are put together
with resources, sensors and the executor. Does not belong here: any asset's work.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from phenodose.plugins import Registry, StagedReadout, TensorReadout, plugins_of
from phenodose.settings.cluster import ClusterSettings
from phenodose.store.store import Store
from phenodose_assets.assets import (
    checkpoints,
    cohort,
    drugs,
    embeddings,
    patient_report,
    phenotypes,
    plate_images,
    pseudo_rgb,
    scores,
    targets,
    viability,
)
from phenodose_assets.assets.broken_plugins import broken_plugin_assets
from phenodose_assets.assets.curves import curve_assets
from phenodose_assets.executors.choice import executor_of, pods_of, retries_of
from phenodose_assets.external import ExternalAsset
from phenodose_assets.graph.screen_asset import OWNER, ScreenAsset
from phenodose_assets.graph.steps import screen_definitions
from phenodose_assets.hand_over import HandOver
from phenodose_assets.networks import network_process
from phenodose_assets.resources import Listener, StoreResource, no_listener
from phenodose_assets.sensors.changed_inputs import changed_inputs_sensor
from phenodose_assets.sensors.cohort_follows_screens import cohort_sensor
from phenodose_assets.sensors.new_screens import new_screens_sensor
from phenodose_assets.sensors.stale_screens import stale_screens_sensor
from phenodose_assets.sensors.verify_weekly import verify_job, verify_schedule

log = logging.getLogger("phenodose_assets")

#: Job of everything that is made for one screen.
SCREEN_JOB = "screen"

_KEY = re.compile(r"[A-Za-z0-9_/-]+")


def screen_assets(plugins: Registry) -> list[ScreenAsset]:
    """Every asset that is made once a screen, in the order of the pipeline.

    A plugin that cannot be used is named in the log and is an asset that fails with what is wrong with it (a reader,
    which has no asset, is only named); the others make the graph.
    """
    readout_classes = plugins.wanted("readout")
    staged = {name: cls for name, cls in readout_classes.items() if issubclass(cls, StagedReadout)}
    of_tensors = {name: cls for name, cls in readout_classes.items() if issubclass(cls, TensorReadout)}
    for problem in plugins.problems():
        _tell(problem.error)
    viabilities = _usable(viability.viability_assets(readout_classes))
    curves = curve_assets(viabilities, plugins.wanted("measure"))
    scored = _usable(scores.score_assets(plugins.wanted("scorer"), curves))
    reachable = drugs.reachable_assets(curves)
    of_targets = targets.target_assets(scored)
    maps = _usable(embeddings.embedding_assets(plugins.wanted("embedder"), staged, of_tensors))
    maps += phenotypes.phenotype_assets(viabilities, staged, of_tensors)
    usable = [
        *plate_images.ingest_assets(),
        *pseudo_rgb.tensor_assets(),
        *_usable(checkpoints.checkpoint_assets(staged)),
        *viabilities,
        *curves,
        *scored,
        *reachable,
        *of_targets,
        *maps,
        *patient_report.report_assets([*viabilities, *curves, *scored, *reachable, *of_targets, *maps]),
    ]
    return _usable([*usable, *broken_plugin_assets(plugins.problems())])


def build_definitions(
    *,
    store: Store | str | Path,
    inbox: str | Path | None = None,
    plugins: Registry | None = None,
    listener: Listener = no_listener,
    training: str | None = None,
    tried_again: bool = True,
    cluster: ClusterSettings | None = None,
    resources: dict[str, Any] | None = None,
) -> dg.Definitions:
    """The whole graph.

    Args:
        store: the store, or its folder or address.
        inbox: folder that the sensor watches; default ./inbox.
        plugins: where the plugins are found; default: the installed ones, as the store's site.toml says.
        listener: told of every step of a run in this process.
        training: where networks are trained, 'process' or 'inline'; default a process.
        tried_again: whether a step whose process was killed is made once more. Not where all steps share this process:
            Dagster would take an interrupt for such a death, and go on with what the user has just ended.
        cluster: on which machines steps run; default two processes of this one at a time.
        resources: resources to replace, by name.
    """
    opened = store if isinstance(store, Store) else Store.open(store)
    where = cluster or ClusterSettings()
    retries = retries_of(where) if tried_again else None
    stores = StoreResource.of(opened, inbox)
    assets = screen_assets(plugins or plugins_of(opened))
    screen_job = dg.define_asset_job(
        SCREEN_JOB,
        selection=dg.AssetSelection.assets(*(asset.asset_key for asset in assets)),
        description="Everything that can be made for one screen",
    )
    external = external_of(assets)
    verify = verify_job()
    return dg.Definitions(
        assets=[
            *(thing.spec(OWNER, _takers(thing.key, assets)) for thing in external),
            *screen_definitions(assets, lambda asset: _drops(asset, assets), retries, pods_of(where)),
            *cohort.cohort_assets(assets, tried_again),
        ],
        jobs=[screen_job, verify],
        schedules=[verify_schedule(verify)],
        sensors=[
            new_screens_sensor(stores, SCREEN_JOB, external),
            cohort_sensor(cohort.upstream_of_cohort(assets), cohort.COHORT),
            changed_inputs_sensor(stores, external),
            stale_screens_sensor(screen_job, assets),
        ],
        resources={
            "store": stores,
            "io_manager": dg.IOManagerDefinition.hardcoded_io_manager(HandOver(stores.open)),
            "listener": dg.ResourceDefinition.hardcoded_resource(listener),
            "networks": network_process(training),
            **(resources or {}),
        },
        executor=executor_of(where, opened),
    )


def external_of(assets: Sequence[ScreenAsset]) -> list[ExternalAsset]:
    """Everything that no asset makes and some asset is made from."""
    return list({thing.key: thing for asset in assets for thing in asset.external}.values())


def _takers(key: str, assets: Sequence[ScreenAsset]) -> set[str]:
    """Where the assets lie that are made from an external asset."""
    return {asset.place for asset in assets if any(thing.key == key for thing in asset.external)}


def _usable(assets: Sequence[ScreenAsset]) -> list[ScreenAsset]:
    """The assets without those whose plugin has a name that would break the whole graph."""
    by_node: dict[str, ScreenAsset] = {}
    for asset in assets:
        if not _KEY.fullmatch(asset.key):
            _tell(f"asset {asset.key!r}: a plugin's name may hold letters, digits, '_' and '-'; rename the plugin.")
        elif by_node.setdefault(asset.node_name, asset) is not asset:
            _tell(f"a second asset {asset.key!r}: another plugin gives one of that name; rename one of the two.")
    return list(by_node.values())


@cache
def _tell(problem: str) -> None:
    """Name a plugin that cannot be used, once a process."""
    log.warning("cannot be used in the graph: %s", problem)


def _drops(asset: ScreenAsset, assets: Sequence[ScreenAsset]) -> tuple[tuple[str, str], ...]:
    """The table files of an asset and of everything that cannot be made without it, with the records of these steps."""
    gone = {asset.key}
    grown = True
    while grown:
        further = {other.key for other in assets if gone & set(other.needs)} - gone
        gone |= further
        grown = bool(further)
    return tuple(
        part
        for other in assets
        if other.key in gone
        for part in (*other.tables, *other.optional_tables, ("runs", other.key))
    )
