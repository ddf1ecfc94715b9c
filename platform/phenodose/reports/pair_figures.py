"""The figures of a pair of drugs: heat maps of inhibition and of its excess over a model, an isobologram.

Belongs here: rows of the table `dose_pairs`, and wells, as cells with their words. Does not belong here: drawing
(`phenodose.plots.combination_figures`), which pairs are shown (`dose_pairs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from phenodose.combinations import DoseMatrix, isobologram
from phenodose.io.frames import rows_of
from phenodose.plots import combination_figures
from phenodose.quality.wells import is_left_out
from phenodose.reports.data import text_of
from phenodose.reports.drug_pairs import Pair, known
from phenodose.viability.dose_matrices import MatrixWells, matrix_wells

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData

#: Excess at which a cell has its full colour, unless a pair has a larger one [percentage points].
_FULL_EXCESS = 30.0


def matrices_of(data: ScreenData, readout: str) -> dict[tuple[str, str, str], MatrixWells]:
    """sample, drug, add_on -> the wells of the pair by a readout, with those of each drug alone."""
    viability = data["viability"][data["viability"]["readout"] == readout]
    left_out = viability["masked"].to_numpy(dtype=bool) & is_left_out(viability["mask_reason"])
    found = matrix_wells(viability, data["wells"], left_out)
    return {(one.sample, one.drug, one.add_on): one for one in found}


def _alone(pair: Pair, matrix: MatrixWells | None, rows: pd.DataFrame) -> list[combination_figures.Cell]:
    """Cells of each drug alone at the doses of the matrix, the mean of its wells."""
    if matrix is None:
        return []
    cells = []
    together = rows["concentration_nM"].unique(), rows["add_on_concentration_nM"].unique()
    for name, doses, others, tested in (
        (pair.drug, matrix.first_nM, matrix.second_nM, together[0]),
        (pair.add_on, matrix.second_nM, matrix.first_nM, together[1]),
    ):
        for dose in tested:
            own = matrix.inhibition[(others == 0) & np.isclose(doses, dose, rtol=1e-9, atol=0.0)]
            if len(own):
                mean = 100 * float(own.mean())
                at = (dose, 0.0) if name == pair.drug else (0.0, dose)
                title = f"{name} {dose:.4g} nM alone: {mean:.1f} % inhibition, {_wells(len(own))}"
                cells.append(combination_figures.Cell(at[0], at[1], mean, title))
    return cells


def measured(pair: Pair, rows: pd.DataFrame, matrix: MatrixWells | None) -> Markup:
    """The heat map of measured inhibition, with each drug alone where its wells are known."""
    once = rows.sort_values("model", kind="stable").drop_duplicates(["concentration_nM", "add_on_concentration_nM"])
    cells = [
        combination_figures.Cell(
            row.concentration_nM,
            row.add_on_concentration_nM,
            _number(row.inhibition_percent),
            f"{_doses(pair, row)}: {_percent(row.inhibition_percent)} inhibition, {_wells(row.n_wells)}",
        )
        for row in rows_of(once)
    ]
    cells += _alone(pair, matrix, rows)
    label = f"Inhibition of {pair.readout} by {pair.drug} and {pair.add_on} over both doses, in percent"
    return combination_figures.dose_matrix(cells, (pair.drug, pair.add_on), label, "inhibition (%)", 100.0)


def excess(pair: Pair, rows: pd.DataFrame, model: str, named: str) -> Markup:
    """The heat map of one model's excess, called by its label; cells whose interval excludes 0 are ringed."""
    own = rows[rows["model"] == model]
    largest = np.nanmax([_FULL_EXCESS, *rows["excess_percent"].abs().to_numpy(dtype=np.float64)])
    cells = []
    for row in rows_of(own):
        ends = row.lower_percent, row.upper_percent
        marked = bool(known(*ends) and (ends[0] > 0 or ends[1] < 0))
        title = f"{_doses(pair, row)}: {_points(row) if known(row.excess_percent) else text_of(row.status)}"
        cells.append(
            combination_figures.Cell(
                row.concentration_nM, row.add_on_concentration_nM, _number(row.excess_percent), title, marked
            )
        )
    n_marked = sum(cell.marked for cell in cells)
    label = (
        f"Excess over {named} of {pair.drug} and {pair.add_on} by {pair.readout} over both doses, in percentage "
        f"points; {n_marked} of {len(cells)} cells have an interval without 0"
    )
    return combination_figures.dose_matrix(
        cells, (pair.drug, pair.add_on), label, f"excess over {named} (points)", float(largest), signed=True
    )


def isobole(pair: Pair, matrix: MatrixWells | None, level: float = 0.5) -> tuple[Markup | None, str]:
    """The isobologram of one effect, or None and why there is none.

    Args:
        pair: the two drugs.
        matrix: their wells, alone and together.
        level: the effect, fraction of inhibition.
    """
    if matrix is None:
        return None, ""
    wells = DoseMatrix(matrix.first_nM, matrix.second_nM, matrix.inhibition)
    rows = isobologram(wells, (level,))
    alone = rows[rows["kind"] == "alone"]
    ends = [float(alone[name].max()) if (alone[name] > 0).any() else float("nan") for name in ("first_nM", "second_nM")]
    if alone.empty:
        reason = "; ".join(dict.fromkeys(rows["status"]))
        return None, reason.replace("the first drug", pair.drug).replace("the second drug", pair.add_on)
    points = [
        (
            row.first_nM,
            row.second_nM,
            f"{pair.drug} {row.first_nM:.4g} nM with {pair.add_on} {row.second_nM:.4g} nM: "
            f"combination index {row.combination_index:.2f}",
        )
        for row in rows_of(rows[rows["kind"] == "measured"])
    ]
    label = (
        f"Isobologram of {pair.drug} and {pair.add_on} by {pair.readout} at {100 * level:g} % inhibition; "
        f"{sum(index < 1 for index in rows.loc[rows['kind'] == 'measured', 'combination_index'])} of {len(points)} "
        "points need less than additivity"
    )
    tested = float(matrix.first_nM.max()), float(matrix.second_nM.max())
    figure = combination_figures.isobologram(points, (ends[0], ends[1]), tested, (pair.drug, pair.add_on), label)
    return figure, ""


def _points(row: Any) -> str:
    interval = f" ({row.lower_percent:+.1f} to {row.upper_percent:+.1f})" if known(row.lower_percent) else ""
    expected = f", {row.expected_percent:.1f} % expected" if known(row.expected_percent) else ""
    return f"{row.excess_percent:+.1f}{interval}{expected}"


def _doses(pair: Pair, row: Any) -> str:
    return f"{pair.drug} {row.concentration_nM:.4g} nM, {pair.add_on} {row.add_on_concentration_nM:.4g} nM"


def _percent(value: Any) -> str:
    return f"{value:.1f} %" if known(value) else "no"


def _wells(n: Any) -> str:
    return f"{int(n)} well{'s' if n != 1 else ''}" if known(n) else "no well"


def _number(value: Any) -> float:
    return float(value) if known(value) else float("nan")
