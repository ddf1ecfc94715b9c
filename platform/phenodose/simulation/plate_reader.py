"""What a plate reader measures in the simulated wells: CellTiter-Glo luminescence.

Belongs here: the number of every well and the matrix file. Does not belong here: viability (the truth is
an input) and images.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phenodose.names import row_label
from phenodose.simulation.design import COLUMNS, ROWS
from phenodose.simulation.workbook import write_workbook

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

_SIGNAL = 1.2e6  # relative light units of a DMSO well
_BACKGROUND = 900.0  # of medium
_NOISE = 0.07  # coefficient of variation of a well
_PLATE_SPREAD = 0.15  # of the plates' overall signal
_EDGE_LOSS = 0.08  # signal lost in the outermost row with cells by evaporation
_EDGE_REACH = 1.2  # rows over which that loss falls to 1/e


def luminescence(viability: Mapping[tuple[int, int], float], rng: Generator) -> NDArray[np.int64]:
    """Relative light units of one plate, dims row (16), column (24).

    Args:
        viability: true viability fraction by zero-based (row, column) of the wells with cells.
        rng: source of the plate's factor and the wells' noise.
    """
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    to_edge = np.minimum(np.minimum(rows, ROWS - 1 - rows), np.minimum(columns, COLUMNS - 1 - columns))
    edge = 1.0 - _EDGE_LOSS * np.exp(-np.maximum(to_edge - 1, 0) / _EDGE_REACH)
    cells = np.zeros((ROWS, COLUMNS))
    for place, fraction in viability.items():
        cells[place] = fraction
    signal = _SIGNAL * np.exp(rng.normal(0.0, _PLATE_SPREAD)) * cells * edge + _BACKGROUND
    return np.asarray(np.rint(signal * np.exp(rng.normal(0.0, _NOISE, signal.shape))), dtype=np.int64)


def write_matrix(path: Path, values: NDArray[np.int64]) -> None:
    """Write the numbers as the plate reader does: a header of columns, then a row letter and its wells."""
    header: list[object] = [None, *range(1, COLUMNS + 1)]
    write_workbook(path, [header, *([row_label(row), *map(int, values[row])] for row in range(ROWS))])
