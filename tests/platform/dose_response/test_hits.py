"""Hits: the probability that a score reaches the threshold, and what is said of the drugs of a panel by it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.combination import combination_differences
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.hits import panel_calls, with_calls
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import curve_points
from phenodose.dose_response.scoring import apply_scorer, score_with_all
from phenodose.pipeline.scores import scores_of
from phenodose.plugins import Scorer, registry, scorer

WELLS = pd.DataFrame(
    {
        "sample": "S",
        "well_type": "therapy",
        "treatment": ["A", "A", "B", "B", "C"],
        "add_on": [None, "T", None, "T", None],
    }
)


def screen(drugs: dict[str, float], seed: int = 1, scatter: float = 0.08) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Viability and wells of drugs by their mid doses [log10 nM]: five doses in two replicates."""
    rng = np.random.default_rng(seed)
    wells = pd.DataFrame(
        [
            ("S", "P1", "therapy", name, 10.0**step, replicate, None)
            for name in drugs
            for step in range(5)
            for replicate in (1, 2)
        ],
        columns=["sample", "plate", "well_type", "treatment", "concentration_nM", "replicate", "add_on"],
    ).assign(row="B", column=range(1, 1 + 10 * len(drugs)))
    wells["well"] = [f"B{column:02d}" for column in wells["column"]]
    mid = wells["treatment"].map(drugs).to_numpy()
    effect = inhibition(np.log10(wells["concentration_nM"].to_numpy()), 0.0, 1.0, mid, 1.2, 1.0)
    viability = wells[["plate", "well", "row", "column"]].assign(
        readout="ctg", viability_fraction=1 - effect + rng.normal(0, scatter, len(wells)), masked=False
    )
    return viability, wells


def table_of(p_hit: list[float], **columns: object) -> pd.DataFrame:
    given = {"sample": "S", "readout": "r", "replicate": "pooled", "scorer": "s", **columns}
    return pd.DataFrame({"drug": list("ABC")[: len(p_hit)], "p_hit_fraction": p_hit}).assign(**given)


def test_the_probability_is_the_share_of_draws_that_reach_the_threshold_small_scores_commoner() -> None:
    dss = registry().create("scorer", "dss_asym")
    curves = fit_curves(curve_points(*screen({"strong": 0.5, "middle": 3.2, "none": 9.0})), bootstrap=60)
    table = score_with_all(curves, [dss])[0]
    draws = apply_scorer(curves.drawn(0, 60), dss)[0].reshape(-1, 60)
    weights = np.exp(-draws / 20)
    expected = ((draws >= 10) * weights).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(table["p_hit_fraction"], expected)
    by_drug = table[table["replicate"] == "pooled"].set_index("drug")["p_hit_fraction"]
    assert by_drug["strong"] == 1
    assert 0 < by_drug["middle"] < 1
    assert by_drug["none"] == 0


@pytest.mark.parametrize(("usual", "expected"), [(None, 0.5), (20.0, 0.378), (2.0, 0.0067)])
def test_a_scorer_says_how_common_small_scores_are(usual: float | None, expected: float) -> None:
    class Split(Scorer):
        """Half of the draws of a curve at 1000, half at 1010, however far up that is; one has none."""

        name, version, description = "split", "1", "Two scores"
        hit_threshold, usual_score = 1005.0, usual

        def score(self, curves: CurveBatch) -> np.ndarray:
            return 1000.0 + 10.0 * (np.arange(len(curves)) % 2)

    curves = fit_curves(curve_points(*screen({"any": 3.0}), per_replicate=False), bootstrap=40)
    assert score_with_all(curves, [Split()])[0]["p_hit_fraction"].iloc[0] == pytest.approx(expected, rel=1e-2)


def test_of_a_score_that_is_lower_for_a_sensitive_sample_the_lower_draws_count() -> None:
    @scorer(
        "left", version="1", description="What is left at the highest dose", hit_threshold=0.5,
        higher_is_more_sensitive=False,
    )  # fmt: skip
    def left(curve):  # type: ignore[no-untyped-def]
        return 1 - float(curve.inhibition_at(np.log10(curve.max_dose_nM)))

    curves = fit_curves(curve_points(*screen({"strong": 0.5, "none": 9.0}), per_replicate=False), bootstrap=30)
    assert score_with_all(curves, [left()])[0].set_index("drug")["p_hit_fraction"].round().to_dict() == {
        "none": 0,
        "strong": 1,
    }


@pytest.mark.parametrize("name", ["emax", "dss2"])
def test_a_scorer_that_names_no_hits_has_neither_probability_nor_call(name: str) -> None:
    viability, wells = screen({"strong": 0.5})
    curves = fit_curves(curve_points(viability, wells), bootstrap=20)
    table = scores_of(curves, wells, [registry().create("scorer", name)])[0]
    assert table[["p_hit_fraction", "call"]].isna().all().all()


def test_without_draws_a_score_gives_no_call() -> None:
    viability, wells = screen({"strong": 0.5})
    table = scores_of(fit_curves(curve_points(viability, wells)), wells, [registry().create("scorer", "dss_asym")])[0]
    assert table["hit"].all()
    assert table[["p_hit_fraction", "call"]].isna().all().all()


