"""The fit of published tables: loss, starting values, search and model choice of the reference.

Belongs here: everything that makes the fit `nplr` comparable with published tables. Does not belong
here: the default fit (`robust_fit`).

The loss is the sum of |residual|^1.5, unbounded; every model from two to five parameters starts from one
point made of quantiles and is stopped early; the smallest loss wins without a penalty for
parameters. What is known to be bad about it (degenerate parameters, dependence on rounding) stays.
"""

from __future__ import annotations

import numpy as np

from phenodose.dose_response.models import FREE_PARAMETERS, inhibition
from phenodose.dose_response.quasi_newton import minimise
from phenodose.dose_response.small_systems import total

#: Ten more than the published fit takes. Chosen on the golden curves and BT-40: with 100, 8 of 36 losses lay
#: above the published ones by more than 1e-6, with 110 one; with 150 and more, scores drift from the tables.
ITERATIONS = 110


def power_loss(residual: np.ndarray) -> np.ndarray:
    """Sum of |residual|^1.5 over the points (first axis)."""
    size = np.abs(residual)
    return total(size * np.sqrt(size))


def starting_values(x: np.ndarray, y: np.ndarray, model: int) -> np.ndarray:
    """The one start of a model.

    Args:
        x: float64 (m, n), log10 dose, ascending in every column.
        y: float64 (m, n), inhibition.
        model: number of parameters.

    Returns:
        float64 (5, n); the slope is not finite where there is none (all inhibitions or doses equal).
    """
    low, bottom, top, high = np.quantile(y, [0.025, 0.05, 0.95, 0.975], axis=0)
    with np.errstate(all="ignore"):
        z = (y - low) / (high - low)
        z = np.where(z <= 0, 0.05, np.where(z >= 1, 0.95, z))
        slope = _slope_of_dose_means(x, np.log(z / (1 - z)))
    ones = np.ones_like(bottom)
    return np.stack(
        [
            bottom if model >= 4 else 0 * ones,
            top if model >= 3 else ones,
            (x[0] + x[-1]) / 2,
            slope,
            ones,
        ]
    )


def fit_nplr(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit curves that all have m points.

    Args:
        x: float64 (m, n), log10 dose, ascending in every column.
        y: float64 (m, n), inhibition as a fraction.

    Returns:
        model int64 (n,), 0 where no model could be fitted; parameters float64 (5, n); loss float64 (n,).
    """
    n = x.shape[1]
    best_loss, best = np.full(n, np.inf), np.full((5, n), np.nan)
    model = np.zeros(n, dtype=np.int64)
    for number, free in FREE_PARAMETERS.items():
        start = starting_values(x, y, number)
        usable = np.flatnonzero(np.isfinite(start).all(axis=0))
        found, loss = _minimise_model(x[:, usable], y[:, usable], start[:, usable], free)
        better = loss < best_loss[usable]
        which = usable[better]
        model[which], best_loss[which], best[:, which] = number, loss[better], found[:, better]
    return model, best, np.where(model > 0, best_loss, np.nan)


def _minimise_model(
    x: np.ndarray, y: np.ndarray, start: np.ndarray, free: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    rows = list(free)

    def loss(values: np.ndarray, problems: np.ndarray) -> np.ndarray:
        whole = start[:, problems]
        whole[rows] = values
        with np.errstate(all="ignore"):
            return power_loss(y[:, problems] - inhibition(x[:, problems], *whole))

    values, losses = minimise(loss, start[rows], ITERATIONS)
    found = start.copy()
    found[rows] = values
    return found, losses


def _slope_of_dose_means(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Least-squares slope of the mean z of every distinct dose over log10 dose."""
    same = (x[:, None] == x[None]).astype(np.float64)
    count = total(same, axis=1)
    mean = total(same * z[None], axis=1) / count
    weight = 1 / count  # the points of one dose count as one
    spread = weight * (x - total(weight * x) / total(weight))
    return np.asarray(total(spread * mean) / total(spread * x))
