"""Whether a curve describes its wells: the lack-of-fit test, and wells that turn back with rising dose.

Belongs here: what replicate wells say of a fitted curve, on many curves side by side. Does not belong here: fitting
(`fit`) and the wells of a plate together (`phenodose.quality.fit_residuals`).

Replicates measure the noise whatever the curve (pure error); what the mean of a dose lies off its curve beyond that is
misfit. With n wells at d doses and a curve of p parameters

    F = [sum over doses of n_i (mean_i - curve_i)^2 / (d - p)] / [sum over wells of (y - mean_i)^2 / (n - d)]

has the F distribution with d - p and n - d degrees of freedom where the curve is right and the noise normal and equal
(Fisher 1922, J. R. Stat. Soc. 85:597; Draper and Smith 1998, Applied Regression Analysis, 3rd ed., section 2.1; for
non-linear curves approximately, Bates and Watts 1988, Nonlinear Regression Analysis, section 3.13). Our curves are not
those of least squares, so F is a little too large. There is no F where no dose has two wells, or where the curve has as
many parameters as there are doses.

A misfit is called one only where it is also large: a drug may be off its curve by 3 % in replicates that agree to 1 %,
and no score suffers. What turns back (a hook: most cells die at a middle dose, few at higher ones) is looked for in the
means of the doses alone, since a curve of five parameters at five doses leaves nothing to test.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: log10 doses closer than this are the same dose.
SAME_DOSE = 1e-9
#: A pure error (SD of a well) below this counts as this much [fraction of inhibition]: replicates that agree to the
#: last digit, as rounded or made-up ones do, prove no curve wrong.
LEAST_SD = 0.01
#: Chance beyond which a misfit is noise.
MOST_CHANCE = 0.01
#: The same for each of the two steps of a turn, of which there are many.
MOST_CHANCE_OF_A_STEP = 0.002
#: Distance of a dose's mean from its curve, and step back of the means, from which on it matters [fraction].
LARGE_MISFIT = 0.2
LARGE_TURN = 0.25


class LackOfFit(NamedTuple):
    """What the replicates say of g curves.

    Attributes:
        f: float64 (g,), misfit over pure error; NaN where there is nothing to test.
        p: float64 (g,), chance of an F as large or larger where the curve is right; NaN as `f`.
        reason: text (g,), how wells and curve differ, where that is beyond chance and large; else ''.
    """

    f: np.ndarray
    p: np.ndarray
    reason: np.ndarray


class _Doses(NamedTuple):
    """Wells summed up by dose: (d, g) each, NaN or 0 beyond a curve's own doses."""

    x: np.ndarray
    number: np.ndarray
    mean: np.ndarray
    fitted: np.ndarray
    within: np.ndarray  # (g,), sum of squares about the means


def lack_of_fit(x: np.ndarray, y: np.ndarray, fitted: np.ndarray, parameters: np.ndarray) -> LackOfFit:
    """The test of curves that all have m wells.

    Args:
        x: float64 (m, g), log10 dose [log10 nM], ascending in every column.
        y: float64 (m, g), inhibition as a fraction.
        fitted: float64 (m, g), the curve's inhibition at these doses; NaN for a curve whose fit failed.
        parameters: int64 (g,), parameters that the wells determined: 2 to 5, of a constant curve 1.
    """
    from scipy.special import fdtrc

    doses = _by_dose(x, y, fitted)
    n_doses = (doses.number > 0).sum(axis=0)
    noise_freedom, freedom = len(x) - n_doses, n_doses - parameters
    with np.errstate(all="ignore"):
        variance = np.maximum(doses.within / noise_freedom, LEAST_SD**2)
        misfit = doses.mean - doses.fitted
        f = np.nansum(doses.number * misfit**2, axis=0) / freedom / variance
        known = (noise_freedom > 0) & (freedom > 0) & np.isfinite(fitted).all(axis=0)
        f = np.where(known, f, np.nan)
        p = np.where(known, fdtrc(np.maximum(freedom, 1), np.maximum(noise_freedom, 1), f), np.nan)
    reason = np.full(x.shape[1], "", dtype=object)
    largest = np.nanmax(np.abs(np.nan_to_num(misfit)), axis=0)
    for i in np.flatnonzero((p < MOST_CHANCE) & (largest >= LARGE_MISFIT)):
        worst = int(np.argmax(np.abs(np.nan_to_num(misfit[:, i]))))
        reason[i] = (
            f"the wells lie off the curve by up to {100 * largest[i]:.0f} % (at {_nm(doses.x[worst, i])}), far more "
            f"than their replicates differ (lack of fit: F = {f[i]:.3g}, p = {p[i]:.1g})."
        )
    turning = np.flatnonzero((noise_freedom > 0) & (_largest_turn(doses.mean) >= LARGE_TURN))
    for i, turn in zip(turning, _turns(doses, turning, variance, noise_freedom), strict=True):
        reason[i] = turn or reason[i]
    return LackOfFit(f, p, reason)


