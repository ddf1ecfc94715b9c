"""The default fit: plausible curves, several starts, and no more parameters than the wells support.

Belongs here: box and penalty, starts, and the choice of a model. Does not belong here: the search itself
(`levenberg_marquardt`) and the fit of published tables (`nplr_fit`).

Loss: sum of |residual|^1.5, as in published tables, so that one bad well does not decide a curve. With
five doses a decade apart slope and asymmetry are often not determined by the wells; a mild penalty then takes
them to usual values. It is that of a normal prior, so it counts for more where the wells are noisy. The box
keeps asymptotes near what viability can be. A model with one more parameter is taken where it lowers Akaike's
criterion for residuals of that loss (density ~ exp(-|r|^1.5)). The top is fixed at complete inhibition only
where the wells show that plateau at two doses. Where a constant explains the wells as well, the curve is that
constant, drawn a little to no effect by what the wells leave open.

For speed all models and starts are searched in single precision, and of searches on the way to the same minimum one
alone goes on; from where they have come only the models that may be chosen go on to their minimum, the last step in
double precision.

`NOISE_FLOOR` and the plateau rule were chosen by comparing settings on BT-40 (published scores), on a second,
noisier screen of it (scores of the fit `nplr`) and on simulated curves of known truth, the spreads of the
penalty on simulated curves of several kinds and on BT-40; agreement with BT-40 is no independent test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from phenodose.dose_response.batched_linalg import total
from phenodose.dose_response.dose_layout import DoseLayout, by_dose
from phenodose.dose_response.levenberg_marquardt import (
    SMOOTHING,
    Problem,
    curve_values,
    last_step,
    search,
    smooth_power,
)
from phenodose.dose_response.models import FREE_PARAMETERS, LN10

SLOPE_RANGE = (0.2, 6.0)
ASYMMETRY_RANGE = (0.2, 5.0)
#: Asymptotes stay within this range, or within the measured inhibitions where these go further.
ASYMPTOTE_RANGE = (-0.3, 1.5)
#: Decades by which the mid dose may leave the tested range.
MID_MARGIN = 1.0
#: Slope to which a curve goes whose wells do not tell; asymmetry goes to 1.
USUAL_SLOPE = 1.5
#: Standard deviations of ln slope and ln asymmetry among curves.
LOG_SLOPE_SPREAD = 1.5
LOG_ASYMMETRY_SPREAD = 1.0
#: Standard deviation of a well about its curve before the wells are seen, and for how many wells that counts.
USUAL_NOISE = 0.05
USUAL_NOISE_WEIGHT = 2.0
#: Mean of |residual|^1.5 where residuals are normal with standard deviation 1.
NORMAL_POWER = 0.86004
#: Mean residual (fraction of inhibition) below which a closer fit is no reason for another parameter.
NOISE_FLOOR = 0.01
COST_OF_A_PARAMETER = 2.0
#: Inhibition from which on a dose counts as lying on the plateau of complete inhibition.
PLATEAU = 0.9
#: Level of curves without trend: share, mean and standard deviation of those without effect and of all others.
LEVELS = ((0.9, 0.0, 0.1), (0.1, 0.5, 0.5))
#: Starts: mid doses over the tested range, and slopes; asymptotes follow by least squares.
START_MIDS = np.arange(-1, 10) / 8
START_SLOPES = (0.5, 1.0, 2.0, 4.0)
START_ASYMMETRIES = (0.4, 1.0, 2.5)
#: Starts of a symmetric model that are searched, and rounds of reweighting at each place of the grid.
SEARCHES = 3
REWEIGHTINGS = 3
ITERATIONS = 40
#: The way there is gone in single precision until a step lowers the loss by a smaller part than this, or so many do.
ROUGH_GAIN = 1e-4
ROUGH_PATIENCE = 5
#: Steps after which searches of a curve are compared, the distance below which two are on the same way, and how much
#: higher than the lowest another may be to go on.
FIRST_STEPS, SAME_PLACE, NEARLY_AS_LOW = 4, 0.05, 1.03
#: The same for the way to a minimum that is taken by Newton's steps.
NEAR_GAIN = 1e-6
#: From there on only models go whose criterion is so near the best: what is left to gain changes it by far less.
NEAR_TIE = 0.5
#: Curves whose starts, and constants, are looked for at once: their arrays stay in a processor's cache.
_STARTS_AT_ONCE, _CENTRES_AT_ONCE = 256, 1024


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
    weight = _penalty_weight(1.5 * NORMAL_POWER * USUAL_NOISE**1.5 * one)
    return Problem(x, y, np.stack(lower), np.stack(upper), np.stack(centre), weight)


def fit_robust(x: np.ndarray, y: np.ndarray, model: int | None = None) -> RobustFit:
    """Fit curves that all have m points at three doses or more.

    Args:
        x: float64 (m, g), log10 dose, ascending in every column.
        y: float64 (m, g), inhibition as a fraction.
        model: number of parameters, fitted from one start; None chooses among all, from several starts.
    """
    problem = robust_problem(x, y)
    centre = _centre(y)
    flat_loss, level = total(smooth_power(y - centre)), _plausible_level(y, centre)
    if model is None:
        number, theta, criterion = _best_model(problem)
    else:
        start = _starts(problem, min(model, 4), START_SLOPES[1:2])[0]
        theta, loss = _minimum(problem, start, FREE_PARAMETERS[model])
        number, criterion = np.full(x.shape[1], model), information_criterion(loss, len(x), model)
    flat = information_criterion(flat_loss, len(x), 1) <= criterion
    if model is None:
        theta[:2] = np.where(flat, level, theta[:2])
    return RobustFit(number, theta, flat)


def _best_model(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of parameters (g,), theta (5, g) and criterion (g,) of the best model of every curve."""
    x = problem.x
    symmetric = _starts(problem, 4)
    problem = replace(problem, weight=_penalty_weight(_loss_scale(problem, symmetric[0])))
    n_doses = 1 + total((np.diff(x, axis=0) > 1e-9).astype(np.int64))
    n = x.shape[1]
    rough: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    previous = np.zeros((5, n))
    for number in (3, 2, 4, 5):
        can = _on_plateau(previous, x) if number == 2 else n_doses >= number
        which = np.flatnonzero(can)
        if not len(which):
            continue
        some = problem.some(which)
        if number == 5:
            starts = _asymmetric_starts(previous[:, which], some)
        else:
            starts = [start[:, which] for start in symmetric] if number == 4 else _starts(some, number)
        curves, value = np.zeros((5, n)), np.full(n, np.inf)
        curves[:, which], loss = _best_of(some, starts, FREE_PARAMETERS[number])
        value[which] = information_criterion(loss, len(x), number)
        rough[number] = curves, value
        previous = previous if number == 2 else curves
    # Two doses are enough for no model.
    near = np.min([np.full(n, np.inf), *(value for _, value in rough.values())], axis=0) + NEAR_TIE
    model = np.zeros(n, dtype=np.int64)
    theta, criterion = np.empty((5, n)), np.full(n, np.inf)
    for number, (curves, value) in rough.items():
        which = np.flatnonzero(value <= near)
        found, loss = _minimum(problem.some(which), curves[:, which], FREE_PARAMETERS[number])
        value = information_criterion(loss, len(x), number)
        better = value < criterion[which]
        chosen = which[better]
        criterion[chosen], model[chosen], theta[:, chosen] = value[better], number, found[:, better]
    return model, theta, criterion


