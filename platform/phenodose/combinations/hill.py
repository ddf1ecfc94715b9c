"""Hill curves with a given bottom, fitted by least squares: many small fits side by side.

Belongs here: the fit that the formulas of ZIP and Loewe are published with. Does not belong here: the platform's own
curves of single drugs (`dose_response.fit`).

    f(x) = bottom + (top - bottom) / (1 + 10^((mid - x) slope)),   x = log10 dose

Bottom is given, 0 for a drug alone. Top lies from -1 to 1 (no cell dies twice), or up to the largest mean of wells at a
dose where that is above 1; slope from 0.1 to 10, the mid dose from a decade below the lowest to a decade above the
highest dose. Given mid and slope, top is linear and is solved for
(variable projection, Golub and Pereyra 1973, SIAM J. Numer. Anal. 10:413, with the Jacobian of Kaufman 1975,
BIT 15:49); these two are searched from the best place of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from phenodose.dose_response.models import LN10

#: Fewest different doses of a curve.
LEAST_DOSES = 3
#: Least top, and the most where no wells are above it.
TOP_RANGE = (-1.0, 1.0)
LOG_SLOPE_RANGE = (float(np.log(0.1)), float(np.log(10.0)))
MID_MARGIN = 1.0
_GRID = (30, 12)
_GRID_OF_DRAWS = (6, 2)
_STEPS = 80
_SMALL_STEP = 1e-9
#: Draws are searched from their fit, and only so far as their interval shows.
_STEPS_OF_DRAWS = 12
_SMALL_STEP_OF_DRAWS = 1e-3


class Points(NamedTuple):
    """Points of n curves with at most m doses.

    Attributes:
        x: float64 (n, m), log10 dose; any number where there is no point.
        y: float64 (n, m), inhibition, likewise.
        weight: float64 (n, m), wells at the dose; 0 where there is no point.
        bottom: float64 (n,), effect at dose 0.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    bottom: np.ndarray


def joined(parts: Sequence[Points]) -> Points:
    """The curves of all parts as one batch."""
    m = max(part.x.shape[1] for part in parts)
    wide = [[np.pad(values, ((0, 0), (0, m - values.shape[1]))) for values in part[:3]] for part in parts]
    x, y, weight = (np.concatenate(values) for values in zip(*wide, strict=True))
    return Points(x, y, weight, np.concatenate([part.bottom for part in parts]))


class Pulls(NamedTuple):
    """Normal priors of the curves in units of the noise: weight (noise / sd)^2 and mean, float64 (n,) each."""

    top_weight: np.ndarray
    top: np.ndarray
    slope_weight: np.ndarray
    log_slope: np.ndarray


class Hills(NamedTuple):
    """Curves; float64 (n,) each."""

    bottom: np.ndarray
    top: np.ndarray
    mid: np.ndarray
    log_slope: np.ndarray

    @property
    def parameters(self) -> np.ndarray:
        """float64 (n, 5), in the order of `models.PARAMETERS`."""
        return np.stack([self.bottom, self.top, self.mid, np.exp(self.log_slope), np.ones_like(self.mid)], axis=-1)

    def some(self, which: slice) -> Hills:
        """These curves."""
        return Hills(*(values[which] for values in self))

    def at(self, x: np.ndarray) -> np.ndarray:
        """Inhibition (n, k) at log10 doses (n, k) or (k,)."""
        rise = _rise(x, self.mid[:, None], self.log_slope[:, None])
        return np.asarray(self.bottom[:, None] + (self.top - self.bottom)[:, None] * rise)


def fit_hills(points: Points, pulls: Pulls | None = None, start: Hills | None = None) -> Hills:
    """Least-squares curves through the points.

    Args:
        points: every curve with at least one point.
        pulls: priors; none for the published fit.
        start: where draws begin, if no place of a coarse grid is better; without it, the best place of a fine grid.
    """
    given = points.weight > 0
    low = np.where(given, points.x, np.inf).min(axis=1) - MID_MARGIN
    high = np.where(given, points.x, -np.inf).max(axis=1) + MID_MARGIN
    points = points._replace(x=np.where(given, points.x, 0.0), y=np.where(given, points.y, 0.0))
    n = len(points.bottom)
    if pulls is None:
        none = np.zeros(n)
        pulls = Pulls(none, none, none, none)
    if start is None:
        place = _best_of_grid(points, pulls, low, high, _GRID)
    else:
        place = np.stack([start.mid, start.log_slope])
        other = _best_of_grid(points, pulls, low, high, _GRID_OF_DRAWS)
        nearer = _solve(points, pulls, *other).loss < _solve(points, pulls, *place).loss
        place = np.where(nearer, other, place)
    ends = np.stack([np.stack([low, np.full(n, LOG_SLOPE_RANGE[0])]), np.stack([high, np.full(n, LOG_SLOPE_RANGE[1])])])
    reach = (_STEPS, _SMALL_STEP) if start is None else (_STEPS_OF_DRAWS, _SMALL_STEP_OF_DRAWS)
    place = _search(points, pulls, np.clip(place, *ends), ends, *reach)
    top = _solve(points, pulls, *place).top
    return Hills(points.bottom, top, place[0], place[1])


