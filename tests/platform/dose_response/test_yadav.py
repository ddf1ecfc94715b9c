"""Yadav's curve: the best one within its bounds, whatever the order and company of the wells."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.score_functions import classic_dss
from phenodose.dose_response.yadav import LEAST_DOSES, SLOPE_BOUNDS, fit_yadav, yadav_dss

DOSES = np.repeat(np.arange(5.0), 2)


def rises(x: np.ndarray, ic50: float, slope: float, top: float) -> np.ndarray:
    return top / (1 + 10 ** (slope * (ic50 - x)))


def noisy(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rising curves with noise, replicates of five doses."""
    rng = np.random.default_rng(seed)
    shapes = zip(rng.uniform(0, 4, n), rng.uniform(0.3, 3, n), rng.uniform(0.2, 1.1, n), strict=True)
    y = np.stack([rises(DOSES, *shape) for shape in shapes]) + rng.normal(0, 0.05, (n, len(DOSES)))
    return np.tile(DOSES, (n, 1)), y


def batch(x: np.ndarray, y: np.ndarray) -> CurveBatch:
    keys = pd.DataFrame({"drug": [f"d{i}" for i in range(len(x))]})
    return fit_curves(CurvePoints(keys, x, y))


@pytest.mark.parametrize(("ic50", "slope", "top"), [(2.0, 1.0, 1.0), (0.5, 2.0, 0.6), (3.0, 1.5, 0.9), (2.0, 0.4, 1.0)])
def test_a_curve_of_the_family_is_found_again(ic50, slope, top):
    x = np.linspace(-4, 8, 25)
    found = fit_yadav(x[None], rises(x, ic50, slope, top)[None])
    np.testing.assert_allclose(
        [found.log10_ic50[0], found.slope[0], found.top_percent[0]], [ic50, slope, 100 * top], rtol=0.02
    )


def test_no_curve_within_the_bounds_fits_better():
    x, y = noisy(25, seed=3)
    found = fit_yadav(x, y)
    for i in range(len(x)):
        v, top = 100 * y[i], found.top_percent[i]
        assert top == pytest.approx(min(v.max(), 100), abs=1e-9) or top > v.max()

        def residual(p: np.ndarray, v: np.ndarray = v, top: float = top) -> np.ndarray:
            return rises(DOSES, p[0], p[1], top) - v

        best = min(
            least_squares(residual, [start, 1.0], bounds=([0, SLOPE_BOUNDS[0]], [4, SLOPE_BOUNDS[1]])).cost
            for start in (0.5, 2.0, 3.5)
        )
        mine = 0.5 * (residual(np.array([found.log10_ic50[i], found.slope[i]])) ** 2).sum()
        if top >= 10 and not (v > 50).all():
            assert mine <= best * (1 + 1e-5)


@given(seed=st.integers(0, 10_000), shift=st.floats(-6, 6), missing=st.integers(0, 3))
def test_neither_order_unit_padding_nor_company_matter(seed, shift, missing):
    x, y = noisy(3, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(DOSES))
    expected = np.stack(classic_dss(*fit_yadav(x, y)))
    shuffled = np.stack(classic_dss(*fit_yadav(x[:, order], y[:, order])))
    np.testing.assert_array_equal(shuffled, expected)
    alone = np.stack(classic_dss(*fit_yadav(x[1:2], y[1:2])))
    np.testing.assert_array_equal(alone[:, 0], expected[:, 1])
    padded = np.stack(
        classic_dss(*fit_yadav(*(np.pad(a, ((0, 0), (missing, 0)), constant_values=np.nan) for a in (x, y))))
    )
    np.testing.assert_array_equal(padded, expected)
    moved = np.stack(classic_dss(*fit_yadav(x + shift, y)))
    np.testing.assert_allclose(moved, expected, atol=2e-3)


def test_a_well_without_value_counts_for_nothing():
    x, y = noisy(4, seed=5)
    y[:, 3] = np.nan
    without = [np.delete(a, 3, axis=1) for a in (x, y)]
    np.testing.assert_array_equal(np.stack(fit_yadav(x, y)), np.stack(fit_yadav(*without)))


def test_the_rules_for_drugs_without_a_middle():
    flat_low, flat_high = np.full(10, 0.04), np.linspace(0.8, 0.9, 10)
    found = fit_yadav(np.tile(DOSES, (2, 1)), np.stack([flat_low, flat_high]))
    assert found.log10_ic50.tolist() == [4.0, 0.0]
    first, second, third = classic_dss(*found)
    assert (first[0], second[0], third[0]) == (0, 0, 0)
    assert first[1] > 70
    assert third[1] == pytest.approx(2 * second[1], abs=1e-3)
    assert classic_dss(*fit_yadav(DOSES[None], -np.ones((1, 10))))[0][0] == 0


def test_fewer_than_four_doses_have_no_curve():
    x, y = noisy(2, seed=1)
    enough = fit_yadav(x[:, : 2 * LEAST_DOSES], y[:, : 2 * LEAST_DOSES])
    assert np.isfinite(np.stack(enough)).all()
    few = fit_yadav(x[:, : 2 * LEAST_DOSES - 2], y[:, : 2 * LEAST_DOSES - 2])
    assert np.isnan(np.stack(few)).all()
    nothing = fit_yadav(x, np.full_like(y, np.nan))
    assert np.isnan(np.stack(nothing)).all()


def test_where_inhibition_stops_rising_the_top_may_exceed_every_well():
    """The ceiling is 5 % above the mean of the wells over the largest one of the part before the end."""
    v = np.array([52.94, 54.07, 47.56, 50.42, 39.51, 52.34, 48.52, 54.69, 43.04, 49.87])
    found = fit_yadav(DOSES[None], v[None] / 100)
    over = v[v > 52.34]  # the running mean ends lower than it was up to the sixth well, in order of dose and value
    assert v.max() < found.top_percent[0] <= over.mean() + 5 + 1e-9


def test_draws_move_the_wells_with_their_curve():
    curves = batch(*noisy(200, seed=9))
    still = replace(curves, draws=np.repeat(curves.parameters[:, None], 2, axis=1))
    expected = np.repeat(np.stack(yadav_dss(curves)), 2, axis=1)
    close = np.abs(np.stack(yadav_dss(still.drawn(0, 2))) - expected) < 0.05
    assert close.mean() > 0.97  # the search is coarser for draws
    higher = curves.parameters.copy()
    higher[:, 2] -= 0.3
    more = replace(curves, draws=higher[:, None]).drawn(0, 1)
    assert np.mean(yadav_dss(more)[0] >= yadav_dss(curves)[0] - 1e-9) > 0.97


def test_curves_without_wells_are_read_themselves():
    x = np.tile(DOSES, (2, 1))
    y = np.stack([rises(DOSES, 2.0, 1.0, 1.0), rises(DOSES, 1.0, 1.3, 0.7)])
    curves = batch(x, y)
    rows = CurveBatch.from_frame(curves.to_frame())
    np.testing.assert_allclose(np.stack(yadav_dss(rows)), np.stack(yadav_dss(curves)), atol=0.5)
