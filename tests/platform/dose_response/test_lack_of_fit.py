"""Wells that no curve describes are told, by replicates that agree; noise and single wells are not."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import FitName, fit_curves
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.score_functions import half_effect_target
from phenodose.simulation.curves import simulate_curves


def fitted(means: list[float], replicates: int = 3, noise: float = 0.03, fit: FitName = "robust") -> CurveBatch:
    """One curve of wells about these means at doses a decade apart."""
    x = np.repeat(np.arange(len(means), dtype=np.float64), replicates)
    y = np.repeat(means, replicates) + noise * np.random.default_rng(3).normal(size=len(x))
    return fit_curves(CurvePoints(pd.DataFrame({"drug": ["X"]}), x[None], y[None]), fit=fit)


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ([0.0, 0.0, 0.85, 0.0, 0.0], "rises from .* at (1|10) nM to 8. % at 100 nM and falls to"),
        ([0.0, 0.1, 0.6, 0.95, 0.4], "to 9. % at 1000 nM and falls to [34]. % at 10000 nM"),
        ([0.95, 0.0, 0.1, 0.5, 0.9], "falls from 9. % at 1 nM to .* at 10 nM and rises to"),
        ([0.0, 0.05, 0.9, 0.45, 0.9, 0.95], "at 100 nM and falls to 4. % at 1000 nM"),
    ],
)
def test_wells_that_turn_back_are_a_misfit_with_a_sentence(means: list[float], words: str) -> None:
    curves = fitted(means)
    assert curves.status[0] == "misfit"
    assert re.search(words, curves.reason[0]), curves.reason[0]
    assert curves.lack_of_fit_p is not None
    assert curves.lack_of_fit_p[0] < 0.001


def test_wells_that_turn_back_are_a_misfit_of_the_published_fit_too() -> None:
    """Its five parameters leave no dose of five to spare; that the wells turn back tells."""
    curves = fitted([0.0, 0.1, 0.6, 0.95, 0.4], fit="nplr")
    assert curves.status[0] == "misfit"
    assert re.search("to 9. % at 1000 nM and falls to [34]. % at 10000 nM", curves.reason[0]), curves.reason[0]


def test_a_misfit_without_a_turn_names_the_dose() -> None:
    # Two steps with plateaus between: no curve of one rise lies on all of them.
    curves = fitted([0.0, 0.0, 0.45, 0.45, 0.45, 0.45, 0.45, 1.0, 1.0], replicates=4, noise=0.01)
    assert curves.status[0] == "misfit"
    assert "the wells lie off the curve by up to" in curves.reason[0]


def test_identical_replicates_that_turn_back_are_a_misfit_too() -> None:
    assert fitted([0, 0, 0.85, 0, 0], noise=0.0).status[0] == "misfit"
    assert fitted([0, 0.1, 0.5, 0.9, 1], noise=0.0).status[0] == "ok"


@pytest.mark.parametrize("means", [[0, 0.1, 0.5, 0.9, 1.0], [0.9, 0.8, 0.4, 0.1, 0.0], [0.0] * 5])
def test_curves_that_describe_their_wells_keep_their_status(means: list[float]) -> None:
    assert fitted(means).status[0] in ("ok", "decreasing", "flat")


def test_one_bad_well_and_disagreeing_replicates_are_no_misfit() -> None:
    x = np.repeat(np.arange(5.0), 3)
    y = np.repeat([0.0, 0.1, 0.5, 0.9, 1.0], 3)
    y[4] = 0.95
    curves = fit_curves(CurvePoints(pd.DataFrame({"drug": ["X"]}), x[None], y[None]))
    assert curves.status[0] == "ok"
    assert curves.lack_of_fit_p is not None
    assert curves.lack_of_fit_p[0] > 0.05


def test_without_replicates_or_spare_doses_there_is_no_figure() -> None:
    single = fitted([0, 0.1, 0.5, 0.9, 1.0], replicates=1)
    five_of_five = fitted([0, 0.1, 0.5, 0.9, 1.0], fit="nplr")
    for curves in (single, five_of_five):
        frame = curves.to_frame()
        assert frame[["lack_of_fit_f", "lack_of_fit_p"]].isna().all(axis=None)
    assert single.status[0] == "ok"


def test_f_is_that_of_the_textbook() -> None:
    curves = fitted([0.0, 0.05, 0.5, 0.8, 0.8], replicates=2, noise=0.05)
    x, y = curves.log10_dose[0], curves.inhibition[0]
    at_doses = curves.inhibition_at(np.arange(5.0))[0]
    means = np.array([y[x == dose].mean() for dose in range(5)])
    pure = sum(((y[x == dose] - means[dose]) ** 2).sum() for dose in range(5))
    freedom = 5 - int(curves.model[0])
    f = (2 * (means - at_doses) ** 2).sum() / freedom / (pure / 5)
    assert curves.lack_of_fit_f is not None
    assert curves.lack_of_fit_p is not None
    np.testing.assert_allclose(curves.lack_of_fit_f[0], f, rtol=1e-6)
    np.testing.assert_allclose(curves.lack_of_fit_p[0], stats.f.sf(f, freedom, 5), rtol=1e-6)


@pytest.mark.parametrize("kind", ["clean", "noisy"])
def test_chance_is_what_p_says_where_the_curve_is_right(kind: str) -> None:
    curves = fit_curves(simulate_curves(kind, 200, 5).points)  # type: ignore[arg-type]
    assert curves.lack_of_fit_p is not None
    assert 0.01 <= np.mean(curves.lack_of_fit_p < 0.05) <= 0.1
    assert np.mean(curves.status == "misfit") <= 0.02


def test_rows_of_before_have_no_figure_and_open() -> None:
    frame = fitted([0, 0.1, 0.5, 0.9, 1.0]).to_frame()
    old = CurveBatch.from_frame(frame.drop(columns=["lack_of_fit_f", "lack_of_fit_p"]))
    assert old.to_frame()["lack_of_fit_p"].isna().all()
    again = CurveBatch.from_frame(frame)
    assert again.to_frame()["lack_of_fit_p"].tolist() == frame["lack_of_fit_p"].tolist()
    assert next(iter(again)).lack_of_fit_p == frame["lack_of_fit_p"][0]


def test_a_constant_curve_has_no_half_way_whatever_its_status() -> None:
    assert np.isnan(half_effect_target(fitted([0.0, 0.0, 0.85, 0.0, 0.0])))[0]
