"""How wells that hold the same differ by chance, and in which directions.

Belongs here: departures of like wells from each other, and their covariance. Does not belong here: which wells are
alike, and what is made of it (`likeness`, `control_span`).

Source of the shrinkage: Ledoit and Wolf 2004, doi 10.1016/S0047-259X(03)00096-4.
"""

from __future__ import annotations

import numpy as np


def departures(points: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Departures of wells from the mean of their like, scaled to the variance of single wells.

    Args:
        points: float array (well, feature).
        groups: rows of wells that are alike, two or more in each.

    Returns:
        float64 array (well of the groups, feature).
    """
    return np.concatenate(
        [(points[rows] - points[rows].mean(axis=0)) * np.sqrt(len(rows) / (len(rows) - 1)) for rows in groups]
    )


def covariance(noise: np.ndarray) -> np.ndarray:
    """Covariance (feature, feature) of departures, shrunk as by Ledoit and Wolf."""
    from sklearn.covariance import LedoitWolf

    return np.asarray(LedoitWolf(assume_centered=True).fit(noise).covariance_)
