"""Simulated dose matrices of two drugs whose interaction is known.

Belongs here: true surfaces that are Bliss-independent, Loewe-additive or interacting, and the wells they give. Does not
belong here: judging (`benchmarks/combinations.py`), whole screens (`screen`).

A drug alone is a Hill curve from no effect. The Loewe surface is solved here by halving, apart from the code that it
tests. Interacting pairs are Bliss-independent but for one thing: the second drug makes the first more or less potent,
its half-effect dose moving by up to so many decades with the second drug's effect (a potency shift, as in Yadav et al.
2015, Comput. Struct. Biotechnol. J. 13:504, and Meyer et al. 2019, Cell Syst. 8:97).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from phenodose.combinations import DoseMatrix
from phenodose.errors import InputError

Interaction = Literal["bliss", "loewe", "synergy", "antagonism"]

#: Standard deviation of a well, fraction of inhibition.
NOISE = 0.05
_LOWEST_LOG10_NM = (-1.0, 0.0, 1.0)
_DECADES_A_DOSE = (0.5, 0.75, 1.0)
_SHIFT = (0.5, 1.5)


@dataclass(frozen=True)
class TrueMatrix:
    """A simulated pair of drugs.

    Attributes:
        matrix: the wells, each drug alone and both together, with noise.
        kind: what the pair is made as.
        first_nM, second_nM: float64 (d1,) and (d2,), the doses, 0 first.
        inhibition: float64 (d1, d2), the true surface, fraction.
        loewe: float64 (d1, d2), what Loewe additivity of the true single curves gives, fraction.
    """

    matrix: DoseMatrix
    kind: Interaction
    first_nM: np.ndarray
    second_nM: np.ndarray
    inhibition: np.ndarray
    loewe: np.ndarray

    @property
    def expected(self) -> dict[str, np.ndarray]:
        """Of the reference models 'hsa', 'bliss' and 'loewe': float64 (d1 - 1, d2 - 1), what the true curves give."""
        first, second = self.inhibition[1:, :1], self.inhibition[:1, 1:]
        either = np.maximum(first, second)
        return {"hsa": either, "bliss": 1 - (1 - first) * (1 - second), "loewe": self.loewe[1:, 1:]}


def simulate_matrices(
    kind: Interaction, n: int, seed: int, doses: int = 5, replicates: int = 1, noise: float = NOISE
) -> list[TrueMatrix]:
    """Draw n pairs of drugs and their wells.

    Args:
        kind: 'bliss', 'loewe', 'synergy' or 'antagonism'.
        n: number of pairs.
        seed: makes the draw repeatable.
        doses: of each drug, besides 0.
        replicates: wells of every pair of doses.
        noise: standard deviation of a well, fraction of inhibition.

    Raises:
        InputError: there is no such kind.
    """
    if kind not in get_args(Interaction):
        raise InputError(f"kind {kind!r}: there are {', '.join(get_args(Interaction))}.")
    random = np.random.default_rng([seed, get_args(Interaction).index(kind)])
    return [_pair(kind, doses, replicates, noise, random) for _ in range(n)]


@dataclass(frozen=True)
class _Hill:
    top: float
    mid: float
    slope: float

    def effect(self, dose_nM: np.ndarray, shift: np.ndarray | float = 0.0) -> np.ndarray:
        """Effect at each dose, with the mid dose raised by so many decades."""
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(self.top / (1 + 10 ** (self.slope * (self.mid + shift - np.log10(dose_nM)))))

    def dose(self, effect: np.ndarray) -> np.ndarray:
        """Dose of each effect; infinite where it is never reached."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            odds = effect / (self.top - effect)
            return np.asarray(np.where(effect < self.top, 10**self.mid * odds ** (1 / self.slope), np.inf))


def _pair(kind: Interaction, doses: int, replicates: int, noise: float, random: np.random.Generator) -> TrueMatrix:
    drugs, axes = [], []
    for _ in range(2):
        step, lowest = random.choice(_DECADES_A_DOSE), random.choice(_LOWEST_LOG10_NM)
        span = step * (doses - 1)
        drugs.append(
            _Hill(
                top=float(random.uniform(0.3, 1.0)),
                mid=float(lowest + span * random.uniform(0.1, 1.0)),
                slope=float(np.exp(random.normal(np.log(1.2), 0.35))),
            )
        )
        axes.append(np.concatenate([[0.0], 10 ** (lowest + step * np.arange(doses))]))
    first, second = np.meshgrid(*axes, indexing="ij")
    loewe = _loewe(drugs[0], drugs[1], first, second)
    true = loewe
    if kind != "loewe":
        decades = {"bliss": 0.0, "synergy": -1.0, "antagonism": 1.0}[kind] * random.uniform(*_SHIFT)
        beside = drugs[1].effect(second)
        true = 1 - (1 - drugs[0].effect(first, decades * beside)) * (1 - beside)
    wells = [np.tile(values.ravel(), replicates) for values in (first, second, true)]
    seen = wells[2] + noise * random.standard_normal(len(wells[2]))
    return TrueMatrix(DoseMatrix(wells[0], wells[1], seen), kind, axes[0], axes[1], true, loewe)


def _loewe(first: _Hill, second: _Hill, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The effect at which the doses are together one: a / A(effect) + b / B(effect) = 1, by halving.

    A drug that never reaches an effect would need infinitely much of it: its share is 0.
    """
    low, high = np.zeros(a.shape), np.full(a.shape, max(first.top, second.top))
    for _ in range(60):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.nan_to_num(a / first.dose(middle)) + np.nan_to_num(b / second.dose(middle))
        low, high = np.where(parts > 1, middle, low), np.where(parts > 1, high, middle)
    return np.asarray((low + high) / 2)
