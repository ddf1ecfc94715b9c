"""Intervals hold the truth about as often as they say, and draws are repeatable."""

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.scoring import score_curves
from phenodose.plugins import registry


def simulated(n: int, replicates: int, sd: float, seed: int) -> tuple[CurvePoints, np.ndarray]:
    """Curves of responding drugs with normal noise, and their true DSS_asym."""
    rng = np.random.default_rng(seed)
    x = np.tile(np.repeat(np.arange(5.0), replicates), (n, 1))
    bottom, top = rng.normal(0, 0.02, (n, 1)), rng.uniform(0.4, 1.0, (n, 1))
    mid, slope = rng.uniform(0.5, 3.5, (n, 1)), np.exp(rng.normal(0.2, 0.4, (n, 1)))
    grid = np.tile(np.linspace(0, 4, 400), (n, 1))
    true = np.maximum(100 * inhibition(grid, bottom, top, mid, slope, 1.0) - 10, 0)
    y = inhibition(x, bottom, top, mid, slope, 1.0) + rng.normal(0, sd, x.shape)
    return CurvePoints(pd.DataFrame({"drug": range(n)}), x, y), np.trapezoid(true, grid, axis=1) / (90 * 4) * 50


@pytest.mark.parametrize(
    ("replicates", "sd", "n"),
    [
        (2, 0.05, 150),
        pytest.param(1, 0.05, 250, marks=pytest.mark.slow),  # test_posterior.py has single wells in `make test`
        pytest.param(2, 0.05, 250, marks=pytest.mark.slow),
        pytest.param(3, 0.08, 250, marks=pytest.mark.slow),
    ],
)
def test_nineteen_of_twenty_intervals_hold_the_true_score(replicates, sd, n):
    points, truth = simulated(n, replicates, sd, seed=11)
    scores = score_curves(
        fit_curves(points, bootstrap=100 if n < 250 else 150), registry().create("scorer", "dss_asym")
    )
    held = (scores["lower"] <= truth) & (truth <= scores["upper"])
    assert 0.90 <= held.mean() <= 0.995
    assert (scores["upper"] - scores["lower"]).median() < 12


def test_more_wells_give_narrower_intervals():
    def width(replicates: int) -> float:
        points, _ = simulated(30, replicates, 0.06, seed=5)
        scores = score_curves(fit_curves(points, bootstrap=60), registry().create("scorer", "dss_asym"))
        return float((scores["upper"] - scores["lower"]).median())

    assert width(6) < 0.75 * width(2)


def test_draws_repeat_with_the_seed_and_differ_with_another():
    points, _ = simulated(4, 2, 0.05, seed=1)
    first, again, other = (fit_curves(points, bootstrap=10, seed=seed).draws for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (4, 10, 5)


def test_draws_of_the_published_fit_scatter_round_its_curve_even_with_a_negative_slope():
    x = np.tile(np.repeat(np.arange(5.0), 2), (1, 1))
    noise = np.random.default_rng(0).normal(0, 0.03, x.shape)
    y = inhibition(x, 0.9, 0.1, 2.0, 1.0, 1.0) + noise
    curves = fit_curves(CurvePoints(pd.DataFrame({"drug": [1]}), x, y), "nplr", bootstrap=50)
    drawn = curves.drawn(0, 50).inhibition_at(x[0])
    np.testing.assert_allclose(np.median(drawn, axis=0), curves.inhibition_at(x[0])[0], atol=0.04)
    assert (drawn.std(axis=0) > 0.003).all()
