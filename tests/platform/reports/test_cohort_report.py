"""The cohort report puts all screens side by side."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

from phenodose.cli import main
from phenodose.cohort.query import query
from phenodose.errors import InputError, StoreError
from phenodose.plots.cohort_drawing import drawn
from phenodose.reports import build_cohort_report, cohort_report_path
from phenodose.reports.cohort import cohort_figures, export_cohort_figures
from phenodose.reports.cohort.expected_hits import read_expected
from phenodose.reports.cohort.source import Cohort, Selection, read_cohort
from phenodose.store.store import Store

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"
#: Figures that the made-up cohort has data for.
FIGURES = {
    *("dss_heat_map", "zprime", "screens_over_time", "replicate_dss", "imaging_against_metabolic"),
    *("raw_viability", "replicate_agreement", "training_phases"),
}


@pytest.fixture(scope="module")
def store(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A copy of the made-up cohort that no test changes, but for its database."""
    return Store.open(shutil.copytree(made_up_root, tmp_path_factory.mktemp("cohort") / "store"))


@pytest.fixture(scope="module")
def cohort(store: Store) -> Cohort:
    """What the report of all its screens is made from."""
    return read_cohort(store)


@pytest.fixture(scope="module")
def drawn_html(drawn_cohort_page: Path) -> str:
    """That report without its figures: its words and tables."""
    return _words(drawn_cohort_page.read_text(encoding="utf-8"))


def _words(html: str) -> str:
    """The page without its figures, and without the seal, which is of them too."""
    return re.sub(r"data:image/svg\+xml;base64,[\w+/=]*|<!-- phenodose-xxh3:.*?-->", "", html)


def _svg_of(page: Path, name: str) -> bytes:
    """A figure as the page shows it."""
    shown = re.search(
        rf'<img id="figure-{name}"[^>]* src="data:image/svg\+xml;base64,([^"]*)"', page.read_text("utf-8")
    )
    assert shown, name
    return base64.b64decode(shown.group(1))


def _ask(store: Store, sql: str) -> pd.DataFrame:
    frame: pd.DataFrame = query(store, sql, row_limit=None).table.to_pandas()
    return frame


def test_screens_scores_and_mismatches_stand_side_by_side(drawn_html: str) -> None:
    html = drawn_html
    assert html.count('<tr><th scope="row"') == 6
    assert f"{FULL} (image, network (phase III))" in html
    assert f"{METABOLIC_ONLY} (metabolic (ATP))" in html
    order = re.findall(r'<th scope="row" data-sort="([^"]*)"', html)
    assert order[:4] == ["Panobinostat", "Trametinib", "Venetoclax", "Vemurafenib"], "most often hit first"
    assert "Vemurafenib (cnn_phase3 25.8, ctg 0.0)" in html
    assert "http" not in html.replace("http-equiv", "")
    assert "<i>&" not in html


@pytest.mark.usefixtures("words_alone")
def test_screens_lead_to_their_reports_where_there_are_some(made_up_cohort: Store, drawn_html: str) -> None:
    report = cohort_report_path(made_up_cohort).with_name(f"{METABOLIC_ONLY}.html")  # where `build_report` writes it
    report.parent.mkdir(exist_ok=True)
    report.touch()
    html = build_cohort_report(made_up_cohort).read_text(encoding="utf-8")
    assert re.findall(r'href="([^#"]*)"', html) == [f"{METABOLIC_ONLY}.html"]
    assert re.findall(r'href="([^#"]*)"', drawn_html) == [], "that report lies elsewhere"


@pytest.mark.usefixtures("words_alone")
def test_screens_without_scores_are_listed_and_the_matrix_says_why(made_up_cohort: Store) -> None:
    for file in (made_up_cohort.root / "tables" / "scores").glob("*/*.parquet"):
        file.unlink()
    html = build_cohort_report(made_up_cohort).read_text(encoding="utf-8")
    assert "Not shown: no screen has scores." in html
    assert FULL in html


