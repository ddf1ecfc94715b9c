"""Fitting whole batches of curves: the one door to both fits.

Belongs here: preparing points, grouping curves of equal length, status and reason of every curve. Does
not belong here: the two fits (`robust_fit`, `nplr_fit`) and scores.

A curve that cannot be fitted gets a status and a reason; it never raises. What a curve becomes depends on
its own points only, not on the order or the company in which it is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from phenodose.dose_response.batched_linalg import total
from phenodose.dose_response.bootstrap import bootstrap_draws
from phenodose.dose_response.curve_prior import UNKNOWN_NOISE, Noise
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.lack_of_fit import SAME_DOSE, lack_of_fit
from phenodose.dose_response.models import FREE_PARAMETERS, inhibition
from phenodose.dose_response.nplr_fit import fit_nplr, power_loss
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.posterior import posterior_draws
from phenodose.dose_response.robust_fit import fit_robust, to_parameters
from phenodose.errors import InputError

FitName = Literal["robust", "nplr"]
IntervalName = Literal["posterior", "bootstrap"]
#: Fewest different doses of a curve.
LEAST_DOSES = 3
#: Most curves that are fitted side by side.
BLOCK = 32768
#: Inhibitions beyond this are broken readings (100 million percent); a curve with one is not fitted.
LARGEST_INHIBITION = 1e6
#: log10 doses beyond this, in either direction, count as missing.
LARGEST_LOG10_DOSE = 100.0
#: Decimals of inhibition (fraction) and of log10 dose that a fit sees; normalising leaves errors near 1e-15.
MEANT_DIGITS = 10


@dataclass
class _Result:
    """Arrays that the fit of a batch fills."""

    model: np.ndarray
    parameters: np.ndarray
    gof: np.ndarray
    objective: np.ndarray
    status: np.ndarray
    reason: np.ndarray
    lack_of_fit_f: np.ndarray
    lack_of_fit_p: np.ndarray
    draws: np.ndarray | None


def fit_curves(
    points: CurvePoints,
    fit: FitName = "robust",
    bootstrap: int = 0,
    seed: int = 0,
    *,
    intervals: IntervalName = "posterior",
    noise: Noise | Literal["batch"] = UNKNOWN_NOISE,
    model: int | None = None,
) -> CurveBatch:
    """Fit all curves together.

    Args:
        points: dose and inhibition of every curve; missing and infinite values are left out.
        fit: 'robust' (plausible curves, as few parameters as the wells support) or 'nplr' (as published
            tables were made).
        bootstrap: number of draws of each curve, for intervals; 0 for none.
        seed: makes the draws repeatable.
        intervals: what the draws are: 'posterior' (curves as probable as the wells make them) or 'bootstrap'
            (refits of wells drawn again; narrower than the truth is uncertain, see docs/uncertainty.md).
        noise: of wells, for the posterior: 'batch' learns it from all curves of the same sample and readout. Then
            and only then the draws of a curve depend on the others (its parameters never do).
        model: number of parameters (2 to 5) that every curve gets, for comparisons; None lets the fit choose.

    Returns:
        The curves in the order of the points. Status 'flat' means that a constant explains the wells as
        well, 'decreasing' that inhibition falls with dose, 'misfit' that replicates agree and the curve lies off
        them (`lack_of_fit`), 'failed' that there is no curve.

    Raises:
        InputError: there is no fit, model or kind of intervals of that name, or `bootstrap` is negative.
    """
    if fit not in get_args(FitName):
        raise InputError(f"fit {fit!r}: there are {' and '.join(get_args(FitName))}.")
    if intervals not in get_args(IntervalName):
        raise InputError(f"intervals {intervals!r}: there are {' and '.join(get_args(IntervalName))}.")
    if model is not None and model not in FREE_PARAMETERS:
        raise InputError(f"model {model!r}: there are models with {', '.join(map(str, FREE_PARAMETERS))} parameters.")
    if bootstrap < 0:
        raise InputError(f"bootstrap {bootstrap}: give a number of draws from 0.")
    x, y, n_points = _in_order(points)
    n_doses = _count_doses(x)
    n = len(points)
    largest = np.abs(np.nan_to_num(y)).max(axis=1)
    result = _Result(
        model=np.zeros(n, dtype=np.int64),
        parameters=np.full((n, 5), np.nan),
        gof=np.full(n, np.nan),
        objective=np.full(n, np.nan),
        status=np.full(n, "failed", dtype=object),
        reason=np.full(n, "", dtype=object),
        lack_of_fit_f=np.full(n, np.nan),
        lack_of_fit_p=np.full(n, np.nan),
        draws=np.full((n, bootstrap, 5), np.nan) if bootstrap and intervals == "bootstrap" else None,
    )
    usable = (n_doses >= LEAST_DOSES) & (largest <= LARGEST_INHIBITION)
    for row in np.flatnonzero(~usable):
        result.reason[row] = _why_not(n_doses[row], largest[row])
    for which, m in _blocks(n_points, usable):
        columns = np.ascontiguousarray(x[which, :m].T), np.ascontiguousarray(y[which, :m].T)
        _fit_block(*columns, fit, model, bootstrap, seed, which, result)
    low, high = _extremes(x, n_points)
    names = ("bottom", "top", "log10_mid", "slope", "asymmetry")
    curves = CurveBatch(
        keys=points.keys.reset_index(drop=True),
        log10_dose=points.log10_dose,
        inhibition=points.inhibition,
        fit=fit,
        model=result.model,
        gof=result.gof,
        objective=result.objective,
        min_dose_nM=low,
        max_dose_nM=high,
        n_doses=n_doses,
        n_points=n_points,
        status=result.status,
        reason=result.reason,
        lack_of_fit_f=result.lack_of_fit_f,
        lack_of_fit_p=result.lack_of_fit_p,
        draws=result.draws,
        doublings=points.doublings,
        **{name: np.ascontiguousarray(result.parameters[:, i]) for i, name in enumerate(names)},
    )
    if not bootstrap or intervals == "bootstrap":
        return curves
    return replace(curves, draws=posterior_draws(curves, bootstrap, seed, noise))


def _fit_block(
    x: np.ndarray,
    y: np.ndarray,
    fit: str,
    only: int | None,
    bootstrap: int,
    seed: int,
    which: np.ndarray,
    result: _Result,
) -> None:
    """Fit curves with m points each, x and y (m, g), and write to the rows `which` of the result.

    The fits see decades above the lowest dose, and both axes without the digits that arithmetic spoils: where a
    search ends may depend on the last bit, and neither the unit of the doses nor the scale of the raw values
    may decide a score.
    """
    lowest = x[0]
    x, y = np.round(x - lowest, MEANT_DIGITS), np.round(y, MEANT_DIGITS)
    equal = y.max(axis=0) - y.min(axis=0) <= 1e-12
    if fit == "robust":
        found = fit_robust(x, y, only)
        model, flat = found.model, found.flat | equal
        parameters = np.where(equal, _constant(x, y), to_parameters(found.theta))
        model = np.where(equal, 2, model)
    else:
        model, parameters, _ = fit_nplr(x, y, only)
        model = np.where(equal, 0, model)
        parameters = np.where(model > 0, parameters, np.nan)
        flat = fit_robust(x, y).flat  # what the wells tell does not depend on the fit
    fitted = inhibition(x, *parameters)
    with np.errstate(all="ignore"):
        deviation = y - total(y) / len(y)
        gof = 1 - total((y - fitted) ** 2) / total(deviation**2)
        ends = 100 * fitted[[0, -1]]
    result.model[which], result.parameters[which] = model, parameters.T
    result.parameters[which, 2] += lowest
    result.gof[which] = np.where(np.isfinite(gof) & ~equal, gof, np.nan)
    result.objective[which] = np.where(model > 0, power_loss(y - fitted), np.nan)
    test = lack_of_fit(x + lowest, y, fitted, np.where(flat & (fit == "robust"), 1, model))
    result.lack_of_fit_f[which], result.lack_of_fit_p[which] = test.f, test.p
    plain = (model > 0) & ~flat & (ends[1] >= ends[0]) & (test.reason == "")
    result.status[which[plain]] = "ok"
    for i in np.flatnonzero(~plain):
        result.status[which[i]], result.reason[which[i]] = _status(
            bool(model[i]), bool(flat[i]), float(ends[0, i]), float(ends[1, i]), str(test.reason[i])
        )
    if result.draws is not None:
        theta, drawable = _search_coordinates(x, parameters, model)
        mirrored = np.where(parameters[3] < 0, -1.0, 1.0)
        some = np.flatnonzero(drawable)
        if len(some):
            drawn = bootstrap_draws((mirrored * x)[:, some], y[:, some], model[some], theta[:, some], bootstrap, seed)
            drawn[:, :, 2:4] *= mirrored[some][:, None, None]
            drawn[:, :, 2] += lowest[some][:, None]
            result.draws[which[some]] = drawn


def _search_coordinates(x: np.ndarray, parameters: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curves in the coordinates of the bounded search, and for which these exist.

    A curve with negative slope h is the curve with -h over mirrored doses; an asymmetry that is not
    positive has no such coordinates.
    """
    bottom, top, mid, slope, asymmetry = parameters
    with np.errstate(all="ignore"):
        mirrored = np.where(slope < 0, -mid, mid)
        theta = np.stack([bottom, top, mirrored, np.log(np.abs(slope)), np.log(asymmetry)])
    return theta, (model > 0) & np.isfinite(theta).all(axis=0)


