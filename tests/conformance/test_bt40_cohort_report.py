"""The real BT-40 screens in a store, its warehouse and the cohort report: the published hits are there.

V1 has plate-reader numbers of three plates. V3 has them too, and an image-based readout of its first plate only, whose
layout names 26 drugs: Cobimetinib and Dabrafenib are not among them and so have no image-based score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.pipeline.score_layout import score_layout
from phenodose.plots import cohort_drawing
from phenodose.reports import build_cohort_report
from phenodose.reports.cohort import cohort_figures, export_cohort_figures
from phenodose.reports.cohort.source import read_cohort
from phenodose.screens.layout import read_layout
from phenodose.screens.matrices import match_to_layout, read_matrices
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import to_viability

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "dose_response"
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data are not beside the repository")

METABOLIC = "iTReX-Demo_MRA_Layout.xlsx"
TWO_SCREENS = "iTReX-Demo_MRA_2ReadoutsXlsx.zip"
ONE_PLATE = "iTReX-Demo_MRA_Layout-Imaging-1Plate_ST06.xlsx"
IMAGE_READOUT = "iTReX-Demo_MRA_Readout-Imaging_BT-40-V3-DS1_ST05.xlsx"
V1, V3, IMAGE = "BT-40_V1_DS1", "BT-40_V3_DS1", "image"
PUBLISHED_HITS = ("Trametinib", "Cobimetinib", "Selumetinib", "Dabrafenib")
ON_THE_IMAGED_PLATE = ("Trametinib", "Selumetinib")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Both screens, scored by the platform."""
    from phenodose.plugins import registry

    scorer = registry().get("scorer", "dss_asym")()
    store = Store.open(tmp_path_factory.mktemp("bt40") / "store")
    matrices = read_matrices(REFERENCE / TWO_SCREENS)
    for screen in (V1, V3):
        _put_layout(store, screen)
        _put_readout(store, screen, "ctg", METABOLIC, matrices[matrices["sample"] == screen], scorer)
    _put_readout(store, V3, IMAGE, ONE_PLATE, read_matrices(REFERENCE / IMAGE_READOUT), scorer)
    assert rebuild_cohort(store).faults == ()
    lines = [f"BT-40,{drug}" for drug in PUBLISHED_HITS]
    (store.root / "expected_hits.csv").write_text("sample,drug\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return store


def _put(store: Store, table: str, screen: str, part: str, frame: pd.DataFrame, plugin: str) -> None:
    declared = TABLES[table]
    known = {"screen": screen, "sample": "BT-40", "run_id": "r", "plugin": plugin}
    known |= {"plugin_version": "1", "parameters": "{}"}
    frame = frame.assign(**{name: value for name, value in known.items() if name in declared.column_names})
    store.write_table(table, screen, part, frame.reindex(columns=declared.column_names))


def _put_layout(store: Store, screen: str) -> None:
    layout = read_layout(REFERENCE / METABOLIC)
    store.register(screen, REFERENCE)
    about = {"kind": "drug-screen", "entity": "PXA", "n_plates": 3, "n_drugs": len(layout.drugs), "source": screen}
    _put(store, "screens", screen, "layout", pd.DataFrame([about]), "layout")
    _put(store, "wells", screen, "layout", layout.frame, "layout")


def _put_readout(store: Store, screen: str, readout: str, name: str, matrices: pd.DataFrame, scorer: Any) -> None:
    layout = read_layout(REFERENCE / name)
    raw = match_to_layout(matrices, layout).rename(columns={"value": "raw"})
    controls = choose_controls(layout.frame, ("neg",), ("pos",), name)
    viability = to_viability(raw[["plate", "row", "column", "raw"]], layout.frame, controls)
    wells = layout.frame[["plate", "row", "column", "well"]]
    viability = viability.drop(columns="well", errors="ignore").merge(wells, on=["plate", "row", "column"])
    _put(store, "viability", screen, readout, viability.assign(readout=readout), readout)
    scored = score_layout(layout, matrices, [scorer], per_replicate=True, bootstrap=20, workers=1)
    for table in ("scores", "curves", "qc"):
        frame = getattr(scored, table)
        _put(store, table, screen, f"{table}.{readout}", frame.assign(readout=readout), "dss_asym")


def test_one_physical_plate_has_the_same_drugs_in_both_layouts() -> None:
    """So the image-based readout and the luminescence are two readouts of one screen."""
    wells = [read_layout(REFERENCE / name).frame for name in (METABOLIC, ONE_PLATE)]
    therapy = [frame[(frame["well_type"] == "therapy") & (frame["plate"] == "1")] for frame in wells]
    keyed = [frame.set_index("well")[["treatment", "concentration_nM", "replicate"]] for frame in therapy]
    assert len(keyed[0]) > 250
    pd.testing.assert_frame_equal(keyed[0].sort_index(), keyed[1].sort_index(), check_dtype=False)


def test_the_published_hits_reach_ten_in_the_warehouse(store: Store) -> None:
    sql = (
        "SELECT screen, readout, drug, score FROM scores WHERE scorer = 'dss_asym' AND replicate = 'pooled' "
        "AND drug IN ('Trametinib', 'Cobimetinib', 'Selumetinib', 'Dabrafenib')"
    )
    rows = query(store, sql).table.to_pandas().set_index(["screen", "readout", "drug"])["score"]
    expected = {(screen, "ctg", drug) for screen in (V1, V3) for drug in PUBLISHED_HITS}
    expected |= {(V3, IMAGE, drug) for drug in ON_THE_IMAGED_PLATE}
    assert set(rows.index) == expected
    assert (rows >= 10).all()
    sure = "SELECT screen, readout, drug FROM scores WHERE call IN ('hit', 'borderline') AND replicate = 'pooled'"
    hits = query(store, sure).table.to_pandas()
    assert expected <= set(hits.itertuples(index=False, name=None))


def test_the_published_hits_stand_in_the_cohort_report(
    store: Store, browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the figures the one with the hits is drawn; the slow test of the export draws all."""
    draw = cohort_drawing.drawn
    blank = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    monkeypatch.setattr(
        cohort_drawing, "drawn", lambda one, *kinds: draw(one, *kinds) if one.name == "dss_heat_map" else [blank]
    )
    path = build_cohort_report(store, tmp_path / "cohort.html")
    warehouse = query(
        store, "SELECT screen, readout, drug, score FROM scores WHERE scorer = 'dss_asym' AND replicate = 'pooled'"
    ).table.to_pandas()
    scores = warehouse.set_index(["screen", "readout", "drug"])["score"]
    with browser.watched() as watched:
        page = watched.open_file(path)
        found = {}
        for row in page.query_selector_all("#expected tbody tr"):
            _, drug, screen, readout, state, dss, rank, _ = [cell.inner_text() for cell in row.query_selector_all("td")]
            found[screen, readout, drug] = (state, dss, rank)
        elsewhere = {(V3, IMAGE, drug) for drug in set(PUBLISHED_HITS) - set(ON_THE_IMAGED_PLATE)}
        assert {key for key, (state, _, _) in found.items() if state == "not tested"} == elsewhere
        assert len(found) == 2 * 4 + 2 + len(elsewhere)
        for key in found.keys() - elsewhere:
            state, dss, rank = found[key]
            assert state == ("readout failed" if key[1] == IMAGE else "found")
            assert dss == f"{scores[key]:.1f}"
            assert int(rank) == 1 + (scores[key[0], key[1]] > scores[key]).sum()
        assert page.locator("#figure-dss_heat_map").evaluate("image => image.naturalWidth") > 300
        assert page.locator("#imaging_against_metabolic img").count() == 1
        assert watched.troubles == []
        assert watched.outside() == []
        watched.screenshot("cohort_report_bt40", full_page=True)


def test_the_rows_behind_the_figures_hold_the_published_hits(store: Store) -> None:
    figures = {figure.name: figure for figure in cohort_figures(read_cohort(store), store)}
    assert not figures["zprime"].missing
    wide = figures["dss_heat_map"].rows.set_index(["screen", "readout"])
    _holds_the_hits(wide)


def _holds_the_hits(wide: pd.DataFrame) -> None:
    assert (wide.loc[[(V1, "ctg"), (V3, "ctg")], list(PUBLISHED_HITS)] >= 10).all(axis=None)
    assert wide.loc[(V3, IMAGE), "Cobimetinib"] != wide.loc[(V3, IMAGE), "Cobimetinib"]


@pytest.mark.slow  # the test before has the rows; test_cohort_report.py exports those of a made-up cohort
def test_the_figures_of_the_real_screens_can_be_exported(store: Store, tmp_path: Path) -> None:
    files = {path.name for path in export_cohort_figures(store, tmp_path)}
    assert {"dss_heat_map.svg", "dss_heat_map.png", "dss_heat_map.csv", "zprime.png"} <= files
    _holds_the_hits(pd.read_csv(tmp_path / "dss_heat_map.csv").set_index(["screen", "readout"]))
