"""Runs that several tests of the graph look at; each is made once."""

from __future__ import annotations

import importlib.util
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest

from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose_assets.run import Graph, RunOutcome, materialize_screen

#: Settings of instances of tests: nothing is told to Dagster's makers, nor kept for that.
QUIET = {"telemetry": {"enabled": False}}
#: What screen.toml says where a test does not look at the intervals.
FEW_DRAWS = "[parameters.curves]\nbootstrap = 10\n"


def _shared() -> ModuleType:
    return _module("shared_fixtures", Path(__file__).parents[1] / "conftest.py")


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def write_ctg_screen() -> Callable[[Path], Path]:
    """Writes a raw screen folder without images; its name is the screen id."""
    writer: Callable[[Path], Path] = _shared().write_ctg_screen
    return writer


@pytest.fixture(scope="session")
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance in memory."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@dataclass(frozen=True)
class Finished:
    """A finished run and where its products lie."""

    store: Store
    outcome: RunOutcome
    instance: dg.DagsterInstance

    def materialization(self, key: str) -> dg.AssetMaterialization:
        """The newest materialization of an asset of the run's screen."""
        events = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(key.split("/")), asset_partitions=[self.outcome.screen]),
            limit=1,
        )
        found = events.records[0].asset_materialization
        assert found is not None
        return found

    def checks(self, key: str) -> dict[str, dg.AssetCheckEvaluation]:
        """Evaluations of an asset's checks in the run, by name."""
        events = self.instance.all_logs(self.outcome.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [event.get_dagster_event().asset_check_evaluation_data for event in events]
        return {one.check_name: one for one in found if one.asset_key == dg.AssetKey(key.split("/"))}

    def observations(self, key: str) -> list[dg.AssetObservation]:
        """Observations of an asset in the run."""
        events = self.instance.all_logs(self.outcome.run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION)
        found = [event.get_dagster_event().asset_observation_data.asset_observation for event in events]
        return [one for one in found if one.asset_key == dg.AssetKey(key.split("/"))]


@pytest.fixture(scope="session")
def look_at() -> Callable[[Store, RunOutcome, dg.DagsterInstance], Finished]:
    """Makes a `Finished` of a run."""
    return Finished


@pytest.fixture(scope="session")
def ctg_run(
    made_once: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
    write_ctg_screen: Callable[[Path], Path],
) -> Iterator[Finished]:
    """A screen that holds only plate-reader files, in a store without a control experiment, with all assets."""

    def make(folder: Path) -> None:
        store = Store.open(folder / "store")
        screen = register_screen(store, write_ctg_screen(folder / "raw" / "TST_V1_DS1"))
        with dg.DagsterInstance.ephemeral() as instance:
            outcome = materialize_screen(store, screen.id, instance=instance)
            events = instance.all_logs(outcome.run_id)
        (folder / "outcome").write_bytes(pickle.dumps((outcome, events)))

    made, own = made_once("ctg_run", make), tmp_path_factory.mktemp("ctg")
    outcome, events = pickle.loads((made / "outcome").read_bytes())
    store = Store.open(shutil.copytree(made / "store", own / "store"))
    with dg.DagsterInstance.ephemeral() as instance:
        for event in events:
            instance.event_log_storage.store_event(event)
        yield Finished(store, outcome, instance)


@dataclass(frozen=True)
class Workshop:
    """A store for the screens of many tests, each by a name of its own; its graph is small and built once, not once a
    run."""

    store: Store
    raw: Path
    graph: Graph
    instance: dg.DagsterInstance
    write: Callable[[Path], Path]

    def screen(self, name: str) -> Path:
        """The raw folder of a new screen of plate-reader files; few draws are made of its curves."""
        folder = self.write(self.raw / name)
        (folder / "screen.toml").write_text(FEW_DRAWS)
        register_screen(self.store, folder)
        return folder

    def make(self, screen: str, select: str | None, **how: Any) -> RunOutcome:
        """One run."""
        return materialize_screen(self.store, screen, select=select, instance=self.instance, graph=self.graph, **how)

    def look_at(self, outcome: RunOutcome) -> Finished:
        """What a run left."""
        return Finished(self.store, outcome, self.instance)


@pytest.fixture(scope="module")
def workshop(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_ctg_screen: Callable[[Path], Path],
    site_of: Callable[..., str],
) -> Iterator[Workshop]:
    """One store, graph and instance for a file, with the plugins that it names as `PLUGINS`."""
    root = tmp_path_factory.mktemp("workshop")
    store = Store.open(root / "store")
    store.root.mkdir()
    plugins = getattr(request.module, "PLUGINS", ("readout:ctg", "scorer:dss_asym", "scorer:emax"))
    (store.root / "site.toml").write_text(site_of(*plugins), encoding="utf-8")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Workshop(store, root / "raw", Graph(store), instance, write_ctg_screen)


@pytest.fixture(scope="session")
def ctg_graph(ctg_run: Finished) -> Graph:
    """The whole graph, over the store of `ctg_run`; built once."""
    return Graph(ctg_run.store)


@pytest.fixture(scope="module")
def ui_server(tmp_path_factory: pytest.TempPathFactory, site_of: Callable[..., str]) -> Iterator[Any]:
    """Dagster's server with its daemon, an empty store and an empty inbox; see ui_server.py.

    It works as long as it runs, so one file has all of its tests.
    """
    # Every asset is a process there, and one branch is enough for the buttons. Other tests make them all.
    site = site_of("readout:ctg", "scorer:dss_asym")
    server = _module("ui_server", Path(__file__).with_name("ui_server.py"))
    running = server.Server(tmp_path_factory.mktemp("ui"), site)
    try:
        running.wait_until(running.location_is_loaded, "loading the code location")
        yield running
    finally:
        running.stop()
