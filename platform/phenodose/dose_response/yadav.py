"""DSS1, DSS2 and DSS3 as Yadav et al. define them: a curve of their own, and its area in closed form.

Belongs here: the bounded fit of that curve for a whole batch, and which wells it is fitted to. Does not
belong here: the closed form of the scores (`score_functions.classic_dss`) and the platform's own curves
(`fit`).

The curve is f(x) = MAX / (1 + 10^(slope (IC50 - x))) in percent over log10 dose: bottom 0, symmetric, never
falling. It is the least-squares curve with IC50 in the tested range, slope from 0.1 to 2.5, and MAX from the
largest inhibition of a well to a ceiling, which lies above that only where inhibition stops rising.
Source: Yadav et al. 2014 (Sci. Rep. 4:5193) for the scores; for the bounds the public pipeline in that
lineage (Potdar et al. 2020, Bioinformatics 36:3602). Two things differ from that pipeline: it keeps what it
finds from two starting points where the best curve is taken here, which shows only where inhibition falls
with dose; and it raises equal inhibitions by 0.01 % steps in the order of the file, which nothing here
depends on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from phenodose.dose_response.batched_linalg import total
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.models import LN10, inhibition
from phenodose.dose_response.score_functions import classic_dss

#: Fewest different doses of a curve.
LEAST_DOSES = 4
SLOPE_BOUNDS = (0.1, 2.5)
#: A curve that reaches less than this (percent) has its IC50 at the highest dose, so that it scores 0.
LEAST_TOP_PERCENT = 10.0
#: If all wells are above this (percent), the IC50 is the lowest dose.
ALWAYS_ABOVE_PERCENT = 50.0
#: Wells of the running mean that tells whether inhibition stops rising: so many before and after a well.
_BEFORE, _AFTER = 4, 5
#: Doses at which a curve without known wells is read.
_READ_DOSES = 5
#: Starting points of the search: IC50 as a share of the tested range, with slope 1.
_STARTS = (0.5, 0.15, 0.85)
_STEPS = 60
_SMALL_STEP = 1e-5
#: Draws are searched from the drawn curve alone, and only so far as their interval shows.
_SLOPE_TO_START = (0.3, 1.5)
_STEPS_OF_DRAWS = 16
_SMALL_STEP_OF_DRAWS = 1e-3
#: Most curves that are fitted side by side.
_BLOCK = 4096


class YadavCurves(NamedTuple):
    """Fitted curves: float64 (n,) each; NaN where there are fewer than four doses."""

    log10_ic50: np.ndarray
    slope: np.ndarray
    top_percent: np.ndarray
    log10_min_dose: np.ndarray
    log10_max_dose: np.ndarray


class _Wells(NamedTuple):
    """What curves are searched for: dose means in columns.

    `x`, `v` (percent) and `weight` (wells) are float64 (k, n), the weight 0 where a curve has fewer doses;
    the others (n,): the tested range and the bounds of MAX.
    """

    x: np.ndarray
    v: np.ndarray
    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray
    least: np.ndarray
    most: np.ndarray

    def some(self, which: np.ndarray) -> _Wells:
        return _Wells(*(array[..., which] for array in self))


def yadav_dss(curves: CurveBatch, amin: float = 10.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DSS1, DSS2 and DSS3 of every curve, percent, float64 (n,) each.

    The curve is fitted to the wells. For draws the wells are moved as their curve has moved. Where
    wells are not known, the curve itself is read at five doses.

    Returns:
        Three arrays; NaN where there is no curve or there are fewer than four doses.
    """
    x, y = _wells_of(curves)
    start = None
    if curves.drawn_from is not None:
        start = np.stack([curves.log10_mid, np.clip(np.abs(curves.slope), *_SLOPE_TO_START)])
    scores = classic_dss(*fit_yadav(x, y, start), amin)
    first, second, third = (np.where(curves.fitted, score, np.nan) for score in scores)
    return first, second, third


def fit_yadav(log10_dose: np.ndarray, inhibition_fraction: np.ndarray, start: np.ndarray | None = None) -> YadavCurves:
    """The bounded least-squares curve of every row.

    Args:
        log10_dose: float64 (n, m), NaN-padded.
        inhibition_fraction: float64 (n, m), NaN where a well has no value.
        start: float64 (2, n), IC50 (log10) and slope from which to search, coarsely; by default the search is
            thorough, from three starting points.
    """
    n = len(log10_dose)
    result = YadavCurves(*(np.full(n, np.nan) for _ in YadavCurves._fields))
    for first in range(0, n, _BLOCK):
        some = slice(first, first + _BLOCK)
        near = None if start is None else start[:, some]
        for whole, part in zip(result, _fit_block(log10_dose[some], inhibition_fraction[some], near), strict=True):
            whole[some] = part
    return result


