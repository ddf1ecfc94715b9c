"""The server for the tests of the UI: `phenodose ui` on a free port of this machine.

Belongs here: starting, asking and ending it. Does not belong here: what it should show.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

RUNS = """
query { runsOrError { ... on Runs { results { runId status tags { key value } } } } }
"""
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError { __typename } } } } }
"""


#: Seconds after which a server does not answer any more, however busy the machine is.
LONGEST_S = 1500


class Server:
    """`phenodose ui` on a free port, with its own instance, store and inbox."""

    def __init__(self, home: Path, site: str) -> None:
        """Start it; `site` is the text of the store's site.toml."""
        self.home = home
        self.store, self.inbox = home / "store", home / "inbox"
        self.inbox.mkdir()
        self.store.mkdir()
        (self.store / "site.toml").write_text(site, encoding="utf-8")
        (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        (home / "workspace.yaml").write_text((ROOT / "workspace.yaml").read_text(encoding="utf-8"), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DAGSTER")}
        environment |= {"PHENODOSE_STORE": str(self.store), "PHENODOSE_INBOX": str(self.inbox)}
        self.log = (home / "server.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phenodose", "ui", "--port", str(self.port)],
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
        with urllib.request.urlopen(request, timeout=LONGEST_S) as reply:
            answer = json.load(reply)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def wait_until(self, done: Any, what: str) -> Any:
        end = time.monotonic() + LONGEST_S
        while time.monotonic() < end:
            assert self.process.poll() is None, self.told()
            try:
                if result := done():
                    return result
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.5)
        raise AssertionError(f"{what} took longer than {LONGEST_S} s\n{self.told()}")

    def told(self) -> str:
        return (self.home / "server.log").read_text()[-6000:]

    def location_is_loaded(self) -> bool:
        entries = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        return [entry["loadStatus"] for entry in entries] == ["LOADED"] and [
            entry["locationOrLoadError"]["__typename"] for entry in entries
        ] == ["RepositoryLocation"]

    def runs(self) -> list[dict[str, Any]]:
        """Every run: runId, status, tags."""
        found: list[dict[str, Any]] = self.ask(RUNS)["runsOrError"]["results"]
        return found

    def finished_run(self, **tags: str) -> dict[str, Any] | None:
        for run in self.runs():
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
