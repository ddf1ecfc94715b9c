"""Formulas of the scores: arrays of curve parameters in, one number a curve out.

Belongs here: DSS_asym and its relatives, the classic DSS1 to DSS3, inhibitory concentrations, areas.
Does not belong here: intervals and tables (`scoring`), parameters of scorers (plugins).

Sources: Yadav et al. 2014 (Sci. Rep. 4:5193) for DSS1 to DSS3; Berker et al. 2022 (IEEE Trans. Med.
Imaging) for DSS_asym. Inhibition is a fraction in the parameters and percent inside the scores.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.models import LN10, inhibition_along, log10_dose_at, log_one_plus_exp

#: Points of the grid on which scores are integrated, from the lowest to the highest tested dose.
GRID_POINTS = 200
#: The same of draws, which differ by chance far more than a DSS over 8 decades does by this: 0.014 (a test holds it).
DRAWN_GRID_POINTS = 100
#: Minimum activity in percent: a number, or 'auto' for a tenth of the span, 0.1 * max(100, top).
Amin = float | Literal["auto"]
ScoreType = Literal["area", "dss1", "dss2", "dss3", "mod"]


class Shape(NamedTuple):
    """A curve as the scores see it: float64 (n,) each, percent.

    `low` and `high` are the smaller and the larger asymptote, and `slope` carries the direction: it is
    negative where inhibition falls with dose.
    """

    low: np.ndarray
    high: np.ndarray
    slope: np.ndarray


def shape_of(curves: CurveBatch) -> Shape:
    """Asymptotes in order and signed slope; where top < bottom they change places and the slope its sign."""
    turned = curves.top < curves.bottom
    low = 100 * np.where(turned, curves.top, curves.bottom)
    high = 100 * np.where(turned, curves.bottom, curves.top)
    return Shape(low, high, np.where(turned, -curves.slope, curves.slope))


def printed_asymptotes(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Asymptotes in percent as the tables print them: low not under -10, high not over 110."""
    return np.maximum(-10.0, shape.low), np.minimum(110.0, shape.high)


def minimum_activity(shape: Shape, amin: Amin) -> np.ndarray:
    """Minimum activity of each curve in percent, float64 (n,)."""
    if amin == "auto":
        return np.asarray(0.1 * np.maximum(100.0, printed_asymptotes(shape)[1]))
    return np.full(len(shape.high), float(amin))


def activity_area(curves: CurveBatch, activity: np.ndarray) -> np.ndarray:
    """Area between the curve and the minimum activity, percent x decades, float64 (n,).

    A curve that falls with dose counts as high as it is at the highest dose, everywhere.
    """
    falls = shape_of(curves).slope < 0
    above = 100 * on_grid(curves)
    above[falls] = above[falls, -1:]
    above -= activity[:, None].astype(above.dtype)
    np.maximum(above, 0.0, out=above)
    return _integral(above, curves)


def dss(curves: CurveBatch, kind: ScoreType = "dss1", amin: Amin = "auto") -> np.ndarray:
    """Drug sensitivity score of asymmetric curves in percent, float64 (n,).

    Args:
        curves: the curves.
        kind: 'area' [percent x decades]; 'dss1', the area as percent of the largest possible; 'dss2',
            dss1 / log10(top in percent); 'dss3', 2 * dss2 * share of the tested range above the dose
            that reaches the minimum activity; 'mod', dss1 * log10(top in percent / 10).
        amin: minimum activity in percent, or 'auto'.

    Returns:
        The score; NaN where there is no curve, no dose range, or the minimum activity is 100.
    """
    shape = shape_of(curves)
    activity = minimum_activity(shape, amin)
    area = curves.once(("activity area", amin), lambda: activity_area(curves, activity))
    if kind == "area":
        return area
    low, high = curves.log10_dose_range
    with np.errstate(all="ignore"):
        largest = (100.0 - activity) * (high - low)
        dss1 = np.where(largest > 0, 100 * area / largest, np.nan)
        if kind == "dss1":
            return np.asarray(dss1)
        if kind == "mod":
            return np.asarray(np.where(dss1 == 0, 0.0, dss1 * np.log10(shape.high / 10)))
        dss2 = np.where(dss1 == 0, 0.0, dss1 / np.log10(shape.high))
        if kind == "dss2":
            return np.asarray(dss2)
        start = activity_start(curves, activity)
        return np.asarray(np.where(dss1 == 0, 0.0, 2 * dss2 * (high - start) / (high - low)))


