"""The family of dose-response curves with two to five parameters, and its inverse.

Belongs here: formulas of one curve, numerically safe on any finite input, on arrays that broadcast.
Does not belong here: finding parameters (`fit`) and summing curves up (`score_functions`).

    f(x) = bottom + (top - bottom) * (1 + 10^((log10_mid - x) * slope))^(-asymmetry)

x is log10 of the dose and f the inhibition as a fraction. With asymmetry 1, `log10_mid` is the dose of
half effect. Five parameters: all free. Four: asymmetry 1. Three: also bottom 0. Two: also top 1.
Source: Richards 1959 (J. Exp. Bot. 10:290) in the parametrisation used for drug screens.
"""

from __future__ import annotations

import numpy as np

#: Order of the parameters wherever they stand in one array.
PARAMETERS: tuple[str, ...] = ("bottom", "top", "log10_mid", "slope", "asymmetry")
#: What a parameter is where the model does not let it vary.
FIXED_VALUES: tuple[float, ...] = (0.0, 1.0, np.nan, np.nan, 1.0)
#: Indices of the free parameters of the model with that many parameters.
FREE_PARAMETERS: dict[int, tuple[int, ...]] = {2: (2, 3), 3: (1, 2, 3), 4: (0, 1, 2, 3), 5: (0, 1, 2, 3, 4)}
LN10 = float(np.log(10.0))
#: exp of more than this is no float32.
_LARGEST_SINGLE = np.float32(80.0)
#: Curves computed at once: their values stay in a processor's cache.
_ROWS_AT_ONCE = 128

#: What the formulas take: arrays that broadcast, or numbers.
Values = np.ndarray | float


def log_one_plus_exp(e: np.ndarray) -> np.ndarray:
    """ln(1 + exp(e)) without overflow."""
    found = np.empty(np.shape(e))  # worked on in place: most time goes to memory
    np.abs(e, out=found)
    np.negative(found, out=found)
    np.exp(found, out=found)
    np.log1p(found, out=found)
    found += np.maximum(e, 0.0)
    return np.asarray(found)


def effect_fraction(log10_dose: Values, log10_mid: Values, slope: Values, asymmetry: Values) -> np.ndarray:
    """How far the curve has gone from bottom (0) to top (1) at each dose."""
    with np.errstate(over="ignore", invalid="ignore"):
        exponent = np.asarray(LN10 * (log10_mid - log10_dose) * slope)
        return np.asarray(np.exp(-asymmetry * log_one_plus_exp(exponent)))


def inhibition(
    log10_dose: Values,
    bottom: Values,
    top: Values,
    log10_mid: Values,
    slope: Values,
    asymmetry: Values,
) -> np.ndarray:
    """Inhibition of the curve at each dose, as a fraction; all arguments broadcast.

    Args:
        log10_dose: log10 of the dose, in the unit that `log10_mid` has.
        bottom: inhibition far below the mid dose (where slope > 0).
        top: inhibition far above the mid dose (where slope > 0).
        log10_mid: log10 of the mid dose.
        slope: Hill slope h; negative turns the curve round.
        asymmetry: exponent s; 1 is the symmetric curve.

    Returns:
        float64 array of the broadcast shape.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(bottom + (top - bottom) * effect_fraction(log10_dose, log10_mid, slope, asymmetry))


def inhibition_along(
    low: np.ndarray,
    high: np.ndarray,
    parameters: np.ndarray,
    points: int,
) -> np.ndarray:
    """`inhibition` at equally spaced log10 doses, in float32: several times as fast, and exact to 1e-6 of the height.

    Args:
        low: float64 (n,), the first log10 dose of each curve.
        high: float64 (n,), the last.
        parameters: float64 (5, n), in the order of `PARAMETERS`.
        points: number of doses.

    Returns:
        float32 (n, points).
    """
    bottom, top, log10_mid, slope, asymmetry = parameters
    along = np.linspace(0, 1, points, dtype=np.float32)
    result = np.empty((len(low), points), dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        first, step = LN10 * (log10_mid - low) * slope, LN10 * (high - low) * slope
        columns = np.stack([first, -step, -asymmetry, top - bottom, bottom]).astype(np.float32)[:, :, None]
        for begin in range(0, len(low), _ROWS_AT_ONCE):
            rows = slice(begin, begin + _ROWS_AT_ONCE)
            start, slant, power, height, base = columns[:, rows]
            exponent, found = slant * along, result[rows]
            exponent += start
            np.minimum(exponent, _LARGEST_SINGLE, out=found)
            np.exp(found, out=found)
            found += 1
            np.log(found, out=found)
            np.maximum(found, exponent, out=found)
            found *= power
            np.exp(found, out=found)
            found *= height
            found += base
    return result


def log10_dose_at(
    target: Values,
    bottom: Values,
    top: Values,
    log10_mid: Values,
    slope: Values,
    asymmetry: Values,
) -> np.ndarray:
    """log10 of the dose at which the curve has the inhibition `target`; all arguments broadcast.

    Returns:
        float64 array; NaN where the target does not lie strictly between bottom and top, or where the
        curve is constant.
    """
    with np.errstate(all="ignore"):
        fraction = np.divide(target - bottom, top - bottom)
        inside = (fraction > 0) & (fraction < 1)
        power = -np.log(np.where(inside, fraction, 0.5)) / asymmetry
        # ln(exp(p) - 1), written so that neither a large nor a small p loses digits
        exponent = np.where(power > 30, power, np.log(np.expm1(np.minimum(power, 30.0))))
        return np.asarray(np.where(inside, log10_mid - exponent / (LN10 * slope), np.nan))
