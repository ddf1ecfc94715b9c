"""From the report to the plate viewer and back: a command in the file, links where the viewer serves it."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from phenodose.plates.ingest import ingest_plate
from phenodose.reports import build_report
from phenodose.reports.viewer_links import wells_of
from phenodose.store.store import Store
from phenodose.viewer.plates import ScreenPlates
from phenodose.viewer.server import ViewerServer
from phenodose_readers.pattern import PatternReader

SCREEN = "BT-40_V1_DS1"
HOSTILE = "<b>A & B</b> #1/'+"


def test_the_command_and_the_address_hold_any_name() -> None:
    assert wells_of(SCREEN, "Trametinib") == (f"phenodose view {SCREEN} --drug Trametinib", "./#strip=Trametinib")
    found = wells_of(SCREEN, HOSTILE)
    assert found.command == f"""phenodose view {SCREEN} --drug '<b>A & B</b> #1/'"'"'+'"""
    assert found.address == "./#strip=%3Cb%3EA%20%26%20B%3C%2Fb%3E%20%231%2F%27%2B"


@pytest.fixture(scope="module")
def served(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerServer]:
    """The viewer of a screen with a report, one plate of which has images; a drug of it has a hostile name."""
    folder = tmp_path_factory.mktemp("served")
    store = Store.open(shutil.copytree(made_up_root, folder / "store"))
    for table, column in (("wells", "treatment"), ("curves", "drug"), ("scores", "drug")):
        for path in sorted((store.root / "tables" / table / f"screen={SCREEN}").glob("*.parquet")):
            rows = store.read_table(table, SCREEN, path.stem)
            rows = rows.assign(**{column: rows[column].replace("Panobinostat", HOSTILE)})
            store.write_table(table, SCREEN, path.stem, rows)
    wells = store.read_table("wells", SCREEN)
    plate = str(wells["plate"].iloc[0])
    raw = folder / "raw" / plate
    raw.mkdir(parents=True)
    for well in wells[wells["plate"] == plate]["well"]:
        tifffile.imwrite(raw / f"{well}_MIP.tif", np.arange(64, dtype=np.uint16).reshape(8, 8))
    reader = PatternReader({"expression": r"(?P<well>[A-Z]\d\d)_(?P<projection>MIP)"})
    ingest_plate(raw, store.plate_path(SCREEN, plate), reader, plate, workers=1)
    build_report(store, SCREEN)
    with ViewerServer(ScreenPlates(store, SCREEN)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_drug_leads_from_the_viewer_to_its_curves_and_back(browser: Any, served: ViewerServer) -> None:
    with browser.watched() as watched:
        page = watched.page
        page.goto(served.address)
        page.wait_for_selector("#mosaic:not([data-shown=''])")
        page.select_option("#drug", HOSTILE)
        page.click("#side-by-side")
        page.click("#strip-report a")
        card = page.locator("article.drug.selected")
        page.wait_for_url(re.compile("#drug-"))
        assert card.locator("h3").inner_text() == HOSTILE
        assert card.locator("[data-wells-of] code").is_hidden()
        watched.screenshot("report-in-the-viewer")
        # The report runs apart: it reads nothing of the viewer's.
        assert page.evaluate("() => fetch('screen.json').then(() => 'read', () => 'refused')") == "refused"
        assert page.evaluate("() => window.origin") == "null"
        watched.troubles.clear()  # what the browser said of that
        card.locator("[data-wells-of] a").press("Enter")
        page.wait_for_selector("#strip-view:not([hidden]) #strip[data-shown]")
        assert page.inner_text("#strip-title") == f"Dilution strip of {HOSTILE}"
        assert page.locator("#strip figure.step").count() == 5
        assert watched.troubles == []


def test_the_file_by_itself_shows_the_command(browser: Any, served: ViewerServer) -> None:
    with browser.watched() as watched:
        page = watched.open_file(served.plates.report_path)
        card = page.locator("article.drug.selected")
        drug = card.locator("h3").inner_text()
        assert card.locator("[data-wells-of] code").inner_text() == wells_of(SCREEN, drug).command
        assert card.locator("[data-wells-of] a").is_hidden()
        page.emulate_media(media="print")
        assert page.locator("[data-wells-of]").first.is_hidden()
        assert watched.troubles == []
