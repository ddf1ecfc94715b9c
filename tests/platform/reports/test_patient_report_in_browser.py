"""The patient report in a real browser: every control works, by keyboard too, and the numbers are the warehouse's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from phenodose.plates.ingest import ingest_plate
from phenodose.reports import build_report
from phenodose.store.store import Store
from phenodose_readers.pattern import PatternReader

SCREEN = "BT-40_V1_DS1"
OTHER = "INF_R_153_V1_DS1"
HOSTILE = "<script>alert(1)</script>\"'& " + "very long " * 12 + "β-名"


@pytest.fixture(scope="module")
def report(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The report of a screen with images, a hostile drug, duplicates, a reference sample; and its warehouse."""
    import shutil

    import tifffile

    from phenodose.cohort.build import rebuild_cohort

    folder = tmp_path_factory.mktemp("browser")
    store = Store.open(shutil.copytree(made_up_root, folder / "store"))
    for table, column in (("wells", "treatment"), ("embeddings", "treatment"), ("curves", "drug"), ("scores", "drug")):
        for path in sorted((store.root / "tables" / table / f"screen={SCREEN}").glob("*.parquet")):
            rows = store.read_table(table, SCREEN, path.stem)
            rows = rows.assign(**{column: rows[column].replace("Panobinostat", HOSTILE)})
            store.write_table(table, SCREEN, path.stem, rows)
    scores = store.read_table("scores", OTHER)
    reference = scores[scores["scorer"] == "dss_asym"].assign(readout="cnn_phase3")
    store.write_table("scores", OTHER, "dss_asym.cnn_phase3", reference)
    wells = store.read_table("wells", SCREEN)
    noise = np.random.default_rng(3)
    for plate, rows in wells.groupby("plate"):
        raw = folder / "raw" / str(plate)
        raw.mkdir(parents=True)
        for well in rows["well"]:
            tifffile.imwrite(raw / f"{well}_MIP.tif", noise.integers(200, 900, (24, 24)).astype(np.uint16))
        reader = PatternReader({"expression": r"(?P<well>[A-Z]\d\d)_(?P<projection>MIP)"})
        ingest_plate(raw, store.plate_path(SCREEN, str(plate)), reader, str(plate), workers=1)
    assert rebuild_cohort(store).faults == ()
    return build_report(store, SCREEN), store.cohort_path


@pytest.fixture(scope="module")
def read(browser: Any, report: tuple[Path, Path]) -> Iterator[Any]:
    """The report as it opens, for tests that read it and touch nothing."""
    with browser.watched() as found:
        found.open_file(report[0])
        yield found
        assert found.troubles == []
        assert found.outside() == []


@pytest.fixture(scope="module")
def window(browser: Any) -> Iterator[Any]:
    with browser.watched() as found:
        yield found


@pytest.fixture
def watched(window: Any, report: tuple[Path, Path]) -> Iterator[Any]:
    """The open report; at the end nothing went wrong and nothing left the file."""
    window.begin_again()
    window.open_file(report[0])
    yield window
    assert window.troubles == []
    assert window.outside() == []


def label_of(readout: str) -> str:
    """What the page calls a readout."""
    from phenodose.plugins import Preferences, registry

    return Preferences.of(registry()).readout_label(readout)


def rows_of_table(page: Any) -> list[str]:
    return page.eval_on_selector_all(
        "#drug-table tbody tr", "rows => rows.filter(r => !r.hidden).map(r => r.cells[1].textContent)"
    )