@pytest.mark.usefixtures("words_alone")
def test_a_score_that_is_no_number_is_a_gap_and_takes_nothing_else_away(made_up_cohort: Store, tmp_path: Path) -> None:
    for path in sorted((made_up_cohort.root / "tables" / "scores" / f"screen={FULL}").glob("*.parquet")):
        rows = pq.ParquetFile(path).read().replace_schema_metadata()
        gone = pc.equal(rows["drug"], "Trametinib")
        infinite = pc.if_else(gone, float("inf"), rows["score"])
        pq.write_table(
            rows.set_column(rows.schema.get_field_index("score"), rows.schema.field("score"), infinite), path
        )
    export_cohort_figures(made_up_cohort, tmp_path)
    wide = pd.read_csv(tmp_path / "dss_heat_map.csv").set_index(["screen", "readout"])
    assert wide.loc[FULL, "Trametinib"].isna().all()
    assert wide.loc[(METABOLIC_ONLY, "ctg"), "Trametinib"] > 0
    assert wide.loc[(FULL, "ctg"), "Venetoclax"] >= 0


@pytest.mark.usefixtures("words_alone")
def test_a_damaged_file_is_named_and_the_rest_is_shown(made_up_cohort: Store) -> None:
    file = next((made_up_cohort.root / "tables" / "qc" / f"screen={FULL}").glob("*.parquet"))
    file.write_bytes(b"no parquet")
    html = build_cohort_report(made_up_cohort).read_text(encoding="utf-8")
    assert "Left out of this report" in html
    assert file.name in html
    assert FULL in html


def test_an_empty_store_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    with pytest.raises(StoreError, match="holds no screen with results"):
        build_cohort_report(store)
    assert not cohort_report_path(store).exists()


@pytest.mark.usefixtures("words_alone")
def test_the_same_cohort_gives_the_same_words(made_up_cohort: Store, drawn_html: str, tmp_path: Path) -> None:
    again = build_cohort_report(made_up_cohort, tmp_path / "again.html")
    assert _words(again.read_text(encoding="utf-8")) == drawn_html


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({"zprime", "raw_viability"}, id="some"),
        pytest.param(FIGURES, id="all", marks=pytest.mark.slow),
    ],
)
def test_the_same_rows_give_the_same_drawing(
    store: Store, cohort: Cohort, drawn_cohort_page: Path, names: set[str]
) -> None:
    """Drawn again beside a PNG, as an export does, a figure is that of the page to the byte."""
    figures = {figure.name: figure for figure in cohort_figures(cohort, store)}
    for name in names:
        svg, png = drawn(figures[name], "svg", "png")
        assert svg == _svg_of(drawn_cohort_page, name)
        picture = Image.open(io.BytesIO(png))
        assert picture.format == "PNG"
        assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 10, "it is blank"


