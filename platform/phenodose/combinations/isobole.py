"""Isobolograms: the dose pairs that together reach an effect, and the line on which additive pairs lie.

Belongs here: the points and their combination index. Does not belong here: drawing them.

Source: Loewe 1953 (Arzneimittelforschung 3:285) for the isobole; Chou and Talalay 1984 (Adv. Enzyme Regul. 22:27) for
the combination index, CI = a / A + b / B, where a and b reach the effect together and A and B reach it alone. CI
below 1 is synergy, above 1 antagonism, 1 the additive line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from phenodose.combinations.dose_matrix import Cells, DoseMatrix, cells_of
from phenodose.combinations.hill import Hills
from phenodose.combinations.zip_model import fit_matrices, why_no_curve, why_not
from phenodose.dose_response.models import log10_dose_at
from phenodose.errors import InputError

COLUMNS = ("level", "kind", "first_nM", "second_nM", "combination_index", "status")
#: Points of an additive line.
LINE_POINTS = 21


def isobologram(matrix: DoseMatrix, levels: Sequence[float] = (0.5,)) -> pd.DataFrame:
    """The isobole of each level of effect.

    Measured points are where the curves that ZIP fits along rows and columns reach the level within the tested doses of
    the drug that they run along. The additive line joins the doses that reach the level alone; where one drug
    never does, it is the other's dose, whatever is added.

    Args:
        matrix: wells of each drug alone and of both together.
        levels: effects, fractions of inhibition between 0 and 1.

    Returns:
        One row a point, with `COLUMNS`: level, kind ('alone', 'additive' or 'measured'), first_nM, second_nM (0 on an
        axis), combination_index (1 on the line), status: 'ok', or 'beyond the tested doses' for a dose alone that the
        curve was prolonged to. A level without any point has one row whose kind is '' and whose status says why.

    Raises:
        InputError: a level is not between 0 and 1.
    """
    bad = [level for level in levels if not 0 < level < 1]
    if bad:
        raise InputError(f"isobologram: level {bad[0]}; give effects between 0 and 1, such as 0.5.")
    cells = cells_of(matrix)
    fits = fit_matrices([cells])[0]
    rows: list[dict[str, Any]] = []
    for level in levels:
        if fits is None:
            rows.append(_nothing(level, why_no_curve(cells)))
            continue
        first, second = (10 ** float(_log10_dose(curve, level)[0]) for curve in fits.alone)
        if not (np.isfinite(first) or np.isfinite(second)):
            rows.append(_nothing(level, f"neither drug alone reaches {100 * level:g} %"))
            continue
        line = _line(first, second, cells)
        measured = _measured(cells, fits.rows, fits.columns, level)
        points = [("additive", *point) for point in line] + [("measured", *point) for point in measured]
        points += [("alone", a, b) for a, b in ((first, 0.0), (0.0, second)) if np.isfinite(a + b)]
        for kind, a, b in points:
            row = {"level": level, "kind": kind, "first_nM": a, "second_nM": b}
            beyond = kind == "alone" and (a > cells.first_nM[-1] or b > cells.second_nM[-1])
            row |= {"combination_index": a / first + b / second}
            rows.append(row | {"status": "beyond the tested doses" if beyond else "ok"})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _nothing(level: float, status: str) -> dict[str, Any]:
    nan = float("nan")
    row = {"level": level, "kind": "", "first_nM": nan, "second_nM": nan, "combination_index": nan}
    return row | {"status": status}


def _log10_dose(curves: Hills, level: float) -> np.ndarray:
    """log10 dose (n,) at which each curve reaches the level; infinite where it never does."""
    found = log10_dose_at(level, *curves.parameters.T)
    return np.where(np.isfinite(found), found, np.inf)


def _line(first: float, second: float, cells: Cells) -> list[tuple[float, float]]:
    """Points of the additive line; a drug that never reaches the level is followed to its highest dose."""
    share = np.linspace(0.0, 1.0, LINE_POINTS)
    if not np.isfinite(first):
        return [(float(a), second) for a in share * cells.first_nM[-1]]
    if not np.isfinite(second):
        return [(first, float(b)) for b in share * cells.second_nM[-1]]
    return [(float(first * (1 - s)), float(second * s)) for s in share]


def _measured(cells: Cells, rows: Hills, columns: Hills, level: float) -> list[tuple[float, float]]:
    """Dose pairs at which the fitted curves of rows and columns rise through the level, within tested doses."""
    usable = why_not(cells) == ""
    found = []
    for curves, along, other, there in (
        (rows, cells.first_nM, cells.second_nM, usable[1:, 1:].T),
        (columns, cells.second_nM, cells.first_nM, usable[1:, 1:]),
    ):
        reached = 10 ** _log10_dose(curves, level)
        inside = there.any(axis=1) & (reached >= along[0]) & (reached <= along[-1]) & (curves.top > curves.bottom)
        pairs = [(float(reached[at]), float(other[at])) for at in np.flatnonzero(inside)]
        found += pairs if curves is rows else [(b, a) for a, b in pairs]
    return sorted(found)
