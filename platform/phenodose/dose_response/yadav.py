"""DSS1, DSS2 and DSS3 as Yadav et al. define them: a curve of their own, and its area in closed form.

Belongs here: the bounds and starts of the fit of that curve. Does not belong here: the search (`logistic_search`),
the closed form of the scores (`score_functions.classic_dss`) and the platform's own curves (`fit`).

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
from phenodose.dose_response.logistic_search import best_of_starts, bounds_of, descend, dose_means, in_order, wells_of
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
#: Starting points of the search: IC50 as a share of the tested range, and slope.
_STARTS = ((0.5, 1.0), (0.15, 1.0), (0.85, 1.0))
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


def yadav_dss(curves: CurveBatch, amin: float = 10.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DSS1, DSS2 and DSS3 of every curve, percent, float64 (n,) each.

    The curve is fitted to the wells. For draws the wells are moved as their curve has moved. Where
    wells are not known, the curve itself is read at five doses.

    Returns:
        Three arrays; NaN where there is no curve or there are fewer than four doses.
    """
    x, y = wells_of(curves)
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


def _fit_block(log10_dose: np.ndarray, fraction: np.ndarray, start: np.ndarray | None) -> YadavCurves:
    x, v, known = in_order(log10_dose, 100 * fraction)
    v = np.where((v <= 0).all(axis=0), 0.0, v)
    wells = dose_means(x, v, known, x[0], x[-1], _top_bounds(v, known))
    if start is None:
        ic50, slope, top = best_of_starts(wells, SLOPE_BOUNDS, _STARTS, _STEPS, _SMALL_STEP)
    else:
        near = np.clip(np.nan_to_num(start, nan=1.0), *bounds_of(wells, SLOPE_BOUNDS))
        ic50, slope, top = descend(wells, near, SLOPE_BOUNDS, _STEPS_OF_DRAWS, _SMALL_STEP_OF_DRAWS)[1]
    ic50 = np.where(top < LEAST_TOP_PERCENT, wells.high, ic50)
    ic50 = np.where((~known | (v > ALWAYS_ABOVE_PERCENT)).all(axis=0), wells.low, ic50)
    enough = (wells.weight > 0).sum(axis=0) >= LEAST_DOSES
    return YadavCurves(*(np.where(enough, values, np.nan) for values in (ic50, slope, top, wells.low, wells.high)))


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
