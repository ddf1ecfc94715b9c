"""The default fit: plausible curves, several starts, and no more parameters than the wells support.

Belongs here: box and penalty, starts, and the choice of a model. Does not belong here: the search itself
(`bounded_search`) and the fit of published tables (`nplr_fit`).

Loss: sum of |residual|^1.5, as in published tables, so that one bad well does not decide a curve. With
five doses a decade apart the slope is often not determined by the wells; a mild penalty then takes it to
`USUAL_SLOPE`, and the box keeps asymptotes near what viability can be. A model with one more parameter is
taken where it lowers Akaike's criterion for residuals of that loss (density ~ exp(-|r|^1.5)). The top is
fixed at complete inhibition only where the wells show that plateau at two doses.

`USUAL_SLOPE`, the penalties, `NOISE_FLOOR` and the plateau rule were chosen by comparing settings on BT-40
(published scores), on a second, noisier screen of it (scores of the fit `nplr`) and on simulated curves of
known truth; agreement with BT-40 is therefore not an independent test.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from phenodose.dose_response.bounded_search import SMOOTHING, Problem, curve_values, search, smooth_power
from phenodose.dose_response.models import FREE_PARAMETERS, LN10
from phenodose.dose_response.small_systems import total

SLOPE_RANGE = (0.2, 6.0)
ASYMMETRY_RANGE = (0.2, 5.0)
#: Asymptotes stay within this range, or within the measured inhibitions where these go further.
ASYMPTOTE_RANGE = (-0.3, 1.5)
#: Decades by which the mid dose may leave the tested range.
MID_MARGIN = 1.0
#: Slope to which a curve goes whose wells do not tell.
USUAL_SLOPE = 2.0
#: Curvature of the penalty on ln slope and ln asymmetry, in units of the loss: a factor e away costs
#: half of it, about what one residual of 0.01 (slope) or 0.05 (asymmetry) costs.
SLOPE_PENALTY = 0.003
ASYMMETRY_PENALTY = 0.02
#: Mean residual (fraction of inhibition) below which a closer fit is no reason for another parameter.
NOISE_FLOOR = 0.01
COST_OF_A_PARAMETER = 2.0
#: Inhibition from which on a dose counts as lying on the plateau of complete inhibition.
PLATEAU = 0.9
#: Starts: mid doses over the tested range, and slopes; asymptotes follow by least squares.
START_MIDS = np.arange(-1, 10) / 8
START_SLOPES = (0.6, 1.2, 3.0)
START_ASYMMETRIES = (0.4, 1.0, 2.5)
ITERATIONS = 40


class RobustFit(NamedTuple):
    """Result for g curves.

    Attributes:
        model: int64 (g,), number of parameters.
        theta: float64 (5, g), parameters in search coordinates.
        flat: bool (g,), True where a constant explains the wells as well.
    """

    model: np.ndarray
    theta: np.ndarray
    flat: np.ndarray


def robust_problem(x: np.ndarray, y: np.ndarray) -> Problem:
    """The bounded and penalised problem of curves with m points each: x and y float64 (m, g)."""
    one = np.ones(x.shape[1])
    least = np.minimum(ASYMPTOTE_RANGE[0], y.min(axis=0))
    most = np.maximum(ASYMPTOTE_RANGE[1], y.max(axis=0))
    low, high = x.min(axis=0), x.max(axis=0)
    lower = [least, least, low - MID_MARGIN, np.log(SLOPE_RANGE[0]) * one, np.log(ASYMMETRY_RANGE[0]) * one]
    upper = [most, most, high + MID_MARGIN, np.log(SLOPE_RANGE[1]) * one, np.log(ASYMMETRY_RANGE[1]) * one]
    centre = [0 * one, one, (low + high) / 2, np.log(USUAL_SLOPE) * one, 0 * one]
    weight = [0 * one, 0 * one, 0 * one, SLOPE_PENALTY * one, ASYMMETRY_PENALTY * one]
    return Problem(x, y, np.stack(lower), np.stack(upper), np.stack(centre), np.stack(weight))


def fit_robust(x: np.ndarray, y: np.ndarray) -> RobustFit:
    """Fit curves that all have m points at three doses or more.

    Args:
        x: float64 (m, g), log10 dose, ascending in every column.
        y: float64 (m, g), inhibition as a fraction.
    """
    problem = robust_problem(x, y)
    starts = _starts(problem)
    n_doses = 1 + total((np.diff(x, axis=0) > 1e-9).astype(np.int64))
    model = np.zeros(x.shape[1], dtype=np.int64)
    theta, criterion = np.empty((5, x.shape[1])), np.full(x.shape[1], np.inf)
    previous = starts[3][0]
    for number in (3, 2, 4, 5):
        can = _on_plateau(previous, x) if number == 2 else n_doses >= number
        which = np.flatnonzero(can)
        if not len(which):
            continue
        some = problem.some(which)
        candidates = (
            _asymmetric_starts(previous[:, which], some)
            if number == 5
            else [start[:, which] for start in starts[number]]
        )
        found, loss = _best_of(some, candidates, FREE_PARAMETERS[number])
        value = information_criterion(loss, len(x), number)
        better = value < criterion[which]
        chosen = which[better]
        criterion[chosen], model[chosen], theta[:, chosen] = value[better], number, found[:, better]
        if number in (3, 4):
            previous = previous.copy()
            previous[:, which] = found
    flat = information_criterion(constant_loss(y), len(x), 1) <= criterion
    return RobustFit(model, theta, flat)


def information_criterion(loss: np.ndarray, n_points: int, parameters: np.ndarray | int) -> np.ndarray:
    """Akaike's criterion where residuals have density ~ exp(-|r|^1.5); losses under the noise count alike."""
    fit = 2 / 1.5 * n_points * np.log(loss / n_points + NOISE_FLOOR**1.5)
    return np.asarray(fit + COST_OF_A_PARAMETER * parameters)


