"""How noisy the wells of a batch are, learned from all its curves together.

Belongs here: estimating the noise. Does not belong here: drawing curves (`posterior`).

A curve of five wells says next to nothing of its own noise; the curves of a screen together say it well.
Their noise is taken to vary as sd^2 * weight / chi-square(weight) (the empirical Bayes of Smyth 2004, Stat.
Appl. Genet. Mol. Biol. 3:3), and sd, weight and the share of bad wells are those that make the wells of all
curves most probable, with the curves themselves integrated out. How the noise goes with viability is read off the
replicates of a dose before, or, without any, found by the same evidence.
"""

from __future__ import annotations

import numpy as np

from phenodose.dose_response.by_design import BLOCK, wells_by_design, wells_of
from phenodose.dose_response.curve_prior import (
    BAD_WELL_DENSITY,
    UNKNOWN_NOISE,
    VIABILITY_STEPS,
    Noise,
    log_prior_of_noise,
    log_share_of_views,
    relative_sd,
)
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.evidence import LOG_SD_GRID, evidence_on_grid
from phenodose.dose_response.points import POOLED

#: What is tried.
SDS = np.exp(np.linspace(np.log(0.005), np.log(0.5), 93))
WEIGHTS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0)
BAD_WELLS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
#: Normal prior (mean, standard deviation) of ln sd, ln weight and ln bad wells; it decides only in small batches.
LOG_SD = (float(np.log(0.05)), 1.0)
LOG_WEIGHT = (float(np.log(8.0)), 1.5)
LOG_BAD_WELLS = (float(np.log(0.01)), 1.0)
#: How noise goes with viability (`Noise.killed`, `Noise.half`): what is tried, and the normal prior of the ln of each.
KILLED = tuple(2.0 ** (step / 4) for step in range(-16, 9))
HALF = tuple(2.0 ** (step / 4) for step in range(-4, 9))
LOG_KILLED = (0.0, 0.7)
#: What is tried of `Noise.killed` where no replicates tell it: by the evidence of whole curves, which costs more.
KILLED_OF_FEW = (1.0, 0.5, 0.25)
LOG_HALF = (0.0, 0.4)
#: Share of wells whose scatter is that of a bad well, their own or that of their replicate.
BAD_REPLICATES = 0.05
#: With fewer wells that have replicates, what these tell of the noise is chance.
LEAST_REPLICATES = 40
#: Columns of a batch's keys within which wells have the same noise.
OF_ONE_NOISE = ("sample", "readout")


def noise_of_batch(curves: CurveBatch) -> list[tuple[np.ndarray, Noise]]:
    """The noise of every sample and readout of the batch, with the positions of its curves.

    It is learned from the curves of all replicates together where there are any, so that it holds what makes
    replicates differ, which a curve of one replicate does not show.
    """
    keys = curves.keys
    names = [name for name in OF_ONE_NOISE if name in keys.columns]
    number = keys.groupby(names, sort=False, dropna=False).ngroup().to_numpy() if names else np.zeros(len(curves), int)
    pooled = (keys["replicate"] == POOLED).to_numpy() if "replicate" in keys.columns else np.ones(len(curves), bool)
    found = []
    for group in range(int(number.max(initial=-1)) + 1):
        which = np.flatnonzero(number == group)
        looked_at = which[pooled[which]] if pooled[which].any() else which
        found.append((which, estimate_noise(curves.select(looked_at))))
    return found


def estimate_noise(curves: CurveBatch) -> Noise:
    """The noise of the wells of fitted curves with points; `UNKNOWN_NOISE` without any."""
    told = noise_by_viability(curves)
    ways = [UNKNOWN_NOISE._replace(killed=killed) for killed in KILLED_OF_FEW] if told is None else [told]
    tried = []
    for way in ways:
        noise, log_evidence = _most_probable([part[1:] for part in _evidence_of_noise(curves, way)], way)
        tried.append((log_evidence + float(_log_normal(np.log(way.killed), *LOG_KILLED)), noise))
    return max(tried, key=lambda one: one[0])[1]


def noise_and_evidence(curves: CurveBatch) -> tuple[Noise, np.ndarray]:
    """The noise of the wells, and how probable each noise makes the wells of each curve.

    Args:
        curves: fitted curves with their points.

    Returns:
        The noise, the same for every viability; and float64 (n, sd), log evidence at `LOG_SD_GRID` with curve and bad
        wells integrated out, the prior of the noise not included; 0 where there is no curve.
    """
    parts = _evidence_of_noise(curves, UNKNOWN_NOISE)
    noise, _ = _most_probable([part[1:] for part in parts], UNKNOWN_NOISE)
    found = np.zeros((len(curves), len(LOG_SD_GRID)))
    for which, evidence, wells in parts:
        share = log_share_of_views(wells, noise.bad_wells)
        found[which] = _log_sum(evidence + share[:, :, None], axis=1)
    return noise, found


