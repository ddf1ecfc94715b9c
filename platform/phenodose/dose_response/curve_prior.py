"""What is thought of curves and wells before they are seen: the priors behind the intervals.

Belongs here: the prior of the parameters, of the noise of wells, and of bad wells. Does not belong here: what
the wells make of it (`evidence`, `posterior`) and the noise of a batch (`noise`).

The priors are wide: they decide only what the wells leave open (docs/uncertainty.md lists them).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Decades by which the mid dose may leave the tested range; it is uniform within.
MID_MARGIN = 1.0
#: ln slope and ln asymmetry are normal (mean, standard deviation) within their range.
LOG_SLOPE = (float(np.log(1.5)), 0.7)
LOG_ASYMMETRY = (0.0, 0.5)
LOG_SLOPE_RANGE = (float(np.log(0.2)), float(np.log(6.0)))
LOG_ASYMMETRY_RANGE = (float(np.log(0.2)), float(np.log(5.0)))


class Asymptotes(NamedTuple):
    """Normal prior of bottom and top, fractions of inhibition, and how many curves are of this kind."""

    share: float
    bottom_mean: float
    bottom_sd: float
    top_mean: float
    top_sd: float


#: Curves that start near no effect, and curves that start (or end) anywhere.
ASYMPTOTES = (Asymptotes(0.9, 0.0, 0.1, 0.5, 0.5), Asymptotes(0.1, 0.5, 0.5, 0.5, 0.5))
#: Inhibitions beyond this (fraction) make a curve be drawn on a scale that brings them down to it.
USUAL_LARGEST_INHIBITION = 2.0
#: Density of the value of a bad well: it may be anything over a range of 2.
BAD_WELL_DENSITY = 0.5


class Noise(NamedTuple):
    """What is known of the noise of wells before a curve is seen.

    The variance of the wells of a curve is sd^2 * weight / chi-square(weight); each well is bad, that is
    without any relation to the curve, with a small probability.

    Attributes:
        sd: usual standard deviation of a well about its curve, fraction of inhibition.
        weight: for how many wells of the curve that knowledge counts.
        bad_wells: probability that a well is bad.
        killed: standard deviation of a well without living cells as a multiple of that of an untreated one, to which
            `sd` then belongs; 1 where noise does not depend on the effect.
        half: factor by which half-dead wells scatter more than that says, as where doses or images are uncertain.
    """

    sd: float
    weight: float
    bad_wells: float
    killed: float = 1.0
    half: float = 1.0


#: Noise of wells of which nothing is known.
UNKNOWN_NOISE = Noise(0.05, 2.0, 0.01)


#: Viabilities between which the noise of wells is told apart: a fraction is taken to the next of 0, 1/4, ... 1.
VIABILITY_STEPS = 4


def relative_sd(inhibition: np.ndarray | float, killed: np.ndarray | float, half: np.ndarray | float) -> np.ndarray:
    """Standard deviation of wells about their curve as a multiple of that of untreated wells.

    A plate reader's error grows with the signal, and little of it is left where no cell lives: with viability v
    between 0 and 1, sd^2 = killed^2 + (1 - killed^2) v^2 (constant and proportional error, Rocke and Durbin 2001,
    J. Comput. Biol. 8:557), here times half^(4 v (1 - v)).

    Args:
        inhibition: fraction, of the curve at the wells' doses, any shape.
        killed: `Noise.killed`.
        half: `Noise.half`.
    """
    v = np.round(np.clip(1.0 - inhibition, 0.0, 1.0) * VIABILITY_STEPS) / VIABILITY_STEPS
    return np.asarray(np.sqrt(killed * killed + (1.0 - killed * killed) * v * v) * half ** (4 * v * (1 - v)))


def log_prior_of_shape(log_slope: np.ndarray, log_asymmetry: np.ndarray) -> np.ndarray:
    """Log density of slope and asymmetry, up to a constant."""
    slope = (log_slope - LOG_SLOPE[0]) / LOG_SLOPE[1]
    asymmetry = (log_asymmetry - LOG_ASYMMETRY[0]) / LOG_ASYMMETRY[1]
    return np.asarray(-0.5 * (slope * slope + asymmetry * asymmetry))


def log_prior_of_noise(log_sd: np.ndarray, usual_sd: np.ndarray | float, weight: float) -> np.ndarray:
    """Log density of ln sd, up to a constant."""
    return np.asarray(-weight * (log_sd - np.log(usual_sd)) - 0.5 * weight * (usual_sd * np.exp(-log_sd)) ** 2)


def log_share_of_views(wells: np.ndarray, bad_wells: float) -> np.ndarray:
    """Log probability of the views with so many good wells (g, v), and of the bad well's value; float64 (g, v)."""
    bad = wells[:, :1] - wells
    return np.asarray(bad * np.log(bad_wells * BAD_WELL_DENSITY) + wells * np.log1p(-bad_wells))