def warehouse(report: tuple[Path, Path], query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(report[1]), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_scores_and_places_shown_are_those_of_the_warehouse(read: Any, report: tuple[Path, Path]) -> None:
    page = read.page
    pooled = f"from scores where screen = '{SCREEN}' and scorer = 'dss_asym' and replicate = 'pooled'"
    rows = warehouse(report, f"select drug, readout, score {pooled} and score is not null")
    said = page.eval_on_selector_all(
        "article.drug [data-score]",
        "all => all.filter(e => e.dataset.score).map(e => [e.closest('article').querySelector('h3').textContent,"
        " e.dataset.readout, Number(e.dataset.score)])",
    )
    assert sorted(map(tuple, said)) == sorted(rows)
    bars = page.eval_on_selector_all("rect.bar", "all => all.map(e => [e.dataset.drug, Number(e.dataset.score)])")
    assert sorted(map(tuple, bars)) == sorted((drug, score) for drug, readout, score in rows if readout == "cnn_phase3")
    places = page.eval_on_selector_all(".well", "all => all.map(e => [e.dataset.well, +e.dataset.x, +e.dataset.y])")
    query = f"select plate || '/' || well, x, y from embeddings where screen = '{SCREEN}'"
    assert sorted(map(tuple, places)) == sorted(warehouse(report, query))


def test_the_table_shows_the_intervals_hits_and_half_doses_of_the_warehouse(
    read: Any, report: tuple[Path, Path]
) -> None:
    page = read.page
    table = page.evaluate(
        """() => Array.from(document.querySelectorAll('#drug-table tbody tr'), row => Array.from(row.cells, cell => [
          cell.dataset.sort, cell.firstChild ? cell.firstChild.textContent.trim() : '',
          cell.querySelector('small') ? cell.querySelector('small').textContent : '']))"""
    )
    heads = page.eval_on_selector_all("#drug-table th", "all => all.map(e => e.dataset.name || e.textContent)")
    of_screen = f"from scores where screen = '{SCREEN}' and replicate = 'pooled'"
    query = f"select readout, drug, score, lower, upper, call {of_screen} and scorer = 'dss_asym'"
    rows = warehouse(report, query)
    shown = {row[1][0]: dict(zip(heads, row, strict=True)) for row in table}
    assert len(rows) == 4 * len(shown) == 24
    query = f"select distinct readout from qc where screen = '{SCREEN}' and verdict = 'fail'"
    failed = {readout for (readout,) in warehouse(report, query)}
    marks = {"hit": "● ", "borderline": "○ "}
    for readout, drug, score, lower, upper, call in rows:
        number, text, small = shown[drug][readout]
        if score is None:
            assert (number, text) == ("", "–")
            continue
        assert float(number) == score
        assert text == f"{'' if readout in failed else marks.get(call, '')}{score:.1f}".strip()
        assert small == f"{lower:.1f} to {upper:.1f}"
    query = f"select drug, score, bound, unit {of_screen} and scorer = 'rel_ic50' and readout = 'cnn_phase3'"
    for drug, score, bound, unit in warehouse(report, query):
        number, text, _ = shown[drug]["rel_ic50"]
        assert float(number) == score
        assert text == f"{'' if bound == '=' else bound + ' '}{score:g} {unit}"
    query = f"select count(*) filter (hit), count(score) {of_screen} and scorer = 'dss_asym' and readout = 'cnn_phase3'"
    [(n_hits, n_scored)] = warehouse(report, query)
    assert page.inner_text("#ranking strong") == f"{n_hits} of {n_scored} drugs are hits"


def test_quality_figures_and_counts_are_those_of_the_warehouse(read: Any, report: tuple[Path, Path]) -> None:
    page = read.page
    shown = page.evaluate(
        """() => {
          const found = [];
          document.querySelectorAll('#quality h3[data-name]').forEach(title => {
            let next = title.nextElementSibling;
            while (next && next.tagName !== 'H3') {
              if (next.matches('.scroll')) {
                const heads = Array.from(next.querySelectorAll('thead th'), th => th.textContent);
                next.querySelectorAll('tbody tr').forEach(row =>
                  Array.from(row.cells).slice(1, -2).forEach((cell, n) => {
                  if (cell.textContent) found.push([title.dataset.name, heads[n + 1],
                    row.querySelector('small').textContent, Number(cell.textContent), cell.className.split(' ')[1]]);
                }));
              }
              next = next.nextElementSibling;
            }
          });
          return found;
        }"""
    )
    query = f"select readout, plate, metric, value, verdict from qc where screen = '{SCREEN}'"
    assert sorted(map(tuple, shown)) == sorted(warehouse(report, query))
    complaints = page.locator("#quality table.sortable tbody tr").count()
    query = f"select count(*) from qc where screen = '{SCREEN}' and verdict in ('warn', 'fail')"
    assert [(complaints,)] == warehouse(report, query)
    said = page.inner_text("#quality")
    query = f"select readout, count(*) from viability where screen = '{SCREEN}' and masked group by readout"
    for readout, n_masked in warehouse(report, query):
        assert f"{label_of(readout)}: {n_masked} well" in said


def test_the_reference_cohort_is_named(read: Any) -> None:
    said = read.page.inner_text("#ranking")
    assert f"1 other sample of the store (1 screen: {OTHER})" in said
    assert read.page.locator("#ranking line.other").count() == 5, "the drugs that the other sample has"


def test_the_table_is_sorted_and_searched(watched: Any) -> None:
    page = watched.page
    drugs = rows_of_table(page)
    assert len(drugs) == 6
    button = page.locator("#drug-table th button", has_text="Drug")
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#drug-table th[aria-sort=ascending]").inner_text().startswith("Drug")
    assert rows_of_table(page) == sorted(drugs, key=str.lower)
    page.keyboard.press("Enter")
    assert rows_of_table(page) == sorted(drugs, key=str.lower, reverse=True)
    page.get_by_label("Search drug").fill("mek")
    assert rows_of_table(page) == ["Trametinib"]
    assert page.inner_text("#found") == "1 of 6 drugs"
    page.get_by_label("Search drug").fill("")
    assert len(rows_of_table(page)) == 6


def shown_drugs(page: Any) -> list[str]:
    return page.eval_on_selector_all(
        "article.drug", "all => all.filter(e => e.offsetParent).map(e => e.querySelector('h3').textContent)"
    )


def expect_shown(page: Any, drugs: list[str]) -> None:
    """Wait until these drugs are shown: a link's address changes first, and the page hears of it afterwards."""
    for _ in range(100):
        if shown_drugs(page) == drugs:
            return
        page.wait_for_timeout(100)
    assert shown_drugs(page) == drugs


def test_a_drug_is_chosen_from_everywhere(watched: Any) -> None:
    page = watched.page
    best = rows_of_table(page)[0]
    expect_shown(page, [best])
    page.locator("#drug-table a", has_text="Lorlatinib").click()
    expect_shown(page, ["Lorlatinib"])
    link = page.locator("#ranking svg a").nth(1)
    link.focus()
    page.keyboard.press("Enter")
    expect_shown(page, [rows_of_table(page)[1]])
    page.click("#after")
    expect_shown(page, [rows_of_table(page)[2]])
    page.click("#before")
    page.locator("#choice").select_option(label="1. " + best)
    expect_shown(page, [best])
    page.check("#every")
    assert len(shown_drugs(page)) == 6
    page.uncheck("#every")
    page.locator(".phenotype .well[data-link]").first.press("Enter")
    page.wait_for_function("location.hash.startsWith('#drug-')")
    assert len(shown_drugs(page)) == 1


def test_a_drug_shows_its_series_and_where_its_score_comes_from(watched: Any, report: tuple[Path, Path]) -> None:
    page = watched.page
    card = page.locator("article.drug.selected")
    assert card.locator("img[data-well]").count() == 10, "five concentrations of two replicates"
    assert card.locator("img[data-well]").first.evaluate("e => e.naturalWidth") > 0
    card.locator("summary").focus()
    page.keyboard.press("Enter")
    said = card.locator("details").inner_text()
    assert "curve of cnn_phase3" in said
    assert "run-1" in said
    assert "imagexpress" in said, "the reader of the raw planes"
    watched.screenshot("patient-report-drug")


def test_the_map_shows_images_views_and_duplicates(watched: Any) -> None:
    page = watched.page
    box = page.locator(".phenotype").first
    wells = box.locator(".well")
    colours = {}
    for value in ("class", "qc", "dss"):
        box.locator(f"input[value={value}]").check()
        colours[value] = wells.evaluate_all("all => all.map(e => getComputedStyle(e).fill)")
        assert box.locator(".legend").evaluate_all("all => all.filter(e => e.offsetParent).map(e => e.className)") == [
            f"legend {value}"
        ]
    assert len({tuple(found) for found in colours.values()}) == 3
    lines = box.locator(".duplicates")
    assert lines.locator("line").count() == 6, "six drugs in duplicate"
    assert lines.evaluate("e => getComputedStyle(e).display") == "inline"
    box.get_by_label("lines between duplicates").uncheck()
    assert lines.evaluate("e => getComputedStyle(e).display") == "none"
    first = box.locator(".well[tabindex='0']")
    first.focus()
    before = box.locator(".peek p").inner_text()
    assert first.get_attribute("aria-label") in before
    assert box.locator(".peek img").evaluate("e => !e.hidden && e.naturalWidth > 0")
    page.keyboard.press("ArrowRight")
    assert box.locator(".peek p").inner_text() != before
    wells.last.hover(force=True)
    assert wells.last.get_attribute("aria-label") in box.locator(".peek p").inner_text()


def test_names_of_drugs_are_text(read: Any) -> None:
    page = read.page
    assert HOSTILE in rows_of_table(page)
    assert page.locator("article.drug h3").all_text_contents().count(HOSTILE) == 1
    assert page.locator("script").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "a long name does not widen the page"


def test_every_control_has_a_name_and_a_visible_focus(watched: Any) -> None:
    page = watched.page
    nameless = page.eval_on_selector_all(
        "input, select, button, a[href], summary",
        "all => all.filter(e => !(e.textContent.trim() || e.ariaLabel || (e.labels && e.labels.length))).length",
    )
    assert nameless == 0
    assert page.eval_on_selector_all("img:not([alt])", "all => all.length") == 0
    seen = []
    for _ in range(25):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle !== 'none'"))
    assert all(seen)


def test_it_prints_with_all_drugs_and_without_controls(watched: Any) -> None:
    """The printing itself is that of test_patient_report_use.py."""
    page = watched.page
    page.fill("#search", "mek")
    page.emulate_media(media="print")
    assert len(shown_drugs(page)) == 6
    assert page.locator("#search").is_hidden()
    assert page.eval_on_selector_all("#drug-table tbody tr", "all => all.filter(e => e.offsetParent).length") == 6
    watched.screenshot("patient-report-print", full_page=True)


def test_the_page_fits_its_window(watched: Any) -> None:
    page = watched.page
    for width in (800, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        watched.screenshot(f"patient-report-{width}", full_page=True)


def test_the_heat_maps_show_the_excess_over_the_model_that_is_chosen(watched) -> None:
    page = watched.page
    shown = page.locator("#matrices .excess:visible")
    assert shown.count() == 1
    assert shown.get_attribute("data-model") == "bliss"
    page.locator("#matrices input[value=bliss]").focus()
    page.keyboard.press("ArrowRight")
    assert (
        page.locator("#matrices input:checked").get_attribute("value") == shown.get_attribute("data-model") != "bliss"
    )
    assert shown.count() == 1
    box = page.locator("#combinations").bounding_box()
    for table in page.locator("#combinations svg:visible").all():
        inner = table.bounding_box()
        assert inner["x"] >= box["x"]
        assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
