"""Z': how well the two controls of an assay are separated, in the three forms in use.

Belongs here: the formulas, on arrays of the raw values of control wells. Does not belong here: limits and
words (`metrics`).

All are 1 for perfect separation and do not depend on scale or sign of the readout. With fewer than two
wells of either control, or with equal centres, they are NaN.
"""

from __future__ import annotations

import numpy as np

#: Makes the median absolute deviation comparable with a standard deviation of normal values.
MAD_SCALE = 1.4826


def zprime(negative: np.ndarray, positive: np.ndarray) -> float:
    """Z' from the root of the summed variances ('fixsd'): 1 - 3 sqrt(var_n + var_p) / |mean_n - mean_p|.

    Variances with n - 1. It is never below the classic form.

    Args:
        negative: float array (well,), raw values of the negative controls.
        positive: float array (well,), raw values of the positive controls.
    """
    if not _enough(negative, positive):
        return float("nan")
    spread = np.sqrt(np.var(negative, ddof=1) + np.var(positive, ddof=1))
    return _separation(spread, float(np.mean(negative)) - float(np.mean(positive)))


def zprime_classic(negative: np.ndarray, positive: np.ndarray) -> float:
    """Z' as first published: 1 - 3 (SD_n + SD_p) / |mean_n - mean_p| (Zhang, Chung, Oldenburg 1999).

    Args:
        negative: float array (well,), raw values of the negative controls.
        positive: float array (well,), raw values of the positive controls.
    """
    if not _enough(negative, positive):
        return float("nan")
    spread = np.std(negative, ddof=1) + np.std(positive, ddof=1)
    return _separation(spread, float(np.mean(negative)) - float(np.mean(positive)))


def zprime_robust(negative: np.ndarray, positive: np.ndarray) -> float:
    """Z' from medians: 1 - 3 (MAD_n + MAD_p) / |median_n - median_p|, MAD scaled by 1.4826.

    Args:
        negative: float array (well,), raw values of the negative controls.
        positive: float array (well,), raw values of the positive controls.
    """
    if not _enough(negative, positive):
        return float("nan")
    return _separation(mad(negative) + mad(positive), float(np.median(negative)) - float(np.median(positive)))


def mad(values: np.ndarray) -> float:
    """Median absolute deviation from the median, times 1.4826."""
    return MAD_SCALE * float(np.median(np.abs(values - np.median(values))))


def _enough(negative: np.ndarray, positive: np.ndarray) -> bool:
    return len(negative) >= 2 and len(positive) >= 2


def _separation(spread: float, distance: float) -> float:
    return float("nan") if distance == 0 else float(1 - 3 * spread / abs(distance))