@pytest.mark.usefixtures("words_alone")
def test_every_figure_is_a_file_of_each_kind_with_the_numbers_of_the_warehouse(store: Store, tmp_path: Path) -> None:
    files = export_cohort_figures(store, tmp_path)
    assert {path.name for path in files} == {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png", "csv")}
    wide = pd.read_csv(tmp_path / "dss_heat_map.csv").set_index(["screen", "readout"])
    scores = _ask(
        store, "SELECT * FROM scores WHERE scorer = 'dss_asym' AND replicate = 'pooled' AND score IS NOT NULL"
    )
    assert int(wide.notna().sum().sum()) == len(scores) > 20
    for row in scores.itertuples():
        assert wide.loc[(row.screen, row.readout), row.drug] == pytest.approx(row.score, abs=0.006)
    agreement = pd.read_csv(tmp_path / "replicate_agreement.csv").set_index(["screen", "readout", "quantity"])
    pairs = _ask(store, "SELECT * FROM replicate_pairs").groupby(["screen", "readout"])
    for key, own in pairs:
        ours = agreement.loc[(*key, "viability")]
        values = own[["first_viability_fraction", "second_viability_fraction"]]
        assert ours["n"] == len(own)
        assert ours["pearson"] == pytest.approx(values.corr().iloc[0, 1], abs=1e-4)
        assert ours["spearman"] == pytest.approx(values.corr(method="spearman").iloc[0, 1], abs=1e-4)
    raw = pd.read_csv(tmp_path / "raw_viability.csv")
    counted = _ask(store, "SELECT readout, count(raw) AS n FROM viability WHERE readout LIKE 'cnn%' GROUP BY ALL")
    assert raw.groupby("readout")["wells"].sum().to_dict() == dict(counted.itertuples(index=False, name=None))


def test_drugs_on_which_readouts_differ_are_named_in_percent(store: Store, drawn_html: str) -> None:
    rows = _ask(
        store,
        "SELECT 100.0 * count(*) FILTER (agreement = 'differ') / count(*) AS percent "
        "FROM agreement WHERE scorer = 'dss_asym' AND imaging_readout = 'cnn_phase3'",
    )
    row = re.search(
        r'<tr><td data-sort="image, network \(phase III\)">[^<]*</td><td data-sort="metabolic \(ATP\)">.*', drawn_html
    )
    assert row
    assert f">{rows['percent'][0]:.1f}</td>" in row.group()
    assert "Vemurafenib (1)" in row.group()


@pytest.mark.usefixtures("words_alone")
def test_transfer_studies_and_expected_hits_of_the_store_are_shown_and_else_their_commands(
    made_up_cohort: Store, drawn_html: str
) -> None:
    assert "phenodose transfer-study CONTROL_EXPERIMENT SCREEN" in drawn_html
    folder = made_up_cohort.root / "studies"
    folder.mkdir()
    (folder / "transfer_CE.csv").write_text(
        "screen,backbone,first_weights,phase1_epochs,validation_loss,validation_accuracy,validation_auroc\n"
        "S,vgg19,imagenet,0,0.69,0.5,0.6\nS,vgg19,imagenet,20,0.52,1.0,1.0\nS,vgg19,none,0,0.7,0.5,0.5\n"
    )
    (folder / "transfer_broken.csv").write_bytes(b"\xff\xfe\x00")
    (made_up_cohort.root / "expected_hits.csv").write_text("sample,drug\nBT-40,Trametinib\n")
    html = build_cohort_report(made_up_cohort).read_text(encoding="utf-8")
    assert "phenodose transfer-study CONTROL_EXPERIMENT" not in html
    assert 'id="figure-transfer_study"' in html
    assert "3 found, 0 missed, 1 readout failed" in html


@pytest.mark.usefixtures("words_alone")
def test_expected_hits_are_found_missed_or_not_tested(store: Store, tmp_path: Path) -> None:
    listed = tmp_path / "expected.csv"
    listed.write_text(
        "sample,entity,drug\nBT-40,,trametinib\nINF_R_153,,Vemurafenib\n,pleomorphic xanthoastrocytoma,Imatinib\n"
        "NOBODY,,<script>alert(1)</script>\n"
    )
    html = build_cohort_report(store, expected=listed).read_text(encoding="utf-8")
    section = html[html.index('<section id="expected">') : html.index('<section id="mismatch">')]
    assert "3 found, 1 missed, 1 readout failed, 0 no score, 5 not tested." in section
    assert "<script>alert" not in section
    assert "&lt;script&gt;alert(1)" in section


def test_a_faulty_list_of_expected_hits_is_told_at_once(tmp_path: Path) -> None:
    listed = tmp_path / "expected.csv"
    listed.write_text("sample,drug\nBT-40,\n,Trametinib\n\nBT-40,Trametinib\n")
    with pytest.raises(InputError) as told:
        read_expected(listed)
    assert "line 2 names no drug" in str(told.value)
    assert "line 3 names no sample or entity" in str(told.value)
    listed.write_text("cell line,drug\nBT-40,Trametinib\n")
    with pytest.raises(InputError, match="at least one of sample and entity"):
        read_expected(listed)


@pytest.mark.parametrize(
    ("selection", "shown"),
    [
        (Selection(newest=1), METABOLIC_ONLY),
        (Selection(entity="Pleomorphic xanthoastrocytoma"), FULL),
        (Selection(entity="Pleomorphic xanthoastrocytoma", newest=1), FULL),
    ],
)
def test_screens_may_be_chosen_and_nothing_of_others_is_shown(
    store: Store, cohort: Cohort, selection: Selection, shown: str
) -> None:
    whole, chosen = cohort, read_cohort(store, selection)
    assert whole.left_out == ""
    assert re.search(r"shows (1 screen|the 1 screen made last)( of Pleo.*)?; ", chosen.left_out)
    assert "the other 1 of the store are left out" in chosen.left_out
    assert list(chosen.screens["screen"]) == [shown]
    for name in ("scores", "replicate_scores", "replicate_agreement", "zprime", "treatments", "drift", "checkpoints"):
        own = getattr(whole, name)
        expected = own[own["screen"] == shown].reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(chosen, name), expected, check_dtype=False)


