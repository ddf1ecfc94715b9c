"""What an effect of place may look like: planes, bowls, edges, smooth surfaces, rows and columns.

Belongs here: the shapes, for every plate by itself and for all plates together. Does not belong here: how strong each
is (`variance_components`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Reach of an edge effect: rings of wells over which it falls to 1/e.
EDGE_REACH = 1.2
#: Distance of the centres of the smooth surface, and its width, in wells.
SMOOTH_STEP, SMOOTH_WIDTH = 4.0, 4.0


@dataclass(frozen=True)
class PlaceTerms:
    """Shapes of effects over all wells.

    Attributes:
        values: float array (well, shape).
        kind: int array (shape,), position of its kind in `kinds`; shapes of a kind are about equally strong.
        kinds: what each kind is, in words.
    """

    values: np.ndarray
    kind: np.ndarray
    kinds: tuple[str, ...]


def place_terms(plate: np.ndarray, row: np.ndarray, column: np.ndarray, with_cells: np.ndarray) -> PlaceTerms:
    """Shapes for wells of one or several plates.

    Args:
        plate: object array (well,), name of the plate.
        row: int array (well,).
        column: int array (well,).
        with_cells: bool array (well,), wells that are measured; the outermost of them are the edge.
    """
    row, column = row.astype(np.float64), column.astype(np.float64)
    known_row, known_column = (row[with_cells], column[with_cells]) if with_cells.any() else (row, column)
    top, bottom, left, right = known_row.min(), known_row.max(), known_column.min(), known_column.max()
    y = 2 * (row - top) / max(bottom - top, 1.0) - 1
    x = 2 * (column - left) / max(right - left, 1.0) - 1
    ring = np.minimum(np.minimum(row - top, bottom - row), np.minimum(column - left, right - column)).clip(0)
    shapes = {
        "gradient": np.stack([y, x], axis=1),
        "bowl": np.stack([y**2 - 1 / 3, x**2 - 1 / 3, x * y], axis=1),
        "edge": np.stack([ring == 0, np.exp(-ring / EDGE_REACH)], axis=1).astype(np.float64),
        "smooth": _smooth(row, column, (top, bottom), (left, right)),
        "rows": (row[:, None] == np.unique(row)[None, :]).astype(np.float64),
        "columns": (column[:, None] == np.unique(column)[None, :]).astype(np.float64),
    }
    plates = list(dict.fromkeys(plate))
    parts: list[np.ndarray] = []
    kinds: list[int] = []
    names: list[str] = []
    for name, shape in shapes.items():
        if len(plates) > 1:
            parts.append(shape)
            kinds += [len(names)] * shape.shape[1]
            names.append(f"{name} of all plates")
        for one in plates:
            parts.append(np.where((plate == one)[:, None], shape, 0.0))
            kinds += [len(names)] * shape.shape[1]
        names.append(f"{name} of a plate")
    return PlaceTerms(np.concatenate(parts, axis=1), np.array(kinds), tuple(names))


def _smooth(row: np.ndarray, column: np.ndarray, rows: tuple[float, float], columns: tuple[float, float]) -> np.ndarray:
    """Gaussian hills on a grid."""
    y, x = (np.linspace(*ends, max(2, round((ends[1] - ends[0]) / SMOOTH_STEP) + 1)) for ends in (rows, columns))
    centre = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    square = (row[:, None] - centre[:, 0]) ** 2 + (column[:, None] - centre[:, 1]) ** 2
    return np.asarray(np.exp(-square / (2 * SMOOTH_WIDTH**2)))
