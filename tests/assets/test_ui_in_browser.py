"""Dagster's own pages in a real browser: a new folder is materialized from the buttons, and its pictures are seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

SCREEN = "BUTTON_V1_DS1"


@pytest.mark.slow
def test_a_new_folder_is_materialized_from_the_buttons(
    ui_server: Any, browser: Any, write_ctg_screen: Callable[[Path], Path]
) -> None:
    # without a done-mark the sensor leaves the folder to the buttons
    (write_ctg_screen(ui_server.inbox / SCREEN) / "_DONE").unlink()
    with browser.watched(width=1400, height=1000) as watched:
        page, address = watched.page, f"http://127.0.0.1:{ui_server.port}"

        page.goto(f"{address}/assets/layout?view=partitions")
        page.locator("button", has_text="Materialize…").click()
        page.get_by_text("Add a partition").click()
        page.get_by_placeholder("name", exact=True).fill(SCREEN)
        page.locator("button", has_text="Save").click()
        page.locator("button", has_text="Launch 1 run").wait_for()
        watched.screenshot("dagster_new_partition")
        _launch(page, ui_server, runs=1)

        page.goto(f"{address}/assets/viability/ctg?view=partitions&partition={SCREEN}")
        page.locator("button", has_text="Materialize…").click()
        _launch(page, ui_server, runs=2)
        page.goto(f"{address}/assets/viability/ctg?view=partitions&partition={SCREEN}")
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


def _launch(page: Any, ui_server: Any, runs: int) -> None:
    """Press the button of the dialog and wait until the screen has so many finished runs."""
    page.locator("button", has_text="Launch 1 run").click()
    page.get_by_text("Launched run").wait_for()

    def ended() -> list[str] | None:
        tags = {"key": "dagster/partition", "value": SCREEN}
        statuses = [run["status"] for run in ui_server.runs() if tags in run["tags"]]
        over = len(statuses) == runs and set(statuses) <= {"SUCCESS", "FAILURE", "CANCELED"}
        return statuses if over else None

    assert set(ui_server.wait_until(ended, 120, "the run of the button")) == {"SUCCESS"}, ui_server.told()


def _pictures(page: Any) -> list[int]:
    """Width in pixels of every embedded picture that the page shows; 0 of one that is broken."""
    found: list[int] = page.locator("img[src^='data:image/png']").evaluate_all(
        "all => all.filter(one => one.offsetWidth > 0).map(one => one.naturalWidth)"
    )
    assert all(found), f"a broken picture: {found}"
    return found