def _by_dose(x: np.ndarray, y: np.ndarray, fitted: np.ndarray) -> _Doses:
    level = np.zeros(x.shape, dtype=np.int64)
    np.cumsum(np.diff(x, axis=0) > SAME_DOSE, axis=0, out=level[1:])
    most = int(level.max()) + 1
    dose, count, mean, curve = (np.full((most, x.shape[1]), np.nan) for _ in range(4))
    within = np.zeros(x.shape[1])
    with np.errstate(all="ignore"):
        for k in range(most):
            here = level == k
            count[k] = here.sum(axis=0)
            mean[k], dose[k], curve[k] = (
                np.where(here, values, 0.0).sum(axis=0) / count[k] for values in (y, x, fitted)
            )
            within += np.where(here, (y - mean[k]) ** 2, 0.0).sum(axis=0)
    return _Doses(dose, count, mean, curve, within)


def _largest_turn(mean: np.ndarray) -> np.ndarray:
    """Largest step back (g,) of the means of the doses (d, g): the smaller side of the highest hill or deepest dip."""
    largest = np.zeros(mean.shape[1])
    for height in (mean, -mean):
        before, after = (np.fmin.accumulate(some, axis=0) for some in (height, height[::-1]))
        if len(mean) > 2:
            sides = np.minimum(height[1:-1] - before[:-2], height[1:-1] - after[::-1][2:])
            largest = np.fmax(largest, np.fmax.reduce(sides, axis=0))
    return largest


def _turns(doses: _Doses, which: np.ndarray, variance: np.ndarray, freedom: np.ndarray) -> list[str]:
    """Where the means of these curves' doses rise and fall back, or fall and rise again, beyond chance; else ''."""
    from scipy.special import stdtr

    x, mean, weight = doses.x[:, which], doses.mean[:, which], 1 / np.maximum(doses.number[:, which], 1)
    variance, freedom, everyone = variance[which], freedom[which], np.arange(len(which))
    largest, at = np.zeros(len(which)), np.zeros((4, len(which)), dtype=np.int64)
    for rising, height in ((1, mean), (0, -mean)):
        before, after = _lowest_on_either_side(height)
        for j in range(1, len(mean) - 1):
            sides = np.stack([before[j], after[j]])
            steps = height[j] - height[sides, everyone]
            errors = np.sqrt(variance * (weight[j] + weight[sides, everyone]))
            with np.errstate(invalid="ignore"):
                candidate = steps.min(axis=0) > np.maximum(largest, LARGE_TURN)
                candidate &= (stdtr(freedom, -steps / errors) < MOST_CHANCE_OF_A_STEP).all(axis=0)
            largest = np.where(candidate, steps.min(axis=0), largest)
            at[:, candidate] = np.stack([np.full(len(which), rising), sides[0], np.full(len(which), j), sides[1]])[
                :, candidate
            ]
    found = [""] * len(which)
    for i in np.flatnonzero(largest):
        rising, *places = at[:, i]
        low, top, end = (f"{100 * mean[place, i]:.0f} % at {_nm(x[place, i])}" for place in places)
        first, then = ("rises", "falls") if rising else ("falls", "rises")
        found[i] = f"inhibition {first} from {low} to {top} and {then} to {end}, and replicates agree."
    return found


def _lowest_on_either_side(height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the (first) lowest of the doses before each dose lies, and of those after it; int64 (d, n) each."""
    known = np.where(np.isnan(height), np.inf, height)
    before, after = np.zeros(height.shape, dtype=np.int64), np.full(height.shape, len(height) - 1, dtype=np.int64)
    columns = np.arange(height.shape[1])
    for j in range(1, len(height)):
        before[j] = np.where((known[j - 1] < known[before[j - 1], columns]), j - 1, before[j - 1])
    for j in reversed(range(len(height) - 1)):
        after[j] = np.where(known[j + 1] <= known[after[j + 1], columns], j + 1, after[j + 1])
    return before, after


def _nm(log10_dose: float) -> str:
    return f"{float(f'{10**log10_dose:.4g}'):.15g} nM"
