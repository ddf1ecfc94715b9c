"""Pairs of drugs in the report: ranked, judged in words, drawn; what has no value says why."""

from __future__ import annotations

from itertools import product
from math import nan

import pandas as pd
import pytest

from phenodose.plugins import Preferences, registry
from phenodose.reports.data import ScreenData
from phenodose.reports.dose_pairs import dose_pairs
from phenodose.reports.drug_pairs import pairs_of, verdict
from phenodose.reports.patient import render
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN = "PAIRS_V1_DS1"
BY = {"screen": SCREEN, "run_id": "r", "plugin": "curves", "plugin_version": "1", "parameters": "{}"}
MODELS = ("hsa", "bliss", "loewe", "zip")


def score(pair: tuple[str, str], measure: str, value: float, half: float = 2.0, **more: object) -> dict[str, object]:
    said = "synergy" if value > half else "antagonism" if value < -half else "undecided"
    row = {"sample": "S", "readout": "ctg", "drug": pair[0], "add_on": pair[1], "measure": measure, "value": value}
    row |= {"lower": value - half, "upper": value + half, "probability_synergy": 0.98, "status": "ok"}
    return BY | row | ({"interaction": said} if measure != "css" else {"probability_synergy": None}) | more


def doses(
    pair: tuple[str, str], value: float, models: tuple[str, ...] = MODELS, **more: object
) -> list[dict[str, object]]:
    row = {"sample": "S", "readout": "ctg", "drug": pair[0], "add_on": pair[1]}
    numbers = {"inhibition_percent": 60.0 + value, "expected_percent": 60.0, "excess_percent": value}
    numbers |= {"lower_percent": value - 5, "upper_percent": value + 5, "n_wells": 2, "status": "ok"}
    return [
        BY | row | numbers | {"concentration_nM": first, "add_on_concentration_nM": second, "model": model} | more
        for first, second, model in product((1.0, 10.0, 100.0), (5.0, 50.0), models)
    ]


def screen(
    root: object, scores: list[dict[str, object]], pairs: list[dict[str, object]], **tables: pd.DataFrame
) -> ScreenData:
    frames = {name: table.frame([]) for name, table in TABLES.items()}
    frames |= {
        "combination_scores": TABLES["combination_scores"].frame(scores),
        "dose_pairs": TABLES["dose_pairs"].frame(pairs),
        **tables,
    }
    return ScreenData(Store.open(root), SCREEN, frames)  # type: ignore[arg-type]


def of_all(pair: tuple[str, str], value: float) -> list[dict[str, object]]:
    return [score(pair, model, value) for model in MODELS] + [score(pair, "css", 50.0)]


def test_a_screen_without_dose_matrices_has_no_section(tmp_path) -> None:
    assert dose_pairs(screen(tmp_path, [], []), {}) is None


def test_synergy_comes_first_then_the_undecided_then_antagonism(tmp_path) -> None:
    scores = [
        row
        for pair, value in ((("A", "B"), -9.0), (("A", "C"), 1.0), (("B", "C"), 12.0), (("C", "D"), 5.0))
        for row in of_all(pair, value)
    ]
    scores += [score(("D", "E"), "bliss", nan, lower=None, upper=None, interaction="", status="too few doses")]
    found = dose_pairs(screen(tmp_path, scores, []), {"A": "#drug-1-a"})
    assert found is not None
    names = [tuple(name for name, _ in row["drugs"]) for row in found["rows"]]
    assert names == [("B", "C"), ("C", "D"), ("A", "C"), ("A", "B"), ("D", "E")]
    assert found["ranked_by"] == "bliss"
    assert found["counts"] == {"synergy": 2, "antagonism": 1, "undecided": 1}
    last = found["rows"][-1]
    assert last["verdict"] == "no verdict: too few doses"
    assert last["models"][0] == {"text": "–", "small": [], "sort": "", "reason": "too few doses"}
    assert found["rows"][0]["models"][0] == {
        "text": "+12.0",
        "small": ["+10.0 to +14.0", "P 0.98"],
        "sort": 12.0,
        "reason": "",
    }
    assert [one["label"] for one in (*found["models"], *found["others"])] == ["Bliss", "ZIP", "Loewe", "HSA", "CSS"]
    (css,) = found["rows"][0]["others"]
    assert css == {"text": "50.0", "small": ["48.0 to 52.0"], "sort": 50.0, "reason": ""}
    assert found["rows"][2]["drugs"][0] == ("A", "#drug-1-a")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((9, 9, 9, 9), "synergy by all models"),
        ((-9, -9, -9, -9), "antagonism by all models"),
        ((1, 1, 1, 1), "undecided: the interval of every model contains 0"),
        ((9, 1, 1, 1), "undecided by Bliss, ZIP and Loewe, synergy by HSA"),
        ((9, -9, -9, -9), "the models contradict each other: antagonism by Bliss, ZIP and Loewe, synergy by HSA"),
        ((None, 9, None, None), "synergy by Bliss"),
    ],
)
def test_the_verdict_says_which_models_agree(tmp_path, values, words) -> None:
    rows = [score(("A", "B"), model, value) for model, value in zip(MODELS, values, strict=True) if value is not None]
    (pair,) = pairs_of(TABLES["combination_scores"].frame(rows))
    label = Preferences.of(registry()).measure_label
    assert verdict(pair, ["bliss", "zip", "loewe", "hsa"], "bliss", label) == words


