"""GR metrics as published: a curve of their own, fitted to the GR values of the wells.

Belongs here: that fit, and what is read off it and off the wells. Does not belong here: what GR is
(`growth_rate`), the search (`logistic_search`) and scorers (plugins).

    GR(c) = GRinf + (1 - GRinf) / (1 + (c / GEC50)^h_GR)

by least squares over log10 dose with GRinf from -1 to 1, GEC50 from a hundredth of the lowest dose to a hundred times
the highest, and h_GR from 0.1 to 5. A flat line, the mean of the GR values, is kept where an F-test does not prefer the
curve at 5 %: F = ((RSS_flat - RSS_curve) / 2) / (RSS_curve / (n - 2)) on 2 and n - 2 degrees of freedom; n - 2, not
n - 3, is how the published implementations count. GR_max is the lower of the mean GR at the two highest doses and
GR_AOC the trapezoid area of 1 - GR over the mean GR of each dose, divided by the decades tested: neither rests on the
curve.

Sources: Hafner et al. 2016 (Nat. Methods 13:521) and its supplement; Clark et al. 2017 (BMC Cancer 17:698). Their
tools search from one start; here the best of several is kept, which shows only where the curve is not determined.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from phenodose.dose_response.batched_linalg import total
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.growth_rate import growth_rate
from phenodose.dose_response.logistic_search import (
    DoseMeans,
    best_of_starts,
    bounds_of,
    descend,
    dose_means,
    in_order,
    wells_of,
)

#: Fewest different doses of a curve.
LEAST_DOSES = 3
SLOPE_BOUNDS = (0.1, 5.0)
#: GEC50 lies at most so many decades outside the tested range.
DECADES_BEYOND = 2.0
#: 1 - GRinf, percent.
_HEIGHT_BOUNDS = (0.0, 200.0)
#: A curve that the F-test does not prefer to a flat line at this level is flat.
FLAT_ABOVE_P = 0.05
#: Parameters of the curve beyond those of the flat line, and those that the denominator counts.
_FREEDOM, _COUNTED = 2, 2
#: Starting points: GEC50 as a share of its range, and slope.
_STARTS = ((0.5, 2.0), (0.5, 0.7), (0.3, 1.0), (0.7, 1.0))
_STEPS, _SMALL_STEP = 200, 1e-7
_STEPS_OF_DRAWS, _SMALL_STEP_OF_DRAWS = 20, 1e-3
_SLOPE_TO_START = (0.3, 3.0)
#: Most curves that are fitted side by side.
_BLOCK = 4096


class GrowthRateCurves(NamedTuple):
    """Fitted GR curves and what the wells say: (n,) each, float64 but for `flat`; NaN where there is none.

    `log10_gec50`, `gr_inf` and `h_gr` are those of the sigmoid, also where `flat` says that a line does as well;
    `mean` is the height of that line. `gr_max` and `gr_aoc` are of the wells. `r2` is 1 - RSS / TSS of the kept one of
    the two, `f` and `p` the F-test's.
    """

    log10_gec50: np.ndarray
    gr_inf: np.ndarray
    h_gr: np.ndarray
    mean: np.ndarray
    gr_max: np.ndarray
    gr_aoc: np.ndarray
    r2: np.ndarray
    f: np.ndarray
    p: np.ndarray
    flat: np.ndarray
    n_doses: np.ndarray

    def log10_gr50(self) -> np.ndarray:
        """log10 dose (n,) at which the sigmoid is 0.5, wherever that is; inf where it stays above."""
        with np.errstate(all="ignore"):
            steps = np.log10(0.5 / (0.5 - self.gr_inf)) / self.h_gr
        return np.asarray(
            np.where(self.gr_inf < 0.5, self.log10_gec50 + steps, np.where(self.gr_inf >= 0.5, np.inf, np.nan))
        )


def growth_rate_curves(curves: CurveBatch, doublings: np.ndarray) -> GrowthRateCurves:
    """The GR curve of every dose-response curve's wells.

    For draws the wells are moved as their curve has moved, and the search starts from the drawn curve and ends sooner.

    Args:
        curves: fitted curves, which bring their wells.
        doublings: float64 (n,), of untreated cells; NaN where they are not known.
    """
    n = len(curves)
    numbers = {name: np.full(n, np.nan) for name in GrowthRateCurves._fields if name not in ("flat", "n_doses")}
    whole = GrowthRateCurves(**numbers, flat=np.zeros(n, dtype=bool), n_doses=np.zeros(n, dtype=np.int64))
    known = np.flatnonzero((doublings > 0) & curves.fitted)
    if not len(known):
        return whole
    some = curves.select(known)
    x, inhibition = wells_of(some)
    rates = growth_rate(1.0 - inhibition, doublings[known][:, None])
    start = None
    if some.drawn_from is not None:
        start = np.stack([some.log10_mid, np.clip(np.abs(some.slope), *_SLOPE_TO_START)])
    for to, found in zip(whole, fit_growth_rates(x, rates, start), strict=True):
        to[known] = found
    return whole


def fit_growth_rates(log10_dose: np.ndarray, rates: np.ndarray, start: np.ndarray | None = None) -> GrowthRateCurves:
    """The curve of every row of GR values.

    Args:
        log10_dose: float64 (n, m), NaN-padded.
        rates: float64 (n, m), GR values, NaN where a well has none.
        start: float64 (2, n), GEC50 (log10) and slope from which to search, coarsely; by default the search is
            thorough, from several starting points.
    """
    parts = [
        _fit_block(
            log10_dose[at : at + _BLOCK], rates[at : at + _BLOCK], None if start is None else start[:, at : at + _BLOCK]
        )
        for at in range(0, max(len(log10_dose), 1), _BLOCK)
    ]
    return GrowthRateCurves(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _fit_block(log10_dose: np.ndarray, rates: np.ndarray, start: np.ndarray | None) -> GrowthRateCurves:
    x, loss, known = in_order(log10_dose, 100.0 * (1.0 - rates))
    one = np.ones(x.shape[1])
    low, high = x[0], x[-1]
    means = dose_means(
        x, loss, known, low - DECADES_BEYOND, high + DECADES_BEYOND, (_HEIGHT_BOUNDS[0] * one, _HEIGHT_BOUNDS[1] * one)
    )
    if start is None:
        mid, slope, height = best_of_starts(means, SLOPE_BOUNDS, _STARTS, _STEPS, _SMALL_STEP)
    else:
        near = np.clip(np.nan_to_num(start, nan=1.0), *bounds_of(means, SLOPE_BOUNDS))
        mid, slope, height = descend(means, near, SLOPE_BOUNDS, _STEPS_OF_DRAWS, _SMALL_STEP_OF_DRAWS)[1]
    count = known.sum(axis=0)
    mean = total(loss * known) / np.maximum(count, 1)
    with np.errstate(over="ignore"):
        of_curve = height / (1.0 + 10.0 ** (slope * (mid - x)))
    by_curve, by_line = (total(known * (loss - fit) ** 2) for fit in (of_curve, mean))
    f, p = _f_test(by_line, by_curve, count)
    n_doses = (means.weight > 0).sum(axis=0)
    enough = n_doses >= LEAST_DOSES
    flat = enough & ~(p < FLAT_ABOVE_P)
    with np.errstate(all="ignore"):
        r2 = np.where(flat, 0.0, 1.0 - by_curve / by_line)
    gr_max, gr_aoc = _of_wells(means, n_doses)

    def of_curve_only(values: np.ndarray) -> np.ndarray:
        return np.where(enough, values, np.nan)

    return GrowthRateCurves(
        log10_gec50=of_curve_only(mid),
        gr_inf=of_curve_only(1.0 - height / 100.0),
        h_gr=of_curve_only(slope),
        mean=of_curve_only(1.0 - mean / 100.0),
        gr_max=np.where(count > 0, gr_max, np.nan),
        gr_aoc=np.where(n_doses >= 2, gr_aoc, np.nan),
        r2=of_curve_only(r2),
        f=of_curve_only(f),
        p=of_curve_only(p),
        flat=flat,
        n_doses=n_doses,
    )


def _f_test(by_line: np.ndarray, by_curve: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F (n,) of curve against line, and the chance of so large an F where the line is right."""
    from scipy.special import fdtrc

    freedom = count - _COUNTED
    tiny = 1e-18 * np.maximum(by_line, 1e-300) + 1e-12
    with np.errstate(all="ignore"):
        f = ((by_line - by_curve) / _FREEDOM) / (np.maximum(by_curve, tiny) / freedom)
    f = np.where(freedom > 0, np.maximum(f, 0.0), 0.0)
    return f, np.where(freedom > 0, fdtrc(_FREEDOM, np.maximum(freedom, 1), f), 1.0)


def _of_wells(means: DoseMeans, n_doses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """GR_max and GR_AOC (n,) of the mean 1 - GR of each dose."""
    rows = np.arange(len(means.x))[:, None]
    highest = (rows >= n_doses - 2) & (rows < n_doses)
    gr_max = 1.0 - np.where(highest, means.v, -np.inf).max(axis=0) / 100.0
    inner = rows[1:] < n_doses
    width = np.where(inner, np.diff(means.x, axis=0), 0.0)
    area = total(width * (means.v[1:] + means.v[:-1])) / 2.0
    return gr_max, area / 100.0 / np.maximum(total(width), 1e-300)
