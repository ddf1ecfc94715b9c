"""The real server: what the buttons of the UI do, over GraphQL, with the daemon and the sensors running."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from phenodose.store.store import Store

ROOT = Path(__file__).parents[2]
SCREEN = "UI_V1_DS1"
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
query($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {
    __typename
    ... on Asset { assetMaterializations(limit: 1) {
      partition
      metadataEntries {
        label
        ... on MarkdownMetadataEntry { mdStr }
        ... on FloatMetadataEntry { floatValue }
        ... on PathMetadataEntry { path }
      }
    } assetObservations(limit: 1) { metadataEntries { label ... on TextMetadataEntry { text } } } }
  }
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


def _raw_screen(folder: Path) -> Path:
    spec = importlib.util.spec_from_file_location("shared_fixtures", ROOT / "tests" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Path = module.write_ctg_screen(folder)
    return made


def entries(ui_server: Any, *path: str) -> dict[str, dict[str, Any]]:
    asset = ui_server.ask(MATERIALIZATION, key={"path": list(path)})["assetOrError"]
    assert asset["__typename"] == "Asset", asset
    newest = asset["assetMaterializations"][0]
    return {entry["label"]: entry for entry in newest["metadataEntries"]}


@pytest.mark.slow
def test_new_folder_becomes_a_screen_and_its_run_succeeds(ui_server: Any) -> None:
    _raw_screen(ui_server.inbox / "SENSOR_V1_DS1")
    (ui_server.inbox / "not a screen").mkdir()
    (ui_server.inbox / "not a screen" / "_DONE").touch()
    run = ui_server.wait_until(
        lambda: ui_server.finished_run(**{"dagster/partition": "SENSOR_V1_DS1"}), 240, "the sensor's run"
    )
    assert run["status"] == "SUCCESS", ui_server.told()
    assert run["tags"]["dagster/sensor_name"] == "new_screens"
    assert (ui_server.store / "reports" / "SENSOR_V1_DS1.html").is_file()
    runs = ui_server.runs()
    assert not [tag for run in runs for tag in run["tags"] if tag["value"] == "not a screen"]
    ui_server.wait_until(lambda: (ui_server.store / "cohort.duckdb").is_file(), 180, "the cohort after the screen")


@pytest.mark.slow
def test_materialize_all_for_a_new_partition_as_the_button_does(ui_server: Any) -> None:
    raw = _raw_screen(ui_server.home / "raw" / SCREEN)
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
    run = ui_server.wait_until(lambda: ui_server.finished_run(**{"dagster/partition": SCREEN}), 240, "the button's run")
    assert run["status"] == "SUCCESS", ui_server.told()

    histogram = entries(ui_server, "viability", "ctg")["histogram"]["mdStr"]
    assert histogram.startswith("![histogram of ctg](data:image/png;base64,")
    assert entries(ui_server, "viability", "ctg")["robust Z' P1"]["floatValue"] > 0.5
    assert "| drug |" in entries(ui_server, "scores", "dss_asym")["ranking"]["mdStr"]
    assert Path(entries(ui_server, "patient_report")["path"]["path"]).is_file()
    assert entries(ui_server, "curves", "ctg")["n curves"]["floatValue"] == 9
    rows = Store.open(ui_server.store).read_table("curves", SCREEN)
    assert {json.loads(text)["bootstrap"] for text in rows["parameters"]} == {20}
    skipped = ui_server.ask(MATERIALIZATION, key={"path": ["plate_images"]})["assetOrError"]["assetObservations"]
    assert "no images" in skipped[0]["metadataEntries"][0]["text"]


@pytest.mark.slow
def test_backfill_of_one_asset_as_the_partition_page_does(ui_server: Any) -> None:
    asked = ui_server.ask(
        BACKFILL,
        params={
            "assetSelection": [{"path": ["viability", "ctg"]}],
            "partitionNames": [SCREEN],
            "title": "again",
        },
    )["launchPartitionBackfill"]
    assert asked["__typename"] == "LaunchBackfillSuccess", asked

    def ended() -> str | None:
        status: str = ui_server.ask(BACKFILL_STATUS, id=asked["backfillId"])["partitionBackfillOrError"]["status"]
        return status if status.startswith("COMPLETED") or status == "FAILED" else None

    assert ui_server.wait_until(ended, 240, "the backfill") == "COMPLETED_SUCCESS", ui_server.told()
    checks = ui_server.ask(CHECKS, key={"path": ["viability", "ctg"]})["assetNodeOrError"]["assetChecksOrError"]
    told = {check["name"]: check["executionForLatestMaterialization"] for check in checks["checks"]}
    # a figure that this screen does not have, such as of a series that it lacks, is never evaluated
    results = {name: result for name, result in told.items() if result is not None}
    assert {"made", "schema", "zprime_robust", "replicate_pearson"} <= set(results)
    assert all(result["evaluation"]["success"] for result in results.values()), results


def _asset_paths(ui_server: Any) -> list[dict[str, Any]]:
    nodes = ui_server.ask(ASSETS)["assetNodes"]
    return [node["assetKey"] for node in nodes if node["isMaterializable"] and node["groupName"] != "cohort"]
