"""Loess: a smooth surface over the places of a plate.

Belongs here: the local regression. Does not belong here: which wells it is fitted to (`methods`).

Cleveland and Devlin 1988, J. Am. Stat. Assoc. 83:596: around each place a plane, or a paraboloid, is fitted to the
nearest wells, weighted by the tricube of their distance; the whole is repeated with bisquare weights, so that single
wells do not pull. Distances are in wells.
"""

from __future__ import annotations

import numpy as np

#: Rounds with bisquare weights.
ROBUST_ROUNDS = 3
#: Bisquare weights end at so many times the median absolute residual.
_FARTHEST_RESIDUAL = 6.0
#: Reach beyond the farthest well that counts, so that it has a weight.
_WIDER = 1.05
#: Ridge that makes a fit of too few places the plane or the mean that they support; part of the trace.
_RIDGE = 1e-6


def loess_surface(
    places: np.ndarray, values: np.ndarray, wanted: np.ndarray, span: float = 0.5, degree: int = 1
) -> np.ndarray:
    """The smooth surface through some wells, at any places.

    Args:
        places: float array (well, 2), row and column of each well.
        values: float array (well,), what was measured there; finite.
        wanted: float array (place, 2), where the surface is wanted.
        span: share of the wells that each local fit sees, above 0; above 1 the reach grows beyond all wells.
        degree: 1 for local planes, 2 for local paraboloids.

    Returns:
        float array (place,).
    """
    trusted = np.ones(len(values))
    reach = _reach(places, places, span)
    for _ in range(ROBUST_ROUNDS):
        residual = values - _local_fits(places, values, trusted, places, reach, degree)
        most = _FARTHEST_RESIDUAL * float(np.median(np.abs(residual)))
        if most <= 0:
            break
        trusted = np.where(np.abs(residual) < most, (1 - (residual / most) ** 2) ** 2, 0.0)
    return _local_fits(places, values, trusted, wanted, _reach(places, wanted, span), degree)


def _reach(places: np.ndarray, wanted: np.ndarray, span: float) -> np.ndarray:
    """Distance at which the weight of each wanted place ends, float array (place,)."""
    distance = np.sqrt(((wanted[:, None, :] - places[None, :, :]) ** 2).sum(axis=2))
    number = int(np.clip(np.ceil(span * len(places)), 1, len(places)))
    reach = np.partition(distance, number - 1, axis=1)[:, number - 1]
    return np.asarray(np.maximum(reach, 1.0) * max(1.0, span) ** 0.5 * _WIDER)


def _local_fits(
    places: np.ndarray, values: np.ndarray, trusted: np.ndarray, wanted: np.ndarray, reach: np.ndarray, degree: int
) -> np.ndarray:
    offset = places[None, :, :] - wanted[:, None, :]
    distance = np.sqrt((offset**2).sum(axis=2)) / reach[:, None]
    weight = np.where(distance < 1, (1 - np.minimum(distance, 1) ** 3) ** 3, 0.0) * trusted[None, :]
    row, column = offset[..., 0] / reach[:, None], offset[..., 1] / reach[:, None]
    terms = [np.ones_like(row), row, column]
    if degree == 2:
        terms += [row**2, column**2, row * column]
    design = np.stack(terms, axis=2)
    gram = np.einsum("pw,pwi,pwj->pij", weight, design, design)
    moment = np.einsum("pw,pwi,w->pi", weight, design, values)
    ridge = _RIDGE * (np.einsum("pii->p", gram) + 1e-12)
    penalty = np.eye(len(terms))
    penalty[0, 0] = 0.0  # a level costs nothing
    gram = gram + ridge[:, None, None] * penalty + 1e-12 * np.eye(len(terms))
    return np.asarray(np.linalg.solve(gram, moment[:, :, None])[:, 0, 0])
