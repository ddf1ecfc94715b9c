"""Page one of the patient report: one sheet that says what was found, how sure it is, and what could not be tested."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from phenodose.plots.small_curves import dose_words
from phenodose.reports.data import Missing, ScreenData
from phenodose.reports.first_page import MOST_WITHOUT, first_page, laid_out, sheet_drugs
from phenodose.reports.fitted_curves import fitted_curves
from phenodose.reports.other_scores import other_scores
from phenodose.reports.patient import render_report
from phenodose.reports.words import css_text, first_sentences, page_style
from phenodose.store.store import Store

FULL = "BT-40_V1_DS1"
#: Width and height of what page one holds in print, in CSS pixels: A4 without its margins.
PAGE_PX = (188 / 25.4 * 96, 270 / 25.4 * 96)


def sheet_of(data: ScreenData, has_images: bool = False) -> dict[str, Any]:
    page = laid_out(first_page(data, fitted_curves(data)), has_images, ["Good."])
    assert not isinstance(page, Missing)
    return page


def with_drugs(store: Store, n_drugs: int, name: str = "Drug {}", call: str = "hit") -> Store:
    """The made-up screen with so many drugs of the ranking readout, all with the same call, and nothing on curves."""
    part = "dss_asym.cnn_phase3"
    scores = store.read_table("scores", FULL, part)
    one = scores[(scores["drug"] == "Trametinib") & (scores["replicate"] == "pooled")]
    rows = [one.assign(drug=name.format(place), score=40 - place / 10, call=call) for place in range(n_drugs)]
    store.write_table("scores", FULL, part, pd.concat(rows, ignore_index=True))
    return store


@pytest.fixture(scope="module")
def data(made_up_root: Path) -> ScreenData:
    return ScreenData.load(Store.open(made_up_root), FULL)


def test_hits_stand_with_class_target_score_and_dose(data: ScreenData) -> None:
    page = sheet_of(data)
    assert [one["drug"] for one in page["drugs"]] == ["Trametinib", "Panobinostat", "Vemurafenib", "Venetoclax"]
    first = page["drugs"][0]
    assert first["drug_class"] == "MEK inhibitor"
    assert first["targets"] == "MAP2K1, MAP2K2" or first["targets"] == "MAP2K1,MAP2K2"
    scores = data["scores"]
    chosen = (scores["drug"] == "Trametinib") & (scores["readout"] == "cnn_phase3") & (scores["replicate"] == "pooled")
    [score] = scores[chosen & (scores["scorer"] == "dss_asym")].itertuples()
    assert (first["score"], first["interval"]) == (f"{score.score:.1f}", f"{score.lower:.1f} to {score.upper:.1f}")
    [dose] = scores[chosen & (scores["scorer"] == "rel_ic50")].itertuples()
    assert first["half_dose"].startswith(dose_words(dose.score))
    assert page["readout"] == "image, network (phase III)"
    assert "0 (no effect) to 50" in page["meaning"]
    assert page["meaning"].endswith("A hit from 10.")


def test_borderline_drugs_are_named_and_are_no_hits(made_up_store: Store) -> None:
    part = "dss_asym.cnn_phase3"
    scores = made_up_store.read_table("scores", FULL, part)
    unsure = scores["drug"].eq("Venetoclax")
    scores = scores.assign(call=scores["call"].mask(unsure, "borderline"))
    made_up_store.write_table("scores", FULL, part, scores)
    page = sheet_of(ScreenData.load(made_up_store, FULL))
    assert page["heading"] == "3 of 6 drugs are hits"
    assert page["borderline"].startswith("Venetoclax (11.7, P(hit) ")


def test_doses_stand_in_the_unit_of_a_clinician(data: ScreenData) -> None:
    assert [dose_words(value) for value in (0.25, 12.34, 999.6, 2500.0, 3.2e6)] == [
        "0.25 nM",
        "12 nM",
        "1 µM",
        "2.5 µM",
        "3.2 mM",
    ]


def test_the_effect_at_the_reachable_concentration_is_told(data: ScreenData) -> None:
    nothing = dataclasses.replace(data, tables=data.tables | {"reachable_effects": data["reachable_effects"].iloc[:0]})
    assert {one["reach"] for one in sheet_of(nothing)["drugs"]} == {None}, "nothing is known of it"
    row = {
        "readout": "cnn_phase3",
        "replicate": "pooled",
        "c_max_nM": 40.0,
        "lower_fraction": 0.6,
        "upper_fraction": 0.85,
        "bound": "=",
        "note": None,
    }
    rows = [
        {"drug": "Trametinib", "effect_at_c_max_fraction": 0.74, "needs_more_than_c_max": False} | row,
        {"drug": "Vemurafenib", "effect_at_c_max_fraction": 0.2, "needs_more_than_c_max": True} | row,
    ]
    known = dataclasses.replace(data, tables=data.tables | {"reachable_effects": pd.DataFrame(rows)})
    reach = {one["drug"]: one["reach"] for one in sheet_of(known)["drugs"]}
    assert reach["Trametinib"].words == "74 % (60 to 85) at 40 nM"
    assert not reach["Trametinib"].needs_more
    assert reach["Vemurafenib"].needs_more
    assert reach["Panobinostat"] is None


def test_pairs_that_were_synergistic_are_candidates(data: ScreenData) -> None:
    said = " ".join(sheet_of(data)["candidates"])
    assert re.search(r"\S+ \+ \S+: synergy, \+\d+\.\d", said)


def test_what_was_not_tested_is_told(made_up_store: Store) -> None:
    part = "dss_asym.cnn_phase3"
    scores = made_up_store.read_table("scores", FULL, part)
    lost = scores["drug"] == "Lorlatinib"
    scores = scores.assign(score=scores["score"].mask(lost), status=scores["status"].mask(lost, "failed: no doses"))
    made_up_store.write_table("scores", FULL, part, scores)
    said = sheet_of(ScreenData.load(made_up_store, FULL))["untested"]
    assert said[0] == "1 drug has no score: Lorlatinib (failed: no doses)."
    assert re.match(r"\d+ of 60 wells with a drug are left out: \d+ out of focus", said[1])


@pytest.mark.parametrize("n_drugs", [1, 20, 70])
def test_every_hit_is_on_the_sheet_or_counted(made_up_store: Store, n_drugs: int) -> None:
    page = sheet_of(ScreenData.load(with_drugs(made_up_store, n_drugs), FULL))
    assert page["heading"] == f"{n_drugs} of {n_drugs} drugs {'are hits' if n_drugs > 1 else 'is a hit'}"
    n_named = page["others"].count("Drug ")
    more = re.search(r"and (\d+) more", page["others"])
    assert len(page["drugs"]) + n_named + (int(more[1]) if more else 0) == n_drugs
    assert len(page["drugs"]) <= MOST_WITHOUT


def test_where_no_drug_is_a_hit_the_highest_scores_stand_there(made_up_store: Store) -> None:
    data = ScreenData.load(with_drugs(made_up_store, 9, call="no hit"), FULL)
    page = sheet_of(data)
    assert page["heading"] == "None of 9 drugs is a hit; the highest scores"
    assert [one["drug"] for one in page["drugs"]] == ["Drug 0", "Drug 1", "Drug 2"] == sheet_drugs(data)


def test_a_screen_without_scores_says_so(made_up_store: Store) -> None:
    for file in (made_up_store.root / "tables" / "scores" / f"screen={FULL}").glob("*.parquet"):
        file.unlink()
    html = render_report(made_up_store, FULL)
    assert "Not shown: viabilities were made, but no scores" in html[html.index('id="sheet"') : html.index("<nav")]


def test_a_long_verdict_goes_on_behind_the_sheet() -> None:
    sentences = ["One plate failed."] * 3 + ["x " * 300]
    first, rest = first_sentences(sentences, 60)
    assert (first, rest) == (" ".join(sentences[:3]), sentences[3])
    first, rest = first_sentences(["word " * 50], 40)
    assert len(first) <= 40
    assert first.endswith("…")
    assert first[:-1].split()[-1] + " ".join(rest.split()) != ""
    assert first_sentences([]) == ("", "")


def test_a_name_cannot_leave_the_style_sheet() -> None:
    evil = '"} body { display: none } </style><script>'
    assert not re.search(r'[<>{}](?![^"]*$)', css_text(evil).strip('"').replace("\\", ""))
    assert "</style" not in page_style(evil, evil)


def test_a_second_scorer_that_names_no_hits_has_a_column_and_stands_on_the_cards(made_up_store: Store) -> None:
    part = "dss_asym.cnn_phase3"
    scores = made_up_store.read_table("scores", FULL, part)
    own = scores.assign(scorer="steepness", score=7.25, lower=6.0, upper=8.0, hit=None, call=None, unit="percent")
    made_up_store.write_table("scores", FULL, "steepness.cnn_phase3", own.assign(p_hit_fraction=None))
    data = ScreenData.load(made_up_store, FULL)
    found = other_scores(data)
    place = [name for name, *_ in found["scorers"]].index("steepness")
    assert found["of"]["Trametinib"][place] == {"text": "7.25", "interval": "6 to 8", "sort": 7.25}
    html = render_report(made_up_store, FULL)
    table = html[html.index('id="drug-table"') : html.index('id="curves"')]
    assert 'data-name="steepness"' in table
    assert table.count('data-sort="7.25"') == 6
    card = html[html.index('<article class="drug') :]
    card = card[: card.index("</article>")]
    assert "steepness <b>7.25</b> percent (6 to 8)" in card


LONG = "<b>5-(2,4-dihydroxy-5-isopropylphenyl)</b>-4-(morpholinomethyl)phenyl-N-ethylisoxazole {}"


def test_the_sheet_is_one_page_however_much_there_is_to_say(browser: Any, made_up_root: Path, tmp_path: Path) -> None:
    import shutil

    pages = {}
    kinds = {"few": (1, "Drug {}"), "many": (20, "Drug {}"), "long": (20, LONG), "none": (0, "")}
    for kind, (n_drugs, name) in kinds.items():
        store = Store.open(shutil.copytree(made_up_root, tmp_path / kind))
        if n_drugs:
            with_drugs(store, n_drugs, name)
        else:
            shutil.rmtree(store.root / "tables" / "scores")
        if kind == "long":
            screens = store.read_table("screens", FULL)
            store.write_table("screens", FULL, "layout", screens.assign(sample="β-名 " * 30, entity="entity " * 40))
            qc = store.read_table("not_made", FULL)
            failed = [
                qc.iloc[[0]].assign(asset=f"viability/{n}", outcome="failed", reason="no " * 90) for n in "abcdef"
            ]
            store.write_table("not_made", FULL, "made", pd.concat(failed, ignore_index=True))
        pages[kind] = tmp_path / f"{kind}.html"
        pages[kind].write_text(render_report(store, FULL), encoding="utf-8")
    with browser.watched(width=int(PAGE_PX[0])) as watched:
        for kind, path in pages.items():
            page = watched.open_file(path)
            page.emulate_media(media="print")
            high = page.evaluate("document.getElementById('sheet').getBoundingClientRect().height")
            wide = page.evaluate("document.getElementById('sheet').scrollWidth")
            assert high <= PAGE_PX[1], f"{kind}: {high} px"
            assert wide <= PAGE_PX[0], kind
