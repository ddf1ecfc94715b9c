"""A report opens from the page of its asset: at the UI's own server, as a page that may do nothing there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from dagster_webserver.webserver import DagsterWebserver
from starlette.applications import Starlette

from phenodose.reports.pages import page_files
from phenodose.store.store import Store
from phenodose_assets.links import report_address
from phenodose_assets.ui_reports import report_route
from phenodose_assets.ui_server import behind_the_door


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store.open(tmp_path / "store")
    page = made.report_path("A_V1_DS1")
    for path, text in (
        (page, "of A"),
        (page.with_name("A_V1_DS1+S-1.html"), "of S-1"),
        (page.with_name("_cohort.html"), "of all"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "secret.html").write_text("no report")
    monkeypatch.setenv("PHENODOSE_STORE", str(made.root))
    return made


def answer(path: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of what the server answers."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    asyncio.run(Starlette(routes=[report_route()])(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(one.get("body", b"") for one in sent[1:]).decode()


@pytest.mark.usefixtures("store")
def test_the_links_of_both_reports_open_them() -> None:
    for screen, text in (("A_V1_DS1", "of A"), ("A_V1_DS1+S-1", "of S-1"), (None, "of all")):
        status, headers, body = answer(report_address(screen))
        assert (status, body) == (200, text)
        assert headers["content-type"].startswith("text/html")
        # Without allow-same-origin it is a page of nobody: it reads and changes nothing of the UI.
        assert headers["content-security-policy"].startswith("sandbox ")
        assert "allow-same-origin" not in headers["content-security-policy"]


def test_every_page_of_a_sample_opens_from_the_index_whatever_the_sample_is_called(store: Store) -> None:
    samples = ["S-1", "s-1", "Other/1", "Ä 7 (rezidiv)", "-", "../../secret", "x" * 200]
    files = page_files("A_V1_DS1", samples)
    for sample, name in files.items():
        store.report_path("A_V1_DS1").with_name(name).write_text(f"of {sample}", encoding="utf-8")
    index = report_address("A_V1_DS1")
    assert [answer(urljoin(index, name))[::2] for name in files.values()] == [(200, f"of {one}") for one in samples]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    "name",
    ["B_V1_DS1", "../secret", "..%2Fsecret", "_cohort/../../secret", ".hidden", "", "A_V1_DS1+../secret", "A_V1_DS1+"],
)
def test_what_is_no_report_is_not_sent(name: str) -> None:
    status, _, body = answer(report_address(name))
    assert status == 404
    assert "no report" not in body


def test_the_server_of_the_ui_answers_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DagsterWebserver, "build_routes", lambda self: ["everything else"])
    guarded = behind_the_door(["localhost"])
    ours, others = guarded.build_routes(object.__new__(guarded))
    assert (ours.path, others) == (report_route().path, "everything else")