def _rise(x: np.ndarray, mid: np.ndarray, log_slope: np.ndarray) -> np.ndarray:
    """How far the curve has gone from bottom (0) to top (1)."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip(LN10 * np.exp(log_slope) * (mid - x), -600.0, 600.0))))


class _Solved(NamedTuple):
    """The best top at given mid and slope.

    Attributes:
        rise: float64 (n, m), how far the curve has gone to it.
        top: float64 (n,).
        residual: float64 (n, m).
        free: bool (n,), whether neither end holds it.
        loss: float64 (n,), what is minimised.
    """

    rise: np.ndarray
    top: np.ndarray
    residual: np.ndarray
    free: np.ndarray
    loss: np.ndarray

    def some(self, which: np.ndarray) -> _Solved:
        return _Solved(*(values[which] for values in self))

    def or_rather(self, other: _Solved, where: np.ndarray) -> _Solved:
        """The other one where it is better."""
        pairs = zip(self, other, strict=True)
        return _Solved(*(np.where(where[:, None] if old.ndim == 2 else where, new, old) for old, new in pairs))


def _solve(points: Points, pulls: Pulls, mid: np.ndarray, log_slope: np.ndarray) -> _Solved:
    rise = _rise(points.x, mid[:, None], log_slope[:, None])
    above = points.y - points.bottom[:, None]
    weighted = points.weight * rise
    square = (weighted * rise).sum(axis=1) + pulls.top_weight
    with np.errstate(invalid="ignore", divide="ignore"):
        way = ((weighted * above).sum(axis=1) + pulls.top_weight * (pulls.top - points.bottom)) / square
    free_top = points.bottom + np.where(square > 1e-30, way, 0.0)
    top = np.clip(free_top, TOP_RANGE[0], np.maximum(TOP_RANGE[1], points.y.max(axis=1)))
    residual = above - (top - points.bottom)[:, None] * rise
    loss = (points.weight * residual**2).sum(axis=1)
    loss += pulls.top_weight * (top - pulls.top) ** 2 + pulls.slope_weight * (log_slope - pulls.log_slope) ** 2
    return _Solved(rise, top, residual, top == free_top, loss)


def _best_of_grid(points: Points, pulls: Pulls, low: np.ndarray, high: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    n = len(low)
    best, place = np.full(n, np.inf), np.zeros((2, n))
    for share in (np.arange(grid[0]) + 0.5) / grid[0]:
        mid = low + share * (high - low)
        for log_slope in np.linspace(*LOG_SLOPE_RANGE, grid[1] + 2)[1:-1]:
            slope = np.full(n, log_slope)
            loss = _solve(points, pulls, mid, slope).loss
            better = loss < best
            best[better] = loss[better]
            place[0, better], place[1, better] = mid[better], log_slope
    return place


def _search(
    points: Points, pulls: Pulls, place: np.ndarray, ends: np.ndarray, steps: int, small_step: float
) -> np.ndarray:
    """Levenberg-Marquardt on mid and log slope, float64 (2, n), within `ends` (2, 2, n)."""
    found = place.copy()
    active = np.arange(place.shape[1])
    damping = np.full(place.shape[1], 1e-3)
    state = _solve(points, pulls, *place)
    for _ in range(steps):
        step = _step(points, pulls, place, state, damping, ends)
        trial = np.clip(place + step, *ends)
        there = _solve(points, pulls, *trial)
        better = there.loss < state.loss
        moved = np.abs(trial - place).max(axis=0)
        done = (
            (moved < small_step)
            | (better & (state.loss - there.loss <= small_step**1.5 * state.loss))
            | (damping > 1e10)
        )
        damping = np.where(better, damping * 0.2, damping * 5.0)
        place = np.where(better, trial, place)
        state = state.or_rather(there, better)
        found[:, active] = place
        go_on = ~done
        if not go_on.any():
            break
        if go_on.mean() < 0.7:
            active, place, damping, ends = active[go_on], place[:, go_on], damping[go_on], ends[:, :, go_on]
            points, pulls = Points(*(v[go_on] for v in points)), Pulls(*(v[go_on] for v in pulls))
            state = state.some(go_on)
    return found


def _step(
    points: Points,
    pulls: Pulls,
    place: np.ndarray,
    state: _Solved,
    damping: np.ndarray,
    ends: np.ndarray,
) -> np.ndarray:
    """The next step (2, n); a place at an end does not go beyond it."""
    rise, top, residual, free, _ = state
    way = (top - points.bottom)[:, None]
    flank = way * rise * (1 - rise) * -LN10 * np.exp(place[1])[:, None]
    by_mid, by_slope = flank, flank * (place[0][:, None] - points.x)
    weighted = points.weight * rise
    square = (weighted * rise).sum(axis=1) + pulls.top_weight
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(free & (square > 1e-30), 1 / square, 0.0)
    for_top = [(weighted * by).sum(axis=1) for by in (by_mid, by_slope)]
    # the Jacobian of the residual, at right angles to what top makes up for
    mm = (points.weight * by_mid**2).sum(axis=1) - part * for_top[0] ** 2
    ss = (points.weight * by_slope**2).sum(axis=1) - part * for_top[1] ** 2 + pulls.slope_weight
    ms = (points.weight * by_mid * by_slope).sum(axis=1) - part * for_top[0] * for_top[1]
    down_mid = (points.weight * by_mid * residual).sum(axis=1)
    down_slope = (points.weight * by_slope * residual).sum(axis=1)
    down_slope -= pulls.slope_weight * (place[1] - pulls.log_slope)
    stuck_mid, stuck_slope = (
        ((place[k] <= ends[0, k]) & (down < 0)) | ((place[k] >= ends[1, k]) & (down > 0))
        for k, down in enumerate((down_mid, down_slope))
    )
    down_mid, down_slope = np.where(stuck_mid, 0.0, down_mid), np.where(stuck_slope, 0.0, down_slope)
    ms = np.where(stuck_mid | stuck_slope, 0.0, ms)
    mm, ss = (np.maximum(v, 0.0) * (1 + damping) + 1e-12 for v in (mm, ss))
    determinant = np.maximum(mm * ss - ms * ms, 1e-300)
    step = np.stack([ss * down_mid - ms * down_slope, mm * down_slope - ms * down_mid]) / determinant
    return np.asarray(np.clip(step, -1.0, 1.0))
