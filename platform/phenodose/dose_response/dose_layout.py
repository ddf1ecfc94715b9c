"""Wells of curves side by side, ordered by dose: a curve is computed once a dose, not once a well.

Belongs here: the array form of such wells, and sums over the wells of a dose. Does not belong here: losses and
searches (`levenberg_marquardt`, `robust_fit`).

Curves of other numbers of doses or replicates stand side by side: free places have the weight 0, and zeros leave a sum
as it is to the last bit. So what is computed for a curve does not depend on the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class DoseLayout(NamedTuple):
    """Wells of g curves by dose.

    Attributes:
        doses: float64 (d, g), log10 dose; that of the last dose where a curve has fewer.
        y: float64 (d, r, g), inhibition of the wells of each dose; 0 where there is none.
        there: float64 (d, r, g), 1 for a well and 0 for a free place; None if no place is free.
        wells: number of wells of every curve.
    """

    doses: np.ndarray
    y: np.ndarray
    there: np.ndarray | None
    wells: int

    def some(self, which: np.ndarray | slice) -> DoseLayout:
        """Those of these curves."""
        there = None if self.there is None else self.there[..., which]
        return DoseLayout(self.doses[:, which], self.y[..., which], there, self.wells)


def by_dose(x: np.ndarray, y: np.ndarray) -> DoseLayout:
    """Wells (m, g) with the log10 doses x, in which equal doses are neighbours, ordered by dose."""
    m, g = x.shape
    new = np.ones((m, g), dtype=bool)
    np.not_equal(x[1:], x[:-1], out=new[1:])
    if g and (new == new[:, :1]).all():
        first = np.flatnonzero(new[:, 0])
        if m % len(first) == 0 and (first == np.arange(0, m, m // len(first))).all():
            return DoseLayout(
                np.ascontiguousarray(x[first]), np.ascontiguousarray(y).reshape(len(first), -1, g), None, m
            )
    level = np.cumsum(new, axis=0) - 1
    begins = np.maximum.accumulate(np.where(new, np.arange(m)[:, None], 0), axis=0)
    place = np.arange(m)[:, None] - begins
    shape = (int(level.max(initial=0)) + 1, int(place.max(initial=0)) + 1, g)
    doses, ordered, there = np.tile(x[-1], (shape[0], 1)), np.zeros(shape, y.dtype), np.zeros(shape, y.dtype)
    at = (level, place, np.arange(g))
    doses[level, np.arange(g)], ordered[at], there[at] = x, y, 1.0
    return DoseLayout(doses, ordered, there, m)
