"""What is made from a changed input is shown as stale, and made again: that, and only that."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pandas as pd
import pytest

from phenodose.plugins import plugins_of, registry
from phenodose.screens.registration import register_screen
from phenodose.screens.screen import Screen
from phenodose.store.store import Store
from phenodose_assets.build import SCREEN_JOB, screen_assets
from phenodose_assets.event_log import connections_kept
from phenodose_assets.external import IMAGE_FILES, new_observations
from phenodose_assets.graph.kept import KEPT, MADE_ANYWAY
from phenodose_assets.run import Graph, RunOutcome, materialize_screen
from phenodose_assets.sensors.stale_screens import first_stale

SCREEN = "STALE_V1_DS1"
#: What was never made is missing, and not stale.
MADE = "layout,viability/ctg,curves/ctg,scores/auc,scores/dss2,scores/dss3,patient_report"


#: As the page of a partition asks for it.
SHOWN = """
query($screen: String!, $keys: [AssetKeyInput!]) {
  assetNodes(assetKeys: $keys) { assetKey { path } staleStatus(partition: $screen) }
}
"""


class Wave(NamedTuple):
    """What a run of the sensor has made anew, and what it has kept."""

    success: bool
    made: list[str]
    kept: list[str]


class Made:
    """A finished screen, and what the UI says of it."""

    def __init__(self, root: Path, write: Callable[[Path], Path], site: str) -> None:
        self.store = Store.open(root / "store")
        self.store.root.mkdir()
        (self.store.root / "site.toml").write_text(site)
        self.folder = write(root / "raw" / SCREEN)
        say(self.folder, "[parameters.curves]\nbootstrap = 10")
        self.graph = Graph(self.store)
        self.home = root / "home"
        self.home.mkdir()
        self.instance = dg.DagsterInstance.local_temp(str(self.home), overrides={"telemetry": {"enabled": False}})
        self.open = contextlib.ExitStack()
        self.open.enter_context(connections_kept(self.instance.event_log_storage))  # as the command line does
        register_screen(self.store, self.folder)
        self.make(MADE).raise_if_failed()

    def make(self, select: str, **how: Any) -> RunOutcome:
        """One run."""
        return materialize_screen(self.store, SCREEN, select=select, instance=self.instance, graph=self.graph, **how)

    def stale(self) -> dict[str, set[str]]:
        """The first stale assets, and by which input each is."""
        found = first_stale(self.instance, screen_assets(plugins_of(self.store)), [SCREEN]).get(SCREEN, {})
        return {key: {why.split()[0] for why in causes} for key, causes in found.items()}

    def shown_as_stale(self) -> set[str]:
        """What the UI shows as stale."""
        keys = [{"path": asset.key.split("/")} for asset in screen_assets(plugins_of(self.store))]
        command = [str(Path(sys.executable).with_name("dagster-graphql")), "-m", "phenodose_assets.definitions"]
        answer = subprocess.run(
            [*command, "-t", SHOWN, "-v", json.dumps({"screen": SCREEN, "keys": keys})],
            env={**os.environ, "DAGSTER_HOME": str(self.home), "PHENODOSE_STORE": str(self.store.root)},
            capture_output=True,
            text=True,
            check=True,
        )
        # The answer stands between the lines of the code server's log.
        (line,) = (line for line in answer.stdout.splitlines() if line.startswith("{"))
        nodes = json.loads(line)["data"]["assetNodes"]
        return {"/".join(node["assetKey"]["path"]) for node in nodes if node["staleStatus"] == "STALE"}

    def checks(self, key: str) -> dict[str, bool]:
        """What the checks of an asset came to in the last run that has this asset."""
        wanted = dg.AssetRecordsFilter(dg.AssetKey(key.split("/")), asset_partitions=[SCREEN])
        (record,) = self.instance.fetch_materializations(wanted, limit=1).records
        events = self.instance.all_logs(record.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [event.get_dagster_event().asset_check_evaluation_data for event in events]
        return {one.check_name: one.passed for one in found if one.asset_key.to_user_string() == key}

    def look_again(self) -> None:
        """A tick of the sensor `changed_inputs`."""
        tick = self.tick("changed_inputs")
        for event in tick.asset_events:
            self.instance.report_runless_asset_event(event)

    def make_what_is_stale(self) -> Wave:
        """A tick of the sensor `stale_screens` and its run, after which nothing is stale."""
        (request,) = self.tick("stale_screens").run_requests or []
        assert request.partition_key == SCREEN
        wave = self.run(request)
        assert not self.tick("stale_screens").run_requests
        return wave

    def run(self, request: dg.RunRequest) -> Wave:
        """The run that a sensor asks for."""
        result = self.graph.definitions.resolve_job_def(SCREEN_JOB).execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            asset_selection=request.asset_selection,
            tags=request.tags,
            raise_on_error=False,
        )
        wave = Wave(result.success, [], [])
        for event in result.get_asset_materialization_events():
            kept = KEPT in event.step_materialization_data.materialization.metadata
            assert event.asset_key is not None
            (wave.kept if kept else wave.made).append(event.asset_key.to_user_string())
        return wave

    def tick(self, name: str) -> dg.SensorResult:
        """One evaluation of a sensor that has something to say."""
        definitions = self.graph.definitions
        context = dg.build_sensor_context(
            instance=self.instance,
            definitions=definitions,
            sensor_name=name,
        )
        with context:
            result = definitions.resolve_sensor_def(name)(context)
        assert isinstance(result, dg.SensorResult)
        return result


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, write_ctg_screen: Callable[[Path], Path], site_of: Callable[..., str]
) -> Iterator[Made]:
    site = site_of("readout:ctg", "scorer:auc", "scorer:dss2", "scorer:dss3")
    screen = Made(tmp_path_factory.mktemp("stale"), write_ctg_screen, site)
    yield screen
    screen.open.close()
    screen.instance.dispose()


def say(folder: Path, text: str) -> None:
    with (folder / "screen.toml").open("a") as handle:
        handle.write(text + "\n")


def test_nothing_is_stale_after_a_run(made: Made) -> None:
    made.look_again()
    assert made.stale() == {}
    assert not made.tick("stale_screens").run_requests


def test_a_parameter_of_one_scorer(made: Made) -> None:
    say(made.folder, "[parameters.dss2]\namin = 20\n")
    made.look_again()
    assert made.stale() == {"scores/dss2": {"settings/dss2"}}
    before = made.store.read_table("scores", SCREEN, "scores/dss2")["score"].sum()
    assert made.make_what_is_stale() == Wave(True, ["scores/dss2", "patient_report"], [])
    assert made.store.read_table("scores", SCREEN, "scores/dss2")["score"].sum() != before
    assert made.stale() == {}


def test_a_layout_with_the_same_contents_is_read_again_and_nothing_else(made: Made) -> None:
    layout = made.folder / "layout.csv"
    layout.write_text(layout.read_text().replace("\n", "\r\n"))
    made.look_again()
    assert made.stale() == {"layout": {"raw/layout"}}
    checks = made.checks("viability/ctg")
    wave = made.make_what_is_stale()
    assert wave.success
    assert wave.made == ["layout"]
    assert set(wave.kept) == {*MADE.split(",")} - {"layout"}
    assert made.stale() == {}
    assert made.checks("viability/ctg") == checks


def test_a_layout_with_another_dose_changes_what_comes_after(made: Made) -> None:
    layout = pd.read_csv(made.folder / "layout.csv")
    layout.loc[layout["Treatment"] == "Weak", "Concentration"] *= 2
    layout.to_csv(made.folder / "layout.csv", index=False)
    made.look_again()
    assert set(made.stale()) == {"layout"}
    wave = made.make_what_is_stale()
    assert (wave.success, wave.kept) == (True, [])
    assert wave.made[:3] == ["layout", "viability/ctg", "curves/ctg"]
    assert sorted(wave.made[3:]) == ["patient_report", "scores/auc", "scores/dss2", "scores/dss3"]
    assert made.stale() == {}


def test_what_was_asked_for_and_failed_is_not_asked_for_again_and_again(made: Made) -> None:
    say(made.folder, "[parameters.dss3]\nno_such_parameter = 1\n")
    made.look_again()
    (request,) = made.tick("stale_screens").run_requests or []
    assert [key.to_user_string() for key in request.asset_selection or []] == ["scores/dss3", "patient_report"]
    wave = made.run(request)
    assert not wave.success
    assert "scores/dss3" not in [*wave.made, *wave.kept]
    (again,) = made.tick("stale_screens").run_requests or []
    assert again.run_key == request.run_key
    settings = made.folder / "screen.toml"
    settings.write_text(settings.read_text().replace("no_such_parameter = 1", "amin = 15"))
    made.look_again()
    (mended,) = made.tick("stale_screens").run_requests or []
    assert mended.run_key != request.run_key


def test_a_new_version_of_a_plugin(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made.stale()
    monkeypatch.setattr(registry().get("scorer", "auc"), "version", "99")
    assert made.stale() == {**before, "scores/auc": {"version"}}


def test_a_parameter_of_the_launchpad_makes_what_comes_after_stale(made: Made) -> None:
    made.make("curves/ctg", parameters={"curves": {"bootstrap": 7}}).raise_if_failed()
    found = made.stale()
    assert found["scores/auc"] == {"curves/ctg"}
    assert set(found) == {"scores/auc", "scores/dss2", "scores/dss3"}


def test_the_ui_shows_what_the_sensor_finds_and_what_comes_after(made: Made) -> None:
    """That both see the same of a changed layout, too, is looked at in test_graphql.py, with the server."""
    made.make("curves/ctg", parameters={"curves": {"bootstrap": 8}}).raise_if_failed()
    # The UI shows what comes after a stale asset, too; the sensor asks for the first ones.
    assert made.shown_as_stale() == {*made.stale(), "patient_report"}


def test_what_was_reported_by_hand_is_as_new_as_its_report(made: Made) -> None:
    assert "scores/auc" in made.stale()
    made.instance.report_runless_asset_event(dg.AssetMaterialization(["scores", "auc"], partition=SCREEN))
    assert "scores/auc" not in made.stale()


def test_a_reading_that_changes(made: Made) -> None:
    path = next((made.folder / "ctg").glob("*.xlsx"))
    table = pd.read_excel(path, index_col=0, engine="openpyxl")
    table.iloc[3, 3] *= 1.5
    table.to_excel(path, index_label="")
    made.look_again()
    assert made.stale()["viability/ctg"] == {"raw/readings/ctg"}
    (request,) = made.tick("stale_screens").run_requests or []
    assert (request.asset_selection or [])[0] == dg.AssetKey(["viability", "ctg"])
    assert request.tags[MADE_ANYWAY].split()[0] == "viability/ctg"


def test_a_screen_with_a_run_under_way_is_left_alone(made: Made) -> None:
    with made.instance as instance:
        run = instance.create_run_for_job(_nothing, tags={"dagster/partition": SCREEN})
        assert not made.tick("stale_screens").run_requests
        instance.report_run_canceled(run)
        assert made.tick("stale_screens").run_requests


@dg.job
def _nothing() -> None:
    pass


def test_an_image_that_is_replaced_is_news_and_one_that_is_gone_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "IMG_V1_DS1"
    (folder / "P1" / "z1").mkdir(parents=True)
    image = folder / "P1" / "z1" / "a.tif"
    image.write_bytes(b"one")
    store = Store.open(tmp_path / "store")
    with dg.DagsterInstance.ephemeral() as instance:

        def news() -> list[dict[str, Any]]:
            found = new_observations(instance, store, folder, [IMAGE_FILES])
            for one in found:
                instance.report_runless_asset_event(one)
            return [dict(one.metadata) for one in found]

        assert [list(shown) for shown in news()] == [["P1"]]
        assert news() == []
        image.write_bytes(b"two")
        os.utime(image, ns=(1, 1))
        assert len(news()) == 1
        image.unlink()
        (folder / "P1" / "z1").rmdir()
        (folder / "P1").rmdir()
        assert news() == []
        assert Screen.load(folder).plate_folders == {}
