"""How wells that hold the same differ by chance, and in which directions.

Belongs here: which wells are alike, their departures from each other, and features in units of those. Does not belong
here: what is made of it (`likeness`, `control_span`).

Source of the shrinkage: Ledoit and Wolf 2004, doi 10.1016/S0047-259X(03)00096-4.
"""

from __future__ import annotations

import numpy as np

from phenodose.errors import NotMade


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


def alike(negative: np.ndarray, positive: np.ndarray, content: np.ndarray) -> list[np.ndarray]:
    """Rows of wells of equal content, of which there are several: living controls, killed ones, then the others.

    Args:
        negative: bool array (well,): living controls.
        positive: bool array (well,): killed controls.
        content: int array (well,): wells of equal content share a number; -1 for wells that nothing vouches for.
    """
    control = negative | positive
    numbers = [number for number in np.unique(content[~control]) if number >= 0]
    found = [np.flatnonzero(negative), np.flatnonzero(positive)]
    found += [np.flatnonzero((content == number) & ~control) for number in numbers]
    return [rows for rows in found if len(rows) > 1]


def in_units_of_noise(
    features: np.ndarray, others: np.ndarray, groups: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Features around 0 in units of their noise, and those of other images alike.

    Args:
        features: float array (well, feature), finite.
        others: float array (image, feature), such as those of blends of controls.
        groups: rows of wells that are alike, from `alike`.

    Raises:
        NotMade: like wells are all the same.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features.astype(np.float64) - mean
    sd = np.sqrt((departures(centred, groups) ** 2).mean(axis=0))
    known = sd[sd > 0]
    if not known.size:
        raise NotMade("all images of the control wells are the same; there is nothing to learn from them.")
    # A feature that hardly varies between like wells is not the more to be trusted.
    unit = sd + 0.01 * np.median(known)
    return centred / unit, (others - mean) / unit


def components(scaled: np.ndarray, others: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The strongest principal components of features (well, feature) that lie around 0, and those of other images."""
    from scipy.linalg import svd

    _, _, axes = svd(scaled, full_matrices=False, lapack_driver="gesdd")
    axes = axes[:number]
    return scaled @ axes.T, others @ axes.T
