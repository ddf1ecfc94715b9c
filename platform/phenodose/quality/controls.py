"""Metrics of the control wells: mean, spread, signal to background, SSMD.

Belongs here: the formulas, on arrays of raw values. Does not belong here: Z' (`zprime`), limits and words
(`metrics`).
"""

from __future__ import annotations

import numpy as np


def mean(values: np.ndarray) -> float:
    """Mean; NaN without wells."""
    return float(np.mean(values)) if len(values) else float("nan")


def sd(values: np.ndarray) -> float:
    """Standard deviation with n - 1; NaN with fewer than two wells."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def cv_percent(values: np.ndarray) -> float:
    """Coefficient of variation, 100 SD / |mean| [%]; NaN where the mean is 0."""
    centre = mean(values)
    return 100 * sd(values) / abs(centre) if centre else float("nan")


def signal_to_background(negative: np.ndarray, positive: np.ndarray) -> float:
    """Mean of the negative over mean of the positive controls; NaN where the latter is 0."""
    background = mean(positive)
    return mean(negative) / background if background else float("nan")


def ssmd(negative: np.ndarray, positive: np.ndarray) -> float:
    """Strictly standardised mean difference, |mean_n - mean_p| / sqrt(var_n + var_p) (Zhang 2007).

    NaN with fewer than two wells of either control or without any spread.
    """
    spread = float(np.hypot(sd(negative), sd(positive)))
    return abs(mean(negative) - mean(positive)) / spread if spread else float("nan")
