"""Every control of the two reports in windows of four widths: in its place, with a name, reached by the keyboard."""

from __future__ import annotations

from typing import Any

from phenodose.reports import build_cohort_report, build_report
from phenodose.store.store import Store

WINDOWS = ((390, 844), (683, 700), (1024, 768), (1920, 1080))


def test_no_control_is_hidden_covered_or_out_of_reach(browser: Any, made_up_cohort: Store) -> None:
    pages = [build_report(made_up_cohort, "BT-40_V1_DS1"), build_cohort_report(made_up_cohort)]
    with browser.watched() as watched:
        for path in pages:
            page = watched.open_file(path)
            for width, height in WINDOWS:
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                page.eval_on_selector_all("details", "all => all.forEach(each => { each.open = true; })")
                assert watched.misplaced() == [], (path.name, width)
        assert watched.troubles == []
