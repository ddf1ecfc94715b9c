"""The combination sensitivity score: how much two drugs inhibit together, interaction or not.

Source: Malyutina et al. 2019 (PLoS Comput. Biol. 15:e1006752). One drug stays at its relative IC50, the dose of half
its own largest effect, while the other goes through its doses; the area under inhibition over log10 dose, as a share of
the area at 100 %, is the score of that drug on top of the other, and CSS is the mean of both, from 0 to 100.

A matrix seldom has wells at the IC50: inhibition there is read from the curves along the background drug that ZIP fits
at every dose of the other (`zip_model`); an IC50 outside the tested doses stands at their nearest end. The area goes
from the lowest to the highest dose by the trapezoidal rule.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from phenodose.combinations.dose_matrix import Cells
from phenodose.combinations.hill import LEAST_DOSES, Hills
from phenodose.combinations.zip_model import Fits, why_no_curve


class Sensitivity(NamedTuple):
    """CSS of a matrix: value and draws (draws,) in percent, NaN without a score; status 'ok' or why there is none."""

    value: float
    drawn: np.ndarray
    status: str


def sensitivity(cells: Cells, fits: Fits | None, drawn: Fits | None) -> Sensitivity:
    """The score of a matrix from its fits, and of draws of them, each at its own IC50s.

    Curves with fewer than `LEAST_DOSES` doses are passed over; the score needs two others of either drug.
    """
    none = np.full(0, np.nan)
    if not len(cells.pairs[0]):
        return Sensitivity(np.nan, none, "no wells with both drugs")
    if fits is None or drawn is None:
        return Sensitivity(np.nan, none, why_no_curve(cells))
    there = cells.number[1:, 1:] > 0
    parts = []
    # the first drug goes through its doses, each with a curve along the second; then the other way round
    for along, doses, background, usable, of in (
        ("columns", cells.first_nM, cells.second_nM, there.sum(axis=1) >= LEAST_DOSES, 1),
        ("rows", cells.second_nM, cells.first_nM, there.sum(axis=0) >= LEAST_DOSES, 0),
    ):
        if usable.sum() < 2:
            return Sensitivity(np.nan, none, f"CSS needs two doses with {LEAST_DOSES} doses of the other drug")
        ends = np.log10(background[[0, -1]])
        areas = []
        for one in (fits, drawn):
            ic50 = np.clip(one.alone[of].mid, *ends)
            areas.append(_area(getattr(one, along), np.log10(doses), ic50, usable))
        parts.append(areas)
    value, draws = (100 * (one + other) / 2 for one, other in zip(*parts, strict=True))
    return Sensitivity(float(value[0]), draws, "ok")


def _area(curves: Hills, x: np.ndarray, ic50: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Mean inhibition over log10 doses `x` with the background at its IC50 (draws,), from curves (draws * d)."""
    effect = curves.at(np.repeat(ic50, len(x))[:, None]).reshape(-1, len(x))[:, usable]
    x = x[usable]
    return np.asarray(np.trapezoid(effect, x, axis=1) / (x[-1] - x[0]))
