"""Draws from the posterior of a curve: what the curve may be, given its wells.

Belongs here: drawing curves. Does not belong here: priors (`curve_prior`), evidence (`evidence`), the noise of
a batch (`noise`) and the intervals of scores made of the draws (`scoring`).

The evidence on a grid gives first places; each is spread over its cell and drawn again by its exact
evidence (sampling, importance resampling: Rubin 1987, JASA 82:543), and a few sweeps of differential
evolution Monte Carlo (ter Braak 2006, Stat. Comput. 16:239), one half of the places moved along differences of
the other, take away what the grid has left. Bottom and top are then drawn from their exact normal.
The draws of a curve depend on its own wells, the noise and the seed, not on its place in the batch.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import xxhash

from phenodose.dose_response.by_design import wells_by_design, wells_of
from phenodose.dose_response.curve_prior import (
    ASYMPTOTES,
    LOG_ASYMMETRY_RANGE,
    LOG_SLOPE_RANGE,
    MID_MARGIN,
    UNKNOWN_NOISE,
    Noise,
    log_prior_of_noise,
    log_share_of_views,
)
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.evidence import (
    CELLS,
    LOG_SD_GRID,
    Coordinates,
    Linear,
    Setting,
    Wells,
    evidence_at,
    evidence_on_grid,
    grid_over,
    setting,
)
from phenodose.dose_response.noise import noise_of_batch

#: Places spread over the grid for each that is kept.
SPREAD = 4
SWEEPS = 6
#: Fewest places of a curve: they move along each other's differences.
LEAST_PLACES = 32
#: Width of the small steps added to every move.
_JITTER = 0.02
#: Uniform numbers that moving one place once takes.
_NUMBERS_A_MOVE = 8
#: Weights smaller than the largest by this factor (ln) do not change a sum.
_NEGLIGIBLE = 25.0
#: Curves that are drawn side by side, and whose grids are.
_DRAWN_AT_ONCE = 64
_GRIDS_AT_ONCE = 4


def posterior_draws(
    curves: CurveBatch, draws: int, seed: int, noise: Noise | Literal["batch"] = UNKNOWN_NOISE
) -> np.ndarray:
    """Curves drawn from the posterior of each fitted curve.

    Args:
        curves: fitted curves with their points.
        draws: number of draws of each curve.
        seed: makes the draws repeatable.
        noise: what is known of the noise of the wells; 'batch' learns it from all curves of the same sample and
            readout.

    Returns:
        float64 (n, draws, 5), in the order of `models.PARAMETERS`; NaN where the fit failed.
    """
    found = np.full((len(curves), draws, 5), np.nan)
    if isinstance(noise, str):
        for which, learned in noise_of_batch(curves):
            found[which] = posterior_draws(curves.select(which), draws, seed, learned)
        return found
    known = wells_of(curves)
    for which, wells, scale in wells_by_design(curves, noise):
        lowest = np.log10(curves.min_dose_nM[which])
        generators = [_generator(curves.log10_dose[i, known[i]], curves.inhibition[i, known[i]], seed) for i in which]
        for first in range(0, len(which), _DRAWN_AT_ONCE):
            some = slice(first, first + _DRAWN_AT_ONCE)
            drawn = _draw(wells.some(some), scale[some], noise, draws, generators[some])
            drawn[:, :, 2] += lowest[some, None]
            found[which[some]] = drawn
    return found


def _draw(
    wells: Wells, scale: np.ndarray, noise: Noise, draws: int, generators: list[np.random.Generator]
) -> np.ndarray:
    """Draws (g, draws, 5) of curves over the same doses; mid doses relative to the lowest dose."""
    k = 2 * ((max(draws, LEAST_PLACES) + 1) // 2)
    g = len(wells.number)
    numbers = np.empty((g, k * (2 + 4 * SPREAD + _NUMBERS_A_MOVE * SWEEPS) + 1))
    normal = np.empty((g, 2, k))
    for i, generator in enumerate(generators):
        numbers[i] = generator.random(numbers.shape[1])
        normal[i] = generator.standard_normal((2, k))
    usual_sd = noise.sd / scale[:, None]
    places, at = _first_places(wells, usual_sd, noise, numbers[:, : -k * _NUMBERS_A_MOVE * SWEEPS], k)
    moves = numbers[:, -k * _NUMBERS_A_MOVE * SWEEPS :].reshape(g, SWEEPS, 2, _NUMBERS_A_MOVE, k // 2)
    places, linear = _moved(places, at, usual_sd, noise.weight, moves, float(wells.doses[-1]))
    root = np.sqrt(linear.low_low)
    slant = linear.low_high / root
    rest = np.sqrt(np.maximum(linear.high_high - slant * slant, 0.0))
    bottom = at.bottom_mean + at.bottom_sd * (linear.low + root * normal[:, 0])
    top = at.top_mean + at.top_sd * (linear.high + slant * normal[:, 0] + rest * normal[:, 1])
    asymptotes = [bottom * scale[:, None], top * scale[:, None]]
    drawn = [*asymptotes, places.mid, np.exp(places.log_slope), np.exp(places.log_asymmetry)]
    return np.stack(drawn, axis=2)[:, :draws]


def _first_places(
    wells: Wells, usual_sd: np.ndarray, noise: Noise, numbers: np.ndarray, k: int
) -> tuple[Coordinates, Setting]:
    """Places (g, k) drawn from the grid, spread over its cells and drawn again, in random order."""
    g, nodes, sds = len(wells.number), int(np.prod(CELLS)), len(LOG_SD_GRID)
    log_share = log_share_of_views(wells.wells, noise.bad_wells)
    picked, of_cell = _picked_on_grid(wells, log_share, usual_sd, noise.weight, (np.arange(k) + numbers[:, :k]) / k)
    kinds = len(ASYMPTOTES)
    rest, node = np.divmod(picked, nodes)
    rest, sd = np.divmod(rest, sds)
    view, kind = np.divmod(rest, kinds)
    grid = grid_over(float(wells.doses[-1]))
    shift = numbers[:, k : k + 4 * SPREAD * k].reshape(g, 4, SPREAD, k) - 0.5
    centres = (grid.mid[node], grid.log_slope[node], grid.log_asymmetry[node], LOG_SD_GRID[sd])
    spread = Coordinates(
        *(
            centre[:, None] + shift[:, axis] * width
            for axis, (centre, width) in enumerate(zip(centres, grid.widths, strict=True))
        )
    )
    at = setting(wells, view, kind, log_share).of_several()
    there = evidence_at(spread, at)[0] + log_prior_of_noise(spread.log_sd, usual_sd[:, None], noise.weight)
    there -= of_cell[:, None]
    start = k + 4 * SPREAD * k
    kept = _pick(there.reshape(g, -1), (np.arange(k) + numbers[:, start : start + 1]) / k)
    order = np.argsort(numbers[:, start + 1 : start + 1 + k], axis=1, kind="stable")
    kept = np.take_along_axis(kept, order, axis=1)
    places = Coordinates(*(np.take_along_axis(axis.reshape(g, -1), kept, axis=1) for axis in spread))
    view, kind = (np.take_along_axis(axis, kept % k, axis=1) for axis in (view, kind))
    return places, setting(wells, view, kind, log_share)


def _picked_on_grid(
    wells: Wells, log_share: np.ndarray, usual_sd: np.ndarray, weight: float, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of the grid of every curve at quantiles `at` (g, k) of their evidence, and that evidence; (g, k) each.

    The grids of all curves are larger than a processor's cache, those of a few are not.
    """
    picked, of_cell = np.empty(at.shape, dtype=np.int64), np.empty(at.shape, dtype=np.float32)
    prior = log_prior_of_noise(LOG_SD_GRID, usual_sd, weight)
    first_sd = _first_sd(prior, float(wells.wells.max()))
    more = log_share[:, :, None] + prior[:, None, first_sd:]
    for first in range(0, len(at), _GRIDS_AT_ONCE):
        some = slice(first, first + _GRIDS_AT_ONCE)
        value = evidence_on_grid(wells.some(some), more[some], first_sd)
        value = value.reshape(len(value), -1)
        picked[some] = _pick(value, at[some])
        of_cell[some] = np.take_along_axis(value, picked[some], axis=1)
    # places in the grid of all standard deviations: each view and kind of asymptotes lacks the first ones
    lacking = first_sd * int(np.prod(CELLS))
    of_a_kind = (len(LOG_SD_GRID) - first_sd) * int(np.prod(CELLS))
    return picked + lacking * (picked // of_a_kind + 1), of_cell


def _first_sd(log_prior: np.ndarray, wells: float) -> int:
    """The first of `LOG_SD_GRID` that a prior (g, sd) of the noise leaves to a curve of so many wells.

    Whatever the wells are, less noise makes them more probable by (sd / smaller sd)^wells at most.
    """
    at_most = log_prior - wells * LOG_SD_GRID
    best = np.maximum.accumulate(at_most[:, ::-1], axis=1)[:, ::-1]
    return int(np.argmax((at_most >= best - _NEGLIGIBLE).any(axis=0)))


def _pick(log_weight: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Positions (g, k) drawn in proportion to the weights (g, w), at quantiles `at` (g, k) of their sum."""
    found = np.empty(at.shape, dtype=np.int64)
    for row, quantiles, places in zip(log_weight, at, found, strict=True):
        largest = row.max()
        worth = np.flatnonzero(row > largest - _NEGLIGIBLE)
        summed = np.cumsum(np.exp(row[worth] - largest), dtype=np.float64)
        places[:] = worth[np.minimum(np.searchsorted(summed, quantiles * summed[-1]), len(worth) - 1)]
    return found


def _moved(
    places: Coordinates, at: Setting, usual_sd: np.ndarray, weight: float, numbers: np.ndarray, span: float
) -> tuple[Coordinates, Linear]:
    """The places after some sweeps, and what is known of the asymptotes there.

    Args:
        places: (g, k) each.
        at: what is fixed there.
        usual_sd: float64 (g, 1), prior of the noise.
        weight: its weight.
        numbers: float64 (g, SWEEPS, 2, _NUMBERS_A_MOVE, k / 2), uniform.
        span: tested range in decades.
    """
    half = places.mid.shape[1] // 2
    sides = (slice(0, half), slice(half, None))
    least, most = _limits(span)
    settings = [at.some(side) for side in sides]
    state = [np.stack([axis[:, side] for axis in places]) for side in sides]
    value, linear = [], []
    for side in (0, 1):
        found, known = evidence_at(Coordinates(*state[side]), settings[side])
        value.append(found + log_prior_of_noise(state[side][3], usual_sd, weight))
        linear.append(known)
    for sweep in range(SWEEPS):
        for side in (0, 1):
            u = numbers[:, sweep, side]
            trial = state[side] + _differences(state[1 - side], u[:, :3])
            trial += (u[:, 3:7].transpose(1, 0, 2) - 0.5) * _JITTER
            inside = ((trial >= least) & (trial <= most)).all(axis=0)
            trial = np.clip(trial, least, most)
            found, there = evidence_at(Coordinates(*trial), settings[side])
            found += log_prior_of_noise(trial[3], usual_sd, weight)
            with np.errstate(divide="ignore"):
                taken = inside & (np.log(u[:, 7]) < found - value[side])
            state[side] = np.where(taken, trial, state[side])
            value[side] = np.where(taken, found, value[side])
            linear[side] = Linear(*(np.where(taken, new, old) for new, old in zip(there, linear[side], strict=True)))
    joined = (np.concatenate([a, b], axis=-1) for a, b in zip(*state, strict=True))
    return Coordinates(*joined), Linear(*(np.concatenate(pair, axis=1) for pair in zip(*linear, strict=True)))


def _differences(others: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Scaled differences of two different places of `others` (4, g, h), by uniform numbers (g, 3, h)."""
    h = others.shape[2]
    one = np.minimum((numbers[:, 0] * h).astype(np.int64), h - 1)
    other = (one + 1 + np.minimum((numbers[:, 1] * (h - 1)).astype(np.int64), h - 2)) % h
    # now and then a whole difference: a jump from one solution to another
    part = np.where(numbers[:, 2] < 0.1, 1.0, 0.4 + 0.6 * (numbers[:, 2] - 0.1) / 0.9)
    jump = np.take_along_axis(others, one[None], axis=2) - np.take_along_axis(others, other[None], axis=2)
    return np.asarray(part * jump)


def _limits(span: float) -> tuple[np.ndarray, np.ndarray]:
    """Least and most of a place, float64 (4, 1, 1) each."""
    edge = (LOG_SD_GRID[1] - LOG_SD_GRID[0]) / 2
    noise = (LOG_SD_GRID[0] - edge, LOG_SD_GRID[-1] + edge)
    ends = [(-MID_MARGIN, span + MID_MARGIN), LOG_SLOPE_RANGE, LOG_ASYMMETRY_RANGE, noise]
    least, most = np.array(ends).T
    return least[:, None, None], most[:, None, None]


def _generator(x: np.ndarray, y: np.ndarray, seed: int) -> np.random.Generator:
    """Random numbers of a curve: its own wells decide them, with the seed."""
    order = np.lexsort((y, x))
    digest = xxhash.xxh3_128(seed.to_bytes(8, "little", signed=True))
    digest.update((x[order] - x.min()).round(6).tobytes())
    digest.update(y[order].tobytes())
    return np.random.Generator(np.random.PCG64DXSM(digest.intdigest()))
