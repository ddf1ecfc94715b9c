"""The real server, with the daemon and the sensors running: what its buttons do over GraphQL, and in a browser.

All of it takes minutes and is for `make test-slow`. In `make test` the same faults are seen without the server: of its
door and its processes (`test_ui_door.py`), of the code location and of a run whose steps are processes
(`test_platform_trap.py`), of sensors (`test_new_screens_sensor.py`, `test_cohort_follows_screens.py`,
`test_staleness.py`), of forms, checks and what pages show of an asset (`test_ui_promises.py`, `test_parameters.py`,
`test_checks.py`, `test_metadata.py`), and of pages of our own in a browser (`tests/platform/viewer`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import pytest

from phenodose.plugins import plugins_of
from phenodose.store.store import Store
from phenodose_assets.build import screen_assets
from phenodose_assets.sensors.stale_screens import first_stale

Writer = Callable[[Path], Path]
pytestmark = pytest.mark.slow

SENSOR, SCREEN, BUTTON = "TST_V1_DS1", "UI_V1_DS1", "BUTTON_V1_DS1"
LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "phenodose"}

ADD_PARTITION = """
mutation($selector: RepositorySelector!, $key: String!) {
  addDynamicPartition(repositorySelector: $selector, partitionsDefName: "screen", partitionKey: $key) {
    __typename ... on AddDynamicPartitionSuccess { partitionKey } ... on PythonError { message }
    ... on UnauthorizedError { message } ... on DuplicateDynamicPartitionError { partitionName }
  }
}
"""
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PipelineNotFoundError { message }
    ... on InvalidSubsetError { message }
  }
}
"""
BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""
BACKFILL_STATUS = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }
"""
MATERIALIZATION = """
query($key: AssetKeyInput!, $screen: String!) {
  assetOrError(assetKey: $key) {
    __typename
    ... on Asset { assetMaterializations(limit: 1, partitions: [$screen]) {
      partition
      metadataEntries {
        label
        ... on MarkdownMetadataEntry { mdStr }
        ... on FloatMetadataEntry { floatValue }
        ... on PathMetadataEntry { path }
      }
    } assetObservations(limit: 1, partitions: [$screen]) {
      metadataEntries { label ... on TextMetadataEntry { text } }
    } }
  }
}
"""
#: As the page of a partition asks for it.
STALE = """
query($screen: String!, $keys: [AssetKeyInput!]) {
  assetNodes(assetKeys: $keys) { assetKey { path } staleStatus(partition: $screen) }
}
"""
ASSETS = "{ assetNodes { assetKey { path } groupName isMaterializable } }"
CHECKS = """
query($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode { assetChecksOrError { ... on AssetChecks { checks {
      name executionForLatestMaterialization { status evaluation { success severity } }
    } } } }
  }
}
"""


def entries(ui_server: Any, *path: str) -> dict[str, dict[str, Any]]:
    asset = ui_server.ask(MATERIALIZATION, key={"path": list(path)}, screen=SCREEN)["assetOrError"]
    assert asset["__typename"] == "Asset", asset
    newest = asset["assetMaterializations"][0]
    return {entry["label"]: entry for entry in newest["metadataEntries"]}


@pytest.fixture(scope="module")
def inbox(ui_server: Any, write_ctg_screen: Writer) -> None:
    """What lies in the inbox: a screen, and a folder that is none."""
    few_draws = "[parameters.curves]\nbootstrap = 10\n"
    (ui_server.inbox / "not a screen").mkdir()
    (ui_server.inbox / "not a screen" / "_DONE").touch()
    (write_ctg_screen(ui_server.home / SENSOR) / "screen.toml").write_text(few_draws)
    (ui_server.home / SENSOR).rename(ui_server.inbox / SENSOR)


@pytest.fixture(scope="module")
def pressed(ui_server: Any, write_ctg_screen: Writer, sensors_run: dict[str, Any]) -> None:
    """The button "Materialize all" for a new partition is pressed, with a parameter of its own."""
    raw = write_ctg_screen(ui_server.home / "raw" / SCREEN)
    Store.open(ui_server.store).register(SCREEN, raw)
    added = ui_server.ask(ADD_PARTITION, selector=LOCATION, key=SCREEN)["addDynamicPartition"]
    assert added["__typename"] == "AddDynamicPartitionSuccess", added
    params = {
        "selector": {**LOCATION, "pipelineName": "__ASSET_JOB", "assetSelection": _asset_paths(ui_server)},
        "mode": "default",
        "runConfigData": {"ops": {"curves__ctg": {"config": {"bootstrap": 20}}}},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": SCREEN}]},
    }
    launched = ui_server.ask(LAUNCH, params=params)["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched


@pytest.fixture(scope="module")
def sensors_run(ui_server: Any, inbox: None) -> dict[str, Any]:
    """The finished run of the screen in the inbox."""
    found: dict[str, Any] = ui_server.wait_until(
        lambda: ui_server.finished_run(**{"dagster/partition": SENSOR}), "the sensor's run"
    )
    return found


@pytest.fixture(scope="module")
def backfill(ui_server: Any, sensors_run: dict[str, Any]) -> str:
    """A backfill of one asset of that screen, under way."""
    asked = ui_server.ask(
        BACKFILL,
        params={
            "assetSelection": [{"path": ["viability", "ctg"]}],
            "partitionNames": [SENSOR],
            "title": "again",
        },
    )["launchPartitionBackfill"]
    assert asked["__typename"] == "LaunchBackfillSuccess", asked
    return str(asked["backfillId"])


def test_new_folder_becomes_a_screen_and_its_run_succeeds(ui_server: Any, sensors_run: dict[str, Any]) -> None:
    assert sensors_run["status"] == "SUCCESS", ui_server.told()
    assert sensors_run["tags"]["dagster/sensor_name"] == "new_screens"
    assert (ui_server.store / "reports" / f"{SENSOR}.html").is_file()
    runs = ui_server.runs()
    assert not [tag for run in runs for tag in run["tags"] if tag["value"] == "not a screen"]


@pytest.mark.usefixtures("pressed")
def test_materialize_all_for_a_new_partition_as_the_button_does(ui_server: Any) -> None:
    run = ui_server.wait_until(lambda: ui_server.finished_run(**{"dagster/partition": SCREEN}), "the button's run")
    assert run["status"] == "SUCCESS", ui_server.told()

    assert Path(entries(ui_server, "patient_report")["path"]["path"]).is_file()
    histogram = entries(ui_server, "viability", "ctg")["histogram"]["mdStr"]
    assert histogram.startswith("![histogram of ctg](data:image/svg+xml;base64,")
    assert entries(ui_server, "viability", "ctg")["robust Z' P1"]["floatValue"] > 0.5
    assert "| drug |" in entries(ui_server, "scores", "dss_asym")["ranking"]["mdStr"]
    assert entries(ui_server, "curves", "ctg")["n curves"]["floatValue"] == 9
    rows = Store.open(ui_server.store).read_table("curves", SCREEN)
    assert {json.loads(text)["bootstrap"] for text in rows["parameters"]} == {20}
    skipped = ui_server.ask(MATERIALIZATION, key={"path": ["plate_images"]}, screen=SCREEN)["assetOrError"]
    assert "no images" in skipped["assetObservations"][0]["metadataEntries"][0]["text"]


def _asset_paths(ui_server: Any) -> list[dict[str, Any]]:
    nodes = ui_server.ask(ASSETS)["assetNodes"]
    return [node["assetKey"] for node in nodes if node["isMaterializable"] and node["groupName"] != "cohort"]


# --- in a browser ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sensors_run")
def test_a_new_folder_is_materialized_from_the_buttons(ui_server: Any, browser: Any, write_ctg_screen: Writer) -> None:
    # without a done-mark the sensor leaves the folder to the buttons
    (write_ctg_screen(ui_server.inbox / BUTTON) / "_DONE").unlink()
    with browser.watched(width=1400, height=1000) as watched:
        page, address = watched.page, f"http://127.0.0.1:{ui_server.port}"

        page.goto(f"{address}/assets/layout?view=partitions")
        page.locator("button", has_text="Materialize…").click()
        page.get_by_text("Add a partition").click()
        page.get_by_placeholder("name", exact=True).fill(BUTTON)
        page.locator("button", has_text="Save").click()
        page.locator("button", has_text="Launch 1 run").wait_for()
        watched.screenshot("dagster_new_partition")
        page.locator("button", has_text="Launch 1 run").click()
        page.get_by_text("Launched run").wait_for()

        # Meanwhile, what the sensor's run has made of another screen.
        page.goto(f"{address}/assets/viability/ctg?view=partitions&partition={SENSOR}")
        page.get_by_role("cell", name="plate P1").first.wait_for()
        assert _pictures(page), "no picture is shown at once"
        watched.screenshot("dagster_partition")
        row = page.locator("tr", has=page.get_by_role("cell", name="histogram", exact=True))
        row.get_by_text("[Show Markdown]").click()
        page.locator("img[alt*=histogram]").wait_for()
        assert max(_pictures(page)) > 200, "the histogram is not shown"
        page.wait_for_timeout(600)  # the dialog fades in
        watched.screenshot("dagster_histogram")

        page.goto(f"{address}/assets/viability/ctg?view=checks&checkDetail=zprime_robust")
        page.get_by_text("Separation of the two controls by medians").first.wait_for()
        shown = page.locator("body").inner_text()
        assert "passes above 0.5" in shown
        assert {"made", "schema", "replicate_pearson", "edge_effect"} <= set(re.findall(r"\w+", shown))
        watched.screenshot("dagster_checks")
    strangers = {urlsplit(url.removeprefix("blob:")).netloc for url in watched.requests if not url.startswith("data:")}
    assert strangers == {f"127.0.0.1:{ui_server.port}"}
    assert [trouble for trouble in watched.troubles if trouble.startswith("error:")] == []
    run = ui_server.wait_until(lambda: ui_server.finished_run(**{"dagster/partition": BUTTON}), "the run of the button")
    assert run["status"] == "SUCCESS", ui_server.told()


def _pictures(page: Any) -> list[int]:
    """Width in pixels of every embedded picture that the page shows; 0 of one that is broken."""
    found: list[int] = page.locator("img[src^='data:image/']").evaluate_all(
        "all => all.filter(one => one.offsetWidth > 0).map(one => one.naturalWidth)"
    )
    assert all(found), f"a broken picture: {found}"
    return found


# --- what takes its time -----------------------------------------------------------------------------


def test_backfill_of_one_asset_as_the_partition_page_does(ui_server: Any, backfill: str) -> None:
    def ended() -> str | None:
        status: str = ui_server.ask(BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]["status"]
        return status if status.startswith("COMPLETED") or status == "FAILED" else None

    assert ui_server.wait_until(ended, "the backfill") == "COMPLETED_SUCCESS", ui_server.told()

    def evaluated() -> dict[str, bool] | None:
        node = ui_server.ask(CHECKS, key={"path": ["viability", "ctg"]})["assetNodeOrError"]
        executions = {c["name"]: c["executionForLatestMaterialization"] for c in node["assetChecksOrError"]["checks"]}
        # A metric that this screen does not have, such as of a series that it lacks, is never evaluated:
        # Dagster shows nothing, or an execution without an evaluation, by the second in which the run began.
        evaluations = {name: execution["evaluation"] for name, execution in executions.items() if execution}
        passed = {name: evaluation["success"] for name, evaluation in evaluations.items() if evaluation}
        return passed if {"made", "schema", "zprime_robust", "replicate_pearson"} <= set(passed) else None

    passed = ui_server.wait_until(evaluated, "the checks")
    assert all(passed.values()), passed


@pytest.mark.usefixtures("sensors_run")
def test_the_cohort_follows_the_screens_and_a_changed_layout_is_shown_as_the_sensor_sees_it(
    ui_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last test: all others' runs are done, or soon will be.
    layout = ui_server.inbox / SENSOR / "layout.csv"
    layout.write_text(layout.read_text().replace("Potent", "Strong"))
    ui_server.wait_until(lambda: (ui_server.store / "cohort.duckdb").is_file(), "the cohort after the screens")

    keys = _asset_paths(ui_server)

    def shown() -> set[str]:
        nodes = ui_server.ask(STALE, screen=SENSOR, keys=keys)["assetNodes"]
        return {"/".join(node["assetKey"]["path"]) for node in nodes if node["staleStatus"] == "STALE"}

    # What comes after is not stale before the layout is made again, and another.
    assert ui_server.wait_until(shown, "a tick of changed_inputs") == {"layout"}
    monkeypatch.chdir(ui_server.home)
    with dg.DagsterInstance.from_config(str(ui_server.home)) as instance:
        assets = screen_assets(plugins_of(Store.open(ui_server.store)))
        assert set(first_stale(instance, assets, [SENSOR])[SENSOR]) == {"layout"}