def information_criterion(loss: np.ndarray, n_points: int, parameters: np.ndarray | int) -> np.ndarray:
    """Akaike's criterion where residuals have density ~ exp(-|r|^1.5); losses under the noise count alike."""
    fit = 2 / 1.5 * n_points * np.log(loss / n_points + NOISE_FLOOR**1.5)
    return np.asarray(fit + COST_OF_A_PARAMETER * parameters)


def _plausible_level(y: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Inhibition (g,) of wells (m, g) without trend: what nine curves in ten, those without effect, make of it.

    Posterior mean of the level of smallest loss (`centre`), with a mixture of two normal priors (`LEVELS`).
    """
    squares = total((y - centre) ** 2) + USUAL_NOISE_WEIGHT * USUAL_NOISE**2
    variance = squares / (len(y) - 1 + USUAL_NOISE_WEIGHT) / len(y)
    evidence, levels = [], []
    for share, mean, spread in LEVELS:
        whole = variance + spread**2
        evidence.append(np.log(share) - 0.5 * np.log(whole) - 0.5 * (centre - mean) ** 2 / whole)
        levels.append((centre * spread**2 + mean * variance) / whole)
    weights = np.exp(np.stack(evidence) - np.max(evidence, axis=0))
    return np.asarray(total(weights * np.stack(levels)) / total(weights))


def _centre(y: np.ndarray) -> np.ndarray:
    """The constant (g,) of smallest loss."""
    found = np.empty(y.shape[1])
    for first in range(0, len(found), _CENTRES_AT_ONCE):
        some = np.ascontiguousarray(y[:, first : first + _CENTRES_AT_ONCE])
        constant = np.quantile(some, 0.5, axis=0)
        for _ in range(13):  # reweighted means halve the distance to the minimum; a third further divides it by three
            residual = some - constant
            residual *= residual
            residual += SMOOTHING**2
            weight = np.sqrt(residual, out=residual)
            np.sqrt(weight, out=weight)
            np.divide(1.0, weight, out=weight)
            constant += 4 / 3 * (total(weight * some) / total(weight) - constant)
        found[first : first + _CENTRES_AT_ONCE] = constant
    return found


def _loss_scale(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """Scale a (g,) of the density ~ exp(-|r|^1.5 / a) of residuals, from four-parameter curves near the wells."""
    loss = total(np.abs(problem.y - curve_values(theta, problem.x)) ** 1.5)
    known = USUAL_NOISE_WEIGHT * NORMAL_POWER * USUAL_NOISE**1.5
    return np.asarray(1.5 * (loss + known) / (max(len(problem.x) - 4, 0) + USUAL_NOISE_WEIGHT))


def _penalty_weight(scale: np.ndarray) -> np.ndarray:
    """Curvature (5, g) of the penalty that a normal prior of slope and asymmetry is, for residuals of that scale."""
    none = np.zeros_like(scale)
    return np.stack([none, none, none, scale / LOG_SLOPE_SPREAD**2, scale / LOG_ASYMMETRY_SPREAD**2])


def to_parameters(theta: np.ndarray) -> np.ndarray:
    """Search coordinates (5, ...) as (bottom, top, log10_mid, slope, asymmetry)."""
    return np.concatenate([theta[:3], np.exp(theta[3:])])


def _best_of(problem: Problem, starts: list[np.ndarray], free: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """About the lowest end of searches from all starts, which go side by side; in single precision.

    After a few steps most searches of a curve are on the way to the same minimum: one of these goes on, and of the
    others those alone that are nearly as low.
    """
    g, s = problem.x.shape[1], len(starts)
    together = problem.rough().some(np.tile(np.arange(g), s))
    start = np.concatenate(starts, axis=1)
    found, loss = search(together, start, free, FIRST_STEPS, ROUGH_GAIN, ROUGH_PATIENCE)
    places, losses, everyone = found.reshape(5, s, g), loss.reshape(s, g), np.arange(g)
    leader = np.argmin(losses, axis=0)
    apart = np.abs(places - places[:, leader, everyone][:, None]).max(axis=0) > SAME_PLACE
    goes_on = apart & (losses <= NEARLY_AS_LOW * losses[leader, everyone])
    goes_on[leader, everyone] = True
    which = np.flatnonzero(goes_on)
    found[:, which], loss[which] = search(
        together.some(which), found[:, which], free, ITERATIONS, ROUGH_GAIN, ROUGH_PATIENCE
    )
    lowest = np.argmin(loss.reshape(s, g), axis=0) * g + everyone
    return found[:, lowest].astype(np.float64), loss[lowest].astype(np.float64)


def _minimum(problem: Problem, near: np.ndarray, free: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The minimum near a place, and its loss: in single precision as far as that goes, then in double."""
    near, _ = search(problem.rough(), near, free, ITERATIONS, NEAR_GAIN, newton=True)
    near = np.clip(near.astype(np.float64), problem.lower, problem.upper)
    found, loss, sure = last_step(problem, near, free)
    left = np.flatnonzero(~sure)
    if len(left):
        found[:, left], loss[left] = search(problem.some(left), near[:, left], free, ITERATIONS, newton=True)
    return found, loss


def _starts(problem: Problem, number: int, slopes: Sequence[float] = START_SLOPES) -> list[np.ndarray]:
    """Starts of a symmetric model: for each slope of a grid the best mid dose, of these the lowest few.

    At each place of the grid the best asymptotes are taken: given mid dose and slope the loss has one minimum
    only, so that a bad well misleads no start.
    """
    problem = problem.rough()
    wells = by_dose(problem.x, problem.y)
    parts = [slice(first, first + _STARTS_AT_ONCE) for first in range(0, problem.x.shape[1], _STARTS_AT_ONCE)]
    least, most, weight = problem.lower[0], problem.upper[0], problem.weight[3]
    found = [_starts_of(wells.some(at), least[at], most[at], weight[at], number, slopes) for at in parts]
    return [np.concatenate(rank, axis=1) for rank in zip(*found, strict=True)]


def _starts_of(
    wells: DoseLayout, least: np.ndarray, most: np.ndarray, weight: np.ndarray, number: int, slopes: Sequence[float]
) -> list[np.ndarray]:
    """`_starts` of curves whose asymptotes lie within a range, (g,), and whose ln slope has that weight, (g,)."""
    everyone = np.arange(len(least))
    low, high = wells.doses.min(axis=0), wells.doses.max(axis=0)
    mids = low + (high - low) * START_MIDS[:, None].astype(low.dtype)
    losses, starts = [], []
    for slope in slopes:
        fraction = np.minimum(LN10 * slope * (mids[:, None] - wells.doses), 80.0)
        np.exp(fraction, out=fraction)
        fraction += 1.0
        np.divide(1.0, fraction, out=fraction)
        bottom, top, loss = _best_asymptotes(fraction, wells, least, most, number)
        best = np.argmin(loss, axis=0), everyone
        losses.append(loss[best] + 0.5 * weight * float(np.log(slope / USUAL_SLOPE)) ** 2)
        log_slope = np.full_like(low, np.log(slope))
        starts.append(np.stack([bottom[best], top[best], mids[best], log_slope, np.zeros_like(low)]))
    order = np.argsort(np.stack(losses), axis=0, kind="stable")[:SEARCHES]
    return [np.take_along_axis(np.stack(starts), rank[None, None], axis=0)[0] for rank in order]


def _best_asymptotes(
    fraction: np.ndarray, wells: DoseLayout, least: np.ndarray, most: np.ndarray, number: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bottom and top of smallest loss within their range, by reweighting, and that loss; (k, g) each.

    Args:
        fraction: float64 (k, d, g), effect fractions at each dose.
        wells: of the curves.
        least: float64 (g,), lower bound of bottom and top.
        most: float64 (g,), upper bound.
        number: parameters of the model: with two, bottom is 0 and top 1, with three bottom is 0.
    """
    k, _, g = fraction.shape
    bottom, top, tiny = np.zeros((k, g), fraction.dtype), np.ones((k, g), fraction.dtype), 1e-6
    there, y = wells.there, wells.y
    weight = total(np.ones_like(y) if there is None else there, axis=1)
    weighted, rest = total(y, axis=1), 1 - fraction
    rounds = REWEIGHTINGS if number > 2 else 0
    square, fourth = _roots(fraction, wells, bottom, top) if not rounds else (fraction, fraction)
    for left in reversed(range(rounds)):
        of_fraction = weight * fraction
        bb, by = total(of_fraction * fraction, axis=1), total(weighted * fraction, axis=1)
        if number == 4:
            ab, ay = total(of_fraction * rest, axis=1), total(weighted * rest, axis=1)
            aa = total(weight * rest * rest, axis=1)
            bottom = np.clip((ay * bb - by * ab) / (aa * bb - ab * ab + tiny), least, most)
            top = np.clip((by - bottom * ab) / (bb + tiny), least, most)
            bottom = np.clip((ay - top * ab) / (aa + tiny), least, most)
        else:
            top = np.clip(by / (bb + tiny), least, most)
        square, fourth = _roots(fraction, wells, bottom, top)
        if left:
            np.divide(1.0, fourth, out=fourth)
            if there is not None:
                fourth *= there
            weight, weighted = total(fourth, axis=2), total(np.multiply(fourth, y, out=square), axis=2)
    square = square * fourth
    if there is not None:
        square *= there
    return bottom, top, total(square.reshape(k, -1, g), axis=1) - wells.wells * SMOOTHING**1.5


def _roots(
    fraction: np.ndarray, wells: DoseLayout, bottom: np.ndarray, top: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Square and fourth root of r^2 + eps^2, (k, d, r, g) each, of the wells about curves."""
    fitted = (top - bottom)[:, None] * fraction
    fitted += bottom[:, None]
    square = wells.y - fitted[:, :, None]
    square *= square
    square += SMOOTHING**2
    np.sqrt(square, out=square)
    return square, np.sqrt(square)


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
