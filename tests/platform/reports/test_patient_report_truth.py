"""What the patient report draws and concludes, against a known truth: bands, quartiles, pairs, disagreements."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.dose_response.fit import fit_curves
from phenodose.plots import svg_figures
from phenodose.reports.data import Missing, ScreenData
from phenodose.reports.drug_cards import drug_cards
from phenodose.reports.fitted_curves import fitted_curves
from phenodose.reports.phenotypes import distant_pairs
from phenodose.reports.reference import reference_cohort
from phenodose.reports.sections import agreement, threshold
from phenodose.simulation.curves import simulate_curves
from phenodose.store.curves import band, curves_key, read_curves, write_points
from phenodose.store.store import Store
from phenodose.tables import TABLES

SCREEN, OTHER = "BT-40_V1_DS1", "INF_R_153_V1_DS1"


@pytest.fixture(scope="module")
def fitted():  # type: ignore[no-untyped-def]
    """Forty simulated curves with their truth, and their fits with draws."""
    simulated = simulate_curves("noisy", 40, seed=4)
    return simulated.truth, fit_curves(simulated.points, bootstrap=150, seed=1)


def test_the_band_holds_the_fitted_curve_and_mostly_the_true_one(fitted) -> None:  # type: ignore[no-untyped-def]
    truth, curves = fitted
    held_own, held_truth = [], []
    for place in range(len(curves)):
        grid = curves.log10_dose_grid(25)[place]
        ends = band(curves, place, grid)
        assert ends is not None
        lower, upper = ends
        assert (lower <= upper).all()
        own = curves.inhibition_at(curves.log10_dose_grid(25))[place]
        true = truth.inhibition_at(curves.log10_dose_grid(25))[place]
        held_own.append(((lower - 0.02 <= own) & (own <= upper + 0.02)).mean())
        held_truth.append(((lower <= true) & (true <= upper)).mean())
    assert np.mean(held_own) > 0.97
    assert 0.85 < np.mean(held_truth) < 0.999, "near 95 %, and not by being endlessly wide"


def test_a_wider_spread_of_draws_gives_a_wider_band(fitted) -> None:  # type: ignore[no-untyped-def]
    _, curves = fitted
    own = curves.parameters[:, np.newaxis, :]
    wider = replace(curves, draws=own + 2 * (curves.draws - own))
    grid = curves.log10_dose_grid(25)
    widths = [np.subtract(*band(batch, 0, grid[0])[::-1]).mean() for batch in (curves, wider)]  # type: ignore[index]
    assert widths[1] > 1.2 * widths[0]
    assert band(replace(curves, draws=None), 0, grid[0]) is None


def test_the_card_draws_the_stored_band(made_up_store: Store) -> None:
    store = made_up_store
    rows = store.read_table("curves", SCREEN, "ctg")
    store.write_table("curves", SCREEN, curves_key("ctg"), rows)
    from phenodose.dose_response.curves import CurveBatch
    from phenodose.tables import CURVE_FIT_COLUMNS

    batch = CurveBatch.from_frame(rows[["sample", "readout", "replicate", "drug", *CURVE_FIT_COLUMNS]])
    spread = np.random.default_rng(2).normal(0, (0.05, 0.05, 0.2, 0.1, 0), (len(batch), 80, 5))
    write_points(store, SCREEN, "ctg", replace(batch, draws=batch.parameters[:, np.newaxis, :] + spread))
    data = ScreenData.load(store, SCREEN)
    found = drug_cards(data, fitted_curves(data))
    assert not isinstance(found, Missing)
    card = next(card for card in found["cards"] if card["drug"] == "Trametinib")
    outline = [
        float(v) for v in re.search(r'<polygon points="([^"]+)"', str(card["figure"]))[1].replace(",", " ").split()
    ]  # type: ignore[index]
    stored = read_curves(store, SCREEN, "ctg")
    assert stored is not None
    keys = stored.keys.reset_index(drop=True)
    place = int(keys.index[(keys["drug"] == "Trametinib") & (keys["replicate"] == "pooled")][0])
    lower, upper = band(stored, place, stored.log10_dose_grid(25)[place])  # type: ignore[misc]
    drawn_upper, drawn_lower = outline[1::2][:25], outline[1::2][25:][::-1]
    # 130 px stand for 150 percent, with 125 percent 8 px below the edge.
    for drawn, ends in ((drawn_upper, upper), (drawn_lower, lower)):
        assert drawn == pytest.approx(8 + 130 * (125 - np.clip(100 * ends, -25, 125)) / 150, abs=0.06)


# --- the reference cohort -------------------------------------------------------------------------


def lines_of(svg: str, css: str) -> list[dict[str, str]]:
    return [found.attrib for found in ET.fromstring(svg).iter("line") if found.get("class") == css]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 50), min_size=1, max_size=12))
def test_marks_beside_a_bar_stand_at_the_scores_of_others(scores: list[float]) -> None:
    ranking = pd.DataFrame({"drug": ["A"], "score": [50.0], "lower": [50.0], "upper": [50.0], "hit": [True]})
    svg = str(svg_figures.waterfall(ranking, {}, None, "dss", {"A": sorted(scores)}))
    zero, full = (float(line["y1"]) for line in (lines_of(svg, "grid")[0], lines_of(svg, "grid")[-1]))
    per_score = (zero - full) / 50

    def at(score: float) -> float:
        return zero - per_score * score

    strokes = sorted(float(line["y1"]) for line in lines_of(svg, "other"))
    boxes = lines_of(svg, "quartiles")
    if len(scores) < 4:
        assert boxes == []
        assert strokes == pytest.approx(sorted(map(at, scores)), abs=0.11)
    else:
        low, middle, high = np.quantile(scores, (0.25, 0.5, 0.75))
        assert strokes == pytest.approx([at(middle)], abs=0.11)
        assert [float(boxes[0]["y1"]), float(boxes[0]["y2"])] == pytest.approx([at(low), at(high)], abs=0.11)


def test_the_reference_is_other_samples_by_the_same_readout_and_scorer(made_up_store: Store) -> None:
    store = made_up_store
    assert reference_cohort(ScreenData.load(store, SCREEN)).scores == {}, "the other sample has no imaging"
    other = store.read_table("scores", OTHER)
    other = other[other["scorer"] == "dss_asym"].assign(readout="cnn_phase3")
    other.loc[(other["drug"] == "Trametinib") & (other["replicate"] == "pooled"), "score"] = 12.5
    store.write_table("scores", OTHER, "dss_asym.cnn_phase3", other)
    found = reference_cohort(ScreenData.load(store, SCREEN))
    assert found.scores["Trametinib"] == [12.5]
    assert (found.screens, found.n_samples) == ([OTHER], 1)
    store.write_table("scores", OTHER, "dss_asym.cnn_phase3", other.assign(sample="BT-40"))
    assert reference_cohort(ScreenData.load(store, SCREEN)).scores == {}, "a screen of the same sample is none"


# --- pairs of effective drugs that look different -------------------------------------------------


def with_map(
    store: Store, places: dict[str, list[tuple[float, float]]], embedder: str = "pca", turn: int = 1
) -> ScreenData:
    """The screen with one map: drug -> places of its wells."""
    data = ScreenData.load(store, SCREEN)
    rows = [
        {"screen": SCREEN, "plate": f"P{n}", "well": f"B{m:02d}", "well_type": "therapy", "treatment": drug}
        | {"concentration_nM": 1e4, "replicate": n, "embedder": embedder, "readout": "cnn_phase3", "x": x, "y": y}
        for m, (drug, wells) in enumerate(places.items(), 4)
        for n, (x, y) in enumerate(wells, 1)
    ][::turn]
    return replace(data, tables=data.tables | {"embeddings": TABLES["embeddings"].frame(rows)})


#: Three hits of the made-up screen: two alike, one far away; and a drug that is no hit, farther still.
PLACES = {
    "Trametinib": [(0.0, 0.0), (0.0, 1.0)],
    "Panobinostat": [(0.5, 0.0), (0.5, 1.0)],
    "Vemurafenib": [(9.0, 0.0), (9.0, 1.0)],
    'A"B <i>&': [(99.0, 0.0), (99.0, 1.0)],
}


def test_only_hits_that_lie_farther_apart_than_duplicates_are_paired(made_up_store: Store) -> None:
    found = distant_pairs(with_map(made_up_store, PLACES))
    assert not isinstance(found, Missing)
    assert [set(pair["drugs"]) for pair in found["pairs"]] == [
        {"Trametinib", "Vemurafenib"},
        {"Panobinostat", "Vemurafenib"},
    ]
    assert [pair["distance"] for pair in found["pairs"]] == pytest.approx([9.0, 8.5])
    assert found["limit"] == pytest.approx(1.0)
    assert (found["n_hits"], found["n_all"]) == (3, 3)


def test_pairs_do_not_depend_on_order_place_or_mirror(made_up_store: Store) -> None:
    expected = distant_pairs(with_map(made_up_store, PLACES))
    assert not isinstance(expected, Missing)
    moved = {drug: [(-y + 40, x - 7) for x, y in wells] for drug, wells in PLACES.items()}
    turned = dict(reversed(list(PLACES.items())))
    for data in (
        with_map(made_up_store, PLACES, turn=-1),
        with_map(made_up_store, turned),
        with_map(made_up_store, moved),
    ):
        found = distant_pairs(data)
        assert not isinstance(found, Missing)
        assert [(p["drugs"], pytest.approx(p["distance"])) for p in found["pairs"]] == [
            (p["drugs"], p["distance"]) for p in expected["pairs"]
        ]


def test_a_drug_whose_own_wells_scatter_is_not_told_apart(made_up_store: Store) -> None:
    scattered = PLACES | {"Vemurafenib": [(9.0, -10.0), (9.0, 10.0)]}
    found = distant_pairs(with_map(made_up_store, scattered))
    assert not isinstance(found, Missing)
    assert found["pairs"] == []


def test_pairs_compare_highest_concentrations(made_up_store: Store) -> None:
    data = with_map(made_up_store, PLACES)
    places = data["embeddings"]
    low = places.assign(concentration_nM=1.0, x=-500.0, well=places["well"].str.replace("B", "C"))
    both = replace(data, tables=data.tables | {"embeddings": pd.concat([low, places], ignore_index=True)})
    assert distant_pairs(both) == distant_pairs(data)


def test_without_two_hits_or_a_map_of_distances_there_are_no_pairs(made_up_store: Store) -> None:
    assert isinstance(distant_pairs(with_map(made_up_store, PLACES, "tsne")), Missing)
    part = "dss_asym.cnn_phase3"
    scores = made_up_store.read_table("scores", SCREEN, part)
    call = scores["drug"].eq("Trametinib").map({True: "hit", False: "borderline"})
    made_up_store.write_table("scores", SCREEN, part, scores.assign(call=call))
    found = distant_pairs(with_map(made_up_store, PLACES))
    assert isinstance(found, Missing)
    assert found.reason == "1 drugs are hits, and a pair needs two."


# --- imaging against metabolism -------------------------------------------------------------------


def test_readouts_differ_on_drugs_that_lie_surely_on_either_side_of_the_limit(made_up_store: Store) -> None:
    part = "dss_asym.ctg"
    scores = made_up_store.read_table("scores", SCREEN, part)
    higher = scores["drug"] == "Lorlatinib"
    told = {"score": 30.0, "lower": 28.0, "upper": 33.0, "p_hit_fraction": 1.0}
    changed = scores.assign(**{name: scores[name].where(~higher, value) for name, value in told.items()})
    unsure = scores["drug"] == "Venetoclax"
    changed["p_hit_fraction"] = changed["p_hit_fraction"].where(~unsure, 0.7)
    made_up_store.write_table("scores", SCREEN, part, changed)
    data = ScreenData.load(made_up_store, SCREEN)
    found = agreement(data)
    assert not isinstance(found, Missing)
    assert [(c["imaging"], c["metabolic"]) for c in found["comparisons"]] == [
        ("cnn_phase3", "ctg"), ("cnn_phase2", "ctg"), ("mean_of_stack", "ctg"),
    ]  # fmt: skip
    wide = data.pooled.pivot_table("score", "drug", "readout")
    limit = threshold(data)
    assert limit is not None
    failed = found["comparisons"].pop()
    assert (failed["failed"], failed["n_undecided"]) == ("image, mean brightness", failed["n_drugs"])
    for one in found["comparisons"]:
        both = wide[[one["imaging"], "ctg"]].dropna() >= limit
        assert [name.partition(" (")[0] for name in one["undecided"]] == ["Venetoclax"]
        assert one["n_agree"] == one["n_drugs"] - 3
        for names, chosen in (
            (one["imaging_only"], both[one["imaging"]] & ~both["ctg"]),
            (one["metabolic_only"], both["ctg"] & ~both[one["imaging"]]),
        ):
            assert sorted(name.partition(" (")[0] for name in names) == sorted(both.index[chosen])
        assert one["n_differ"] == len(one["imaging_only"]) + len(one["metabolic_only"]) == 2
    assert "Lorlatinib" in found["comparisons"][0]["metabolic_only"][0]
