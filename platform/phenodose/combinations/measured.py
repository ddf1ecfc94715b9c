"""What one measure tells of dose matrices: a row a dose pair and a row a matrix, each with its interval.

Belongs here: asking a measure, checking what it gives, and its rows. Does not belong here: what it is given
(`excess`, `effects`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from phenodose.combinations.dose_matrix import Cells
from phenodose.combinations.effects import PairEffects, expected_fault, value_fault
from phenodose.combinations.zip_model import why_no_curve
from phenodose.dose_response.intervals import interval_ends
from phenodose.errors import NotMade, PluginError

if TYPE_CHECKING:
    from phenodose.plugins.measures import CombinationMeasure

PAIR_COLUMNS = (
    *("matrix", "first_nM", "second_nM", "model", "inhibition_percent", "fitted_percent", "expected_percent"),
    *("excess_percent", "lower_percent", "upper_percent", "n_wells", "status"),
)
SUM_COLUMNS = (
    *("matrix", "measure", "value", "lower", "upper", "unit"),
    *("probability_synergy", "interaction", "status"),
)
NO_PAIRS = "no wells with both drugs"


class MatrixEffects(NamedTuple):
    """What measures are given of a matrix.

    Attributes:
        cells: the matrix.
        reasons: by basis of a measure, why pairs lack it, text (p,); '' where they do not.
        wells: its wells; None for a matrix that no measure is asked of.
        drawn: draws of it; None without draws.
    """

    cells: Cells
    reasons: dict[str, np.ndarray]
    wells: PairEffects | None
    drawn: PairEffects | None


class Measured(NamedTuple):
    """What a measure tells: rows of its dose pairs by matrix (None for one of no pairs), a row a matrix, its fault."""

    pairs: list[pd.DataFrame | None]
    sums: list[dict[str, Any]]
    fault: str


def measured(measure: CombinationMeasure, matrices: Sequence[MatrixEffects]) -> Measured:
    """What a measure tells of matrices; where it fails once, nothing is asked of it any more."""
    of_one: Callable[[Any, int, MatrixEffects, str], tuple[pd.DataFrame | None, dict[str, Any]]]
    of_one = _of_pairs if measure.per_pair else _of_whole
    try:
        found = [of_one(measure, number, matrix, "") for number, matrix in enumerate(matrices)]
        fault = ""
    except PluginError as error:
        fault = str(error)
        failed = f"{measure.name} failed"
        found = [of_one(measure, number, matrix, failed) for number, matrix in enumerate(matrices)]
    return Measured([pairs for pairs, _ in found], [row for _, row in found], fault)


def _of_pairs(measure: Any, number: int, matrix: MatrixEffects, failed: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows of the dose pairs of a matrix, and that of their mean."""
    cells = matrix.cells
    i, j = cells.pairs
    reasons = matrix.reasons[measure.basis]
    status = np.where(reasons == "", failed or "ok", reasons).astype(object)
    inhibition = 100 * cells.mean[i, j]
    seen, expected, over = inhibition, np.full(len(i), np.nan), np.full((0, len(i)), np.nan)
    if matrix.wells is not None and (status == "ok").any():
        try:
            expected = 100 * _asked(measure, "expected", matrix.wells, expected_fault)[0, i - 1, j - 1]
            seen = 100 * _seen(measure, matrix.wells)[0, i - 1, j - 1]
            if matrix.drawn is not None:
                of_draws = _asked(measure, "expected_of_draws", matrix.drawn, expected_fault)
                over = 100 * (_seen(measure, matrix.drawn) - of_draws)[:, i - 1, j - 1]
            status[(status == "ok") & np.isnan(seen - expected)] = "nothing is expected of this dose pair"
        except NotMade as lacking:
            status[status == "ok"] = _reason(lacking)
    ok = status == "ok"
    lower, upper = np.full((2, len(i)), np.nan)
    if len(over) and ok.any():
        lower[ok], upper[ok] = _ends(over[:, ok].T)
    numbers = {
        "inhibition_percent": inhibition,
        "fitted_percent": np.where(ok & (measure.basis == "surface"), seen, np.nan),
        "expected_percent": np.where(ok, expected, np.nan),
        "excess_percent": np.where(ok, seen - expected, np.nan),
        "lower_percent": lower,
        "upper_percent": upper,
    }
    doses = {"first_nM": cells.first_nM[i - 1], "second_nM": cells.second_nM[j - 1]}
    rest = {"model": measure.name, **numbers, "n_wells": cells.number[i, j], "status": status}
    rows = pd.DataFrame({"matrix": number, **doses, **rest}, columns=list(PAIR_COLUMNS))
    if not ok.any():
        return rows, _sum(measure, number, np.nan, None, "; ".join(dict.fromkeys(status)) or NO_PAIRS)
    mean = over[:, ok].mean(axis=1) if len(over) else None
    return rows, _sum(measure, number, float((seen - expected)[ok].mean()), mean, "ok")


