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


def solve_positive(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve symmetric positive (semi)definite systems.

    Pivots that rounding has made zero or negative are replaced by a small positive number, which keeps
    the solution finite and a descent direction.

    Args:
        matrices: float64 (p, p, g).
        right: float64 (p, g).

    Returns:
        float64 (p, g).
    """
    p = len(right)
    lower: list[list[np.ndarray]] = [[right[0]] * p for _ in range(p)]
    least = 1e-14 * np.maximum(np.max(np.abs(matrices[range(p), range(p)]), axis=0), 1e-300)
    for j in range(p):
        pivot = matrices[j, j].copy()
        for k in range(j):
            pivot -= lower[j][k] ** 2
        root = np.sqrt(np.maximum(pivot, least))
        lower[j][j] = root
        for i in range(j + 1, p):
            value = matrices[i, j].copy()
            for k in range(j):
                value -= lower[i][k] * lower[j][k]
            lower[i][j] = value / root
    solution = right.copy()
    for i in range(p):
        for k in range(i):
            solution[i] -= lower[i][k] * solution[k]
        solution[i] /= lower[i][i]
    for i in reversed(range(p)):
        for k in range(i + 1, p):
            solution[i] -= lower[k][i] * solution[k]
        solution[i] /= lower[i][i]
    return solution
