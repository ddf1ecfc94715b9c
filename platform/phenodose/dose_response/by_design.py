"""Wells of fitted curves, gathered by design for computing evidence.

Belongs here: which curves share doses and replicates, and their wells summed up by dose. Does not belong here:
the evidence itself (`evidence`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from phenodose.dose_response.curve_prior import USUAL_LARGEST_INHIBITION, Noise, relative_sd
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.evidence import Wells, sum_up
from phenodose.dose_response.models import inhibition

#: Curves that are looked at side by side; their grids fit the cache.
BLOCK = 16


def wells_of(curves: CurveBatch) -> np.ndarray:
    """Which points entered the fit, bool (n, m)."""
    low, high = (np.log10(ends)[:, None] for ends in (curves.min_dose_nM, curves.max_dose_nM))
    with np.errstate(invalid="ignore"):
        tested = (curves.log10_dose >= low - 1e-6) & (curves.log10_dose <= high + 1e-6)
    return np.asarray(tested & np.isfinite(curves.inhibition))


def wells_by_design(curves: CurveBatch, noise: Noise) -> Iterator[tuple[np.ndarray, Wells, np.ndarray]]:
    """Fitted curves with the same doses and replicates: their positions, wells, and the scale of their values.

    Wells of a curve whose inhibition exceeds `USUAL_LARGEST_INHIBITION` are divided by the scale. Wells count by their
    noise where the fitted curve lies (`relative_sd`).
    """
    groups: dict[tuple[float, ...], list[int]] = {}
    known = wells_of(curves)
    lowest = np.log10(curves.min_dose_nM)
    for i in np.flatnonzero(curves.fitted):
        offsets = np.sort((curves.log10_dose[i, known[i]] - lowest[i]).round(6))
        groups.setdefault(tuple(offsets.tolist()), []).append(int(i))
    for offsets_of_all, members in groups.items():
        which = np.array(members)
        doses, at = np.unique(np.array(offsets_of_all), return_inverse=True)
        x, y = np.empty((2, len(which), len(at)))
        for place, i in enumerate(which):
            order = np.lexsort((curves.inhibition[i, known[i]], (curves.log10_dose[i, known[i]] - lowest[i]).round(6)))
            x[place], y[place] = curves.log10_dose[i, known[i]][order], curves.inhibition[i, known[i]][order]
        scale = np.maximum(1.0, np.abs(y).max(axis=1) / USUAL_LARGEST_INHIBITION)
        first = np.searchsorted(at, np.arange(len(doses)))
        fitted = inhibition(x, *(column[:, None] for column in curves.parameters[which].T))
        sd = relative_sd(fitted[:, first], noise.killed, noise.half)
        # curves whose noise goes alike stand together: the tables of the evidence are made for each kind
        order = np.lexsort(sd.T)
        which, y, fitted, sd, scale = (values[order] for values in (which, y, fitted, sd, scale))
        yield which, sum_up(at, doses, y / scale[:, None], y - fitted, sd), scale