def dss_asym(curves: CurveBatch, amin: Amin = "auto") -> np.ndarray:
    """DSS_asym: half of dss1 of the asymmetric curve; 0 to 50, above 50 where inhibition exceeds 100 %."""
    return np.asarray(dss(curves, "dss1", amin) / 2)


def dss_above_bottom(curves: CurveBatch, kind: ScoreType = "dss1", amin: float = 10.0) -> np.ndarray:
    """Drug sensitivity score of what the curve adds to its bottom, in percent, float64 (n,).

    Bottom is subtracted from the curve and from top. The score is 0 where inhibition falls with dose, the mid
    dose is not below the highest tested dose, or nothing rises above the minimum activity.
    """
    raised = replace(curves, bottom=np.zeros(len(curves)), top=curves.top - curves.bottom, draws=None)
    shape = shape_of(curves)
    none = (curves.log10_mid >= curves.log10_dose_range[1]) | (shape.slope < 0) | (100 * raised.top <= amin)
    score = dss(raised, kind, amin)
    return np.where(none & np.isfinite(score), 0.0, score)


def activity_start(curves: CurveBatch, activity: np.ndarray) -> np.ndarray:
    """log10 dose at which the curve reaches the activity (percent), clipped to the tested range."""
    low, high = curves.log10_dose_range
    shape = shape_of(curves)
    reached = np.clip(log10_dose_at(activity / 100, *curves.parameters.T), low, high)
    reached = np.where(activity <= shape.low, low, reached)
    return np.asarray(np.where(activity > shape.high, high, reached))


