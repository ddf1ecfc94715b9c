"""Selective scores: how a drug's score in one sample differs from its scores in reference samples.

Belongs here: the formulas. Does not belong here: reading the reference (`reference_samples`) and scorers
(plugins). The reference counts as known exactly; intervals tell of the sample alone.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

#: How a score is compared, and the statistics of the reference that this needs.
Comparison = Literal["difference", "z", "robust"]
STATISTICS: dict[str, tuple[str, ...]] = {
    "difference": ("mean",),
    "z": ("mean", "sd"),
    "robust": ("median", "mad"),
}


def selective(score: np.ndarray, centre: np.ndarray, spread: np.ndarray | None = None) -> np.ndarray:
    """(score - centre) / (spread + 1), or score - centre without a spread; float64 (n,).

    The 1 keeps drugs that do nothing in any reference sample from scoring without bound.

    Example:
        >>> selective(np.array([30.0]), np.array([10.0])).tolist()
        [20.0]
        >>> selective(np.array([30.0]), np.array([10.0]), np.array([4.0])).tolist()
        [4.0]
    """
    difference = score - centre
    return np.asarray(difference if spread is None else difference / (spread + 1.0))