def _of_whole(measure: Any, number: int, matrix: MatrixEffects, failed: str) -> tuple[None, dict[str, Any]]:
    """The row of a measure that gives a matrix one number."""
    reasons = matrix.reasons[measure.basis]
    status = failed if len(reasons) else NO_PAIRS
    if len(reasons) and matrix.wells is None:
        status = str(reasons[0])
    elif len(reasons) and measure.basis != "wells":
        status = why_no_curve(matrix.cells) or status
    value, drawn = np.nan, None
    if not status and matrix.wells is not None:
        try:
            value = float(_asked(measure, "value", matrix.wells, value_fault)[0])
            if matrix.drawn is not None:
                drawn = _asked(measure, "value", matrix.drawn, value_fault)
        except NotMade as lacking:
            value, status = np.nan, _reason(lacking)
    if not status:
        status = "ok" if np.isfinite(value) else "the measure has no value for this matrix"
    return None, _sum(measure, number, value, drawn, status)


def _sum(
    measure: CombinationMeasure, number: int, value: float, drawn: np.ndarray | None, status: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"matrix": number, "measure": measure.name, "value": value, "lower": np.nan, "upper": np.nan}
    row |= {"unit": measure.unit, "probability_synergy": np.nan, "interaction": "", "status": status}
    if status != "ok" or drawn is None or np.isnan(drawn).mean() > 0.5:
        return row
    row["lower"], row["upper"] = (float(end[0]) for end in interval_ends(drawn[None, :]))
    if measure.synergy:
        side = 1 if measure.synergy == "above" else -1
        row["probability_synergy"] = float((side * drawn[np.isfinite(drawn)] > 0).mean())
        lower, upper = sorted((side * row["lower"], side * row["upper"]))
        row["interaction"] = interaction(lower, upper)
    return row


def interaction(lower: float, upper: float) -> str:
    """'synergy', 'antagonism' or 'undecided', by the 95 % interval of a number that is above 0 for synergy."""
    return "synergy" if lower > 0 else "antagonism" if upper < 0 else "undecided"


def _seen(measure: CombinationMeasure, effects: PairEffects) -> np.ndarray:
    """What the expected effects are compared with, (n, a, b)."""
    return effects.surface if measure.basis == "surface" else effects.together


def _ends(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of every row of draws; NaN for a row most of which is NaN."""
    lower, upper = np.full((2, len(draws)), np.nan)
    enough = np.isfinite(draws).mean(axis=1) >= 0.5
    if enough.any():
        lower[enough], upper[enough] = interval_ends(draws[enough])
    return lower, upper


def _asked(
    measure: CombinationMeasure, method: str, effects: PairEffects, fault_of: Callable[[PairEffects, Any], str]
) -> np.ndarray:
    """What a method of the measure gives.

    Raises:
        PluginError: it is not what it should be, or the measure failed.
        NotMade: the matrix lacks what the measure needs.
    """
    result = getattr(measure, method)(effects)
    if fault := fault_of(effects, result):
        raise PluginError(f"measure {measure.name!r} {fault}.")
    return np.asarray(result, dtype=np.float64)


def _reason(lacking: NotMade) -> str:
    return str(lacking).rstrip(".")