def test_pooled_and_single_replicates_are_called_each_in_its_panel() -> None:
    viability, wells = screen({"strong": 0.5, "none": 9.0, "middle": 3.2})
    curves = fit_curves(curve_points(viability, wells), bootstrap=100)
    table = scores_of(curves, wells, [registry().create("scorer", "dss_asym")])[0]
    calls = table.pivot_table(index="drug", columns="replicate", values="call", aggfunc="first")
    assert set(calls.columns) == {"1", "2", "pooled"}
    assert (calls.loc["strong"] == "hit").all()
    assert (calls.loc["none"] == "no hit").all()
    assert calls.loc["middle", "pooled"] == "borderline"


@pytest.mark.parametrize(
    ("p_hit", "calls"),
    [
        ([1.0, 0.0, 0.5], ["hit", "no hit", "borderline"]),
        # Of four calls one in twenty would be false: the fourth is carried by the surer three, and alone it is not.
        ([1.0, 1.0, 1.0, 0.82], ["hit", "hit", "hit", "hit"]),
        ([0.82], ["borderline"]),
        # Twenty sure hits could carry one that is hardly any, and nineteen that are none one that is likely: not so.
        ([1.0] * 20 + [0.79], ["hit"] * 20 + ["borderline"]),
        ([0.0] * 20 + [0.21], ["no hit"] * 20 + ["borderline"]),
        # Equal drugs are called alike, whatever their order: the first alone would pass, both together do not.
        ([1.0, 0.92, 0.92, 0.92], ["hit", "borderline", "borderline", "borderline"]),
        ([0.95], ["hit"]),
        ([0.05], ["no hit"]),
        ([float("nan"), 1.0], [None, "hit"]),
        ([], []),
    ],
)  # fmt: skip
def test_calls_of_a_panel(p_hit: list[float], calls: list[str | None]) -> None:
    assert panel_calls(np.array(p_hit)).tolist() == calls
    assert panel_calls(np.array(p_hit[::-1])).tolist() == calls[::-1]


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.1, 0.3])
def test_the_expected_share_of_false_calls_is_at_most_the_rate(rate: float) -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        p_hit = np.round(rng.beta(0.4, 0.6, 40), 2)
        calls = panel_calls(p_hit, rate)
        for call, false in (("hit", 1 - p_hit), ("no hit", p_hit)):
            called = calls == call
            assert not called.any() or false[called].mean() <= rate + 1e-9
            assert (false[called] <= 0.2 + 1e-9).all()
        assert not (calls == "borderline").all() or rate < 0.1


def test_a_smaller_rate_calls_no_more_drugs() -> None:
    p_hit = np.linspace(0, 1, 41)
    counts = [int((panel_calls(p_hit, rate) == "hit").sum()) for rate in (0.0, 0.02, 0.05, 0.1)]
    assert counts == sorted(counts)
    assert counts[0] == 1


@pytest.mark.parametrize(
    "other",
    [{"sample": "T"}, {"readout": "q"}, {"replicate": "1"}, {"scorer": "t"}],
    ids=lambda one: next(iter(one)),
)
def test_what_is_said_of_a_drug_does_not_depend_on_other_panels(other: dict[str, str]) -> None:
    here, there = table_of([0.9, 1.0]), table_of([1.0, 1.0], **other)
    both = with_calls(pd.concat([here, there], ignore_index=True), WELLS)
    assert both["call"].tolist() == ["hit", "hit", "hit", "hit"]
    alone = with_calls(pd.concat([table_of([0.9]), there], ignore_index=True), WELLS)
    assert alone["call"].tolist() == ["borderline", "hit", "hit"]


def test_drugs_with_an_add_on_are_a_panel_of_their_own() -> None:
    table = table_of([1.0, 1.0, 0.9]).assign(drug=["A", "B", "A + T"])
    assert with_calls(table, WELLS)["call"].tolist() == ["hit", "hit", "borderline"]
    assert with_calls(table.assign(drug=["A", "B", "C"]), WELLS)["call"].tolist() == ["hit", "hit", "hit"]


def test_a_difference_that_an_add_on_makes_is_no_hit_of_its_own() -> None:
    columns = {"lower": 1.0, "upper": 30.0, "bound": "=", "unit": "percent", "hit": True, "status": "ok"}
    table = with_calls(table_of([1.0, 1.0]).assign(drug=["A", "A + T"], score=20.0, **columns), WELLS)
    found = combination_differences(table, WELLS)
    assert found["scorer"].tolist() == ["dcs"]
    assert found[["p_hit_fraction", "call"]].isna().all().all()


@pytest.mark.parametrize(("rate", "few"), [(0.05, False), (0.0, True)])
def test_the_rate_is_a_parameter_of_the_scorer(rate: float, few: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def spy(original: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        return lambda p_hit, given: asked.append(given) or original(p_hit, given)

    monkeypatch.setattr("phenodose.dose_response.hits.panel_calls", spy(panel_calls))
    viability, wells = screen({"strong": 0.5})
    dss = registry().create("scorer", "dss_asym", {"false_discovery_rate": rate})
    scores_of(fit_curves(curve_points(viability, wells), bootstrap=10), wells, [dss])
    assert set(asked) == {rate}
    assert (asked[0] == 0) is few
