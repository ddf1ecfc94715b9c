"""The contract of measures of two drugs together: a dose matrix becomes numbers that tell how far the drugs interact.

Belongs here: the bases: `ExcessMeasure` for what is expected without interaction, dose pair by dose pair, and
`MatrixMeasure` for one number a matrix. Does not belong here: single drugs, curves, intervals and verdicts
(`phenodose.combinations`), which the platform makes for every measure.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from phenodose.plugins.base import Plugin

if TYPE_CHECKING:
    import numpy as np

    from phenodose.combinations.effects import PairEffects


class CombinationMeasure(Plugin):
    """Base of all measures; a plugin subclasses one of those below."""

    #: Unit of its number.
    unit: ClassVar[str] = ""
    #: On which side of 0 its number means synergy; '' for a measure that does not tell interaction.
    synergy: ClassVar[Literal["above", "below", ""]] = ""
    #: What it needs of a matrix: 'wells' of each drug alone at the doses of a pair (or a curve between them), 'curves'
    #: of both drugs alone, or a fitted 'surface', for which every row and column of the matrix needs three doses. What
    #: a matrix lacks is its `status`, and the measure is not asked.
    basis: ClassVar[Literal["wells", "curves", "surface"]] = "wells"
    #: Whether it has a number for every dose pair.
    per_pair: ClassVar[bool] = False
    #: The formula in one line, for the docs.
    formula: ClassVar[str] = ""
    #: Where the formula comes from: paper and section.
    source: ClassVar[str] = ""


class ExcessMeasure(CombinationMeasure):
    """What two drugs do together beyond what would be expected if they did not interact.

    The excess of a dose pair is what was seen minus what is expected, in percentage points of inhibition; above 0 it is
    synergy. Seen is the mean of the wells, or the fitted surface where `basis` is 'surface'. The mean over the dose
    pairs is the number of the matrix.
    """

    unit: ClassVar[str] = "percentage points"
    synergy: ClassVar[Literal["above", "below", ""]] = "above"
    per_pair: ClassVar[bool] = True

    @abstractmethod
    def expected(self, effects: PairEffects) -> np.ndarray:
        """The effect of every dose pair without interaction.

        Args:
            effects: a dose matrix, n times.

        Returns:
            float64 (n, a, b), inhibition as a fraction; NaN where nothing is expected.

        Raises:
            NotMade: the matrix lacks what the measure needs; the reason becomes its status.
        """

    def expected_of_draws(self, effects: PairEffects) -> np.ndarray:
        """The same of draws, for the intervals; only where a formula is biased by noise does it differ."""
        return self.expected(effects)


class MatrixMeasure(CombinationMeasure):
    """One number a dose matrix."""

    @abstractmethod
    def value(self, effects: PairEffects) -> np.ndarray:
        """The number of a matrix, in the measure's unit.

        Args:
            effects: a dose matrix, n times: of its wells (n is 1), and of draws for the interval.

        Returns:
            float64 (n,); NaN where there is none.

        Raises:
            NotMade: the matrix lacks what the measure needs; the reason becomes its status.
        """
