"""The real server: what the buttons of the UI do, over GraphQL, with the daemon and the sensors running."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phenodose.store import Store

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
RUNS = """
query { runsOrError { ... on Runs { results { runId status tags { key value } } } } }
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
ASSETS = "{ assetNodes { assetKey { path } groupName } }"
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError { __typename } } } } }
"""
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


class Server:
    """`dagster dev` on a free port, with its own instance, store and inbox."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store, self.inbox = home / "store", home / "inbox"
        self.inbox.mkdir()
        (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        (home / "workspace.yaml").write_text((ROOT / "workspace.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DAGSTER")}
        environment |= {"PHENODOSE_STORE": str(self.store), "PHENODOSE_INBOX": str(self.inbox)}
        self.log = (home / "server.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(self.port)],
            cwd=home,
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer = json.load(reply)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def wait_until(self, done: Any, seconds: float, what: str) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.told()
            try:
                if result := done():
                    return result
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.5)
        raise AssertionError(f"{what} took longer than {seconds} s\n{self.told()}")

    def told(self) -> str:
        return (self.home / "server.log").read_text()[-6000:]

    def location_is_loaded(self) -> bool:
        entries = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        return [entry["loadStatus"] for entry in entries] == ["LOADED"] and [
            entry["locationOrLoadError"]["__typename"] for entry in entries
        ] == ["RepositoryLocation"]

    def finished_run(self, **tags: str) -> dict[str, Any] | None:
        for run in self.ask(RUNS)["runsOrError"]["results"]:
            of_run = {tag["key"]: tag["value"] for tag in run["tags"]}
            if tags.items() <= of_run.items() and run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                return {**run, "tags": of_run}
        return None

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            # All of its processes, so that none outlives the test.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self.log.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("ui"))
    try:
        running.wait_until(running.location_is_loaded, 120, "loading the code location")
        yield running
    finally:
        running.stop()


def entries(server: Server, *path: str) -> dict[str, dict[str, Any]]:
    asset = server.ask(MATERIALIZATION, key={"path": list(path)})["assetOrError"]
    assert asset["__typename"] == "Asset", asset
    newest = asset["assetMaterializations"][0]
    return {entry["label"]: entry for entry in newest["metadataEntries"]}


@pytest.mark.slow
def test_new_folder_becomes_a_screen_and_its_run_succeeds(server: Server) -> None:
    _raw_screen(server.inbox / "SENSOR_V1_DS1")
    (server.inbox / "not a screen").mkdir()
    (server.inbox / "not a screen" / "_DONE").touch()
    run = server.wait_until(
        lambda: server.finished_run(**{"dagster/partition": "SENSOR_V1_DS1"}), 240, "the sensor's run"
    )
    assert run["status"] == "SUCCESS", server.told()
    assert run["tags"]["dagster/sensor_name"] == "new_screens"
    assert (server.store / "reports" / "SENSOR_V1_DS1.html").is_file()
    runs = server.ask(RUNS)["runsOrError"]["results"]
    assert not [tag for run in runs for tag in run["tags"] if tag["value"] == "not a screen"]
    server.wait_until(lambda: (server.store / "cohort.duckdb").is_file(), 180, "the cohort after the screen")


@pytest.mark.slow
def test_materialize_all_for_a_new_partition_as_the_button_does(server: Server) -> None:
    raw = _raw_screen(server.home / "raw" / SCREEN)
    Store.open(server.store).register(SCREEN, raw)
    added = server.ask(ADD_PARTITION, selector=LOCATION, key=SCREEN)["addDynamicPartition"]
    assert added["__typename"] == "AddDynamicPartitionSuccess", added
    params = {
        "selector": {**LOCATION, "pipelineName": "__ASSET_JOB", "assetSelection": _asset_paths(server)},
        "mode": "default",
        "runConfigData": {"ops": {"curves__ctg": {"config": {"bootstrap": 20}}}},
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": SCREEN}]},
    }
    launched = server.ask(LAUNCH, params=params)["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run = server.wait_until(lambda: server.finished_run(**{"dagster/partition": SCREEN}), 240, "the button's run")
    assert run["status"] == "SUCCESS", server.told()

    histogram = entries(server, "viability", "ctg")["histogram"]["mdStr"]
    assert histogram.startswith("![histogram of ctg](data:image/png;base64,")
    assert entries(server, "viability", "ctg")["robust Z' P1"]["floatValue"] > 0.5
    assert "| drug |" in entries(server, "scores", "dss_asym")["ranking"]["mdStr"]
    assert Path(entries(server, "patient_report")["path"]["path"]).is_file()
    assert entries(server, "curves", "ctg")["n curves"]["floatValue"] == 9
    rows = Store.open(server.store).read_table("curves", SCREEN)
    assert {json.loads(text)["bootstrap"] for text in rows["parameters"]} == {20}
    skipped = server.ask(MATERIALIZATION, key={"path": ["plate_images"]})["assetOrError"]["assetObservations"]
    assert "no images" in skipped[0]["metadataEntries"][0]["text"]


@pytest.mark.slow
def test_backfill_of_one_asset_as_the_partition_page_does(server: Server) -> None:
    asked = server.ask(
        BACKFILL,
        params={
            "assetSelection": [{"path": ["viability", "ctg"]}],
            "partitionNames": [SCREEN],
            "title": "again",
        },
    )["launchPartitionBackfill"]
    assert asked["__typename"] == "LaunchBackfillSuccess", asked

    def ended() -> str | None:
        status: str = server.ask(BACKFILL_STATUS, id=asked["backfillId"])["partitionBackfillOrError"]["status"]
        return status if status.startswith("COMPLETED") or status == "FAILED" else None

    assert server.wait_until(ended, 240, "the backfill") == "COMPLETED_SUCCESS", server.told()
    checks = server.ask(CHECKS, key={"path": ["viability", "ctg"]})["assetNodeOrError"]["assetChecksOrError"]["checks"]
    told = {check["name"]: check["executionForLatestMaterialization"] for check in checks}
    # a figure that this screen does not have, such as of a series that it lacks, is never evaluated
    results = {name: result for name, result in told.items() if result is not None}
    assert {"made", "schema", "zprime_robust", "replicate_pearson"} <= set(results)
    assert all(result["evaluation"]["success"] for result in results.values()), results


def _asset_paths(server: Server) -> list[dict[str, Any]]:
    nodes = server.ask(ASSETS)["assetNodes"]
    return [node["assetKey"] for node in nodes if node["groupName"] != "cohort"]
