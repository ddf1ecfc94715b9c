"""The fit of published tables: loss, starting values, search and model choice of the reference.

Belongs here: everything that makes the fit `nplr` comparable with published tables. Does not belong
here: the default fit (`robust_fit`).

The loss is the sum of |residual|^1.5, unbounded; every model from two to five parameters starts from one
point made of quantiles; the smallest loss wins without a penalty for parameters.

The reference gives up after 100 iterations, often in a long flat valley, and where it gives up depends on
rounding. This fit goes to the same place by the same search and on from there to the minimum, also from the
minimum of the model with one parameter less. Far along the valley it goes only for a loss that is lower by
`REALLY_LOWER`: curves of equal loss can have different scores, and the published one lies near the place
where the reference stops. Where a jump between two doses (`step_starts`), which a start of quantiles cannot
reach, leads to a loss that is lower by `MISSED`, that curve is taken. What is known to be bad about the loss
(degenerate parameters, curves that no well determines) stays.
"""

from __future__ import annotations

import numpy as np

from phenodose.dose_response.batched_linalg import total
from phenodose.dose_response.levenberg_marquardt import Problem, search
from phenodose.dose_response.models import FREE_PARAMETERS, inhibition
from phenodose.dose_response.quasi_newton import minimise
from phenodose.dose_response.step_starts import step_starts

#: Iterations after which the reference stops.
PUBLISHED_ITERATIONS = 100
#: Part by which a loss must be lower to be another answer; losses closer than this count as equal.
REALLY_LOWER = 1e-7
#: How far a curve may move for a loss that counts as equal: asymptotes, decades, ln slope, ln asymmetry.
NEAR = 0.1
#: The box of the search beyond: it only keeps numbers finite. Asymptotes, decades from the tested range, and
#: ln of slope and of asymmetry.
FARTHEST = (1e3, 1e3, 30.0, 8.0, 8.0)
#: Most steps on from where the reference stops, the part of the loss that a step must gain, and the smoothing
#: of the loss at 0.
STEPS = 300
GAIN = 1e-12
SMOOTHING = 1e-6

#: The model that is searched from jumps between doses too, and the part by which its loss must be lower: the curve
#: found before then was no optimum. The box of this search holds slopes up to e^8 = 2981 per decade.
RICHEST = 5
MISSED = 1e-4
#: A jump whose loss is larger than so many times the lowest known is no place to search from.
WORTH_A_SEARCH = 5.0

#: Curves (5, n) in the order of `models.PARAMETERS`, and their losses (n,), infinite where there is none.
Found = tuple[np.ndarray, np.ndarray]


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