def _wells_of(curves: CurveBatch) -> tuple[np.ndarray, np.ndarray]:
    """log10 doses and inhibitions (n, m) of the wells that a batch stands for."""
    x, y = curves.log10_dose, curves.inhibition
    without = ~(np.isfinite(x) & np.isfinite(y)).any(axis=1)
    if curves.drawn_from is not None:
        y = y + curves.inhibition_at(x) - inhibition(x, *(column[:, None] for column in curves.drawn_from.T))
    if not without.any():
        return x, y
    read = curves.log10_dose_grid(_READ_DOSES)
    m = max(x.shape[1], _READ_DOSES)
    x, y, read, values = (_padded(array, m) for array in (x, y, read, curves.inhibition_at(read)))
    return np.where(without[:, None], read, x), np.where(without[:, None], values, y)


def _padded(values: np.ndarray, m: int) -> np.ndarray:
    return np.pad(values, ((0, 0), (0, m - values.shape[1])), constant_values=np.nan)


def _fit_block(log10_dose: np.ndarray, fraction: np.ndarray, start: np.ndarray | None) -> YadavCurves:
    x, v, known = _in_order(log10_dose, 100 * fraction)
    v = np.where((v <= 0).all(axis=0), 0.0, v)
    wells = _dose_means(x, v, known)
    if start is None:
        ic50, slope, top = _best_of_starts(wells)
    else:
        near = np.clip(np.nan_to_num(start, nan=1.0), *_bounds(wells))
        ic50, slope, top = _descend(wells, near, _STEPS_OF_DRAWS, _SMALL_STEP_OF_DRAWS)[1]
    ic50 = np.where(top < LEAST_TOP_PERCENT, wells.high, ic50)
    ic50 = np.where((~known | (v > ALWAYS_ABOVE_PERCENT)).all(axis=0), wells.low, ic50)
    enough = (wells.weight > 0).sum(axis=0) >= LEAST_DOSES
    return YadavCurves(*(np.where(enough, values, np.nan) for values in (ic50, slope, top, wells.low, wells.high)))


