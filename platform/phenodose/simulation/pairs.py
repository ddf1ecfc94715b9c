"""Dose matrices of two drugs on simulated plates: where their wells stand, what they are, and their truth.

Belongs here: the plates of the pairs, the true viability of their wells, and the rows of the truth. Does not belong
here: the true surfaces (`dose_matrices`), plates of single drugs (`design`), writing files (`screen`, `truth`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from phenodose.simulation.design import REPLICATES, Content, PlannedWell, fill, plate_controls
from phenodose.simulation.dose_matrices import Interaction, TrueMatrix, simulate_matrices

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator

#: Pairs on a plate, each in duplicate, beside the controls.
PAIRS_A_PLATE = 3
_DOSES = 5
PAIR_COLUMNS = (
    *("drug", "add_on", "kind", "concentration_nM", "add_on_concentration_nM", "inhibition_percent"),
    *("model", "expected_percent", "excess_percent"),
)


@dataclass(frozen=True)
class SimulatedPair:
    """Two drugs that are given alone and together.

    Attributes:
        drug: the first drug; the second is given by itself as a drug too.
        add_on: the second drug, in the layout's column AddOn where both are given.
        true: their true surface.
    """

    drug: str
    add_on: str
    true: TrueMatrix

    def contents(self, replicate: int) -> Iterator[Content]:
        """The wells of one replicate: each drug alone in five doses, and all 25 pairs of doses."""
        for first in self.first_doses:
            for second in self.second_doses:
                if first > 0:
                    both = (self.add_on, second) if second > 0 else (None, None)
                    yield Content("therapy", self.drug, first, replicate, *both)
                elif second > 0:
                    yield Content("therapy", self.add_on, second, replicate)

    @property
    def first_doses(self) -> list[float]:
        """Doses of the first drug [nM], 0 first, as the layout says them: six digits."""
        return _six_digits(self.true.first_nM)

    @property
    def second_doses(self) -> list[float]:
        """Likewise of the second."""
        return _six_digits(self.true.second_nM)

    def viability(self) -> dict[tuple[object, ...], float]:
        """What a well holds (see `key`) -> true viability, fraction."""
        return {key(content): 1.0 - self._inhibition(content) for content in self.contents(replicate=1)}

    def _inhibition(self, content: Content) -> float:
        alone = content.treatment == self.add_on
        first = 0.0 if alone else content.concentration_nM
        second = content.concentration_nM if alone else content.add_on_concentration_nM or 0.0
        i, j = self.first_doses.index(first or 0.0), self.second_doses.index(second or 0.0)
        return float(self.true.inhibition[i, j])


def key(content: Content) -> tuple[object, ...]:
    """What a well holds, without its replicate."""
    return content.treatment, content.concentration_nM, content.add_on, content.add_on_concentration_nM


def simulated_pairs(n: int, seed: int) -> list[SimulatedPair]:
    """`n` pairs named SIM-PAIR-1A and SIM-PAIR-1B, ...; Bliss-independent, Loewe-additive, synergy, antagonism in turn.

    The surfaces depend on `seed` alone: screens of one seed are screens of one sample.
    """
    kinds: tuple[Interaction, ...] = get_args(Interaction)
    drawn = {kind: iter(simulate_matrices(kind, -(-n // len(kinds)), seed, _DOSES, noise=0.0)) for kind in kinds}
    return [
        SimulatedPair(f"SIM-PAIR-{place + 1}A", f"SIM-PAIR-{place + 1}B", next(drawn[kinds[place % len(kinds)]]))
        for place in range(n)
    ]


def pair_plates(pairs: Sequence[SimulatedPair], after: int, rng: Generator) -> list[PlannedWell]:
    """All wells of the plates of the pairs, three pairs in duplicate on each, beside the controls of any plate.

    Args:
        pairs: the pairs.
        after: plates before these; the first of them is P(after + 1).
        rng: places the wells.
    """
    wells: list[PlannedWell] = []
    for start in range(0, len(pairs), PAIRS_A_PLATE):
        contents = plate_controls()
        for pair in pairs[start : start + PAIRS_A_PLATE]:
            for replicate in REPLICATES:
                contents += pair.contents(replicate)
        wells += fill(f"P{after + 1 + start // PAIRS_A_PLATE}", contents, rng)
    return wells


def truth_rows(pairs: Sequence[SimulatedPair]) -> Iterator[tuple[object, ...]]:
    """One row a pair of doses and model, with `PAIR_COLUMNS`."""
    for pair in pairs:
        true = pair.true
        for i, first in enumerate(pair.first_doses[1:]):
            for j, second in enumerate(pair.second_doses[1:]):
                inhibition = 100 * float(true.inhibition[i + 1, j + 1])
                for model, surface in true.expected.items():
                    expected = 100 * float(surface[i, j])
                    yield (
                        *(pair.drug, pair.add_on, true.kind, first, second, inhibition),
                        *(model, expected, inhibition - expected),
                    )


def _six_digits(doses: np.ndarray) -> list[float]:
    return [float(f"{dose:.6g}") for dose in doses]