@pytest.mark.usefixtures("words_alone")
def test_a_page_of_chosen_screens_says_what_it_leaves_out(store: Store, tmp_path: Path) -> None:
    page = build_cohort_report(store, tmp_path / "page.html", selection=Selection(newest=1)).read_text("utf-8")
    assert "This page shows the 1 screen made last; the other 1 of the store are left out." in page
    assert FULL not in page
    with pytest.raises(InputError, match="no screen is of this entity; the store has: Pleomorphic"):
        build_cohort_report(store, tmp_path / "none.html", selection=Selection(entity="Osteosarcoma"))


@pytest.mark.usefixtures("words_alone")
def test_the_command_exports_and_refuses_what_has_no_meaning(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--store", str(store.root)]
    with pytest.raises(SystemExit) as done:
        main(["report", "--cohort", "--export", str(tmp_path / "figures"), "--json", *place])
    assert done.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["files"]) == 3 * len(FIGURES)
    assert all(Path(file).is_file() for file in told["files"])
    with pytest.raises(SystemExit) as done:
        main(["report", FULL, "--export", str(tmp_path), *place])
    assert done.value.code == 2
    with pytest.raises(SystemExit) as done:
        main(["report", FULL, "--newest", "5", *place])
    assert done.value.code == 2


def test_every_control_works_in_a_browser(store: Store, drawn_cohort_page: Path, browser: Any) -> None:
    with browser.watched(accept_downloads=True) as watched:
        page = watched.open_file(drawn_cohort_page)
        assert {image.get_attribute("id") for image in page.query_selector_all("figure img")} == {
            f"figure-{name}" for name in FIGURES
        }
        for image in page.query_selector_all("figure img"):
            assert image.evaluate("image => image.complete && image.naturalWidth > 200")
        assert page.locator("[data-export]").count() == 3 * len(FIGURES)
        for name in ("dss_heat_map", "zprime"):
            for kind, start in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("csv", b"")):
                page.wait_for_timeout(120)  # Chromium drops the eleventh download within a second
                with page.expect_download() as waiting:
                    page.locator(f'[data-figure="{name}"][data-export="{kind}"]').click()
                assert waiting.value.suggested_filename == f"{name}.{kind}"
                content = Path(waiting.value.path()).read_bytes()
                assert content.startswith(start)
                assert len(content) > 60
        _sorts(page)
        by_page = page.locator("#screens tbody tr", has_text=FULL).locator("td").nth(6).inner_text()
        hits = _ask(store, f"SELECT count(*) AS n FROM hits WHERE screen = '{FULL}' AND call = 'hit'")
        assert int(by_page) == hits["n"][0]
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.tagName") in ("A", "BUTTON")
        assert watched.troubles == []
        assert watched.outside() == []
        watched.screenshot("cohort_report", full_page=True)
        page.emulate_media(media="print")
        assert not page.locator(".exports").first.is_visible()


def _sorts(page: Any) -> None:
    """Every header sorts its table when pressed, and the other way when pressed again."""
    page.locator("table.sortable th button").first.click()
    states = page.evaluate(
        """() => [...document.querySelectorAll("table.sortable th button")].map(button => [0, 1].map(() => {
            button.click(); return button.parentElement.getAttribute("aria-sort") }))"""
    )
    assert len(states) > 30
    for state in states:
        assert set(state) == {"ascending", "descending"}


def test_every_entity_has_its_drugs_counted_by_sample(cohort: Cohort) -> None:
    from phenodose.reports.cohort.entities import entities

    found = entities(cohort)["entities"]
    assert [(one["entity"], one["samples"], one["names"]) for one in found] == [
        ("Pleomorphic xanthoastrocytoma", 1, "BT-40"),
        ("entity not given", 1, "INF_R_153"),
    ]
    hits = cohort.scores[(cohort.scores["screen"] == cohort.screens["screen"].iloc[0]) & cohort.scores["hit"]]
    ranked = hits[hits["readout"] == cohort.ranked_by[cohort.screens["screen"].iloc[0]]]
    first = next(one for one in found if one["names"] == cohort.screens["sample"].iloc[0])
    assert {row["drug"] for row in first["drugs"]} == set(ranked["drug"])
    assert {(row["hits"], row["tested"]) for row in first["drugs"]} == {(1, 1)}
