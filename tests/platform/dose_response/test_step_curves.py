"""The published fit finds curves that jump between two doses, as well as the best of many starts does."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.dose_response.levenberg_marquardt import Problem, search
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.nplr_fit import FARTHEST, SMOOTHING, fit_nplr, power_loss
from phenodose.dose_response.step_starts import step_starts

#: Part by which a loss may lie above the lowest of many starts.
TOLERANCE = 1e-3


def jumping_wells(
    n: int, seed: int, doses: int = 5, replicates: int = 2, decades: float = 1.0, noise: float = 0.03
) -> tuple[np.ndarray, np.ndarray]:
    """Doses and inhibitions (m, n) of curves whose slope is 3 to 60 a decade, every fourth falling."""
    rng = np.random.default_rng(seed)
    x = np.repeat(np.arange(doses) * decades, replicates)[:, None] * np.ones(n)
    low, high = rng.uniform(-0.05, 0.15, n), rng.uniform(0.5, 1.05, n)
    slope = np.exp(rng.uniform(np.log(3), np.log(60), n)) * np.where(np.arange(n) % 4 == 3, -1, 1)
    y = inhibition(x, low, high, rng.uniform(0, (doses - 1) * decades, n), slope, 1.0)
    return x, np.round(y + noise * rng.normal(size=y.shape), 10)


def lowest_of_many_starts(x: np.ndarray, y: np.ndarray, starts: int, seed: int) -> np.ndarray:
    """Loss (n,) of five-parameter curves from random starts, in both orientations, within the box of the fit."""
    rng, n = np.random.default_rng(seed), x.shape[1]
    lowest, none, far = np.full(n, np.inf), np.zeros((5, n)), np.array(FARTHEST)[:, None]
    for side in (1.0, -1.0):
        mirrored = np.ascontiguousarray(side * x)
        centre = np.where(np.arange(5)[:, None] == 2, (mirrored[0] + mirrored[-1]) / 2, 0.0)
        problem = Problem(mirrored, y, centre - far, centre + far, none, none, SMOOTHING)
        for _ in range(starts):
            ends = (-0.2, 0.5), (0.3, 1.2), (mirrored.min(), mirrored.max()), (np.log(0.3), np.log(60)), (-1.5, 1.5)
            found, _ = search(problem, np.stack([rng.uniform(*end, n) for end in ends]), (0, 1, 2, 3, 4), 300, 1e-12)
            curve = np.concatenate([found[:2], [side * found[2], side * np.exp(found[3]), np.exp(found[4])]])
            with np.errstate(all="ignore"):
                lowest = np.fmin(lowest, power_loss(y - inhibition(x, *curve)))
    return lowest


def excess(n: int, starts: int, **design: float) -> np.ndarray:
    x, y = jumping_wells(n, 3, **design)  # type: ignore[arg-type]
    return fit_nplr(x, y)[2] / lowest_of_many_starts(x, y, starts, 5) - 1


def test_no_start_of_some_finds_a_lower_loss() -> None:
    assert excess(16, 4, doses=8, decades=0.5).max() <= TOLERANCE


@pytest.mark.slow  # the test before has one of the designs, with fewer curves and starts
@pytest.mark.parametrize("design", [{}, {"doses": 8, "decades": 0.5}, {"replicates": 3}, {"noise": 0.1}])
def test_no_start_of_many_finds_a_lower_loss_on_200_curves(design: dict[str, float]) -> None:
    assert excess(200, 15, **design).max() <= TOLERANCE


def test_starts_lie_at_the_jump() -> None:
    x = np.repeat(np.arange(5.0), 2)[:, None]
    clean = np.where(x < 2.5, 0.1, 0.9)
    through_a_dose = np.where(x < 2, 0.1, np.where(x > 2, 0.9, 0.5))
    for y, mid in ((clean, 2.5), (through_a_dose, 2.0), (1 - clean, 2.5)):
        first = step_starts(x, y)[0][:, 0]
        assert first[2] == pytest.approx(mid)
        np.testing.assert_allclose(first[:2], (y[0, 0], y[-1, 0]), atol=0.01)
