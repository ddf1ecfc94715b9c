"""Starts of a search for curves that jump: most of the effect between two neighbouring doses, or about one of them.

Belongs here: the jumps that the wells of a curve suggest. Does not belong here: the search from there (`nplr_fit`).

The start of the published fit has the slope of all doses together. From there no search finds a jump between two
doses, where the loss has a minimum of its own. So every jump that the doses allow is looked at: between two
neighbouring doses, and about an inner dose, which then lies half way; symmetric, or with a kink at one end and a slow
way to the asymptote at the other. At each the best asymptotes are unique and found by reweighted least squares; of each
kind the jump of lowest loss is a start.
"""

from __future__ import annotations

import numpy as np

from phenodose.dose_response.batched_linalg import total
from phenodose.dose_response.models import effect_fraction

#: Slope of a symmetric jump, and of one that begins or ends with a kink, in units of 1 / distance to the next dose.
DONE = 3.0
KINK = 300.0
#: Decades by which the slow side of a kink goes to its asymptote from one dose to the next.
RATES = (0.3, 1.0, 3.0)
#: Rounds of reweighting, and the smoothing of the weights at 0.
REWEIGHTINGS = 4
_SMOOTH = 1e-4
_SAME_DOSE = 1e-9


def step_starts(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """The most probable jumps of curves that all have m points.

    Args:
        x: float64 (m, n), log10 dose, ascending in every column, three doses or more.
        y: float64 (m, n), inhibition.

    Returns:
        Curves (5, n) in the order of `models.PARAMETERS`: two symmetric ones, and one of each kind with a kink; NaN
        where a curve has no such jump.
    """
    mid, width = _places(x)
    curves, losses = _jump(x, y, mid, DONE / width, 1.0)
    found = [_lowest(curves, losses, rank) for rank in range(2)]
    for rate in RATES:
        for side in (1.0, -1.0):
            found.append(_lowest(*_jump(x, y, mid, side * KINK / width, rate / KINK), 0))
    return found


def _lowest(curves: np.ndarray, losses: np.ndarray, rank: int) -> np.ndarray:
    """Of curves (5, k, n) the one of that rank by loss, (5, n)."""
    place = np.argsort(losses, axis=0, kind="stable")[rank]
    return np.take_along_axis(curves, place[None, None], axis=1)[:, 0]


def _jump(
    x: np.ndarray, y: np.ndarray, mid: np.ndarray, slope: np.ndarray, asymmetry: float
) -> tuple[np.ndarray, np.ndarray]:
    """Curves (5, k, n) that jump at k places, with the best asymptotes, and their losses (k, n)."""
    with np.errstate(all="ignore"):
        fraction = effect_fraction(x, mid[:, None], slope[:, None], asymmetry)
        bottom, top = _asymptotes(fraction, y)
        residual = np.abs(y - bottom[:, None] - (top - bottom)[:, None] * fraction)
        loss = total(residual * np.sqrt(residual), axis=1)
    curves = np.stack([bottom, top, mid, slope, np.full_like(mid, asymmetry)])
    return curves, np.where(np.isfinite(curves).all(axis=0) & np.isfinite(loss), loss, np.inf)


def _places(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mid doses (k, n) of jumps and the distance to the next dose (k, n); NaN where two wells have the same dose."""
    gap = np.diff(x, axis=0)
    gap = np.where(gap > _SAME_DOSE, gap, np.nan)
    between = x[:-1] + gap / 2
    # an inner dose, told once by its first well: nearer of the next doses below and above
    above = np.full_like(x, np.nan)
    for i in range(len(x) - 2, -1, -1):
        above[i] = np.where(np.isfinite(gap[i]), gap[i], above[i + 1])
    nearest = np.fmin(gap[:-1], above[1:-1])
    inner = np.where(np.isfinite(gap[:-1]) & np.isfinite(above[1:-1]), x[1:-1], np.nan)
    width = np.concatenate([gap / 2, np.where(np.isfinite(inner), nearest, np.nan)])
    return np.concatenate([between, inner]), width


def _asymptotes(fraction: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bottom and top (k, n) of low loss for effect fractions (k, m, n)."""
    rest, weight = 1 - fraction, np.ones_like(fraction)
    bottom = top = np.zeros((len(fraction), y.shape[1]))
    for _ in range(REWEIGHTINGS):
        of_rest, of_fraction = weight * rest, weight * fraction
        aa, bb, ab = (total(v, axis=1) for v in (of_rest * rest, of_fraction * fraction, of_rest * fraction))
        ay, by = total(of_rest * y, axis=1), total(of_fraction * y, axis=1)
        with np.errstate(all="ignore"):
            determinant = aa * bb - ab * ab
            bottom, top = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
            residual = y - bottom[:, None] - (top - bottom)[:, None] * fraction
        weight = 1 / np.sqrt(np.sqrt(residual * residual + _SMOOTH**2))
    return bottom, top
