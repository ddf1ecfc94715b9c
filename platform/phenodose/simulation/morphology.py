"""What the spheroids of a simulated sample look like, and what becomes of their dead cells.

Belongs here: the settings in which samples differ. Does not belong here: drawing (`spheroid`), and how much
a drug kills (`pharmacology`).

Sizes, brightness and ways of dying were chosen for being different, not for being easy or hard to read.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from phenodose.errors import InputError
from phenodose.simulation.pharmacology import Death


@dataclass(frozen=True)
class Dying:
    """What becomes of dead cells, shares and strengths at viability 0.

    Attributes:
        condensed: share that turn into one small, bright nucleus.
        fragmented: share that fall into several bright pieces.
        swollen: share that turn into a large, faint ghost.
        clumped: share that turn into a bright, long clump.
        lost: share that leave no trace.
        shrink: loss of spheroid radius, fraction.
        loosen: how far dead cells are shed, fraction of the radius.
        ragged: departure of the outline from a ball, fraction.
    """

    condensed: float
    fragmented: float
    swollen: float
    clumped: float
    lost: float
    shrink: float
    loosen: float
    ragged: float


#: The ways of dying of `pharmacology.Death`.
DEATHS: dict[Death, Dying] = {
    "apoptosis": Dying(0.50, 0.32, 0.10, 0.08, lost=0.38, shrink=0.18, loosen=0.20, ragged=0.20),
    "shrinkage": Dying(0.80, 0.12, 0.03, 0.05, lost=0.34, shrink=0.26, loosen=0.20, ragged=0.16),
    "fragmentation": Dying(0.22, 0.70, 0.04, 0.04, lost=0.28, shrink=0.10, loosen=0.36, ragged=0.28),
    "swelling": Dying(0.46, 0.20, 0.30, 0.04, lost=0.28, shrink=0.04, loosen=0.18, ragged=0.18),
    "mitotic": Dying(0.34, 0.14, 0.04, 0.48, lost=0.34, shrink=0.14, loosen=0.20, ragged=0.24),
    "lysis": Dying(0.03, 0.02, 0.95, 0.00, lost=0.15, shrink=0.00, loosen=0.12, ragged=0.12),
}


@dataclass(frozen=True)
class Morphology:
    """How a sample looks under the microscope.

    Attributes:
        name: name in `MORPHOLOGIES`.
        radius_um: radius of a living spheroid.
        packing: share of its volume that nuclei fill.
        nucleus_um: radius of a living nucleus; remains of dead cells scale with it.
        stain: counts of a living nucleus at gain 1.
        staining_spread: standard deviation of the log of a well's staining.
        plate_staining_spread: standard deviation of the log of a plate's staining.
        dead_cells: what becomes of the dead cells of this sample; None leaves it to the drug.
        drug_share: how far drugs kill their own way, from 0 (all kill as staurosporine, the killing control, does) to
            1 (the control alone kills the sample's way).
    """

    name: str
    radius_um: float = 84.0
    packing: float = 0.36
    nucleus_um: float = 5.2
    stain: float = 7000.0
    staining_spread: float = 0.25
    plate_staining_spread: float = 0.15
    dead_cells: Dying | None = None
    drug_share: float = 0.0

    def dying(self, death: Death) -> Dying:
        """What a drug's way of dying looks like in this sample; lysis dissolves all samples alike."""
        if self.dead_cells is None or death == "lysis":
            return DEATHS[death]
        if death == "apoptosis":  # staurosporine's
            return self.dead_cells
        both = zip(astuple(DEATHS[death]), astuple(self.dead_cells), strict=True)
        return Dying(*(self.drug_share * drug + (1 - self.drug_share) * own for drug, own in both))


#: Name -> what a sample looks like.
MORPHOLOGIES: dict[str, Morphology] = {
    morphology.name: morphology
    for morphology in (
        Morphology("rounded"),
        Morphology(
            "detaching",
            radius_um=66.0,
            packing=0.30,
            nucleus_um=5.8,
            stain=4200.0,
            dead_cells=Dying(0.60, 0.25, 0.05, 0.10, lost=0.62, shrink=0.30, loosen=0.55, ragged=0.24),
        ),
        Morphology(
            "fragmenting",
            radius_um=92.0,
            packing=0.40,
            nucleus_um=4.6,
            stain=9500.0,
            staining_spread=0.50,
            plate_staining_spread=0.25,
            dead_cells=Dying(0.10, 0.84, 0.02, 0.04, lost=0.15, shrink=0.05, loosen=0.25, ragged=0.25),
        ),
        Morphology(
            "swelling",
            radius_um=76.0,
            packing=0.34,
            nucleus_um=5.4,
            stain=6000.0,
            staining_spread=0.15,
            plate_staining_spread=0.10,
            dead_cells=Dying(0.12, 0.06, 0.80, 0.02, lost=0.12, shrink=-0.12, loosen=0.15, ragged=0.14),
        ),
    )
}


def morphology_of(name: str) -> Morphology:
    """The morphology of that name.

    Raises:
        InputError: there is none.
    """
    if name not in MORPHOLOGIES:
        raise InputError(f"morphology {name!r} is unknown; there are: {', '.join(MORPHOLOGIES)}.")
    return MORPHOLOGIES[name]