def classic_dss(
    log10_ic50: np.ndarray,
    slope: np.ndarray,
    top_percent: np.ndarray,
    log10_min_dose: np.ndarray,
    log10_max_dose: np.ndarray,
    amin: float = 10.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DSS1, DSS2 and DSS3 of Yadav et al. 2014 for symmetric curves that start at 0, closed form.

    Args:
        log10_ic50: log10 dose of half effect.
        slope: Hill slope; its sign is ignored.
        top_percent: largest inhibition in percent; above 100 counts as 100.
        log10_min_dose: log10 of the lowest tested dose.
        log10_max_dose: log10 of the highest tested dose.
        amin: minimum activity in percent.

    Returns:
        Three float64 arrays, percent, rounded to four decimals; NaN where an argument is NaN.
    """
    c, x2 = log10_ic50, log10_max_dose
    a, b, y = np.minimum(top_percent, 100.0), np.abs(slope), amin
    none = (c >= x2) | (b == 0) | (a <= y)
    missing = ~np.isfinite(c + b + a + log10_min_dose + x2)
    with np.errstate(all="ignore"):
        reach = c - np.log((a - y) / y) / (b * LN10) if y > 0 else log10_min_dose
        x1 = np.clip(reach, log10_min_dose, x2)
        area = a * (log_one_plus_exp(LN10 * b * (c - x2)) - log_one_plus_exp(LN10 * b * (c - x1))) / (b * LN10) + (
            a - y
        ) * (x2 - x1)
        span = x2 - log10_min_dose
        dss1 = 100 * area / (span * (100.0 - y))
        dss2 = dss1 / np.log10(a)
        dss3 = dss1 * 2 / np.log10(a) * (x2 - x1) / span
    dss2 = np.where(dss2 > 50, 0.0, dss2)
    scores = (np.where((score < 0) | (score > 100), 0.0, score) for score in (dss1, dss2, dss3))
    first, second, third = (np.where(missing, np.nan, np.round(np.where(none, 0.0, score), 4)) for score in scores)
    return first, second, third


def mean_inhibition(curves: CurveBatch) -> np.ndarray:
    """Mean inhibition (fraction) of the curve over the tested log-dose range, float64 (n,)."""
    low, high = curves.log10_dose_range
    with np.errstate(all="ignore"):
        return curves.once("mean inhibition", lambda: np.asarray(_integral(on_grid(curves), curves) / (high - low)))


def largest_inhibition(curves: CurveBatch) -> np.ndarray:
    """Largest inhibition (fraction) of the curve within the tested range, float64 (n,)."""
    return np.asarray(_at_ends(curves).max(axis=1))


def inhibitory_dose(curves: CurveBatch, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The dose at which the curve reaches an inhibition, never beyond the tested range.

    Args:
        curves: the curves.
        target: inhibition to reach, fraction, (n,) or a number.

    Returns:
        dose_nM: float64 (n,). The lowest tested dose where it already reaches the target, the highest
            where the target is not reached; NaN without a curve, or where inhibition falls through the
            target with rising dose.
        bound: text (n,): '=' for a value, '<' and '>' where the dose is only a bound.
    """
    goal = np.broadcast_to(np.asarray(target, dtype=np.float64), (len(curves),))
    ends = _at_ends(curves)
    with np.errstate(all="ignore"):
        dose = 10 ** log10_dose_at(goal, *curves.parameters.T)
        never = ends.max(axis=1) < goal
        always = ends.min(axis=1) >= goal
        falls = (ends[:, 1] < ends[:, 0]) & ~never & ~always
    dose = np.clip(dose, curves.min_dose_nM, curves.max_dose_nM)
    dose = np.select([never, always, falls], [curves.max_dose_nM, curves.min_dose_nM, np.nan], dose)
    bound = np.select([never, always], [">", "<"], "=").astype(object)
    known = curves.fitted & np.isfinite(goal) & np.isfinite(dose)
    return np.where(known, dose, np.nan), np.where(known, bound, "=")


def relative_target(curves: CurveBatch) -> np.ndarray:
    """Inhibition (fraction) half way between the printed asymptotes, float64 (n,)."""
    low, high = printed_asymptotes(shape_of(curves))
    return np.asarray((low + high) / 200)


def half_effect_target(curves: CurveBatch) -> np.ndarray:
    """The same (n,), NaN for a flat or constant curve, which has no half way."""
    constant = (curves.status == "flat") | (curves.top == curves.bottom)
    return np.where(constant, np.nan, relative_target(curves))


def published_inhibitory_dose(curves: CurveBatch, target: np.ndarray) -> np.ndarray:
    """Inhibitory dose by the rule of published tables: for comparing with them, not for use.

    A target beyond an asymptote is replaced by the smallest or largest inhibition that the curve has at
    the tested doses, so that an unreached target gives the highest tested dose; between the asymptotes
    the dose may lie far outside the tested range. NaN where inhibition falls with dose. The batch must
    know its points.

    Returns:
        dose in nM, float64 (n,).
    """
    goal = np.broadcast_to(np.asarray(target, dtype=np.float64), (len(curves),))
    shape = shape_of(curves)
    at_points = curves.inhibition_at(np.where(np.isfinite(curves.inhibition), curves.log10_dose, np.nan))
    smallest, largest = _row_extremes(at_points)
    reachable = np.where(goal <= shape.low / 100, smallest, np.where(goal >= shape.high / 100, largest, goal))
    with np.errstate(all="ignore"):
        dose = 10 ** log10_dose_at(reachable, *curves.parameters.T)
        nearest = np.argmin(np.abs(np.nan_to_num(on_grid(curves), nan=np.inf) - goal[:, None]), axis=1)
        doses = curves.log10_dose_grid(_grid_points(curves))
    falling = 10 ** np.take_along_axis(doses, nearest[:, None], axis=1)[:, 0]
    dose = np.where(curves.top < curves.bottom, falling, dose)
    return np.where((shape.slope < 0) | ~curves.fitted, np.nan, dose)


def _row_extremes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest finite value of each row; inf and -inf for a row without any."""
    finite = np.isfinite(values)
    return np.where(finite, values, np.inf).min(axis=1), np.where(finite, values, -np.inf).max(axis=1)


def on_grid(curves: CurveBatch) -> np.ndarray:
    """Inhibitions (n, points) from the lowest to the highest tested dose.

    Draws, of which there are hundreds for every curve, are computed in float32: exact to 1e-6 of their height.
    """

    def compute() -> np.ndarray:
        if curves.drawn_from is None:
            return curves.inhibition_at(curves.log10_dose_grid(_grid_points(curves)))
        low, high = curves.log10_dose_range
        return inhibition_along(low, high, curves.parameters.T, _grid_points(curves))

    return curves.once("grid", compute)


def _grid_points(curves: CurveBatch) -> int:
    return GRID_POINTS if curves.drawn_from is None else DRAWN_GRID_POINTS


def _at_ends(curves: CurveBatch) -> np.ndarray:
    """Inhibitions (n, 2) at the lowest and the highest tested dose."""
    return curves.once("ends", lambda: curves.inhibition_at(np.stack(curves.log10_dose_range, axis=1)))


def _integral(values: np.ndarray, curves: CurveBatch) -> np.ndarray:
    """Trapezoid rule along each row of `on_grid`; rows lie whole in memory, so that none depends on others."""
    inner = np.ascontiguousarray(values).sum(axis=1) - (values[:, 0] + values[:, -1]) / 2
    low, high = curves.log10_dose_range
    return np.asarray(inner * (high - low) / (values.shape[1] - 1))
