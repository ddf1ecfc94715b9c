"""The patient report says what the tables say, says what is missing, escapes all, and needs no network."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from phenodose.errors import StoreError
from phenodose.reports import build_report
from phenodose.reports.data import ScreenData
from phenodose.reports.methods import lineage
from phenodose.reports.patient import render_report
from phenodose.store.store import Store
from phenodose.tables import TABLES

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags, texts by section, addresses and ids of a page; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.section = ""
        self.texts: dict[str, str] = {}
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attrs) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute stands twice in <{tag}>"
        self.attributes.append((tag, found))
        if tag == "section":
            self.section = found["id"] or ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts[self.section] = self.texts.get(self.section, "") + data

    def values(self, name: str) -> list[str]:
        return [found[name] or "" for _, found in self.attributes if name in found]

    def text(self, section: str) -> str:
        return " ".join(self.texts[section].split())


@pytest.fixture(scope="module")
def full_html(made_up_root) -> str:
    return render_report(Store.open(made_up_root), FULL)


@pytest.fixture(scope="module")
def full_page(full_html: str) -> Page:
    return Page(full_html)


@pytest.fixture(scope="module")
def metabolic_page(made_up_root) -> Page:
    return Page(render_report(Store.open(made_up_root), METABOLIC_ONLY))


def test_the_header_names_sample_entity_and_verdict(full_page: Page, metabolic_page: Page) -> None:
    head = full_page.text("")
    assert "BT-40" in head
    assert "Pleomorphic xanthoastrocytoma" in head
    assert (
        "Do not rely on image, mean brightness: quality checks failed. "
        "The ranking is by image, network (phase III), which did not fail." in head
    )
    assert "Good: every quality check of metabolic (ATP) passed." in metabolic_page.text("")


def test_the_ranking_lists_the_hits_of_the_preferred_readout(full_page: Page, made_up_root) -> None:
    scores = Store.open(made_up_root).read_table("scores", FULL)
    chosen = (scores["readout"] == "cnn_phase3") & (scores["replicate"] == "pooled") & (scores["scorer"] == "dss_asym")
    hits = scores[chosen & scores["hit"].eq(True)].sort_values("score", ascending=False)
    said = ", ".join(f"{drug} ({score:.1f})" for drug, score in zip(hits["drug"], hits["score"], strict=True))
    assert (
        f"{len(hits)} of 6 drugs are hits by DSS of the readout image, network (phase III): {said}."
        in full_page.text("ranking")
    )
    bars = [found for tag, found in full_page.attributes if tag == "rect" and "class" in found]
    assert [bar["class"] for bar in bars].count("bar hit") == len(hits)
    assert len(bars) == 6


def test_every_drug_stands_in_the_table_and_has_its_curves(full_page: Page) -> None:
    drugs = ["Trametinib", "Vemurafenib", "Panobinostat", "Lorlatinib", "Venetoclax", 'A"B <i>&']
    for drug in drugs:
        assert drug in full_page.text("drugs")
        assert f"Dose-response curves of {drug}" in full_page.values("aria-label")
    assert "> 10000 nM" in full_page.text("drugs"), "a bound is shown as a bound"
    assert "image, mean brightness: failed (fewer than three doses have a value)" in full_page.text("curves")


def test_every_link_leads_somewhere(full_page: Page, metabolic_page: Page) -> None:
    for page in (full_page, metabolic_page):
        ids = page.values("id")
        assert len(ids) == len(set(ids))
        for link in page.values("href"):
            assert link.startswith("#")
            assert link[1:] in ids


def test_points_of_every_unmasked_dosed_well_are_drawn(full_page: Page, made_up_root) -> None:
    data = ScreenData.load(Store.open(made_up_root), FULL)
    viability = data["viability"]
    n_dosed = int((data["wells"]["well_type"] == "therapy").sum())
    assert len(data.dosed_wells) == 4 * (n_dosed - 1), "all therapy wells of four readouts but the masked one"
    assert int(viability["masked"].sum()) == 4
    drawn = sum(1 for tag, _ in full_page.attributes if tag == "use")
    # on the first page the ranking readout's wells of the hits stand again
    wells = data.dosed_wells
    n_first = len(wells[(wells["readout"] == "cnn_phase3") & wells["drug"].isin(data.drugs[:4])])
    # one legend for the readouts, and one for each of the two maps
    n_legend, n_agreement, n_map = 4 + 2 * 8, 6 + 6 + 5, len(data["embeddings"])
    assert drawn == len(data.dosed_wells) + n_legend + n_agreement + n_map + n_first


def test_a_drug_given_with_an_add_on_has_its_own_wells(made_up_store: Store) -> None:
    wells = made_up_store.read_table("wells", FULL)
    part = next(p.stem for p in (made_up_store.root / "tables" / "wells" / f"screen={FULL}").glob("*.parquet"))
    second = (wells["treatment"] == "Trametinib") & (wells["replicate"] == 2)
    assert second.any()
    made_up_store.write_table("wells", FULL, part, wells.assign(add_on=wells["add_on"].mask(second, "Temozolomide")))
    data = ScreenData.load(made_up_store, FULL)
    points = data.dosed_wells
    assert set(points.loc[points["drug"] == "Trametinib", "replicate"]) == {1}
    assert set(points.loc[points["drug"] == "Trametinib + Temozolomide", "replicate"]) == {2}
    assert "Trametinib" not in set(data.replicate_pairs["drug"])


def test_what_an_add_on_changes_is_told_and_harm_too(made_up_store: Store, full_page: Page) -> None:
    assert "What add-ons change" not in full_page.texts.get("combinations", "")
    effects = made_up_store.read_table("combination_effects", FULL)
    harm = effects.assign(concentration_nM=1.0, difference_percent=-8.0, lower_percent=-12.0, upper_percent=-4.0)
    made_up_store.write_table("combination_effects", FULL, "curves/ctg", pd.concat([effects, harm], ignore_index=True))
    one = made_up_store.read_table("scores", FULL, "dss_asym.ctg").iloc[[0]]
    changed = one.assign(drug=effects["curve"].iloc[0], scorer="dcdss_asym", score=4.25, lower=1.0, upper=7.5)
    made_up_store.write_table("scores", FULL, "combined", changed)
    said = Page(render_report(made_up_store, FULL)).text("combinations")
    assert "What add-ons change" in said
    assert f"{changed['drug'].iloc[0]}metabolic (ATP)+4.2 (+1.0 to +7.5)+3.5 (-3.5 to +10.5)+15 (+5 to +25) at" in said
    assert "-8 (-12 to -4) at 1 nM" in said


def test_what_drugs_do_over_time_is_told_and_drawn(made_up_store: Store, full_page: Page) -> None:
    assert "What drugs do over time" not in full_page.text("drugs")
    about = {"readout": "ctg", "sample": "BT-40", "run_id": "run-1", "plugin": "ctg", "plugin_version": "1"}
    about |= {"screen": FULL, "parameters": "{}"}
    courses = {("A<b>", 10.0): (1.0, 1.0, 0.1), ("A<b>", 1.0): (1.0, 2.0, 4.0), ("B", 10.0): (1.0, 2.0, 3.8)}
    wells = [
        about
        | {"plate": "P1", "well": f"A{i:02d}", "time_h": hour, "drug": drug, "concentration_nM": dose, "cells": cells}
        for i, ((drug, dose), course) in enumerate(courses.items(), 1)
        for hour, cells in zip((0.0, 24.0, 48.0), course, strict=True)
    ]
    wells += [
        about | {"plate": "P1", "well": "H01", "time_h": hour, "control": "negative", "cells": 2 ** (hour / 24)}
        for hour in (0.0, 24.0, 48.0)
    ]
    classes = [
        about
        | {"drug": drug, "concentration_nM": dose, "is_highest_dose": dose == 10, "course_class": name}
        | {"probability": sure, "change_doublings": change, "n_wells": 1, "n_times": 3}
        for (drug, dose), name, sure, change in zip(
            courses, ("kill", "none", "none"), (0.99, 0.9, 0.8), (-3.3, 2.0, 1.9), strict=True
        )
    ]
    for table, rows in (("time_courses", wells), ("course_classes", classes)):
        made_up_store.write_table(table, FULL, "made", TABLES[table].frame(rows))
    html = render_report(made_up_store, FULL)
    said = Page(html).text("drugs")
    assert "The screen was read at 0, 24, 48 h." in said
    assert said.index("A<b>metabolic (ATP)kills from 10 nM99 %-3.3") < said.index(
        "Bmetabolic (ATP)none 80 % (not sure)+1.9"
    )
    assert html.count("over time, metabolic (ATP):") == 2
    assert "A<b>" not in html


def test_disagreement_is_named(full_page: Page, metabolic_page: Page) -> None:
    said = full_page.text("agreement")
    both = r"image, network \(phase III\) 25\.8, metabolic \(ATP\) 0\.0"
    assert re.search(rf"They differ, imaging more sensitive: Vemurafenib \({both}\)\.", said)
    assert "They differ, metabolism more sensitive: none." in said
    assert "Of 6 drugs they agree on 5, differ on 1, and their intervals leave 0 undecided" in said
    assert "Not compared: image, mean brightness failed a quality check." in said
    missing = metabolic_page.text("agreement")
    assert "Not shown: the screen has no scores of an imaging readout" in missing


def test_a_readout_whose_curves_all_failed_is_not_compared(made_up_store: Store) -> None:
    part = "dss_asym.ctg"
    scores = made_up_store.read_table("scores", FULL, part)
    made_up_store.write_table("scores", FULL, part, scores.assign(score=float("nan"), lower=None, upper=None, hit=None))
    said = Page(render_report(made_up_store, FULL)).text("agreement")
    assert "Not shown: the screen has no scores of a metabolic readout" in said


def test_missing_sections_say_why(metabolic_page: Page) -> None:
    assert "Not shown: the screen has no images in the store." in metabolic_page.text("phenotypes")
    assert "Not shown: no network was trained or adopted" in metabolic_page.text("lineage")
    assert "Not shown: the store holds no images" in metabolic_page.text("lineage")


def test_quality_shows_figures_plates_and_masked_wells(full_page: Page) -> None:
    said = full_page.text("quality")
    assert "Controls of P2 are poorly separated." in said
    assert "metabolic (ATP): 1 well, out of focus (P1 B06)" in said
    alts = full_page.values("alt")
    for readout in ("metabolic (ATP)", "image, network (phase II)", "image, network (phase III)"):
        for plate in ("P1", "P2"):
            assert f"Heat map of viability, {readout}, plate {plate}" in alts
        assert f"Replicate 1 against replicate 2, {readout}" in alts


def test_lineage_names_runs_plugins_and_weights(full_page: Page) -> None:
    said = full_page.text("lineage")
    for part in ("run-1", "viability/ctg", "amin auto", "phase3-weights", "VGG19"):
        assert part in said


def test_lineage_names_the_hash_of_every_plates_raw_images(made_up_store: Store) -> None:
    plates = made_up_store.read_table("plates", FULL)
    made_up_store.write_table("plates", FULL, "images", plates.assign(raw_hash=[f"abc{n}" for n in range(len(plates))]))
    told = lineage(ScreenData.load(made_up_store, FULL))["plates"]
    assert [plate["hash"] for plate in told] == [f"abc{n}" for n in range(len(plates))]


def test_the_page_needs_no_network(full_html: str) -> None:
    html, page = full_html, Page(full_html)
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", source) for source in page.values("src"))
    assert "http" not in re.sub(r'data:image/[a-z+]*;base64,[^"]*|http-equiv', "", html)
    policies = [found.get("content") for tag, found in page.attributes if tag == "meta" and "http-equiv" in found]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]
    assert len(html) < 2_000_000


def test_names_cannot_inject_markup(made_up_store: Store) -> None:
    evil = "<script>alert(1)</script>\"'&"
    screens = made_up_store.read_table("screens", FULL)
    made_up_store.write_table("screens", FULL, "layout", screens.assign(sample=evil, entity=evil))
    qc = made_up_store.read_table("qc", FULL, "ctg")
    made_up_store.write_table("qc", FULL, "ctg", qc.assign(explanation=evil))
    part = "dss_asym.cnn_phase3"
    scores = made_up_store.read_table("scores", FULL, part)
    made_up_store.write_table("scores", FULL, part, scores.assign(drug=scores["drug"].replace("Trametinib", evil)))
    html = render_report(made_up_store, FULL)
    page = Page(html)
    assert evil not in html
    assert [tag for tag, _ in page.attributes].count("script") == 1
    assert evil in page.text("drugs")
    assert evil in page.text("")


def test_the_same_tables_give_the_same_bytes(made_up_root) -> None:
    store = Store.open(made_up_root)
    assert render_report(store, METABOLIC_ONLY) == render_report(store, METABOLIC_ONLY)


def test_build_report_writes_in_the_store_or_where_told(made_up_store: Store, tmp_path) -> None:
    path = build_report(made_up_store, METABOLIC_ONLY)
    assert path == made_up_store.report_path(METABOLIC_ONLY)
    other = build_report(made_up_store, METABOLIC_ONLY, tmp_path / "new" / "mine.html")
    assert other.read_bytes() == path.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing is left aside"


def test_an_unknown_screen_is_refused_with_the_known_ones(made_up_store: Store) -> None:
    with pytest.raises(StoreError, match=f"screens with results: {FULL}, {METABOLIC_ONLY}"):
        build_report(made_up_store, "NOPE")
    assert not made_up_store.report_path("NOPE").exists()


#: Tables that a screen may lack, several at a time; those that belong together are not in the same group.
LACKING = [
    *(("screens",), ("wells",), ("viability",), ("curves",), ("scores",), ("qc",), ("runs",)),
    ("targets", "time_courses", "reachable_effects", "curations"),
    ("target_interactions", "course_classes", "course_curves", "drugs", "not_made"),
]


def test_every_table_of_the_screen_is_left_out_in_turn(made_up_root) -> None:
    """This screen has no images and no pairs of drugs: it lacks the other tables in all tests here."""
    held = {file.parts[-3] for file in (made_up_root / "tables").glob(f"*/screen={METABOLIC_ONLY}/*.parquet")}
    assert {table for group in LACKING for table in group} == held
    assert held <= set(TABLES)


@pytest.mark.parametrize("tables", LACKING, ids="-".join)
def test_a_screen_without_some_tables_still_has_a_report(made_up_store: Store, tables: tuple[str, ...]) -> None:
    for table in tables:
        for file in (made_up_store.root / "tables" / table / f"screen={METABOLIC_ONLY}").glob("*.parquet"):
            file.unlink()
    page = Page(render_report(made_up_store, METABOLIC_ONLY))
    said = {
        "scores": ("ranking", "Not shown: viabilities were made, but no scores"),
        "viability": ("curves", "Not shown: no well with a drug and a concentration has a viability"),
        "qc": ("", "Quality was not judged"),
        "runs": ("lineage", "no record of the steps"),
    }
    section, words = said.get(tables[0], ("lineage", "Methods and lineage"))
    assert words in page.text(section)


def test_a_screen_with_a_layout_only_says_that_nothing_was_read(made_up_store: Store) -> None:
    for table in set(TABLES) - {"screens", "wells"}:
        for file in (made_up_store.root / "tables" / table / f"screen={METABOLIC_ONLY}").glob("*.parquet"):
            file.unlink()
    page = Page(render_report(made_up_store, METABOLIC_ONLY))
    assert "Not shown: no readout of this screen was made" in page.text("ranking")
    assert "Not shown: the store holds neither viabilities nor quality figures" in page.text("quality")


def test_replicate_pairs_are_means_of_the_two_replicates(made_up_root) -> None:
    data = ScreenData.load(Store.open(made_up_root), METABOLIC_ONLY)
    pairs = data.replicate_pairs.set_index(["drug", "concentration_nM"])
    wells = data.dosed_wells
    assert len(pairs) == 29
    one = wells[(wells["drug"] == "Venetoclax") & (wells["concentration_nM"] == 100.0)].set_index("replicate")
    found = pairs.loc[("Venetoclax", 100.0)]
    assert found["first"] == pytest.approx(100 * one.loc[1, "viability_fraction"])
    assert found["second"] == pytest.approx(100 * one.loc[2, "viability_fraction"])
