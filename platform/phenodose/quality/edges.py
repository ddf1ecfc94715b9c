"""Whether the place on the plate shows in the viability: edges, rows, columns.

Belongs here: the residual of every well from its like wells, and its medians by place. Does not belong
here: correcting for it (`phenodose.plate_correction`), limits and words (`metrics`).

A drug's effect must not be taken for an effect of place: a well is compared only with the other wells of
the screen that hold the same (sample, type, treatment, concentration, add-on). For a duplicate the residual
is the difference of the two wells.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from phenodose.names import add_on_keys, row_index

_SAME = ["sample", "well_type", "treatment", "concentration_nM", "add_on"]
#: Wells of these types hold no cells, or nobody knows what.
_WITHOUT_CELLS = ("empty", "exclude")
#: A row or column with fewer residuals says nothing.
LEAST_WELLS = 4


def position_residuals(wells: pd.DataFrame) -> pd.DataFrame:
    """Viability of every well minus the mean of the other wells of the same content.

    Args:
        wells: unmasked wells of the screen with sample, plate, row, column, well_type, treatment,
            concentration_nM, add_on (and add_on_concentration_nM), viability_fraction.

    Returns:
        The wells that have like wells: plate, row, column, residual [fraction].
    """
    cells = wells[~wells["well_type"].isin(_WITHOUT_CELLS)].reset_index(drop=True)
    groups = cells.assign(add_on=add_on_keys(cells)).groupby(_SAME, dropna=False, sort=False)["viability_fraction"]
    count, total = groups.transform("size"), groups.transform("sum")
    value = cells["viability_fraction"]
    residual = value - (total - value) / (count - 1).where(count > 1)
    return cells.assign(residual=residual).loc[count > 1, ["plate", "row", "column", "residual"]]


def edge_effect(residuals: pd.DataFrame) -> float:
    """Median residual of the outermost wells minus that of the inner wells of one plate [fraction].

    The outermost wells are the first and last row and column that hold residuals. NaN where either set has
    fewer than `LEAST_WELLS`.
    """
    if residuals.empty:
        return float("nan")
    row = np.array([row_index(label) for label in residuals["row"]])
    column = residuals["column"].to_numpy()
    outer = (row == row.min()) | (row == row.max()) | (column == column.min()) | (column == column.max())
    value = residuals["residual"].to_numpy()
    if min(outer.sum(), (~outer).sum()) < LEAST_WELLS:
        return float("nan")
    return float(np.median(value[outer]) - np.median(value[~outer]))


def strongest(residuals: pd.DataFrame, along: str) -> tuple[float, str]:
    """The row or column of one plate whose median residual is farthest from 0.

    Args:
        residuals: from `position_residuals`, one plate.
        along: 'row' or 'column'.

    Returns:
        That median [fraction] and the label; NaN and '' where no line has `LEAST_WELLS` residuals.
    """
    lines = residuals.groupby(along)["residual"].agg(["size", "median"])
    lines = lines[lines["size"] >= LEAST_WELLS]
    if lines.empty:
        return float("nan"), ""
    medians = lines["median"].to_numpy()
    farthest = int(np.argmax(np.abs(medians)))
    return float(medians[farthest]), str(lines.index[farthest])