def _in_order(x: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wells in columns (m, n) by dose, then inhibition, the missing ones last, where x is the last dose and v 0."""
    known = np.isfinite(x) & np.isfinite(v)
    x, v = np.where(known, x, np.inf), np.where(known, v, np.inf)
    order = np.lexsort((v, x), axis=1)
    x, v, known = (np.ascontiguousarray(np.take_along_axis(array, order, axis=1).T) for array in (x, v, known))
    last = np.where(known.any(axis=0), np.where(known, x, -np.inf).max(axis=0), 0.0)
    return np.where(known, x, last), np.where(known, v, 0.0), known


def _dose_means(x: np.ndarray, v: np.ndarray, known: np.ndarray) -> _Wells:
    """Means of the wells of one dose: they have the same least-squares curve as the wells themselves."""
    n = x.shape[1]
    with np.errstate(invalid="ignore"):
        number = np.concatenate([np.zeros((1, n), dtype=np.int64), np.cumsum(np.diff(x, axis=0) > 1e-9, axis=0)])
    k = int(number.max(initial=0)) + 1
    place = (number * n + np.arange(n)).ravel()
    weight = np.bincount(place, known.ravel().astype(np.float64), k * n).reshape(k, n)
    sums = np.bincount(place, v.ravel(), k * n).reshape(k, n)
    doses = np.tile(x[-1], (k, 1))
    doses[number, np.arange(n)] = x
    least, most = _top_bounds(v, known)
    return _Wells(doses, sums / np.maximum(weight, 1), weight, x[0], x[-1], least, most)


def _top_bounds(v: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest MAX (percent) of wells (m, n) in order.

    The smallest is the largest well. Where the running mean has been higher than at its end, the ceiling is 5
    above the mean of the wells that exceed the largest well of that part, if that is higher.
    """
    least = np.clip(np.where(known, v, -np.inf).max(axis=0), 0.0, 100.0)
    m, n = v.shape
    count = known.sum(axis=0)
    sums = np.concatenate([np.zeros((1, n)), np.cumsum(v, axis=0)])
    place = np.arange(m)[:, None]
    first, last = np.maximum(place - _BEFORE, 0), np.minimum(place + _AFTER + 1, count)
    width = np.maximum(last - first, 1)
    means = (np.take_along_axis(sums, last, 0) - sums[first[:, 0]]) / width
    at_end = np.take_along_axis(means, np.maximum(count - 1, 0)[None], 0)
    higher = known & (place < count - 1) & (means > at_end + 1e-9)
    ceiling = np.where(higher.any(axis=0), np.where(higher, v, -np.inf).max(axis=0), least)
    above = known & (v > ceiling)
    mean_above = total(v * above) / np.maximum(above.sum(axis=0), 1)
    ceiling = np.minimum(np.where(above.any(axis=0), mean_above + 5, ceiling), 100.0)
    return least, np.maximum(ceiling, least)


# --- the search ----------------------------------------------------------------------------------


def _bounds(wells: _Wells) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds (2, n) of IC50 and slope."""
    one = np.ones(len(wells.low))
    return np.stack([wells.low, SLOPE_BOUNDS[0] * one]), np.stack([wells.high, SLOPE_BOUNDS[1] * one])


def _best_of_starts(wells: _Wells) -> np.ndarray:
    """IC50, slope and MAX (3, n) of the best curve found from any of the starting points."""
    best_loss = np.full(len(wells.low), np.inf)
    best = np.full((3, len(wells.low)), np.nan)
    for share in _STARTS:
        start = np.stack([wells.low + share * (wells.high - wells.low), np.ones(len(wells.low))])
        loss, found = _descend(wells, start, _STEPS, _SMALL_STEP)
        better = loss < best_loss * (1 - 1e-9)
        best_loss, best = np.where(better, loss, best_loss), np.where(better, found, best)
    return best


def _descend(wells: _Wells, start: np.ndarray, steps: int, small: float) -> tuple[np.ndarray, np.ndarray]:
    """Damped Gauss-Newton steps in (IC50, slope) within their bounds; MAX is the best one at each step.

    Returns:
        Sum of squares (n,), and IC50, slope and MAX (3, n).
    """
    result, best = np.full(len(wells.low), np.inf), np.full((3, len(wells.low)), np.nan)
    going = np.arange(len(wells.low))
    at, damping = start, np.full(len(going), 1e-3)
    rise, top, loss = _evaluate(wells, at)
    for _ in range(steps):
        lower, upper = _bounds(wells)
        trial = np.clip(at + _step(wells, rise, top, at, lower, upper, damping), lower, upper)
        new_rise, new_top, new_loss = _evaluate(wells, trial)
        better = new_loss < loss
        done = (np.abs(trial - at).max(axis=0) < small) | (damping > 1e6)
        at, rise = np.where(better, trial, at), np.where(better, new_rise, rise)
        top, loss = np.where(better, new_top, top), np.where(better, new_loss, loss)
        damping = damping * np.where(better, 0.1, 10.0)
        if done.any():
            result[going[done]], best[:, going[done]] = loss[done], np.concatenate([at, top[None]])[:, done]
            left = np.flatnonzero(~done)
            going, wells, at, rise = going[left], wells.some(left), at[:, left], rise[:, left]
            top, loss, damping = top[left], loss[left], damping[left]
        if not len(going):
            break
    result[going], best[:, going] = loss, np.concatenate([at, top[None]])
    return result, best


def _evaluate(wells: _Wells, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of MAX at each dose (k, n), the best MAX (n,), and the sum of squares (n,)."""
    with np.errstate(over="ignore"):
        rise = 1.0 / (1.0 + np.exp(LN10 * at[1] * (at[0] - wells.x)))
    weighted = wells.weight * rise
    top = np.clip(total(weighted * wells.v) / np.maximum(total(weighted * rise), 1e-300), wells.least, wells.most)
    top = np.maximum(top, 1e-3)
    residual = wells.v - top * rise
    return rise, top, total(wells.weight * residual * residual)


def _step(
    wells: _Wells,
    rise: np.ndarray,
    top: np.ndarray,
    at: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    damping: np.ndarray,
) -> np.ndarray:
    """Damped Gauss-Newton step (2, n); a parameter that presses against its bound stays there."""
    slant = LN10 * top * rise * (1 - rise)
    by_ic50, by_slope = -at[1] * slant, (wells.x - at[0]) * slant
    left, right = wells.weight * by_ic50, wells.weight * by_slope
    residual = wells.v - top * rise
    down = np.stack([total(left * residual), total(right * residual)])
    held = ((at <= lower) & (down < 0)) | ((at >= upper) & (down > 0))
    down = np.where(held, 0.0, down)
    mixed = np.where(held.any(axis=0), 0.0, total(left * by_slope))
    first = total(left * by_ic50) * (1 + damping) + 1e-9
    second = total(right * by_slope) * (1 + damping) + 1e-9
    step = np.stack([second * down[0] - mixed * down[1], first * down[1] - mixed * down[0]])
    return np.asarray(step / (first * second - mixed * mixed))
