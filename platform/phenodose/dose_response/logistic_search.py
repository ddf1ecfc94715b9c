"""The least-squares logistic curve whose height is solved for at each step, many curves side by side.

Belongs here: dose means of wells, and the bounded search for mid dose and slope of f(x) = height / (1 + 10^(slope
(mid - x))). Does not belong here: bounds and starts, which are of those who fit: `yadav`, `growth_rate_curves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from phenodose.dose_response.batched_linalg import total
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.models import LN10, inhibition

#: Doses at which a curve without known wells is read.
_READ_DOSES = 5
#: Smallest height (percent), which keeps the steps finite.
_LEAST_HEIGHT = 1e-3


class DoseMeans(NamedTuple):
    """What curves are searched for: dose means in columns.

    `x` (log10 dose), `v` (percent) and `weight` (wells) are float64 (k, n), the weight 0 where a curve has fewer
    doses; the others (n,): the bounds of the mid dose and those of the height.
    """

    x: np.ndarray
    v: np.ndarray
    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray
    least: np.ndarray
    most: np.ndarray

    def some(self, which: np.ndarray) -> DoseMeans:
        """Those of these curves."""
        return DoseMeans(*(array[..., which] for array in self))


def wells_of(curves: CurveBatch) -> tuple[np.ndarray, np.ndarray]:
    """log10 doses and inhibitions (n, m) of the wells that a batch stands for.

    For draws the wells are moved as their curve has moved. Where wells are not known, the curve itself is read at
    five doses.
    """
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


def in_order(x: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wells in columns (m, n) by dose, then inhibition, the missing ones last, where x is the last dose and v 0."""
    known = np.isfinite(x) & np.isfinite(v)
    x, v = np.where(known, x, np.inf), np.where(known, v, np.inf)
    order = np.lexsort((v, x), axis=1)
    x, v, known = (np.ascontiguousarray(np.take_along_axis(array, order, axis=1).T) for array in (x, v, known))
    last = np.where(known.any(axis=0), np.where(known, x, -np.inf).max(axis=0), 0.0)
    return np.where(known, x, last), np.where(known, v, 0.0), known


def dose_means(
    x: np.ndarray,
    v: np.ndarray,
    known: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
) -> DoseMeans:
    """Means of the wells of one dose: they have the same least-squares curve as the wells themselves.

    Args:
        x: float64 (m, n), log10 doses, from `in_order`, as `v` and `known`.
        v: float64 (m, n), percent.
        known: bool (m, n).
        low: float64 (n,), lower bound of the mid dose.
        high: float64 (n,), upper bound.
        bounds: float64 (n,) each, lower and upper bound of the height.
    """
    n = x.shape[1]
    with np.errstate(invalid="ignore"):
        number = np.concatenate([np.zeros((1, n), dtype=np.int64), np.cumsum(np.diff(x, axis=0) > 1e-9, axis=0)])
    k = int(number.max(initial=0)) + 1
    place = (number * n + np.arange(n)).ravel()
    weight = np.bincount(place, known.ravel().astype(np.float64), k * n).reshape(k, n)
    sums = np.bincount(place, v.ravel(), k * n).reshape(k, n)
    doses = np.tile(x[-1], (k, 1))
    doses[number, np.arange(n)] = x
    return DoseMeans(doses, sums / np.maximum(weight, 1), weight, low, high, *bounds)


def bounds_of(wells: DoseMeans, slopes: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds (2, n) of mid dose and slope."""
    one = np.ones(len(wells.low))
    return np.stack([wells.low, slopes[0] * one]), np.stack([wells.high, slopes[1] * one])


def best_of_starts(
    wells: DoseMeans, slopes: tuple[float, float], starts: Sequence[tuple[float, float]], steps: int, small: float
) -> np.ndarray:
    """Mid dose, slope and height (3, n) of the best curve found from any of the starting points.

    Args:
        wells: dose means.
        slopes: bounds of the slope.
        starts: mid dose as a share of its range, and slope.
        steps: most steps from each start.
        small: the search of a curve ends with a step smaller than this.
    """
    best_loss = np.full(len(wells.low), np.inf)
    best = np.full((3, len(wells.low)), np.nan)
    for share, slope in starts:
        start = np.stack([wells.low + share * (wells.high - wells.low), np.full(len(wells.low), slope)])
        loss, found = descend(wells, start, slopes, steps, small)
        better = loss < best_loss * (1 - 1e-9)
        best_loss, best = np.where(better, loss, best_loss), np.where(better, found, best)
    return best


def descend(
    wells: DoseMeans, start: np.ndarray, slopes: tuple[float, float], steps: int, small: float
) -> tuple[np.ndarray, np.ndarray]:
    """Damped Gauss-Newton steps in (mid dose, slope) within their bounds; the height is the best one at each step.

    Returns:
        Sum of squares (n,), and mid dose, slope and height (3, n).
    """
    result, best = np.full(len(wells.low), np.inf), np.full((3, len(wells.low)), np.nan)
    going = np.arange(len(wells.low))
    at, damping = start, np.full(len(going), 1e-3)
    rise, top, loss = _evaluate(wells, at)
    for _ in range(steps):
        lower, upper = bounds_of(wells, slopes)
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


def _evaluate(wells: DoseMeans, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of the height at each dose (k, n), the best height (n,), and the sum of squares (n,)."""
    with np.errstate(over="ignore"):
        rise = 1.0 / (1.0 + np.exp(LN10 * at[1] * (at[0] - wells.x)))
    weighted = wells.weight * rise
    top = np.clip(total(weighted * wells.v) / np.maximum(total(weighted * rise), 1e-300), wells.least, wells.most)
    top = np.maximum(top, _LEAST_HEIGHT)
    residual = wells.v - top * rise
    return rise, top, total(wells.weight * residual * residual)


def _step(
    wells: DoseMeans,
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
    # the height follows at once: only the part of a change that it cannot make up for counts
    weighted, free = wells.weight * rise, (top > wells.least) & (top < wells.most)
    share = free / np.maximum(total(weighted * rise), 1e-300)
    by_ic50 = by_ic50 - rise * (share * total(weighted * by_ic50))
    by_slope = by_slope - rise * (share * total(weighted * by_slope))
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