def _status(fitted: bool, flat: bool, first_percent: float, last_percent: float, misfit: str) -> tuple[str, str]:
    if not fitted:
        return "failed", "the search found no curve; all inhibitions may be equal."
    if misfit:
        return "misfit", misfit
    if flat:
        level = (first_percent + last_percent) / 2
        return "flat", f"a constant inhibition near {level:.0f} % explains the wells as well as a curve."
    if last_percent < first_percent:
        return "decreasing", f"inhibition falls from {first_percent:.0f} % to {last_percent:.0f} % with rising dose."
    return "ok", ""


def _constant(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Parameters (5, g) of the constant curve at the first inhibition."""
    one = np.ones(x.shape[1])
    return np.stack([y[0], y[0], (x[0] + x[-1]) / 2, one, one])


def _in_order(points: CurvePoints) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, m) sorted by dose, then inhibition, with missing ones (NaN) last, and their number."""
    known = (np.abs(points.log10_dose) <= LARGEST_LOG10_DOSE) & np.isfinite(points.inhibition)
    x = np.where(known, points.log10_dose, np.inf)
    y = np.where(known, points.inhibition, np.inf)
    order = np.lexsort((y, x), axis=1)
    x, y = np.take_along_axis(x, order, axis=1), np.take_along_axis(y, order, axis=1)
    return np.where(np.isfinite(x), x, np.nan), np.where(np.isfinite(y), y, np.nan), known.sum(axis=1)


def _count_doses(x: np.ndarray) -> np.ndarray:
    """Different doses of every row of sorted log10 doses (n, m)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.isfinite(x[:, :1]).sum(axis=1) + (np.diff(x, axis=1) > SAME_DOSE).sum(axis=1))


def _extremes(x: np.ndarray, n_points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest dose in nM of sorted log10 doses; NaN without points."""
    last = np.take_along_axis(x, np.maximum(n_points - 1, 0)[:, None], axis=1)[:, 0]
    return _dose(x[:, 0]), _dose(last)


def _dose(log10_dose: np.ndarray) -> np.ndarray:
    """10^x without the last digits, which the logarithm has spoilt: 4.999999999999999 was 5."""
    known, which = np.unique(log10_dose, return_inverse=True)
    return np.array([float(f"{10**x:.12g}") for x in known.tolist()], dtype=np.float64)[which]


def _blocks(n_points: np.ndarray, usable: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Positions of curves with the same number of points, in blocks, with that number."""
    for m in np.unique(n_points[usable]):
        which = np.flatnonzero(usable & (n_points == m))
        for first in range(0, len(which), BLOCK):
            yield which[first : first + BLOCK], int(m)


def _why_not(doses: int, largest: float) -> str:
    if doses == 0:
        return "no well with a value."
    if largest > LARGEST_INHIBITION:
        return f"an inhibition of {largest:.1g} is a broken reading; mask the well."
    return f"{doses} different dose{'s' if doses > 1 else ''}; a curve needs at least {LEAST_DOSES}."
