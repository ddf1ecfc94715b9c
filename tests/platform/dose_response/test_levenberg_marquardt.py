"""The curvature is the derivative of the gradient, and the short way to a minimum ends no higher."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.dose_response.batched_linalg import rows_of_triangle
from phenodose.dose_response.levenberg_marquardt import Problem, _Work, curve_values, last_step, search
from phenodose.dose_response.models import FREE_PARAMETERS
from phenodose.dose_response.robust_fit import robust_problem


def noisy(curves: int) -> tuple[Problem, np.ndarray]:
    """Wells about curves, and those curves in search coordinates (5, curves)."""
    random = np.random.default_rng(5)
    x = np.repeat(np.arange(5.0), 2)[:, None] * np.ones(curves)
    bottom, top = random.uniform(-0.1, 0.1, curves), random.uniform(0.5, 1.0, curves)
    mid, log_slope = random.uniform(1.0, 3.0, curves), random.normal(0.3, 0.3, curves)
    y = bottom + (top - bottom) / (1 + 10 ** ((mid - x) * np.exp(log_slope))) + random.normal(0, 0.04, x.shape)
    return robust_problem(x, y), np.stack([bottom, top, mid, log_slope, random.normal(0, 0.3, curves)])


@pytest.mark.parametrize("model", FREE_PARAMETERS)
def test_the_curvature_is_the_derivative_of_the_gradient(model: int) -> None:
    problem, at = noisy(6)
    at[4] *= model == 5
    free = FREE_PARAMETERS[model]
    work = _Work(problem, at, free, newton=True)
    found = work.evaluate(at)
    bend, rows = found["bend"] + found["curl"], rows_of_triangle(len(free))
    for place, parameter in enumerate(free):
        little = 1e-6 * (np.arange(5) == parameter)[:, None]
        by_differences = (work.evaluate(at - little)["fall"] - work.evaluate(at + little)["fall"]) / 2e-6
        np.testing.assert_allclose(bend[rows[place]], by_differences[: place + 1], atol=1e-6)


def test_a_last_step_is_sure_near_a_minimum_alone() -> None:
    problem, start = noisy(40)
    start[4] = 0.0
    free = FREE_PARAMETERS[4]
    found, lowest = search(problem, start, free, 60, newton=True)
    near = np.clip(found + 1e-5, problem.lower, problem.upper)
    near[4] = 0.0
    theta, loss, sure = last_step(problem, near, free)
    assert sure.mean() > 0.9
    np.testing.assert_allclose(loss[sure], lowest[sure], rtol=1e-6)
    curves, minima = curve_values(theta, problem.x), curve_values(found, problem.x)
    np.testing.assert_allclose(curves[:, sure], minima[:, sure], atol=1e-5)
    far = np.clip(start + 0.3 * (np.arange(5) < 4)[:, None], problem.lower, problem.upper)
    assert not last_step(problem, far, free)[2].any()
    # a curve alone has the step that it has among others
    alone, its_loss, _ = last_step(problem.some(np.array([7])), near[:, [7]], free)
    np.testing.assert_array_equal(alone[:, 0], theta[:, 7])
    assert its_loss[0] == loss[7]


@pytest.mark.parametrize("model", [3, 4])
def test_single_precision_and_newtons_steps_end_no_higher_than_a_search_without(model: int) -> None:
    problem, start = noisy(40)
    start[4] = 0.0
    start[2] += 0.1
    free = FREE_PARAMETERS[model]
    _, plain = search(problem, start, free, 60)
    rough, of_rough = search(problem.rough(), start, free, 40, 1e-4)
    assert rough.dtype == of_rough.dtype == np.float32
    _, lowest = search(problem, rough.astype(np.float64), free, 40, newton=True)
    assert (lowest <= plain * (1 + 1e-5)).all()
    np.testing.assert_allclose(of_rough, lowest, rtol=0.02)
