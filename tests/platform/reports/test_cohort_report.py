"""The cohort report puts all screens side by side."""

from __future__ import annotations

import re

import pytest

from phenodose.errors import StoreError
from phenodose.reports import build_cohort_report, build_report, cohort_report_path
from phenodose.store import Store

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"


def test_screens_scores_and_mismatches_stand_side_by_side(made_up_store: Store) -> None:
    html = build_cohort_report(made_up_store).read_text(encoding="utf-8")
    assert html.count('<tr><th scope="row"') == 6
    assert f"{FULL} (cnn_phase3)" in html
    assert f"{METABOLIC_ONLY} (ctg)" in html
    order = re.findall(r'<th scope="row" data-sort="([^"]*)"', html)
    assert order[:4] == ["Panobinostat", "Trametinib", "Venetoclax", "Vemurafenib"], "most often hit first"
    assert "Vemurafenib (cnn_phase3 25.8, ctg 0.0)" in html
    assert "http" not in html.replace("http-equiv", "")
    assert "<i>&" not in html


def test_screens_lead_to_their_reports_where_there_are_some(made_up_store: Store, tmp_path) -> None:
    build_report(made_up_store, METABOLIC_ONLY)
    html = build_cohort_report(made_up_store).read_text(encoding="utf-8")
    assert re.findall(r'href="([^#"]*)"', html) == [f"{METABOLIC_ONLY}.html"]
    elsewhere = build_cohort_report(made_up_store, tmp_path / "cohort.html").read_text(encoding="utf-8")
    assert re.findall(r'href="([^#"]*)"', elsewhere) == []


def test_screens_without_scores_are_listed_and_the_matrix_says_why(made_up_store: Store) -> None:
    for file in (made_up_store.root / "tables" / "scores").glob("*/*.parquet"):
        file.unlink()
    html = build_cohort_report(made_up_store).read_text(encoding="utf-8")
    assert "Not shown: no screen has scores." in html
    assert FULL in html


def test_an_empty_store_is_refused(tmp_path) -> None:
    store = Store.open(tmp_path / "store")
    with pytest.raises(StoreError, match="holds no screen with results"):
        build_cohort_report(store)
    assert not cohort_report_path(store).exists()