def fit_nplr(
    x: np.ndarray, y: np.ndarray, model: int | None = None, converge: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit curves that all have m points.

    Args:
        x: float64 (m, n), log10 dose, ascending in every column.
        y: float64 (m, n), inhibition as a fraction.
        model: number of parameters; None chooses among all.
        converge: False stops where the reference stops.

    Returns:
        model int64 (n,), 0 where no model could be fitted; parameters float64 (5, n); loss float64 (n,).
    """
    found: list[Found] = []
    numbers = list(FREE_PARAMETERS) if model is None else [model]
    for number in numbers:
        free = FREE_PARAMETERS[number]
        here = _published_search(x, y, number)
        if converge:
            here = _settled(x, y, here, found[-1] if found else None, free)
        found.append(here)
    losses = np.stack([loss for _, loss in found])
    least = losses.min(axis=0)
    if converge:  # the richest of equals: its search ended there by itself
        best = len(found) - 1 - np.argmax((losses <= least * (1 + REALLY_LOWER))[::-1], axis=0)
    else:
        best = np.argmin(losses, axis=0)
    chosen = np.take_along_axis(np.stack([curve for curve, _ in found]), best[None, None], axis=0)[0]
    loss = np.take_along_axis(losses, best[None], axis=0)[0]
    chosen_model = np.array(numbers)[best]
    if converge and model is None:
        jumping, lowest = _from_steps(x, y, (chosen, loss), found[-2][0])
        missed = lowest < loss * (1 - MISSED)
        chosen, loss = np.where(missed, jumping, chosen), np.where(missed, lowest, loss)
        chosen_model = np.where(missed, RICHEST, chosen_model)
    fitted = np.isfinite(loss)
    return (
        np.where(fitted, chosen_model, 0),
        np.where(fitted, chosen, np.nan),
        np.where(fitted, loss, np.nan),
    )


def _published_search(x: np.ndarray, y: np.ndarray, model: int) -> Found:
    """Where the search of the reference stops."""
    curve, losses = starting_values(x, y, model), np.full(x.shape[1], np.inf)
    rows = list(FREE_PARAMETERS[model])
    usable = np.flatnonzero(np.isfinite(curve).all(axis=0))
    start, x, y = curve[:, usable], x[:, usable], y[:, usable]

    def loss(values: np.ndarray, problems: np.ndarray) -> np.ndarray:
        whole = start[:, problems]
        whole[rows] = values
        return _loss_of(x[:, problems], y[:, problems], whole)

    values, reached = minimise(loss, start[rows], PUBLISHED_ITERATIONS)
    curve[np.ix_(np.array(rows), usable)] = values
    losses[usable] = np.where(np.isfinite(reached), reached, np.inf)
    return curve, losses


def _settled(x: np.ndarray, y: np.ndarray, stop: Found, simpler: Found | None, free: tuple[int, ...]) -> Found:
    """The minimum beyond a stop, or that beyond the simpler curve, if really lower; else the lowest near the stop.

    The three searches go side by side, which takes the time of the longest.
    """
    starts = [(stop, NEAR), (stop, np.inf)] if simpler is None else [(stop, NEAR), (stop, np.inf), (simpler, np.inf)]
    n, k = x.shape[1], len(starts)
    begun = [np.concatenate([start[part] for start, _ in starts], axis=-1) for part in (0, 1)]
    reach = np.repeat([most for _, most in starts], n)
    curves, losses = _descend(np.tile(x, k), np.tile(y, k), (begun[0], begun[1]), free, reach)
    near, *further = zip(np.split(curves, k, axis=1), np.split(losses, k), strict=True)
    settled = _really_lower(further[0], near, near[1])
    if simpler is None:
        return settled
    return _really_lower(further[1], settled, np.minimum(settled[1], simpler[1]))


def _from_steps(x: np.ndarray, y: np.ndarray, known: Found, symmetric: np.ndarray) -> Found:
    """What is known, or where searches with five parameters from jumps between doses end if that is really lower.

    Args:
        x: as for `fit_nplr`.
        y: as for `fit_nplr`.
        known: the best curves so far.
        symmetric: curves of four parameters; with five they may become asymmetric at either end.
    """
    starts = step_starts(x, y)
    starts.append(symmetric[[1, 0, 2, 3, 4]] * np.array([1, 1, 1, -1, 1])[:, None])
    n, everything = x.shape[1], np.concatenate(starts, axis=1)
    x, y = np.tile(x, len(starts)), np.tile(y, len(starts))
    loss = _loss_of(x, y, everything)
    worth = np.flatnonzero(loss < WORTH_A_SEARCH * np.tile(known[1], len(starts)))
    if not len(worth):
        return known
    ended = np.full((5, len(loss)), np.nan), np.full(len(loss), np.inf)
    start = everything[:, worth], loss[worth]
    ended[0][:, worth], ended[1][worth] = _descend(x[:, worth], y[:, worth], start, FREE_PARAMETERS[RICHEST], np.inf)
    best = np.argmin(ended[1].reshape(len(starts), n), axis=0) * n + np.arange(n)
    return _really_lower((ended[0][:, best], ended[1][best]), known, known[1])


def _really_lower(candidate: Found, otherwise: Found, than: np.ndarray) -> Found:
    lower = candidate[1] < than * (1 - REALLY_LOWER)
    return np.where(lower, candidate[0], otherwise[0]), np.where(lower, candidate[1], otherwise[1])


def _descend(x: np.ndarray, y: np.ndarray, start: Found, free: tuple[int, ...], reach: float | np.ndarray) -> Found:
    """Search on from a curve, at most `reach` (one number, or one a curve) away in every search coordinate.

    It never ends higher. With an infinite reach the box is that of `FARTHEST`.

    The coordinates are those of the bounded search: a falling curve is a rising one over mirrored doses. A
    curve without such coordinates (an asymmetry that is not positive) stays as it is.
    """
    curve, loss = start[0].copy(), start[1].copy()
    mirror = np.where(curve[3] < 0, -1.0, 1.0)
    with np.errstate(all="ignore"):
        theta = np.concatenate([curve[:2], [mirror * curve[2]], np.log([mirror * curve[3], curve[4]])])
    some = np.flatnonzero(np.isfinite(loss) & np.isfinite(theta).all(axis=0))
    if not len(some):
        return curve, loss
    mirror, theta = mirror[some], np.ascontiguousarray(theta[:, some])
    mirrored, inhibitions = np.ascontiguousarray(mirror * x[:, some]), np.ascontiguousarray(y[:, some])
    reach, far = np.broadcast_to(reach, loss.shape)[some], np.array(FARTHEST)[:, None]
    centre = np.where(np.arange(5)[:, None] == 2, (mirrored[0] + mirrored[-1]) / 2, 0.0)
    anywhere = np.minimum(centre - far, theta), np.maximum(centre + far, theta)
    lower = np.where(np.isfinite(reach), theta - reach, anywhere[0])
    upper = np.where(np.isfinite(reach), theta + reach, anywhere[1])
    none = np.zeros_like(theta)
    problem = Problem(mirrored, inhibitions, lower, upper, none, none, SMOOTHING)
    theta, _ = search(problem, theta, free, STEPS, GAIN)
    moved = np.concatenate([theta[:2], [mirror * theta[2], mirror * np.exp(theta[3]), np.exp(theta[4])]])
    reached = _loss_of(x[:, some], y[:, some], moved)
    better = reached < loss[some]
    curve[:, some[better]], loss[some[better]] = moved[:, better], reached[better]
    return curve, loss


def _loss_of(x: np.ndarray, y: np.ndarray, curve: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return power_loss(y - inhibition(x, *curve))


def _slope_of_dose_means(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Least-squares slope of the mean z of every distinct dose over log10 dose."""
    same = (x[:, None] == x[None]).astype(np.float64)
    count = total(same, axis=1)
    mean = total(same * z[None], axis=1) / count
    weight = 1 / count  # the points of one dose count as one
    spread = weight * (x - total(weight * x) / total(weight))
    return np.asarray(total(spread * mean) / total(spread * x))
