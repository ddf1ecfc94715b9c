"""The door of the Dagster UI: what comes from pages of others, and what an address asks to change, is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dagster_webserver import app

from phenodose.store.store import Store
from phenodose_assets import ui, ui_server
from phenodose_assets.ui_door import Door

NAMES = ui.allowed_names("127.0.0.1", ["phenodose.lab"])
MUTATION = "mutation{wipeAssets(assetPartitionRanges:[]){__typename}}"


def asked(
    method: str = "GET", query: str = "", kind: str = "http", host: str = "localhost:3000", **headers: str
) -> tuple[bool, list[Any]]:
    """Whether a request came in, and what was answered by the door."""
    came_in, sent = [], []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        came_in.append(scope)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    said = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": kind,
        "method": method,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in said.items() if value],
    }
    asyncio.run(Door(behind, NAMES)(scope, receive, send))
    return bool(came_in), sent


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:3000", "[::1]:3000", "LocalHost:8080", "phenodose.lab"])
def test_own_names_come_in(host: str) -> None:
    assert asked(host=host) == (True, [])
    assert asked("POST", host=host, origin=f"http://{host}", sec_fetch_site="same-origin")[0]
    assert asked(kind="websocket", host=host, origin=f"http://{host}")[0]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3000", "localhost.evil.example", "", "[::1", "127.0.0.2"]
)
def test_other_names_do_not(host: str) -> None:
    came_in, sent = asked(host=host)
    assert not came_in
    assert sent[0]["status"] == 403
    assert not asked(kind="websocket", host=host)[0]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999", "http://localhost"])
def test_pages_of_others_do_not(origin: str) -> None:
    assert not asked("POST", origin=origin)[0]
    assert not asked(origin=origin)[0]
    came_in, sent = asked(kind="websocket", origin=origin)
    assert not came_in
    assert sent[0]["type"] == "websocket.close"


def test_a_browser_that_tells_where_a_post_comes_from() -> None:
    assert not asked("POST", sec_fetch_site="cross-site")[0]
    assert asked("GET", sec_fetch_site="cross-site")[0]  # a link to the page


@pytest.mark.parametrize(
    "document",
    [
        MUTATION,
        f"query a{{version}} {MUTATION}",
        "subscription{x}",
        f"# {{\n{MUTATION}",
        f"fragment f on A{{b}}{MUTATION}",
    ],
)
@pytest.mark.parametrize("name", ["query", "Query"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_an_address_changes_nothing(document: str, name: str, method: str) -> None:
    assert not asked(method, f"{name}={quote(document)}")[0]
    assert not asked(method, f"query=%7Bversion%7D&{name}={quote(document)}&query=%7Bversion%7D")[0]
    assert asked("POST", f"{name}={quote(document)}")[0]


@pytest.mark.parametrize("query", ["", "query=%7Bversion%7D", "query=mutation", "search=mutation%7Ba%7D", "query="])
def test_questions_come_in(query: str) -> None:
    assert asked("GET", query)[0]


def test_the_server_that_is_started_has_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = ui_server.behind_the_door(NAMES)
    first: Any = guarded.build_middleware(object.__new__(guarded))[0]
    assert first.cls is Door
    assert set(first.kwargs["names"]) == set(NAMES)
    monkeypatch.setattr(app, "DagsterWebserver", app.DagsterWebserver)
    monkeypatch.setattr("sys.argv", ["ui_server", "localhost", "--version"])
    with pytest.raises(SystemExit):
        ui_server.main()
    assert app.DagsterWebserver.__name__ == guarded.__name__


def test_its_processes_send_nothing_and_know_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    told = ui.environment(Store.open(tmp_path / "store"), tmp_path / "inbox")
    assert told["PHENODOSE_STORE"] == str(tmp_path / "store")
    assert told["PHENODOSE_INBOX"] == str(tmp_path / "inbox")
    assert told["DAGSTER_DISABLE_TELEMETRY"]
    assert "telemetry:\n  enabled: false" in (Path(told["DAGSTER_HOME"]) / "dagster.yaml").read_text()
    server, daemon = ui.commands("127.0.0.1", 3000, NAMES, tmp_path / "workspace.yaml")
    assert server[1:4] == ["-m", "phenodose_assets.ui_server", ",".join(NAMES)]
    assert server[-2:] == daemon[-2:] == ["-w", str(tmp_path / "workspace.yaml")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (None, "phenodose_assets.definitions"),
        ("load_from:\n- python_module: {module_name: phenodose_assets.definitions, location_name: lab}\n", "lab"),
        ("load_from:\n- python_module: {module_name: of_somebody_else}\n", None),
        ("load_from:\n- python_module: {module_name: phenodose_assets.definitions}\n- python_file: b.py\n", None),
        ("load_from: [", None),
    ],
    ids=["no file", "ours", "other code", "ours and other code", "no YAML"],
)
def test_our_code_is_held_by_one_process_under_the_name_that_the_file_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, name: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "workspace.yaml").write_text(text)
    assert ui.location_name() == name
