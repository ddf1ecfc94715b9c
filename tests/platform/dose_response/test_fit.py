"""Both fits: recovery, statuses, invariances, and that nothing raises."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.levenberg_marquardt import search
from phenodose.dose_response.models import FIXED_VALUES, FREE_PARAMETERS, inhibition
from phenodose.dose_response.points import CurvePoints, points_from_long
from phenodose.dose_response.robust_fit import _best_of, _starts, fit_robust, robust_problem
from phenodose.dose_response.score_functions import dss_asym
from phenodose.errors import InputError
from phenodose.simulation.curves import Difficulty, simulate_curves

FITS = ("robust", "nplr")
DOSES = np.repeat(np.arange(5.0), 2)


def points_of(*curves: tuple[np.ndarray, np.ndarray]) -> CurvePoints:
    most = max(len(x) for x, _ in curves)
    pad = [np.pad(np.asarray(v, dtype=float), (0, most - len(v)), constant_values=np.nan) for c in curves for v in c]
    return CurvePoints(pd.DataFrame({"curve": range(len(curves))}), np.stack(pad[::2]), np.stack(pad[1::2]))


def noisy_curves(n: int, seed: int = 0, sd: float = 0.05) -> CurvePoints:
    rng = np.random.default_rng(seed)
    x = np.tile(DOSES, (n, 1))
    top, mid, slope = rng.uniform(0.1, 1.0, (n, 1)), rng.uniform(0, 4, (n, 1)), rng.uniform(0.6, 3, (n, 1))
    y = inhibition(x, 0.0, top, mid, slope, 1.0) + rng.normal(0, sd, x.shape)
    return CurvePoints(pd.DataFrame({"curve": range(n)}), x, y)


def numbers(curves: CurveBatch) -> np.ndarray:
    return np.column_stack([curves.model, curves.parameters, curves.gof, curves.objective])


@pytest.mark.parametrize("fit", FITS)
def test_noiseless_curve_is_found_again(fit):
    y = inhibition(DOSES, 0.0, 0.8, 2.2, 1.1, 1.0)
    curve = next(iter(fit_curves(points_of((DOSES, y)), fit)))
    assert curve.status == "ok"
    assert curve.model == 3 if fit == "robust" else curve.model in (3, 4, 5)
    np.testing.assert_allclose(curve.inhibition_at(DOSES), y, atol=0.005)
    assert curve.gof > 0.999
    assert (curve.min_dose_nM, curve.max_dose_nM, curve.n_doses, curve.n_points) == (1.0, 10000.0, 5, 10)


def test_robust_fit_shrugs_off_one_bad_well():
    y = inhibition(DOSES, 0.0, 1.0, 2.0, 1.0, 1.0)
    spoilt = y.copy()
    spoilt[3] += 0.6
    clean, bad = dss_asym(fit_curves(points_of((DOSES, y), (DOSES, spoilt))))
    assert abs(clean - bad) < 1.5


def test_robust_parameters_stay_plausible_where_the_wells_tell_little():
    steps = [(DOSES, np.where(k <= DOSES, 0.9, 0.0) + 0.01 * np.sin(np.arange(10.0) + k)) for k in range(1, 5)]
    curves = fit_curves(points_of(*steps))
    assert ((curves.slope >= 0.2) & (curves.slope <= 6)).all()
    assert ((curves.top <= 1.5) & (curves.bottom >= -0.3)).all()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, -0.2])
def test_constant_data_are_flat_in_the_robust_fit_and_fail_in_the_published_one(level):
    points = points_of((DOSES, np.full(10, level)))
    flat = next(iter(fit_curves(points)))
    assert flat.status == "flat"
    np.testing.assert_allclose(flat.inhibition_at(DOSES), level, atol=1e-12)
    failed = next(iter(fit_curves(points, "nplr")))
    assert (failed.status, failed.model) == ("failed", 0)
    assert np.isnan(failed.top)
    assert failed.reason


@pytest.mark.parametrize("fit", FITS)
def test_noise_without_effect_is_flat_and_falling_data_are_decreasing(fit):
    noise = np.array([0.02, -0.03, 0.01, 0.03, -0.02, 0.0, 0.02, -0.01, -0.03, 0.02])
    falling = inhibition(DOSES, 0.9, 0.1, 2.0, 1.0, 1.0) + 0.3 * noise
    curves = fit_curves(points_of((DOSES, noise), (DOSES, falling)), fit)
    assert list(curves.status) == ["flat", "decreasing"]
    assert all(curves.reason)


@pytest.mark.parametrize("fit", FITS)
def test_three_doses_and_single_replicates_are_fitted_and_fewer_doses_fail_with_their_reason(fit):
    three = (np.array([0.0, 1, 2]), np.array([0.02, 0.4, 0.9]))
    single = (np.arange(5.0), np.array([0.0, 0.05, 0.5, 0.9, 1.0]))
    two = (np.array([0.0, 0, 1, 1]), np.array([0.0, 0.1, 0.9, 1.0]))
    none = (np.array([0.0, 1, 2]), np.array([np.nan, np.inf, np.nan]))
    curves = fit_curves(points_of(three, single, two, none), fit)
    assert list(curves.status) == ["ok", "ok", "failed", "failed"]
    assert "2 different doses" in curves.reason[2]
    assert curves.reason[3] == "no well with a value."
    assert list(curves.n_points) == [3, 5, 4, 0]
    assert np.isnan(curves.max_dose_nM[3])
    assert not np.isnan(dss_asym(curves)[:2]).any()


@pytest.mark.parametrize("doses", [1, 2])
def test_curves_that_all_have_too_few_doses_for_any_model_are_constant(doses):
    x = np.repeat(np.arange(1.0, doses + 1), 2)[:, None]
    found = fit_robust(np.tile(x, 3), 0.1 * np.tile(x, 3))
    assert found.flat.all()
    assert np.isfinite(found.theta).all()


def test_missing_values_are_as_if_the_wells_were_not_there():
    points = noisy_curves(3)
    holes = points.inhibition.copy()
    holes[:, 4] = np.nan
    without = CurvePoints(points.keys, np.delete(points.log10_dose, 4, 1), np.delete(points.inhibition, 4, 1))
    with_holes = CurvePoints(points.keys, points.log10_dose, holes)
    for fit, model in (("robust", None), ("nplr", 4)):
        one, other = fit_curves(with_holes, fit, model=model), fit_curves(without, fit, model=model)
        np.testing.assert_array_equal(numbers(one), numbers(other))


@pytest.mark.parametrize(("fit", "n"), [("robust", 25), ("nplr", 3)])
def test_a_curve_does_not_depend_on_its_company_its_place_or_the_order_of_its_wells(fit, n):
    points = noisy_curves(n)
    together = fit_curves(points, fit, bootstrap=5, seed=3)
    some = np.random.default_rng(1).permutation(n)[: n * 2 // 3]
    wells = np.random.default_rng(2).permutation(10)
    for which, order in ((some, wells), (some[:1], wells)):  # other company, and none
        apart = CurvePoints(
            points.keys.iloc[which], points.log10_dose[which][:, order], points.inhibition[which][:, order]
        )
        found = fit_curves(apart, fit, bootstrap=5, seed=3)
        np.testing.assert_array_equal(numbers(found), numbers(together)[which])
        np.testing.assert_array_equal(found.draws, together.draws[which])


def test_the_unit_of_the_dose_moves_the_mid_dose_and_nothing_else():
    points = noisy_curves(75, seed=11)
    one = fit_curves(points)
    for decades in (-9, 4):
        other = fit_curves(CurvePoints(points.keys, points.log10_dose + decades, points.inhibition))
        np.testing.assert_allclose(other.log10_mid, one.log10_mid + decades, atol=1e-3)
        np.testing.assert_allclose(dss_asym(other), dss_asym(one), atol=1e-3)


@pytest.mark.parametrize(
    ("fit", "replicates", "n"),
    [
        ("robust", 1, 60),
        ("robust", 3, 60),
        ("nplr", 2, 12),
        # The published fit searches long where nothing is noise; the case before is its short sister.
        pytest.param("nplr", 1, 60, marks=pytest.mark.slow),
        pytest.param("nplr", 2, 60, marks=pytest.mark.slow),
    ],
)
def test_rising_inhibition_is_ok_and_its_curve_rises(fit, replicates, n):
    """Half of them have plateaus and jumps, which no sigmoid follows to replicates that agree to the last digit."""
    rng = np.random.default_rng(replicates)
    levels = np.sort(np.concatenate([rng.uniform(0, 1, (n, 5)), rng.choice([0, 0.5, 0.9, 1], (n, 5))]), axis=1)
    levels = levels[levels[:, -1] - levels[:, 0] > 0.3]
    x = np.repeat(np.arange(5.0), replicates)
    curves = fit_curves(points_of(*((x, np.repeat(row, replicates)) for row in levels)), fit)
    assert set(curves.status) <= ({"ok"} if replicates == 1 else {"ok", "misfit"})
    assert (curves.status == "ok").mean() > 0.8
    for curve in curves:
        assert np.all(np.diff(curve.inhibition_at(curve.log10_dose_grid(50))) >= -1e-12)


anything = st.floats(-1e8, 1e8) | st.sampled_from([0.0, 1.0, 0.5, 1e300, -1e300, np.nan, np.inf])
dose = st.floats(-30, 30) | st.sampled_from([0.0, 1, 2, 400, np.nan, np.inf])


@pytest.mark.parametrize(
    ("fit", "examples", "most"),
    [("robust", 10, 10), ("nplr", 2, 3), pytest.param("nplr", 5, 10, marks=pytest.mark.slow)],
)
def test_no_data_raise(fit, examples, most):
    """Whatever the numbers of wells; every number of them is a search of its own, which the published fit has dear."""

    @given(st.lists(st.lists(st.tuples(dose, anything), max_size=12), min_size=1, max_size=most))
    @settings(max_examples=examples)
    def look(samples):
        strange = [(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])) for pairs in samples]
        curves = fit_curves(points_of(*strange, (DOSES, DOSES / 4)), fit, bootstrap=3)
        for row in range(len(strange)):
            assert curves.status[row] in ("ok", "flat", "decreasing", "failed")
            assert bool(curves.reason[row]) == (curves.status[row] != "ok")
            assert np.isfinite(curves.parameters[row]).all() == bool(curves.fitted[row])
        assert curves.status[-1] == "ok"

    look()


def test_a_broken_reading_fails_its_curve_only():
    y = DOSES / 4
    broken = y.copy()
    broken[2] = 1e40
    curves = fit_curves(points_of((DOSES, broken), (DOSES, y)))
    assert list(curves.status) == ["failed", "ok"]
    assert "broken reading" in curves.reason[0]


def test_wrong_arguments_are_told():
    points = noisy_curves(1)
    with pytest.raises(InputError, match="robust and nplr"):
        fit_curves(points, "lasso")
    with pytest.raises(InputError, match="bootstrap -1"):
        fit_curves(points, bootstrap=-1)
    with pytest.raises(InputError, match="both must be"):
        CurvePoints(points.keys, points.log10_dose, points.inhibition[:, 1:])


def test_no_curves_are_no_trouble():
    empty = CurvePoints(pd.DataFrame({"curve": []}), np.empty((0, 1)), np.empty((0, 1)))
    assert len(fit_curves(empty, bootstrap=2)) == 0


def test_a_search_meets_the_same_minimum_wherever_the_bad_well_lies():
    """A bad well pulls least-squares starts to itself; the search must not stay in the hollow it makes."""
    points = noisy_curves(60, seed=8)
    y = points.inhibition.copy()
    y[np.arange(60), np.arange(60) % 10] += np.where(np.arange(60) % 2, 0.7, -0.7)
    x, y = np.ascontiguousarray(points.log10_dose.T), np.ascontiguousarray(y.T)
    problem = robust_problem(x, y)
    starts = _starts(problem, 4)
    _, reached = _best_of(problem, starts, FREE_PARAMETERS[4])
    rng = np.random.default_rng(3)
    n, again = 60 * 25, problem.some(np.tile(np.arange(60), 25))
    mid, log_slope = rng.uniform(-0.5, 4.5, n), rng.normal(0.4, 0.7, n)
    other = np.stack([rng.uniform(-0.2, 1, n), rng.uniform(0, 1.2, n), mid, log_slope, np.zeros(n)])
    _, loss = search(again, np.clip(other, again.lower, again.upper), FREE_PARAMETERS[4], 100)
    lowest = np.minimum(reached, loss.reshape(25, 60).min(axis=0))
    assert (reached <= lowest + 1e-3).mean() >= 0.98


@pytest.mark.parametrize("n", [25, pytest.param(150, marks=pytest.mark.slow)])
def test_the_default_fit_comes_nearer_to_the_truth_than_the_published_one(n):
    """For curves of every difficulty, which are fitted together."""
    drawn = [simulate_curves(kind, n, seed=77) for kind in get_args(Difficulty)]
    together = CurvePoints(
        pd.concat([one.points.keys for one in drawn], ignore_index=True),
        *(np.concatenate([getattr(one.points, part) for one in drawn]) for part in ("log10_dose", "inhibition")),
    )
    truth = np.concatenate([dss_asym(one.truth) for one in drawn])
    robust, published = (
        np.abs(dss_asym(fit_curves(together, fit)) - truth).reshape(-1, n).mean(axis=1) for fit in FITS
    )
    assert (robust < published).all(), dict(zip(get_args(Difficulty), zip(robust, published, strict=True), strict=True))


def test_wells_without_trend_give_a_constant_curve_drawn_to_no_effect():
    noise = np.array([0.02, -0.02, -0.03, 0.03, 0.01, -0.01, -0.02, 0.02, 0.03, -0.03])
    curves = fit_curves(points_of((DOSES, 0.08 + 3 * noise), (DOSES, 0.95 + noise)))
    assert list(curves.status) == ["flat", "flat"]
    np.testing.assert_array_equal(curves.bottom, curves.top)
    assert 0.06 < curves.top[0] < 0.08 - 1e-3
    assert curves.top[1] == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("model", FREE_PARAMETERS)
def test_one_model_can_be_asked_for(fit, model):
    curves = fit_curves(noisy_curves(3), fit, model=model)
    assert (curves.model == model).all()
    fixed = [i for i in range(5) if i not in FREE_PARAMETERS[model]]
    np.testing.assert_allclose(curves.parameters[:, fixed], np.tile([FIXED_VALUES[i] for i in fixed], (3, 1)))
    with pytest.raises(InputError, match="2, 3, 4, 5"):
        fit_curves(noisy_curves(1), fit, model=6)


def test_a_richer_published_model_never_ends_above_a_simpler_one():
    points = simulate_curves("noisy", 6, seed=5).points
    losses = np.stack([fit_curves(points, "nplr", model=model).objective for model in FREE_PARAMETERS])
    chosen = fit_curves(points, "nplr").objective
    assert (chosen <= losses.min(axis=0) * (1 + 1e-6)).all()


@pytest.mark.parametrize("fit", FITS)
def test_unequal_numbers_of_replicates_are_fitted(fit):
    x = np.array([0.0, 0, 0, 1, 2, 2, 3, 4])
    curve = next(iter(fit_curves(points_of((x, inhibition(x, 0.0, 1.0, 2.0, 1.2, 1.0))), fit)))
    assert (curve.status, curve.n_doses, curve.n_points) == ("ok", 5, 8)
    assert curve.log10_mid == pytest.approx(2.0, abs=0.05)


def test_dose_zero_counts_as_missing():
    y = inhibition(np.arange(5.0), 0.0, 1.0, 2.0, 1.0, 1.0)
    frame = pd.DataFrame({"curve": 1, "dose": [0.0, 1, 10, 100, 1000, 10000], "inhibition": [0.5, *y]})
    curve = next(iter(fit_curves(points_from_long(frame, ["curve"], "dose"))))
    assert (curve.n_points, curve.min_dose_nM) == (5, 1.0)
    assert curve.log10_mid == pytest.approx(2.0, abs=0.05)