def noise_by_viability(curves: CurveBatch) -> Noise | None:
    """`UNKNOWN_NOISE` with `killed` and `half` by the scatter of replicates about the mean of their dose.

    Viability is that of the fitted curves. The scatter is taken to be that of Student's t with four degrees of
    freedom, and some wells to be bad.

    Returns:
        None where fewer than `LEAST_REPLICATES` wells have replicates, which tell nothing.
    """
    scatter, level = _scatter_of_replicates(curves)
    if len(scatter) < LEAST_REPLICATES:
        return None
    viability = np.arange(VIABILITY_STEPS + 1) / VIABILITY_STEPS
    at = np.round(np.clip(1.0 - level, 0.0, 1.0) * VIABILITY_STEPS).astype(np.int64)
    # how probable the scatter at each viability is with each standard deviation, and by that with each way to go
    log_sd = np.linspace(np.log(SDS[0] / 16), np.log(SDS[-1] * 16), 120)
    of_viability = np.stack([_log_density(scatter[at == step], np.exp(log_sd)) for step in range(len(viability))])
    killed, half = (ways.ravel() for ways in np.meshgrid(KILLED, HALF, indexing="ij"))
    value = np.zeros((len(killed), len(SDS)))
    for v, known in zip(viability, of_viability, strict=True):
        value += np.interp(np.log(SDS) + np.log(relative_sd(1.0 - v, killed, half))[:, None], log_sd, known)
    fit = value.max(axis=1) + _log_normal(np.log(killed), *LOG_KILLED) + _log_normal(np.log(half), *LOG_HALF)
    best = int(np.argmax(fit))
    return UNKNOWN_NOISE._replace(killed=float(killed[best]), half=float(half[best]))


def _log_density(scatter: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Log probability density (s,) of all scatter (m,) together, with each standard deviation (s,) of a good well."""
    good = 0.375 * (1 + (scatter[:, None] / sd) ** 2 / 4) ** -2.5 / sd  # Student's t with 4 degrees of freedom
    return np.asarray(np.log((1 - BAD_REPLICATES) * good + BAD_REPLICATES * BAD_WELL_DENSITY).sum(axis=0))


def _scatter_of_replicates(curves: CurveBatch) -> tuple[np.ndarray, np.ndarray]:
    """Distances of wells to the mean of their dose, as large as those to the true mean; their curves' inhibition."""
    row, well = np.nonzero(wells_of(curves) & curves.fitted[:, None])
    y, level = curves.inhibition[row, well], curves.inhibition_at(curves.log10_dose)[row, well]
    dose = np.unique(np.stack([row, curves.log10_dose[row, well].round(6)]), axis=1, return_inverse=True)[1].ravel()
    number = np.bincount(dose)
    several = number[dose] > 1
    y, level, dose = y[several], level[several], dose[several]
    mean = np.bincount(dose, y, len(number)) / np.maximum(number, 1)
    scatter = (y - mean[dose]) * np.sqrt(number / np.maximum(number - 1, 1))[dose]
    return scatter, level


def _most_probable(parts: list[tuple[np.ndarray, np.ndarray]], shape: Noise) -> tuple[Noise, float]:
    """The noise that makes wells most probable: log evidence (g, v, sd) of curves and their good wells (g, v).

    `shape` tells how it goes with viability. Also how probable they are, in logarithm.
    """
    if not parts:
        return UNKNOWN_NOISE, 0.0
    fine = np.linspace(LOG_SD_GRID[0], LOG_SD_GRID[-1], 6 * len(LOG_SD_GRID))
    best, found = -np.inf, UNKNOWN_NOISE
    for bad_wells in BAD_WELLS:
        of_curves = [
            _log_sum(evidence + log_share_of_views(wells, bad_wells)[:, :, None], axis=1) for evidence, wells in parts
        ]
        evidence = finer(np.concatenate(of_curves), fine)
        largest = evidence.max(axis=1, keepdims=True)
        likelihood = np.exp(evidence - largest)
        for weight in WEIGHTS:
            prior = log_prior_of_noise(fine, SDS[:, None], weight)
            share = np.exp(prior - _log_sum(prior, axis=1)[:, None])
            value = np.log(np.maximum(likelihood @ share.T, 1e-300)).sum(axis=0) + largest.sum()
            value += _log_normal(np.log(SDS), *LOG_SD) + _log_normal(np.log(weight), *LOG_WEIGHT)
            value += _log_normal(np.log(bad_wells), *LOG_BAD_WELLS)
            place = int(np.argmax(value))
            if value[place] > best:
                best = float(value[place])
                found = shape._replace(sd=float(SDS[place]), weight=weight, bad_wells=bad_wells)
    return found, best


def _evidence_of_noise(curves: CurveBatch, shape: Noise) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Positions of curves, log evidence of the noise (g, v, sd), the curves integrated out, and good wells (g, v)."""
    found = []
    for which, wells, _ in wells_by_design(curves, shape):
        for first in range(0, len(wells.number), BLOCK):
            part = slice(first, first + BLOCK)
            some = wells.some(part)
            evidence = _log_sum(evidence_on_grid(some), axis=(2, 4)).astype(np.float64)
            found.append((which[part], evidence, some.wells))
    return found


def finer(values: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """Values at `LOG_SD_GRID` (n, sd) interpolated to a finer grid."""
    from scipy.interpolate import CubicSpline

    return np.asarray(CubicSpline(LOG_SD_GRID, values, axis=1)(fine))


def _log_sum(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    largest = values.max(axis=axis, keepdims=True)
    return np.asarray(np.log(np.exp(values - largest).sum(axis=axis)) + np.squeeze(largest, axis))


def _log_normal(value: np.ndarray | float, mean: float, sd: float) -> np.ndarray | float:
    return -0.5 * ((value - mean) / sd) ** 2
