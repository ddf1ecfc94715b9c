"""Loewe, ZIP and the sensitivity score against a second implementation, written here from the published formulas.

It shares nothing with the project: one curve at a time by scipy's least squares from many starts, the Loewe equation
by scipy's root search. The bounds of the curves are those that docs/combinations.md states.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq, least_squares

from phenodose import excess_of
from phenodose.combinations import DoseMatrix
from phenodose.combinations.reference_models import loewe

DOSES = np.array([1.0, 3.0, 10.0, 30.0, 100.0])


def hill(x: float, bottom: float, top: float, mid: float, slope: float) -> float:
    """Effect at the dose x."""
    return bottom + (top - bottom) * x**slope / (mid**slope + x**slope)


def fitted(doses: np.ndarray, effects: np.ndarray, bottom: float) -> tuple[float, float, float, float]:
    """The least-squares Hill curve from a given bottom: bottom, top, mid, slope."""
    ends = (
        [-1.0, np.log(doses.min() / 10), np.log(0.1)],
        [max(1.0, effects.max()), np.log(doses.max() * 10), np.log(10.0)],
    )

    def off(p: np.ndarray) -> np.ndarray:
        return np.array([hill(x, bottom, p[0], np.exp(p[1]), np.exp(p[2])) for x in doses]) - effects

    starts = product((0.3, 0.9), np.linspace(np.log(doses.min()), np.log(doses.max()), 3), (-0.5, 0.8))
    found = [least_squares(off, start, bounds=ends, xtol=1e-12, ftol=1e-12, gtol=1e-12) for start in starts]
    top, mid, slope = min(found, key=lambda one: one.cost).x
    return bottom, float(top), float(np.exp(mid)), float(np.exp(slope))


def loewe_by_hand(a: float, b: float, first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """The effect y with a / A(y) + b / B(y) = 1; a drug that never reaches y has the share 0."""

    def dose(y: float, curve: tuple[float, ...]) -> float:
        _, top, mid, slope = curve
        return mid * (y / (top - y)) ** (1 / slope) if y < top else np.inf

    largest = max(first[1], second[1])
    return float(brentq(lambda y: a / dose(y, first) + b / dose(y, second) - 1, 1e-9, largest - 1e-12, xtol=1e-13))


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    """Effects of two drugs that interact a little, with noise: row and column 0 are the drugs alone."""
    random = np.random.default_rng(5)
    first = np.array([0.0, *(hill(x, 0, 0.9, 20.0, 1.4) for x in DOSES)])
    second = np.array([0.0, *(hill(x, 0, 0.6, 8.0, 0.9) for x in DOSES)])
    effects = first[:, None] + second - 0.7 * first[:, None] * second
    return np.asarray(effects + 0.03 * random.standard_normal(effects.shape))


@pytest.fixture(scope="module")
def dose_matrix(matrix: np.ndarray) -> DoseMatrix:
    """The same as wells."""
    a, b = np.meshgrid(np.array([0.0, *DOSES]), np.array([0.0, *DOSES]), indexing="ij")
    return DoseMatrix(a.ravel(), b.ravel(), matrix.ravel())


def test_loewe_is_that_of_a_second_implementation(matrix: np.ndarray, dose_matrix: DoseMatrix) -> None:
    first, second = fitted(DOSES, matrix[1:, 0], 0.0), fitted(DOSES, matrix[0, 1:], 0.0)
    by_hand = [[loewe_by_hand(a, b, first, second) for b in DOSES] for a in DOSES]
    found = excess_of([dose_matrix], draws=0)
    pairs = found.pairs.query("model == 'loewe'")
    np.testing.assert_allclose(pairs["expected_percent"], 100 * np.ravel(by_hand), atol=1e-3)
    np.testing.assert_allclose(pairs["excess_percent"], 100 * (matrix[1:, 1:] - by_hand).ravel(), atol=1e-3)
    assert (pairs["status"] == "ok").all()


def test_zip_is_that_of_a_second_implementation(matrix: np.ndarray, dose_matrix: DoseMatrix) -> None:
    first, second = fitted(DOSES, matrix[1:, 0], 0.0), fitted(DOSES, matrix[0, 1:], 0.0)
    y1, y2 = ([hill(x, *curve) for x in DOSES] for curve in (first, second))
    delta = np.empty((5, 5))
    along_first = [fitted(DOSES, matrix[1:, 1 + j], y2[j]) for j in range(5)]
    along_second = [fitted(DOSES, matrix[1 + i, 1:], y1[i]) for i in range(5)]
    for i, j in product(range(5), range(5)):
        seen = (hill(DOSES[i], *along_first[j]) + hill(DOSES[j], *along_second[i])) / 2
        delta[i, j] = seen - (y1[i] + y2[j] - y1[i] * y2[j])
    found = excess_of([dose_matrix], draws=0)
    pairs = found.pairs.query("model == 'zip'")
    np.testing.assert_allclose(pairs["excess_percent"], 100 * delta.ravel(), atol=1e-3)
    assert found.sums.set_index("measure")["value"]["zip"] == pytest.approx(100 * delta.mean(), abs=1e-3)


def test_the_sensitivity_score_is_that_of_a_second_implementation(matrix: np.ndarray, dose_matrix: DoseMatrix) -> None:
    singles = fitted(DOSES, matrix[1:, 0], 0.0), fitted(DOSES, matrix[0, 1:], 0.0)
    x = np.log10(DOSES)
    scores = []
    for background, effects in ((1, matrix), (0, matrix.T)):
        # `effects` has the drug that goes through its doses in its rows
        ic50 = float(np.clip(singles[background][2], DOSES[0], DOSES[-1]))
        foreground = singles[1 - background]
        curves = [fitted(DOSES, effects[1 + i, 1:], hill(DOSES[i], *foreground)) for i in range(5)]
        y = [hill(ic50, *curve) for curve in curves]
        scores.append(sum((y[k] + y[k + 1]) / 2 * (x[k + 1] - x[k]) for k in range(4)) / (x[-1] - x[0]))
    css = excess_of([dose_matrix]).sums.set_index("measure").loc["css"]
    assert css["value"] == pytest.approx(50 * sum(scores), abs=1e-3)
    assert css["lower"] < css["value"] < css["upper"]
    assert css["interaction"] == ""
    assert np.isnan(css["probability_synergy"])


def test_a_drug_with_itself_is_loewe_additive() -> None:
    curve = np.array([0.0, 0.8, 1.2, 1.7, 1.0])
    x1, x2 = np.log10([3.0, 10.0, 40.0]), np.log10([5.0, 5.0, 0.1])
    together = 0.8 / (1 + (10**1.2 / (10**x1 + 10**x2)) ** 1.7)
    np.testing.assert_allclose(loewe(curve, curve, x1, x2), together, atol=1e-9)


def test_a_drug_that_never_reaches_the_effect_adds_nothing_to_it() -> None:
    weak, strong = np.array([0.0, 0.2, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    far = loewe(weak, strong, np.array([3.0]), np.array([2.0]))
    assert far[0] == pytest.approx(100 / 101, abs=1e-9)
    inert = np.array([0.0, 0.0, 0.0, 1.0, 1.0])
    assert loewe(inert, strong, np.array([3.0]), np.array([0.0]))[0] == pytest.approx(0.5, abs=1e-9)
    assert loewe(inert, inert, np.array([3.0]), np.array([0.0]))[0] == pytest.approx(0.0, abs=1e-9)


def test_drugs_that_take_inhibition_away_are_treated_alike() -> None:
    up = np.array([0.0, 0.8, 1.0, 1.0, 1.0])
    down = np.array([0.0, -0.3, 1.0, 1.0, 1.0])
    x = np.array([1.0])
    mirrored = loewe(np.array([0.0, 0.3, 1.0, 1.0, 1.0]), np.array([0.0, 0.3, 1.0, 1.0, 1.0]), x, x)
    np.testing.assert_allclose(loewe(down, down, x, x), -mirrored, atol=1e-12)
    assert loewe(up, down, x, x)[0] == pytest.approx(0.4 - 0.15)


def test_a_curve_that_falls_adds_nothing_to_the_other_drugs_effect() -> None:
    up, falling = np.array([0.0, 0.8, 1.0, 1.0, 1.0]), np.array([0.3, 0.1, 1.0, 1.0, 1.0])
    x = np.array([1.0])
    assert loewe(up, falling, x, x)[0] == pytest.approx(0.4, abs=1e-9)
    assert loewe(falling, falling, x, x)[0] == pytest.approx(0.2, abs=1e-9)
