"""Whether the wells determine where a curve lies.

Belongs here: the flag `identifiable` of the curves table and its reason. Does not belong here: the draws it is
made of (`posterior`).

A curve is identifiable if the 95 % interval of its half-effect dose, the dose half way between its asymptotes,
lies within the tested range: then the wells alone place the curve (practical identifiability of Raue et al.
2009, Bioinformatics 25:1923, with the tested range for infinity). A flat curve has a half-effect dose anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenodose.dose_response.intervals import interval_ends
from phenodose.dose_response.models import LN10

if TYPE_CHECKING:
    from phenodose.dose_response.curves import CurveBatch


def half_effect_log10_dose(parameters: np.ndarray) -> np.ndarray:
    """log10 of the dose half way between the asymptotes; parameters (..., 5) in the order of `models.PARAMETERS`."""
    mid, slope, asymmetry = parameters[..., 2], parameters[..., 3], parameters[..., 4]
    with np.errstate(all="ignore"):
        power = np.log(2.0) / asymmetry
        exponent = np.where(power > 30, power, np.log(np.expm1(np.minimum(power, 30.0))))
        return np.asarray(mid - exponent / (LN10 * slope))


def identifiable(curves: CurveBatch) -> tuple[np.ndarray, np.ndarray]:
    """Whether each curve is identifiable, and why not.

    Returns:
        object (n,): True or False, None without draws or curve; text (n,): None where the first is not False.
    """
    n = len(curves)
    flag, reason = np.full(n, None, dtype=object), np.full(n, None, dtype=object)
    if curves.draws is None:
        return flag, reason
    known = np.flatnonzero(curves.fitted & np.isfinite(curves.draws).all(axis=(1, 2)))
    if not len(known):
        return flag, reason
    half = half_effect_log10_dose(curves.draws[known])
    low, high = interval_ends(half)
    least, most = np.log10(curves.min_dose_nM), np.log10(curves.max_dose_nM)
    for index, i in enumerate(known):
        beyond = []
        if low[index] < least[i]:
            beyond.append(f"below the lowest tested dose ({curves.min_dose_nM[i]:.4g} nM)")
        if high[index] > most[i]:
            beyond.append(f"above the highest tested dose ({curves.max_dose_nM[i]:.4g} nM)")
        flag[i] = not beyond
        if beyond:
            reason[i] = f"the half-effect dose may lie {' or '.join(beyond)}."
    return flag, reason