def test_the_page_shows_every_model_and_what_has_no_value(tmp_path) -> None:
    pair = ("A", 'B "<i>&')
    scores = [row for row in of_all(pair, 9.0) if row["measure"] != "loewe"]
    scores.append(score(pair, "loewe", nan, lower=None, upper=None, interaction="", status="no drug alone"))
    rows = [*doses(pair, 9.0, ("hsa", "bliss", "zip")), *doses(pair, nan, ("loewe",), status="no drug alone")]
    made = dose_pairs(screen(tmp_path, scores, rows), {})
    assert made is not None
    html = render("combinations.html.j2", dose_matrices=made, combinations=None, data={"screen": SCREEN})
    assert html.count("<svg ") == 5
    assert html.count("hidden>") == 3
    assert "A 10 nM, B &#34;&lt;i&gt;&amp; 50 nM: +9.0 (+4.0 to +14.0), 60.0 % expected" in html
    assert "A 10 nM, B &#34;&lt;i&gt;&amp; 50 nM: no drug alone" in html
    assert "no Loewe: no drug alone" in html
    assert "6 of 6 cells have an interval without 0" in html
    assert "nan" not in html
    assert "<i>&" not in html


def test_heat_maps_keep_to_their_room_and_decided_pairs_come_first(tmp_path) -> None:
    chosen = ((("A", "B"), 0.0), (("A", "C"), -9.0), (("B", "C"), 9.0))
    scores = [row for pair, value in chosen for row in of_all(pair, value)]
    rows = [row for pair, value in chosen for row in doses(pair, value)]
    found = dose_pairs(screen(tmp_path, scores, rows), {}, most_cells=50)
    assert found is not None
    assert [card["title"] for card in found["cards"]] == ["B and C", "A and C"]
    assert found["n_not_drawn"] == 1
    assert [row["card"] for row in found["rows"]] == ["pair-1", None, "pair-2"]
    html = render("combinations.html.j2", dose_matrices=found, combinations=None, data={"screen": SCREEN})
    assert "1 more pair has no heat map here" in html


def test_the_phenotypes_of_the_two_drugs_are_compared(tmp_path) -> None:
    row = {"screen": SCREEN, "sample": "S", "features": "image", "beyond_viability": True, "n_wells": 2, "run_id": "r"}
    phenotypes = TABLES["phenotypes"].frame(
        [
            row | {"drug": "A", "nearest_drug": "B", "similarity": 0.83},
            row | {"drug": "B", "nearest_drug": "C", "similarity": 0.9},
        ]
    )
    place = {"screen": SCREEN, "embedder": "pca", "readout": "cnn", "well_type": "therapy", "y": 0.0} | {
        name: value for name, value in BY.items() if name != "screen"
    }
    wells = [("A", 0.0), ("A", 1.0), ("B", 4.0), ("B", 5.0)]
    embeddings = TABLES["embeddings"].frame(
        [
            place | {"plate": "P1", "well": f"A{n:02d}", "treatment": drug, "x": x, "concentration_nM": 10.0}
            for n, (drug, x) in enumerate(wells, 1)
        ]
    )
    scores = [*of_all(("A", "B"), 9.0), *of_all(("A", "Z"), 3.0)]
    found = dose_pairs(screen(tmp_path, scores, [], phenotypes=phenotypes, embeddings=embeddings), {})
    assert found is not None
    assert found["map"] == "pca"
    assert found["rows"][0]["phenotype"]["text"] == (
        "4 (4 × the duplicates); B looks most like A: cosine 0.83 by image beyond viability"
    )
    assert found["rows"][1]["phenotype"] == {"text": "–", "sort": ""}


def test_pairs_are_counted_by_one_readout_and_all_readouts_stand_in_the_table(tmp_path) -> None:
    scores = of_all(("A", "B"), 9.0)
    scores += [row | {"readout": "alamar"} for row in of_all(("A", "B"), -9.0)]
    found = dose_pairs(screen(tmp_path, scores, []), {})
    assert found is not None
    assert (found["readout"], found["n_pairs"], len(found["rows"])) == ("alamar", 1, 2)
    assert found["counts"] == {"synergy": 0, "antagonism": 1, "undecided": 0}
