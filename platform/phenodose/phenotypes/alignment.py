"""Features of a screen as seen from its own untreated wells, and without what viability says of them.

A profile depends on its own screen alone: whichever screens come later, it stays as it is.

Belongs here: arrays to arrays. Does not belong here: which wells are untreated, and who is compared with whom
(`average_precision`).

Source: Ando, McLean, Berndl 2017, Improving phenotypic measurements in high-content imaging screens (bioRxiv 161422):
typical variation normalisation, known as sphering. Directions in which untreated wells differ anyway count less.
"""

from __future__ import annotations

import numpy as np

from phenodose.errors import InputError

#: Fewer untreated wells say nothing of how such wells differ.
LEAST_NEGATIVE = 4
#: Fewer untreated wells of a plate do not tell where its middle is.
LEAST_OF_PLATE = 5
#: Part of the largest variance below which a variance is rounding.
_FLAT = 1e-12


def sphered(
    features: np.ndarray, negative: np.ndarray, plates: np.ndarray | None = None, regularisation: float = 1.0
) -> np.ndarray:
    """Features with untreated wells in the middle and as wide in all directions.

    Args:
        features: float array (well, feature).
        negative: bool array (well,): untreated wells.
        plates: plate of each well: a plate with 5 untreated wells or more is centred by its own; None centres all
            together.
        regularisation: added to the variance in every direction, in units of the mean variance of untreated wells:
            0 whitens fully, a large number leaves the directions as they are.

    Returns:
        float64 array (well, feature); the median of untreated wells is 0.

    Raises:
        InputError: fewer than 4 wells are untreated.
    """
    if negative.sum() < LEAST_NEGATIVE:
        raise InputError(f"{int(negative.sum())} untreated wells have an image, and {LEAST_NEGATIVE} are the least.")
    values = features.astype(np.float64)
    centred = values - np.median(values[negative], axis=0)
    if plates is not None:
        for plate in dict.fromkeys(plates):
            of_plate = plates == plate
            if (of_plate & negative).sum() >= LEAST_OF_PLATE:
                centred[of_plate] = values[of_plate] - np.median(values[of_plate & negative], axis=0)
    left = centred[negative] - centred[negative].mean(axis=0)
    _, spread, directions = np.linalg.svd(left, full_matrices=False)
    variance = spread**2 / (len(left) - 1)
    added = regularisation * variance.sum() / left.shape[1]
    # A direction in which no untreated well differs has no width to be measured in.
    wide = np.append(variance, 0.0) + added
    width = np.sqrt(np.where(wide > _FLAT * max(variance.max(), _FLAT), wide, 1.0))
    # Wells are fewer than features: all directions across those of the wells have the one width that stands last.
    along = (centred @ directions.T) * (1 / width[:-1] - 1 / width[-1])
    return np.asarray(centred / width[-1] + along @ directions)


def without_viability(profiles: np.ndarray, viability: np.ndarray) -> np.ndarray:
    """Profiles less what the share of dead cells alone explains: a straight line from the untreated wells.

    Args:
        profiles: float array (well, feature) with untreated wells at 0 (`sphered`).
        viability: float array (well,), fractions; NaN where it is not known, which takes no part in the fit.

    Returns:
        float64 array (well, feature): residuals of the least-squares fit of each feature on 1 - viability, without
        intercept; NaN for wells whose viability is not known.
    """
    dead = 1.0 - np.clip(viability, 0.0, 1.0)
    known = np.isfinite(dead)
    power = float(dead[known] @ dead[known])
    slope = dead[known] @ profiles[known] / power if power > 0 else np.zeros(profiles.shape[1])
    return np.asarray(profiles - dead[:, None] * slope)


def with_untreated(profiles: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Profiles with one more feature, in which all wells agree: the median length of untreated profiles.

    An angle between two profiles says nothing where both are hardly longer than noise. With it, wells that are like
    untreated ones are like each other, and the angle between strong profiles is nearly as before.

    Args:
        profiles: float array (well, feature) with untreated wells around 0 (`sphered`).
        negative: bool array (well,): untreated wells.

    Returns:
        float64 array (well, feature + 1).
    """
    length = float(np.median(np.linalg.norm(profiles[negative], axis=1))) if negative.any() else 0.0
    return np.hstack([profiles, np.full((len(profiles), 1), length)])
