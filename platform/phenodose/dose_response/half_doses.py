"""IC50 of every curve with its interval, as a table beside the curves.

Belongs here: which doses are told and their columns. Does not belong here: the doses themselves (`score_functions`) and
how an interval is read off the draws (`scoring`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.score_functions import half_effect_target, inhibitory_dose
from phenodose.dose_response.scoring import values_with_intervals

if TYPE_CHECKING:
    import pandas as pd


def _half_viability(curves: CurveBatch) -> np.ndarray:
    return np.full(len(curves), 0.5)


#: Name -> inhibition (fraction) that the dose has, (n,): half of all cells, and half way between the asymptotes.
DOSES: dict[str, Callable[[CurveBatch], np.ndarray]] = {"abs_ic50": _half_viability, "rel_ic50": half_effect_target}
_ENDINGS = ("nM", "bound", "lower_nM", "upper_nM", "lower_bound", "upper_bound")
#: Columns of `half_doses`.
HALF_DOSE_COLUMNS: tuple[str, ...] = tuple(f"{name}_{ending}" for name in DOSES for ending in _ENDINGS)


def half_doses(curves: CurveBatch) -> pd.DataFrame:
    """The doses of every curve, the numbers that the scorers of the same names give.

    Args:
        curves: fitted curves; with draws every dose has an interval.

    Returns:
        One row a curve with `HALF_DOSE_COLUMNS`: dose [nM], its bound ('=', or '<' and '>' where the tested doses do
        not reach it), ends of the 95 % interval [nM] and their bounds (missing without draws or dose).
    """
    import pandas as pd

    columns: dict[str, object] = {}
    for name, target in DOSES.items():

        def dose(
            some: CurveBatch, target: Callable[[CurveBatch], np.ndarray] = target
        ) -> tuple[np.ndarray, np.ndarray]:
            return inhibitory_dose(some, target(some))

        found = values_with_intervals(curves, dose)
        known = np.isfinite(found.value)
        of_dose = (found.value, np.where(known, found.bound, np.full(len(curves), None)), found.lower, found.upper)
        values = (*of_dose, found.lower_bound, found.upper_bound)
        columns |= {f"{name}_{ending}": each for ending, each in zip(_ENDINGS, values, strict=True)}
    return pd.DataFrame(columns, columns=list(HALF_DOSE_COLUMNS))
