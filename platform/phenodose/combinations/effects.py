"""What is known of a dose matrix, as a measure of two drugs together is given it.

Belongs here: the effects of either drug alone and of both, with their curves, and whether what a measure made of them
can be used. Does not belong here: where they come from (`single_drugs`, `zip_model`) and the measures (plugins).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from phenodose.combinations.dose_matrix import Cells
from phenodose.combinations.hill import LEAST_DOSES, Hills
from phenodose.combinations.single_drugs import Alone
from phenodose.combinations.zip_model import Fits
from phenodose.dose_response.models import inhibition


@dataclass(frozen=True)
class PairEffects:
    """One dose matrix of a doses of the first drug and b of the second, n times: its wells once, or n draws of them.

    An effect is inhibition as a fraction of cells without any drug, not clamped. Curves have the parameters
    `dose_response.models.PARAMETERS`: bottom, top, log10 of the mid dose in nM, slope, asymmetry.

    Attributes:
        first_nM: float64 (a,), doses of the first drug above 0, ascending.
        second_nM: float64 (b,), likewise of the second.
        n_wells: int64 (a, b), wells with both; 0 for a dose pair that was not tested.
        first: float64 (n, a), effect of the first drug alone at its doses: the mean of its wells, or its curve at a
            dose without wells; a draw is of its curve. NaN where nothing is known.
        second: float64 (n, b), likewise of the second.
        together: float64 (n, a, b), effect of both, the mean of the wells; NaN for a pair that was not tested.
        first_curve: float64 (n, 5), curve of the first drug alone: of the wells the best Hill curve, of draws one as
            probable as its wells make it. NaN with fewer than three doses.
        second_curve: float64 (n, 5), likewise.
        along_first: float64 (n, b, 5), curve of the first drug at every dose of the second, whose bottom is the
            second's own effect there. NaN where fewer than three doses were tested.
        along_second: float64 (n, a, 5), likewise of the second drug at every dose of the first.
        first_bottoms: float64 (n, 5), the Hill curve of the first drug alone that `along_second` begins on; of the
            wells it is `first_curve`, of draws a Hill curve too.
        second_bottoms: float64 (n, 5), likewise.
    """

    first_nM: np.ndarray
    second_nM: np.ndarray
    n_wells: np.ndarray
    first: np.ndarray
    second: np.ndarray
    together: np.ndarray
    first_curve: np.ndarray
    second_curve: np.ndarray
    along_first: np.ndarray
    along_second: np.ndarray
    first_bottoms: np.ndarray
    second_bottoms: np.ndarray

    @property
    def x1(self) -> np.ndarray:
        """float64 (a,), log10 doses of the first drug in nM."""
        return np.asarray(np.log10(self.first_nM))

    @property
    def x2(self) -> np.ndarray:
        """float64 (b,), likewise of the second."""
        return np.asarray(np.log10(self.second_nM))

    @property
    def shape(self) -> tuple[int, int, int]:
        """n, a and b."""
        return len(self.together), len(self.first_nM), len(self.second_nM)

    @property
    def surface(self) -> np.ndarray:
        """float64 (n, a, b), the fitted effect of both: the mean of the curves along row and column at each pair."""
        along_first = at_doses(self.along_first, self.x1).transpose(0, 2, 1)
        return np.asarray((along_first + at_doses(self.along_second, self.x2)) / 2)


def at_doses(curves: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The effects (..., m) of curves (..., 5) at log10 doses (m,)."""
    return np.asarray(inhibition(x, *(column[..., None] for column in np.moveaxis(curves, -1, 0))))


def effects_of_wells(cells: Cells, alone: list[Alone], fits: Fits | None) -> PairEffects:
    """A matrix as its wells show it: n is 1."""
    first, second = (one.expected[None] for one in alone)
    curves = None if fits is None else fits.alone
    return _effects(cells, (first, second), cells.mean[None, 1:, 1:], _parameters(curves, 1), fits)


def effects_of_draws(
    cells: Cells, alone: list[Alone], curves: np.ndarray, together: np.ndarray, fits: Fits | None
) -> PairEffects:
    """Draws of a matrix.

    Args:
        cells: the matrix.
        alone: the drugs alone, with their draws.
        curves: float64 (2, n, 5), draws of the curves of either drug alone.
        together: float64 (n, p), draws of the effect of every pair with wells, in the order of `Cells.pairs`.
        fits: the Hill curves of the same draws; None where a drug has too few doses.
    """
    i, j = cells.pairs
    every = np.full((len(together), len(cells.first_nM), len(cells.second_nM)), np.nan)
    every[:, i - 1, j - 1] = together
    return _effects(cells, (alone[0].drawn, alone[1].drawn), every, (curves[0], curves[1]), fits)


def _effects(
    cells: Cells,
    alone: tuple[np.ndarray, np.ndarray],
    together: np.ndarray,
    curves: tuple[np.ndarray, np.ndarray],
    fits: Fits | None,
) -> PairEffects:
    n, (a, b) = len(together), together.shape[1:]
    along_first, along_second = np.full((n, b, 5), np.nan), np.full((n, a, 5), np.nan)
    if fits is not None:
        there = cells.number[1:, 1:] > 0
        for along, hills, tested in (
            (along_first, fits.rows, there.sum(axis=0)),
            (along_second, fits.columns, there.sum(axis=1)),
        ):
            enough = tested >= LEAST_DOSES
            along[:, enough] = hills.parameters.reshape(n, -1, 5)[:, enough]
    bottoms = _parameters(None if fits is None else fits.alone, n)
    return PairEffects(
        cells.first_nM,
        cells.second_nM,
        cells.number[1:, 1:],
        *alone,
        together,
        *curves,
        along_first,
        along_second,
        *bottoms,
    )


def _parameters(alone: tuple[Hills, Hills] | None, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of the two drugs' Hill curves (n, 5); NaN without them."""
    if alone is None:
        return np.full((n, 5), np.nan), np.full((n, 5), np.nan)
    return alone[0].parameters, alone[1].parameters


# --- what measures give ---------------------------------------------------------------------------


def expected_fault(effects: PairEffects, result: Any) -> str:
    """Why an expected effect of every dose pair cannot be used, as a part of a sentence; '' if it can."""
    if fault := _numbers_fault(result, effects.shape, "(n, a, b), one for every dose pair"):
        return fault
    known = np.isfinite(effects.first)[:, :, None] & np.isfinite(effects.second)[:, None, :]
    # without curves there may be nothing that a measure of curves expects
    curves = np.isfinite(effects.first_curve).any() and np.isfinite(effects.second_curve).any()
    if known.any() and curves and np.isnan(result).all():
        return f"gave NaN everywhere: none of {known[0].sum()} dose pairs has an expected effect"
    return ""


def value_fault(effects: PairEffects, result: Any) -> str:
    """Why the values of a matrix cannot be used, as a part of a sentence; '' if they can."""
    return _numbers_fault(result, effects.shape[:1], "(n,), one for every draw")


def _numbers_fault(result: Any, shape: tuple[int, ...], words: str) -> str:
    if not isinstance(result, np.ndarray) or result.shape != shape:
        got = f"an array {result.shape}" if isinstance(result, np.ndarray) else f"a {type(result).__name__}"
        return f"gave {got} where floats {shape} are meant: {words}"
    if result.dtype.kind not in "fiu":
        return f"gave {result.dtype} where floats are meant"
    if np.isinf(result).any():
        return "gave an infinite number; NaN says that there is none"
    return ""
