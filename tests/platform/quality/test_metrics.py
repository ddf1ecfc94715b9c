"""The quality figures: known values and invariants."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phenodose.names import row_label
from phenodose.quality import controls, edges, replicates, series, zprime
from phenodose.quality.gates import judge
from phenodose.quality.metrics import METRICS

NEGATIVE = np.array([90.0, 100.0, 110.0])
POSITIVE = np.array([8.0, 10.0, 12.0])

wells = st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=20).map(np.array)


def test_zprime_of_a_plate_computed_by_hand() -> None:
    assert zprime.zprime(NEGATIVE, POSITIVE) == pytest.approx(1 - 3 * math.sqrt(100 + 4) / 90)
    assert zprime.zprime_classic(NEGATIVE, POSITIVE) == pytest.approx(1 - 3 * (10 + 2) / 90)
    assert zprime.zprime_robust(NEGATIVE, POSITIVE) == pytest.approx(1 - 3 * 1.4826 * (10 + 2) / 90)


@pytest.mark.parametrize("form", [zprime.zprime, zprime.zprime_classic, zprime.zprime_robust])
def test_zprime_needs_two_wells_of_each_and_a_distance(form: zprime) -> None:  # type: ignore[valid-type]
    assert math.isnan(form(NEGATIVE[:1], POSITIVE))
    assert math.isnan(form(NEGATIVE, POSITIVE[:0]))
    assert math.isnan(form(NEGATIVE, NEGATIVE))


@given(wells, wells, st.floats(0.01, 100), st.floats(-1e3, 1e3))
def test_zprime_is_at_most_one_and_blind_to_scale_sign_and_order_of_controls(
    negative: np.ndarray, positive: np.ndarray, scale: float, shift: float
) -> None:
    assume(abs(negative.mean() - positive.mean()) > 1 and abs(np.median(negative) - np.median(positive)) > 1)
    for form in (zprime.zprime, zprime.zprime_classic, zprime.zprime_robust):
        value = form(negative, positive)
        assert value <= 1
        assert form(positive, negative) == pytest.approx(value)
        assert form(-scale * negative + shift, -scale * positive + shift) == pytest.approx(value, rel=1e-6, abs=1e-6)
    assert zprime.zprime(negative, positive) >= zprime.zprime_classic(negative, positive) - 1e-9


def test_figures_of_controls() -> None:
    assert (controls.mean(NEGATIVE), controls.sd(NEGATIVE)) == (100, 10)
    assert controls.cv_percent(NEGATIVE) == 10
    assert controls.cv_percent(-NEGATIVE) == 10
    assert controls.signal_to_background(NEGATIVE, POSITIVE) == 10
    assert controls.ssmd(NEGATIVE, POSITIVE) == pytest.approx(90 / math.sqrt(104))
    nothing = np.array([])
    assert math.isnan(controls.mean(nothing))
    assert math.isnan(controls.sd(NEGATIVE[:1]))
    assert math.isnan(controls.signal_to_background(NEGATIVE, np.zeros(2)))
    assert math.isnan(controls.cv_percent(np.zeros(2)))
    assert math.isnan(controls.ssmd(np.ones(2), np.zeros(2)))


def frame(**columns: object) -> pd.DataFrame:
    base = {
        "sample": "S",
        "plate": "1",
        "row": "A",
        "well_type": "therapy",
        "treatment": "X",
        "concentration_nM": 1.0,
        "add_on": None,
        "replicate": 1,
        "raw": 1.0,
        "viability_fraction": 1.0,
    }
    return pd.DataFrame(base | columns)


def test_pairs_are_wells_that_differ_in_the_replicate_alone() -> None:
    rows = frame(
        treatment=["X", "X", "X", "Y", "Y", "X", "X"],
        concentration_nM=[1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0],
        replicate=[2, 1, 2, 1, 2, 1, 2],
        well_type=["therapy"] * 5 + ["trc", "therapy"],
        add_on=[None] * 6 + ["T"],
        raw=[10.0, 20.0, 30.0, 1.0, 2.0, 3.0, 4.0],
        plate=["1", "2", "3", "1", "1", "1", "1"],
    )
    pairs = replicates.replicate_pairs(rows)
    assert pairs[["plate_1", "raw_1", "raw_2"]].to_numpy().tolist() == [["2", 20.0, 10.0], ["2", 20.0, 30.0]]


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=30))
def test_correlations_agree_with_scipy(points: list[tuple[int, int]]) -> None:
    from scipy import stats

    x, y = np.array(points, dtype=float).T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    assert replicates.pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    assert replicates.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)


def test_correlations_that_cannot_be_computed() -> None:
    two, flat = np.array([1.0, 2.0]), np.ones(5)
    assert math.isnan(replicates.pearson(two, two))
    assert math.isnan(replicates.pearson(flat, np.arange(5.0)))
    pairs = pd.DataFrame({"raw_1": [1.0, 10.0, 100.0, 0.0], "raw_2": [2.0, 20.0, 200.0, 5.0]})
    value, count = replicates.log10_raw_pearson(pairs)
    assert (value, count) == (pytest.approx(1), 3)


def test_a_series_that_rises_and_one_that_falls() -> None:
    rows = frame(
        well_type="trc",
        treatment=["STS"] * 5 + ["T"] * 4,
        concentration_nM=[1.0, 10.0, 100.0, 1000.0, 1000.0, 1.0, 10.0, 100.0, 1000.0],
        viability_fraction=[1.0, 0.7, 0.4, 0.1, 0.1, 0.9, 0.5, 0.75, 0.1],
    )
    rising, falling = series.dilution_series(rows)
    assert (rising.treatment, rising.n_doses, rising.largest_fall) == ("STS", 4, 0)
    assert rising.spearman == pytest.approx(1)
    assert falling.largest_fall == pytest.approx(0.25)
    assert falling.spearman == pytest.approx(0.8)
    assert series.dilution_series(rows.iloc[[0]]) == []


def plate(viability: np.ndarray) -> pd.DataFrame:
    """A full 8 x 12 plate of pairs of like wells, the partner of a well six columns to the right."""
    n_rows, n_columns = viability.shape
    places = [(row, column) for row in range(n_rows) for column in range(n_columns)]
    return frame(
        row=[row_label(row) for row, _ in places],
        column=[column + 1 for _, column in places],
        treatment=[f"D{row}_{column % 6}" for row, column in places],
        viability_fraction=[viability[place] for place in places],
    )


def test_an_effect_of_content_is_no_effect_of_place() -> None:
    viability = np.tile(np.random.default_rng(0).uniform(0, 1, (8, 6)), 2)
    residuals = edges.position_residuals(plate(viability))
    assert len(residuals) == 96
    assert np.abs(residuals["residual"]).max() < 1e-12
    assert edges.edge_effect(residuals) == pytest.approx(0)


def test_a_shifted_column_is_found_in_full() -> None:
    viability = np.full((8, 12), 0.6)
    viability[:, 4] += 0.3
    residuals = edges.position_residuals(plate(viability))
    value, label = edges.strongest(residuals, "column")
    assert abs(value) == pytest.approx(0.3)
    assert label in ("5", "11")  # the column itself, or its partner by the same amount the other way
    assert edges.strongest(residuals, "row")[0] == pytest.approx(0)


def test_a_shifted_edge_is_found() -> None:
    rows = plate(np.full((8, 12), 0.5)).assign(treatment="same")
    edge = rows["row"].isin(["A", "H"]) | rows["column"].isin([1, 12])
    rows.loc[edge, "viability_fraction"] = 0.3
    assert edges.edge_effect(edges.position_residuals(rows)) == pytest.approx(-0.2, abs=0.01)


def test_places_without_like_wells_say_nothing() -> None:
    lonely = frame(row=["A", "B"], column=[1, 2], treatment=["X", "Y"])
    residuals = edges.position_residuals(lonely)
    assert residuals.empty
    assert math.isnan(edges.edge_effect(residuals))
    assert math.isnan(edges.strongest(residuals, "row")[0])
    assert edges.position_residuals(frame(row=["A", "B"], column=[1, 2], well_type="empty")).empty


@pytest.mark.parametrize(
    ("metric", "value", "verdict"),
    [
        ("zprime_robust", 0.51, "pass"),
        ("zprime_robust", 0.5, "warn"),
        ("zprime_robust", 0.0, "warn"),
        ("zprime_robust", -0.01, "fail"),
        ("negative_cv_percent", 20.0, "pass"),
        ("negative_cv_percent", 200.0, "warn"),
        ("edge_effect", -0.05, "pass"),
        ("edge_effect", -0.2, "warn"),
        ("edge_effect", -0.4, "fail"),
        ("zprime", math.nan, "none"),
        ("positive_sd", 3.0, "none"),
    ],
)
def test_verdicts(metric: str, value: float, verdict: str) -> None:
    assert judge(metric, value).verdict == verdict


def test_every_figure_has_a_meaning_and_every_limit_words_and_a_source() -> None:
    for name, metric in METRICS.items():
        assert metric.title, name
        assert metric.meaning.endswith("."), name
        assert metric.formula, name
        assert metric.source, name
        verdicts = 3 if metric.poor is not None else 2
        assert all(metric.words[:verdicts]), name
        if metric.poor is not None:
            assert metric.good is not None, name
            assert (metric.good > metric.poor) == metric.higher_is_better, name


def test_scores_of_replicates_agree_or_not_for_two_and_more() -> None:
    rng = np.random.default_rng(3)
    drugs = [f"D{i}" for i in range(40)]
    truth = rng.uniform(0, 40, 40)
    columns = {"1": truth, "2": truth + rng.normal(0, 1, 40), "3": rng.permutation(truth)}

    def scores(*replicates: str) -> pd.DataFrame:
        parts = [
            pd.DataFrame({"sample": "S", "drug": drugs, "replicate": name, "score": columns[name]})
            for name in replicates
        ]
        return pd.concat(parts)

    assert replicates.score_agreement(scores("1")) is None
    two = replicates.score_agreement(scores("1", "2"))
    assert two is not None
    assert two.pearson == pytest.approx(np.corrcoef(columns["1"], columns["2"])[0, 1])
    assert (two.n_drugs, two.weakest) == (40, "")
    three = replicates.score_agreement(scores("1", "2", "3"))
    assert three is not None
    pairs = [np.corrcoef(columns[a], columns[b])[0, 1] for a, b in (("1", "2"), ("1", "3"), ("2", "3"))]
    assert three.pearson == pytest.approx(np.mean(pairs))
    assert "3" in three.weakest
    lost = scores("1", "2")
    lost.loc[lost.index[:5], "score"] = np.nan
    fewer = replicates.score_agreement(lost)
    assert fewer is not None
    assert fewer.n_drugs == 35
