"""How well curves explain wells, with bottom and top integrated out.

Belongs here: wells summed up by dose, with and without a suspicious well; the evidence of mid dose, slope,
asymmetry and noise, on a grid and at any place. Does not belong here: the priors (`curve_prior`) and draws
(`posterior`).

Given mid dose, slope and asymmetry a curve is linear in bottom and top, f = bottom (1 - F) + top F, so that
with normal noise and a normal prior both are integrated out exactly: y ~ N(X mu, s^2 I + X V X'), here in
the form of a 2 x 2 system (Gelman et al. 2013, Bayesian Data Analysis, 3rd ed., section 14.8).
Where wells at some doses are noisier than at others, as is known before, each counts by the inverse of its variance.
Every operation treats a curve by itself, so that its result does not depend on the other curves of the batch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from phenodose.dose_response.curve_prior import (
    ASYMPTOTES,
    LOG_ASYMMETRY_RANGE,
    LOG_SLOPE_RANGE,
    MID_MARGIN,
    log_prior_of_shape,
)
from phenodose.dose_response.models import LN10

#: Cells of the grid over mid dose, slope and asymmetry.
CELLS = (20, 6, 3)
#: Standard deviations of a well at which the evidence is computed, fraction of inhibition.
LOG_SD_GRID = np.linspace(np.log(0.004), np.log(0.8), 12)
#: Wells that may be bad are those farthest from the fitted curve; but a curve with fewer wells than twice the
#: parameters bends to a bad well, so that there every well is a suspect.
SUSPECTS = 2
FEW_WELLS = 10
_LOG_2PI = float(np.log(2 * np.pi))


class Wells(NamedTuple):
    """Wells of g curves over the same d doses, summed up by dose, in every view.

    A view is a way to see the wells: the first takes all as good, each other takes one suspect as bad.

    Attributes:
        doses: float64 (d,), log10 dose above the lowest.
        number: float64 (g, v, d), of wells at the dose, each counted by 1 / (its relative noise)^2.
        mean: float64 (g, v, d), their mean inhibition; 0 without wells.
        within: float64 (g, v), sum of squares about these means, counted likewise.
        wells: float64 (g, v), number of wells.
        log_noise: float64 (g, v), sum of ln relative noise of the wells.
    """

    doses: np.ndarray
    number: np.ndarray
    mean: np.ndarray
    within: np.ndarray
    wells: np.ndarray
    log_noise: np.ndarray

    def some(self, which: slice) -> Wells:
        """The wells of these curves."""
        return Wells(self.doses, *(values[which] for values in self[1:]))


def sum_up(at: np.ndarray, doses: np.ndarray, y: np.ndarray, residual: np.ndarray, noise: np.ndarray) -> Wells:
    """Wells of curves by dose.

    Args:
        at: int64 (m,), which dose a well has.
        doses: float64 (d,), log10 dose above the lowest.
        y: float64 (g, m), inhibition.
        residual: float64 (g, m), distance to the fitted curve; it names the suspects.
        noise: float64 (g, d), standard deviation of wells at a dose, relative to that of untreated wells.
    """
    g, m = y.shape
    suspects = np.argsort(-np.abs(residual / noise[:, at]), axis=1, kind="stable")[
        :, : m if m < FEW_WELLS else SUSPECTS
    ]
    good = np.ones((g, 1 + suspects.shape[1], m))
    for view, suspect in enumerate(suspects.T, 1):
        good[np.arange(g), view, suspect] = 0.0
    count, summed, mean = (np.zeros((*good.shape[:2], len(doses))) for _ in range(3))
    for well in range(m):
        count[:, :, at[well]] += good[:, :, well]
        summed[:, :, at[well]] += good[:, :, well] * y[:, None, well]
    np.divide(summed, count, out=mean, where=count > 0)
    within = np.zeros(good.shape[:2])
    for well in range(m):
        within += good[:, :, well] * ((y[:, None, well] - mean[:, :, at[well]]) / noise[:, None, at[well]]) ** 2
    log_noise = (good * np.log(noise[:, at])[:, None]).sum(axis=2)
    return Wells(doses, count / noise[:, None] ** 2, mean, within, good.sum(axis=2), log_noise)


class Grid(NamedTuple):
    """Centres of the cells of the grid, float64 (node,) each, and the widths of a cell."""

    mid: np.ndarray
    log_slope: np.ndarray
    log_asymmetry: np.ndarray
    widths: tuple[float, ...]


@lru_cache(maxsize=64)
def grid_over(span: float) -> Grid:
    """The grid over a tested range of `span` decades; mid doses are relative to the lowest dose."""
    ranges = ((-MID_MARGIN, span + MID_MARGIN), LOG_SLOPE_RANGE, LOG_ASYMMETRY_RANGE)
    edges = [np.linspace(*ends, cells + 1) for ends, cells in zip(ranges, CELLS, strict=True)]
    centres = np.meshgrid(*((edge[1:] + edge[:-1]) / 2 for edge in edges), indexing="ij")
    mid, log_slope, log_asymmetry = (centre.ravel() for centre in centres)
    widths = tuple(float(edge[1] - edge[0]) for edge in (*edges, LOG_SD_GRID))
    return Grid(mid, log_slope, log_asymmetry, widths)


def effect(mid: np.ndarray, log_slope: np.ndarray, log_asymmetry: np.ndarray, doses: np.ndarray) -> np.ndarray:
    """How far the curve has gone from bottom to top; the doses come first, float64 (d, ...).

    Exact to 1e-7 of an effect: exponentials and logarithms are those of float32, which take a fifth of the time.
    """
    shape = (-1,) + (1,) * mid.ndim
    exponent = mid - doses.reshape(shape)
    exponent *= LN10 * np.exp(log_slope)
    e = exponent.astype(np.float32)
    np.minimum(e, np.float32(80.0), out=e)
    np.exp(e, out=e)
    e += 1
    np.log(e, out=e)  # a third of the time of log1p, and as exact of an effect
    e *= -np.exp(log_asymmetry).astype(np.float32)
    return np.asarray(np.exp(e, out=e), dtype=np.float64)


class _Moves(NamedTuple):
    """What the evidence on the grid needs of the doses alone; float64.

    A curve moves at each dose by `low` with bottom and by `high` with top, each by a standard deviation of its prior,
    from the curve of the prior means, `expected`.
    """

    of_wells: np.ndarray  # (d, 3 * kinds * node): low, high, expected
    of_number: np.ndarray  # (d, 6 * kinds * node): their products with each other


class _Tables(NamedTuple):
    """What it needs of the doses and the wells at each; (kinds, node) each, float64, or (kinds, sd, node), float32.

    Bottom and top are turned into two directions at right angles (`cosine`, `sine`), in which the wells move a curve
    independently.
    """

    low_expected: np.ndarray
    high_expected: np.ndarray
    expected_squares: np.ndarray
    cosine: np.ndarray
    sine: np.ndarray
    constant: np.ndarray  # (kinds, sd, node) from here on
    by_first: np.ndarray
    by_second: np.ndarray


#: Variances of the grid, (sd, 1); single precision is enough for what is only proposed.
_VARIANCE = np.exp(2 * LOG_SD_GRID)[:, None].astype(np.float32)
_BY_SQUARES = -0.5 / _VARIANCE


@lru_cache(maxsize=64)
def _moves(doses: tuple[float, ...]) -> _Moves:
    grid = grid_over(doses[-1])
    fraction = effect(grid.mid, grid.log_slope, grid.log_asymmetry, np.array(doses))[:, None]
    _, bottom_mean, bottom_sd, top_mean, top_sd = np.array(ASYMPTOTES).T[:, :, None]
    low, high = bottom_sd * (1 - fraction), top_sd * fraction
    expected = bottom_mean * (1 - fraction) + top_mean * fraction
    pairs = ((low, low), (high, high), (low, high), (low, expected), (high, expected), (expected, expected))
    of_wells, of_number = np.stack([low, high, expected], axis=1), np.stack([a * b for a, b in pairs], axis=1)
    return _Moves(of_wells.reshape(len(doses), -1), of_number.reshape(len(doses), -1))


@lru_cache(maxsize=128)
def _tables(doses: tuple[float, ...], number: tuple[float, ...], wells: float, first_sd: int) -> _Tables:
    grid, kinds = grid_over(doses[-1]), len(ASYMPTOTES)
    variance, log_sd = _VARIANCE[first_sd:], LOG_SD_GRID[first_sd:, None]
    ll, hh, lh, le, he, ee = (np.array(number) @ _moves(doses).of_number).reshape(6, kinds, -1)
    centre, half = (ll + hh) / 2, (ll - hh) / 2
    radius = np.sqrt(half * half + lh * lh)
    of_twice = half / np.maximum(radius, 1e-300)  # cosine of twice the angle
    large = centre[:, None] + radius[:, None]
    small = np.maximum(centre - radius, 0.0)[:, None]
    large, small = large.astype(np.float32) + variance, small.astype(np.float32) + variance
    constant = np.log(large * small)
    constant *= -0.5
    prior = log_prior_of_shape(grid.log_slope, grid.log_asymmetry) + np.log([[[kind.share]] for kind in ASYMPTOTES])
    constant += prior.astype(np.float32)
    constant += ((2.0 - wells) * log_sd - wells * _LOG_2PI / 2).astype(np.float32)
    for product in (large, small):
        product *= variance
        np.divide(0.5, product, out=product)
    cosine, sine = np.sqrt((1 + of_twice) / 2), np.sqrt((1 - of_twice) / 2)
    return _Tables(le, he, ee, cosine, sine, constant, large, small)


def evidence_on_grid(wells: Wells, more: np.ndarray | None = None, first_sd: int = 0) -> np.ndarray:
    """Log evidence, float32 (g, v, kinds of asymptotes, sds, nodes); the sds from the given one on.

    Prior of slope, asymmetry and asymptotes included, those of noise and bad wells not: these are given, float64 (g,
    v, sd), or left out.
    """
    g, views, d = wells.number.shape
    doses, shape = tuple(wells.doses.tolist()), (len(ASYMPTOTES), len(LOG_SD_GRID) - first_sd, int(np.prod(CELLS)))
    by_squares = _BY_SQUARES[first_sd:]
    found = np.empty((g * views, *shape), dtype=np.float32)
    added = -wells.log_noise.reshape(-1, 1) + (0.0 if more is None else more.reshape(-1, shape[1]))
    added = np.broadcast_to(added, (g * views, shape[1])).astype(np.float32)[:, :, None]
    numbers, means, of_wells = wells.number.reshape(-1, d), wells.mean.reshape(-1, d), _moves(doses).of_wells
    summed = numbers * means
    own = wells.within.ravel() + (summed * means).sum(axis=1)
    term = np.empty(shape, dtype=np.float32)
    for i, (number, good) in enumerate(zip(numbers.tolist(), wells.wells.ravel().tolist(), strict=True)):
        table = _tables(doses, tuple(number), good, first_sd)
        low, high, expected = (summed[i] @ of_wells).reshape(3, shape[0], -1)
        low -= table.low_expected
        high -= table.high_expected
        first, second = table.cosine * low + table.sine * high, table.cosine * high - table.sine * low
        squares = own[i] + table.expected_squares - 2 * expected
        first *= first
        second *= second
        squares, first, second = (part[:, None].astype(np.float32) for part in (squares, first, second))
        place = np.multiply(squares, by_squares, out=found[i])
        place += table.constant
        place += np.multiply(first, table.by_first, out=term)
        place += np.multiply(second, table.by_second, out=term)
        place += added[i]
    return found.reshape(g, views, *shape)


class Coordinates(NamedTuple):
    """Places in the space of curves, float64 (g, k) each; mid doses are relative to the lowest dose."""

    mid: np.ndarray
    log_slope: np.ndarray
    log_asymmetry: np.ndarray
    log_sd: np.ndarray


class Setting(NamedTuple):
    """What is fixed at each of the places: the wells by dose and the prior of the asymptotes, (.., g, k) each.

    `mean` is the mean inhibition of a dose above the prior mean of bottom, times the number of wells; `total` is the
    number of wells, `summed` the sum of these means, and `squares` the sum of the squares of all wells' distances to
    the prior mean of bottom.
    """

    doses: np.ndarray
    number: np.ndarray
    mean: np.ndarray
    total: np.ndarray
    summed: np.ndarray
    squares: np.ndarray
    wells: np.ndarray
    log_share: np.ndarray
    bottom_mean: np.ndarray
    bottom_sd: np.ndarray
    top_mean: np.ndarray
    top_sd: np.ndarray

    def some(self, which: slice) -> Setting:
        """Some of the k places."""
        return Setting(self.doses, *(np.ascontiguousarray(values[..., which]) for values in self[1:]))

    def of_several(self) -> Setting:
        """The same (.., g, 1, k), for places (g, s, k)."""
        return Setting(self.doses, *(values[..., None, :] for values in self[1:]))


class Linear(NamedTuple):
    """The posterior of bottom and top: mean and covariance, in units of their prior, float64 (g, k) each."""

    low: np.ndarray
    high: np.ndarray
    low_low: np.ndarray
    low_high: np.ndarray
    high_high: np.ndarray


def setting(wells: Wells, view: np.ndarray, kind: np.ndarray, log_share_of_views: np.ndarray) -> Setting:
    """The wells as seen in the view (g, k), and the asymptotes of the kind (g, k)."""
    row = np.arange(len(view))[:, None]
    share, *priors = np.array(ASYMPTOTES).T[:, kind]
    number = np.ascontiguousarray(np.moveaxis(wells.number[row, view], 2, 0))
    above = np.moveaxis(wells.mean[row, view], 2, 0) - priors[0]
    mean = number * above
    return Setting(
        wells.doses,
        number,
        mean,
        number.sum(axis=0),
        mean.sum(axis=0),
        wells.within[row, view] + (mean * above).sum(axis=0),
        wells.wells[row, view],
        np.log(share) + log_share_of_views[row, view] - wells.log_noise[row, view],
        *priors,
    )


def evidence_at(places: Coordinates, at: Setting) -> tuple[np.ndarray, Linear]:
    """Log evidence (g, k) at places, all priors but that of noise included; and what it says of the asymptotes."""
    fraction = effect(places.mid, places.log_slope, places.log_asymmetry, at.doses)
    variance = np.exp(2 * places.log_sd)
    # sums over the wells of the fraction of the effect, its square, and its product with the inhibition
    weighted = at.number * fraction
    of_fraction = weighted.sum(axis=0)
    of_square = np.multiply(weighted, fraction, out=weighted).sum(axis=0)
    of_product = np.multiply(at.mean, fraction, out=weighted).sum(axis=0)
    step = at.top_mean - at.bottom_mean
    along = of_product - step * of_square
    ll = variance + at.bottom_sd * at.bottom_sd * (at.total - 2 * of_fraction + of_square)
    hh = variance + at.top_sd * at.top_sd * of_square
    lh = at.bottom_sd * at.top_sd * (of_fraction - of_square)
    pull_high = at.top_sd * along
    pull_low = at.bottom_sd * (at.summed - step * of_fraction - along)
    squares = at.squares - step * (of_product + along)
    determinant = ll * hh - lh * lh
    mean_low = (hh * pull_low - lh * pull_high) / determinant
    mean_high = (ll * pull_high - lh * pull_low) / determinant
    explained = pull_low * mean_low + pull_high * mean_high
    value = (
        at.log_share
        + (2 - at.wells) * places.log_sd
        - 0.5 * np.log(determinant)
        - 0.5 * (squares - explained) / variance
        - 0.5 * _LOG_2PI * at.wells
        + log_prior_of_shape(places.log_slope, places.log_asymmetry)
    )
    scale = variance / determinant
    return value, Linear(mean_low, mean_high, scale * hh, -scale * lh, scale * ll)