def constant_loss(y: np.ndarray) -> np.ndarray:
    """Smallest loss that a constant inhibition can have, float64 (g,); y is (m, g)."""
    constant = np.quantile(y, 0.5, axis=0)
    for _ in range(20):  # reweighted means: each halves the distance to the minimum at least
        residual = y - constant
        weight = (residual * residual + SMOOTHING**2) ** -0.25
        constant = total(weight * y) / total(weight)
    return total(smooth_power(y - constant))


def to_parameters(theta: np.ndarray) -> np.ndarray:
    """Search coordinates (5, ...) as (bottom, top, log10_mid, slope, asymmetry)."""
    return np.concatenate([theta[:3], np.exp(theta[3:])])


def _best_of(problem: Problem, starts: list[np.ndarray], free: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    best, best_loss = search(problem, starts[0], free, ITERATIONS)
    for start in starts[1:]:
        found, loss = search(problem, start, free, ITERATIONS)
        better = loss < best_loss
        best, best_loss = np.where(better, found, best), np.where(better, loss, best_loss)
    return best, best_loss


def _starts(problem: Problem) -> dict[int, list[np.ndarray]]:
    """For each symmetric model the two best starts of different slope, best first, float64 (5, g) each.

    For every slope the best mid dose of a grid is taken; asymptotes follow by least squares.
    """
    x, y = problem.x, problem.y
    low, high = x.min(axis=0), x.max(axis=0)
    least, most = problem.lower[0], problem.upper[0]
    zero, one = np.zeros(x.shape[1]), np.ones(x.shape[1])
    losses: dict[int, list[np.ndarray]] = {2: [], 3: [], 4: []}
    starts: dict[int, list[np.ndarray]] = {2: [], 3: [], 4: []}
    for slope in START_SLOPES:
        penalty = 0.5 * SLOPE_PENALTY * (np.log(slope) - np.log(USUAL_SLOPE)) ** 2
        best = {number: np.full(x.shape[1], np.inf) for number in losses}
        start = {number: np.zeros((5, x.shape[1])) for number in losses}
        for place in START_MIDS:
            mid = low + (high - low) * place
            fraction = 1 / (1 + np.exp(np.minimum(LN10 * slope * (mid - x), 700.0)))
            bottom, top, top_from_zero = _asymptotes(fraction, y, least, most)
            for number, (b, t) in {2: (zero, one), 3: (zero, top_from_zero), 4: (bottom, top)}.items():
                loss = total(smooth_power(y - b - (t - b) * fraction)) + penalty
                better = loss < best[number]
                best[number] = np.where(better, loss, best[number])
                start[number] = np.where(better, np.stack([b, t, mid, np.log(slope) * one, zero]), start[number])
        for number in losses:
            losses[number].append(best[number])
            starts[number].append(start[number])
    return {number: _two_best(np.stack(losses[number]), np.stack(starts[number])) for number in losses}


def _two_best(losses: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
    """The starts (k, 5, g) with the smallest and the second smallest loss (k, g) of every curve."""
    order = np.argsort(losses, axis=0, kind="stable")[:2]
    return [np.take_along_axis(starts, rank[None, None], axis=0)[0] for rank in order]


def _asymptotes(
    fraction: np.ndarray, y: np.ndarray, least: np.ndarray, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least-squares bottom and top within the box, and the top if the bottom is 0."""
    rest = 1 - fraction
    aa, bb, ab = total(rest * rest), total(fraction * fraction), total(rest * fraction)
    ay, by = total(rest * y), total(fraction * y)
    tiny = 1e-9
    bottom = np.clip((ay * bb - by * ab) / (aa * bb - ab * ab + tiny), least, most)
    top = np.clip((by - bottom * ab) / (bb + tiny), least, most)
    bottom = np.clip((ay - top * ab) / (aa + tiny), least, most)
    return bottom, top, np.clip(by / (bb + tiny), least, most)


def _asymmetric_starts(symmetric: np.ndarray, problem: Problem) -> list[np.ndarray]:
    """Starts of the five-parameter model: asymmetries with the half-effect dose of the symmetric curve."""
    starts = []
    for asymmetry in START_ASYMMETRIES:
        start = symmetric.copy()
        start[4] = np.log(asymmetry)
        start[2] += np.log10(np.expm1(np.log(2) / asymmetry)) / np.exp(symmetric[3])
        starts.append(np.clip(start, problem.lower, problem.upper))
    return starts


def _on_plateau(theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    """True where the curve lies on the plateau of complete inhibition at the two highest doses."""
    second = np.where(x < x[-1:] - 1e-9, x, -np.inf).max(axis=0)
    return np.asarray(curve_values(theta, second[None])[0] >= PLATEAU)
