"""Small sums and linear systems, many side by side, each unaffected by its neighbours.

Belongs here: whole-array operations whose result for one curve is the same, to the last bit, whatever
other curves stand in the batch. Does not belong here: anything about curves.
"""

from __future__ import annotations

import numpy as np


def total(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Sum over an axis that is not the last, term after term.

    numpy adds in another order where the terms lie side by side in memory, as those of a lone column or of a
    transposed array do; this does not.
    """
    if values.shape[-1] > 1:
        return np.asarray(np.ascontiguousarray(values).sum(axis=axis))
    return np.asarray(np.take(np.cumsum(values, axis=axis), -1, axis=axis))


def solve_positive(matrices: np.ndarray, right: np.ndarray, instead: np.ndarray | None = None) -> np.ndarray:
    """Solve symmetric positive (semi)definite systems.

    Pivots that rounding has made zero or negative are replaced by a small positive number, which keeps
    the solution finite and a descent direction; so are those of matrices that may be indefinite, by a given number.

    Args:
        matrices: float64 (p, p, g); worked on in place.
        right: float64 (p, g); likewise.
        instead: float64 (p, g), above 0: what a pivot becomes that is smaller than a millionth of this.

    Returns:
        float64 (p, g).
    """
    p = len(right)
    least = 1e-14 * np.maximum(np.max(np.abs(matrices[range(p), range(p)]), axis=0), 1e-300)
    lower, roots, solution = matrices, [], right
    for j in range(p):
        pivot = lower[j, j]
        if instead is None:
            root = np.sqrt(np.maximum(pivot, least))
        else:
            root = np.sqrt(np.where(pivot < 1e-6 * instead[j], instead[j], pivot))
        roots.append(root)
        solution[j] /= root
        if j + 1 < p:
            below = lower[j + 1 :, j]
            below /= root
            lower[j + 1 :, j + 1 :] -= below[:, None] * below
            solution[j + 1 :] -= below * solution[j]
    for i in reversed(range(p)):
        for known in lower[i + 1 :, i] * solution[i + 1 :]:
            solution[i] -= known
        solution[i] /= roots[i]
    return solution
