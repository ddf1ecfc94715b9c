"""Every control of the reports in windows of four widths: in its place, with a name, reached by the keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.two_samples import OTHER, SCREEN, store_of_two_samples

from phenodose.reports import build_report
from phenodose.reports.pages import page_of
from phenodose.store.store import Store

WINDOWS = ((390, 844), (683, 700), (1024, 768), (1920, 1080))


@pytest.fixture
def pages(made_up_store: Store, made_up_root: Path, drawn_cohort_page: Path, tmp_path: Path) -> list[Path]:
    """The report of a screen and of the cohort; of a screen of two samples the index, and the page of one."""
    two = store_of_two_samples(made_up_root, tmp_path / "two")
    index = build_report(two, SCREEN)
    return [build_report(made_up_store, "BT-40_V1_DS1"), drawn_cohort_page, index, page_of(two, SCREEN, OTHER)]


def test_no_control_is_hidden_covered_or_out_of_reach(browser: Any, pages: list[Path]) -> None:
    with browser.watched() as watched:
        for path in pages:
            page = watched.open_file(path)
            for width, height in WINDOWS:
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
                assert watched.misplaced() == [], (path.name, width)
        assert watched.troubles == []
