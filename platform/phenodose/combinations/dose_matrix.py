"""The wells of two drugs in several doses, singly and together.

Belongs here: what a dose matrix is, and its wells summed up by dose pair. Does not belong here: what is computed of
them (`excess`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from phenodose.errors import InputError

#: Doses are told apart to so many decimals of log10 nM.
_DECIMALS = 9
#: How messages call the two; whoever knows their names puts them in.
DRUGS = ("the first drug", "the second drug")


@dataclass(frozen=True)
class DoseMatrix:
    """Wells of two drugs. Full matrices, partial ones and single ratios alike: a dose pair without wells is not there.

    Attributes:
        first_nM, second_nM: float64 (n,), doses of a well [nM]; 0 = without that drug.
        inhibition: float64 (n,), fraction against cells without any drug (not against one drug's own controls), not
            clamped; NaN for a well that does not count.

    Raises:
        InputError: the arrays differ in length, or a dose is negative or no number.
    """

    first_nM: np.ndarray
    second_nM: np.ndarray
    inhibition: np.ndarray

    def __post_init__(self) -> None:
        for name in ("first_nM", "second_nM", "inhibition"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        shapes = {self.first_nM.shape, self.second_nM.shape, self.inhibition.shape}
        if len(shapes) != 1 or self.first_nM.ndim != 1:
            raise InputError(
                f"dose matrix: first_nM is {self.first_nM.shape}, second_nM {self.second_nM.shape} and inhibition "
                f"{self.inhibition.shape}; give one value of each for every well."
            )
        for name in ("first_nM", "second_nM"):
            doses = getattr(self, name)
            bad = doses[~(np.isfinite(doses) & (doses >= 0))]
            if len(bad):
                raise InputError(f"dose matrix: {name} has {bad[0]}; give doses in nM from 0 (0 = without that drug).")

    def swapped(self) -> DoseMatrix:
        """The same wells with the drugs in the other order."""
        return DoseMatrix(self.second_nM, self.first_nM, self.inhibition)


class Cells(NamedTuple):
    """A dose matrix summed up by dose pair; place 0 on either axis is the dose 0.

    Attributes:
        first_nM: float64 (d1,), the doses of the first drug above 0, ascending.
        second_nM: float64 (d2,), likewise.
        mean: float64 (1 + d1, 1 + d2), mean inhibition of the wells of a pair, fraction; NaN without wells.
        number: int64 (1 + d1, 1 + d2), how many wells.
    """

    first_nM: np.ndarray
    second_nM: np.ndarray
    mean: np.ndarray
    number: np.ndarray

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Places (i, j) of the dose pairs with wells, both doses above 0, sorted by dose; int64 (p,) each."""
        i, j = np.nonzero(self.number[1:, 1:])
        return i + 1, j + 1

    def swapped(self) -> Cells:
        """The same with the drugs in the other order."""
        return Cells(self.second_nM, self.first_nM, self.mean.T, self.number.T)


def cells_of(matrix: DoseMatrix) -> Cells:
    """Sum up the wells of a matrix by dose pair; wells without a finite inhibition do not count."""
    counts = np.isfinite(matrix.inhibition)
    y = matrix.inhibition[counts]
    (first, i), (second, j) = (_doses(doses[counts]) for doses in (matrix.first_nM, matrix.second_nM))
    number = np.zeros((len(first) + 1, len(second) + 1), dtype=np.int64)
    total = np.zeros(number.shape)
    np.add.at(number, (i, j), 1)
    np.add.at(total, (i, j), y)
    with np.errstate(invalid="ignore"):
        return Cells(first, second, total / number, number)


def _doses(doses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different doses above 0, ascending, and the place of each well's dose among them from 1; 0 for dose 0."""
    given = doses > 0
    _, first, place = np.unique(np.log10(doses[given]).round(_DECIMALS), return_index=True, return_inverse=True)
    at = np.zeros(len(doses), dtype=np.int64)
    at[given] = place + 1
    return doses[given][first], at
