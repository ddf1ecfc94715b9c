"""Bootstrap over wells: what the curve might have been with other wells.

Belongs here: drawing wells and refitting the draws. Does not belong here: the intervals of scores made of
the draws (`scoring`).

A draw gives every well the curve's value plus the residual of a well drawn with replacement. Residuals
are scaled up for the parameters that the fit used, topped up with normal noise where a curve has too few
wells to show its noise (`USUAL_NOISE`), and scaled in every draw by how uncertain the noise itself is
(as in Student's t). The draws of a curve depend on its own points and the seed, not on its place in the
batch.
"""

from __future__ import annotations

import numpy as np
import xxhash

from phenodose.dose_response.batched_linalg import total
from phenodose.dose_response.levenberg_marquardt import Problem, curve_values, search
from phenodose.dose_response.models import FREE_PARAMETERS
from phenodose.dose_response.robust_fit import robust_problem, to_parameters

#: Standard deviation of a well's inhibition that is assumed before its curve is seen, and the number of
#: wells that this assumption counts for.
USUAL_NOISE = 0.05
USUAL_NOISE_WEIGHT = 2.0
#: Steps of the search for a draw; it starts at the curve of the wells themselves.
ITERATIONS = 12
TOLERANCE = 1e-4
#: Most curves that are fitted side by side.
BLOCK = 4096


def bootstrap_draws(
    x: np.ndarray, y: np.ndarray, model: np.ndarray, theta: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """Parameters of refitted draws.

    Args:
        x: float64 (m, g), log10 dose, ascending in every column.
        y: float64 (m, g), inhibition.
        model: int64 (g,), number of parameters.
        theta: float64 (5, g), the fitted curves in search coordinates.
        draws: number of draws of each curve.
        seed: makes the draws repeatable.

    Returns:
        float64 (g, draws, 5), in the order of `models.PARAMETERS`.
    """
    m, g = x.shape
    result = np.empty((g, draws, 5))
    step = max(1, BLOCK // max(draws, 1))
    for first in range(0, g, step):
        some = slice(first, min(first + step, g))
        drawn = drawn_wells(x[:, some], y[:, some], model[some], theta[:, some], draws, seed)
        found = _refit(
            np.repeat(x[:, some], draws, axis=1),
            drawn.reshape(m, -1),
            np.repeat(model[some], draws),
            np.repeat(theta[:, some], draws, axis=1),
        )
        result[some] = found.T.reshape(-1, draws, 5)
    return result


def drawn_wells(
    x: np.ndarray, y: np.ndarray, model: np.ndarray, theta: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """Inhibitions of the drawn wells, float64 (m, g, draws); arguments as in `bootstrap_draws`."""
    m, g = x.shape
    curve = curve_values(theta, x)
    residual = y - curve
    free = np.maximum(m - model, 1)
    squares = total(residual * residual)
    seen = squares / free
    believed = (squares + USUAL_NOISE_WEIGHT * USUAL_NOISE**2) / (free + USUAL_NOISE_WEIGHT)
    spread = (residual - total(residual) / m) * np.sqrt(m / free)
    extra = np.sqrt(np.maximum(believed - seen, 0.0))
    drawn = np.empty((m, g, draws))
    for i in range(g):
        generator = _generator(x[:, i], y[:, i], seed)
        picked = generator.integers(0, m, (m, draws))
        noise = generator.standard_normal((m, draws))
        known = free[i] + USUAL_NOISE_WEIGHT
        scale = np.sqrt(known / generator.chisquare(known, draws))
        drawn[:, i] = curve[:, i, None] + scale * (spread[picked, i] + extra[i] * noise)
    return drawn


def _generator(x: np.ndarray, y: np.ndarray, seed: int) -> np.random.Generator:
    digest = xxhash.xxh3_128(seed.to_bytes(8, "little", signed=True))
    digest.update(np.ascontiguousarray(x - x[0]).round(9).tobytes())
    digest.update(np.ascontiguousarray(y).tobytes())
    return np.random.Generator(np.random.Philox(key=digest.intdigest()))


def _refit(x: np.ndarray, y: np.ndarray, model: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Parameters (5, k) of the drawn curves, each with the model of the curve it was drawn from."""
    problem = _widened(robust_problem(x, y), theta)
    found = np.empty_like(theta)
    for number, free in FREE_PARAMETERS.items():
        which = np.flatnonzero(model == number)
        if len(which):
            found[:, which] = search(problem.some(which), theta[:, which], free, ITERATIONS, TOLERANCE)[0]
    return to_parameters(found)


def _widened(problem: Problem, theta: np.ndarray) -> Problem:
    """The problem with a box that holds theta: curves of another fit may lie outside the usual one."""
    return Problem(
        problem.x,
        problem.y,
        np.minimum(problem.lower, theta),
        np.maximum(problem.upper, theta),
        problem.centre,
        problem.weight,
    )
