"""Median polish of a plate, and the B-score.

Belongs here: Tukey's two-way median polish, and its residuals in units of their MAD. Does not belong here: which wells
of a plate are polished (`methods`).

The B-score (Brideau et al. 2003, J. Biomol. Screen. 8:634; Malo et al. 2006, Nat. Biotechnol. 24:167) takes the medians
of rows and columns for effects of place. That holds where most wells of every row and column hold cells without an
effect, as in a primary screen at a single dose. Where doses of a drug stand in neighbouring columns, a column's median
is the effect of its dose, and polishing takes the very signal away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Robust SD of normal values over their MAD.
_MAD_TO_SD = 1.4826
#: Sweeps over rows and columns, and the change (part of the spread) below which they end.
MOST_SWEEPS, LEAST_CHANGE = 20, 1e-4


@dataclass(frozen=True)
class Polished:
    """A plate in parts: value = overall + row + column + residual.

    Attributes:
        overall: level of the plate.
        rows: float array (row,), effect of each row; 0 where none of its wells is known.
        columns: float array (column,), likewise.
        residuals: float array (row, column); NaN where the value is.
    """

    overall: float
    rows: np.ndarray
    columns: np.ndarray
    residuals: np.ndarray

    @property
    def place_effect(self) -> np.ndarray:
        """What rows and columns add to the plate's level, float array (row, column)."""
        return np.asarray(self.rows[:, None] + self.columns[None, :])

    @property
    def b_scores(self) -> np.ndarray:
        """Residuals over 1.4826 times their MAD, float array (row, column); NaN where half of them are 0."""
        spread = _MAD_TO_SD * _median(np.abs(self.residuals - _median(self.residuals)))
        return self.residuals / spread if spread > 0 else np.full_like(self.residuals, np.nan)


def median_polish(values: np.ndarray) -> Polished:
    """Take row and column medians off in turn until nothing changes.

    Args:
        values: float array (row, column), raw readings of one plate; NaN for wells that do not count.
    """
    residuals = np.array(values, dtype=np.float64)
    rows, columns, overall = np.zeros(residuals.shape[0]), np.zeros(residuals.shape[1]), 0.0
    known = np.isfinite(residuals)
    if not known.any():
        return Polished(float("nan"), rows, columns, residuals)
    spread = _median(np.abs(residuals - _median(residuals)))
    for _ in range(MOST_SWEEPS):
        by_row = _medians(residuals, axis=1)
        residuals -= by_row[:, None]
        rows += by_row
        level = _median(columns[known.any(axis=0)])
        columns, overall = columns - level, overall + level
        by_column = _medians(residuals, axis=0)
        residuals -= by_column[None, :]
        columns += by_column
        level = _median(rows[known.any(axis=1)])
        rows, overall = rows - level, overall + level
        if max(np.abs(by_row).max(), np.abs(by_column).max()) <= LEAST_CHANGE * spread:
            break
    rows[~known.any(axis=1)], columns[~known.any(axis=0)] = 0.0, 0.0
    return Polished(float(overall), rows, columns, residuals)


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else 0.0


def _medians(values: np.ndarray, axis: int) -> np.ndarray:
    return np.array([_median(line) for line in (values if axis == 1 else values.T)])
