"""What the simulated drugs do: true dose-response curves, classes and ways of dying.

Belongs here: the drugs of a simulated library and their true curves. Does not belong here: where they
stand on the plates (`design`), what dying looks like (`spheroid`), fitting (`phenodose.dose_response`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: How cells of a class of drugs look when they die; `spheroid.DEATHS` says what each means.
Death = Literal["apoptosis", "shrinkage", "fragmentation", "swelling", "mitotic", "lysis"]

#: Doses of a dilution series.
N_DOSES = 5
#: Largest share of the ideal curve's area that a simulated drug reaches; DSS_asym is about 50 times it.
_LARGEST_AREA = 0.76
_LOWEST_DOSES_NM = (0.1, 0.5, 1.0, 5.0, 10.0)


@dataclass(frozen=True)
class TrueCurve:
    """Inhibition over x = log10 dose [nM]: bottom + (top - bottom) (1 + 10^((log10_mid - x) slope))^(-asymmetry).

    Attributes:
        bottom: inhibition at dose 0, fraction.
        top: inhibition at infinite dose, fraction.
        log10_mid: log10 of the mid dose in nM.
        slope: Hill slope.
        asymmetry: exponent; 1 gives the symmetric curve.
    """

    bottom: float
    top: float
    log10_mid: float
    slope: float
    asymmetry: float = 1.0

    def inhibition(self, dose_nM: ArrayLike) -> NDArray[np.float64]:
        """Inhibition as a fraction at each dose in nM; `bottom` at dose 0."""
        dose = np.asarray(dose_nM, dtype=np.float64)
        with np.errstate(divide="ignore"):
            x = np.log10(dose)
        with np.errstate(over="ignore"):
            rise = (1.0 + 10.0 ** ((self.log10_mid - x) * self.slope)) ** -self.asymmetry
        return np.asarray(self.bottom + (self.top - self.bottom) * rise, dtype=np.float64)

    def dose_at(self, inhibition: float) -> float:
        """Dose in nM at which the curve reaches `inhibition`; NaN where it never does."""
        if not self.bottom < inhibition < self.top:
            return float("nan")
        odds = ((self.top - self.bottom) / (inhibition - self.bottom)) ** (1.0 / self.asymmetry) - 1.0
        return float(10.0 ** (self.log10_mid - np.log10(odds) / self.slope))


@dataclass(frozen=True)
class Drug:
    """A simulated treatment.

    Attributes:
        name: as in the layout.
        drug_class: class of the drug.
        targets: target genes.
        death: how its cells die.
        doses_nM: tested doses, ascending.
        curve: its true curve.
    """

    name: str
    drug_class: str
    targets: tuple[str, ...]
    death: Death
    doses_nM: tuple[float, ...]
    curve: TrueCurve

    def viability(self, dose_nM: ArrayLike) -> NDArray[np.float64]:
        """True viability as a fraction: 1 - inhibition."""
        return 1.0 - self.curve.inhibition(dose_nM)


#: The killing control of the imaging readouts, also the therapy-response control.
STAUROSPORINE = Drug(
    "Staurosporine",
    "kinase inhibitor, unselective",
    ("PRKCA", "PRKCB"),
    "apoptosis",
    (0.1, 1.0, 10.0, 100.0, 1000.0),
    TrueCurve(0.0, 1.0, float(np.log10(12.0)), 1.6),
)

# Abbreviation, class, targets, death. Drugs are named SIM-<abbreviation>-<number>: no drug is called so.
_CLASSES: tuple[tuple[str, str, tuple[str, ...], Death], ...] = (
    ("MEK", "MEK inhibitor", ("MAP2K1", "MAP2K2"), "shrinkage"),
    ("BCL", "BH3 mimetic", ("BCL2", "BCL2L1"), "fragmentation"),
    ("PSM", "proteasome inhibitor", ("PSMB5",), "swelling"),
    ("TUB", "microtubule inhibitor", ("TUBB",), "mitotic"),
    ("TRK", "TRK inhibitor", ("NTRK1", "NTRK2", "NTRK3"), "shrinkage"),
    ("HDAC", "HDAC inhibitor", ("HDAC1", "HDAC2"), "swelling"),
    ("PLK", "PLK1 inhibitor", ("PLK1",), "mitotic"),
    ("IAP", "IAP antagonist", ("BIRC2", "XIAP"), "fragmentation"),
)


def drug_library(n: int, seed: int) -> list[Drug]:
    """A library of `n` drugs whose potencies are spread over the whole scale, by name.

    The area under the true curve rises from drug to drug in even, widening steps from inactive to strong,
    so that the true ranking has no ties; every third drug of the middle reaches only part of full effect.
    Which drug takes which place, slope and dose range follows from `seed`: another seed is another patient.
    """
    rng = np.random.default_rng([seed, 1])
    place = rng.permutation(n)
    areas = _LARGEST_AREA * np.linspace(1.0, 0.0, n) ** 1.2
    drugs = [_drug(index, int(place[index]), float(areas[place[index]]), rng) for index in range(n)]
    return sorted(drugs, key=lambda drug: drug.name)


def _drug(index: int, place: int, area: float, rng: np.random.Generator) -> Drug:
    abbreviation, drug_class, targets, death = _CLASSES[index % len(_CLASSES)]
    lowest = float(rng.choice(_LOWEST_DOSES_NM))
    doses = tuple(float(np.round(lowest * 10.0**step, 6)) for step in range(N_DOSES))
    return Drug(
        f"SIM-{abbreviation}-{index // len(_CLASSES) + 1}",
        drug_class,
        targets,
        death,
        doses,
        _curve(area, place, doses, rng),
    )


def _curve(area: float, place: int, doses: tuple[float, ...], rng: np.random.Generator) -> TrueCurve:
    """A curve that covers about `area` of the rectangle between the lowest and highest dose and 0 and 1."""
    partial = place % 3 == 1 and 0.1 < area < 0.4
    top = float(rng.uniform(0.52, 0.62) if partial else rng.uniform(0.93, 1.0))
    slope = float(rng.uniform(0.9, 1.8))
    asymmetry = float(rng.choice([1.0, 1.0, 0.7, 1.4]))
    if area == 0.0:
        return TrueCurve(0.0, 0.02, float(np.log10(doses[-1])), slope)
    decades = np.log10(doses[-1] / doses[0])
    # A curve that starts at its half-effect dose H covers about top * (log10 max - H): solve for H.
    half = np.log10(doses[-1]) - decades * area / top
    # Distance of the half-effect dose from the mid parameter when the curve is asymmetric.
    shift = np.log10(2.0 ** (1.0 / asymmetry) - 1.0) / slope
    return TrueCurve(0.0, top, float(half + shift), slope, asymmetry)
