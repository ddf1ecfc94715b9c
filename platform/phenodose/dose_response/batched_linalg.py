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


def rows_of_triangle(p: int) -> list[slice]:
    """Where the rows of a (p, p) matrix stand in its lower triangle, which is kept row by row."""
    return [slice(i * (i + 1) // 2, (i + 1) * (i + 2) // 2) for i in range(p)]


def diagonal_of_triangle(p: int) -> list[int]:
    """Where its diagonal stands there."""
    return [row.stop - 1 for row in rows_of_triangle(p)]


def triangle(matrices: np.ndarray) -> np.ndarray:
    """The lower triangles (p (p + 1) / 2, g) of symmetric matrices (p, p, g)."""
    return np.asarray(matrices[np.tril_indices(len(matrices))])


def solve_positive(triangles: np.ndarray, right: np.ndarray, instead: np.ndarray | None = None) -> np.ndarray:
    """Solve symmetric positive (semi)definite systems.

    Pivots that rounding has made zero or negative are replaced by a small positive number, which keeps
    the solution finite and a descent direction; so are those of matrices that may be indefinite, by a given number.

    Args:
        triangles: float64 (p (p + 1) / 2, g), the matrices as `triangle` gives them; worked on in place.
        right: float64 (p, g); likewise.
        instead: float64 (p, g), above 0: what a pivot becomes that is smaller than a millionth of this.

    Returns:
        float64 (p, g).
    """
    p = len(right)
    rows, diagonal = rows_of_triangle(p), diagonal_of_triangle(p)
    least = 1e-14 * np.maximum(np.max(np.abs(triangles[diagonal]), axis=0), 1e-300)
    roots, columns, solution = [], [], right
    for j in range(p):
        pivot = triangles[diagonal[j]]
        if instead is None:
            root = np.sqrt(np.maximum(pivot, least))
        else:
            root = np.sqrt(np.where(pivot < 1e-6 * instead[j], instead[j], pivot))
        roots.append(root)
        solution[j] /= root
        below = triangles[[row.start + j for row in rows[j + 1 :]]]
        below /= root
        columns.append(below)
        solution[j + 1 :] -= below * solution[j]
        for i, row in enumerate(rows[j + 1 :]):
            triangles[row.start + j + 1 : row.stop] -= below[i] * below[: i + 1]
    for i in reversed(range(p)):
        for known in columns[i] * solution[i + 1 :]:
            solution[i] -= known
        solution[i] /= roots[i]
    return solution
