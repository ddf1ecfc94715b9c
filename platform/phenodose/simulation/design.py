"""Where everything stands on the simulated plates.

Belongs here: which well of which plate holds which treatment, dose and replicate, and its viability. Does
not belong here: true curves (`pharmacology`) and how a layout file is written (`screen`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phenodose.errors import InputError
from phenodose.names import PLATE_FORMATS, row_label, well_name
from phenodose.simulation.pharmacology import STAUROSPORINE, Death, Drug

if TYPE_CHECKING:
    from numpy.random import Generator

ROWS, COLUMNS = PLATE_FORMATS[384]
#: Zero-based rows and one-based columns that hold cells: the inner 14 x 22 wells.
INNER = [(row, column) for row in range(1, ROWS - 1) for column in range(2, COLUMNS)]

KILLING_DOSE_NM = 250.0
LYSIS_DOSE_NM = 100_000.0
#: Wells of a full control experiment: 98 negative and 112 positive ones.
CONTROL_EXPERIMENT_WELLS = 210
REPLICATES = (1, 2)
_BIOLOGY_SPREAD = 0.03  # of a well's viability around the true curve


@dataclass(frozen=True)
class Content:
    """What a well holds: the layout's columns without its place."""

    well_type: str
    treatment: str | None
    concentration_nM: float | None
    replicate: int
    add_on: str | None = None
    add_on_concentration_nM: float | None = None


@dataclass(frozen=True)
class PlannedWell:
    """A well and what it holds."""

    plate: str
    row: str
    column: int
    content: Content

    @property
    def well(self) -> str:
        """Name of the well, such as B07."""
        return well_name(self.row, self.column)

    @property
    def has_cells(self) -> bool:
        """False for wells with medium only; they are not imaged."""
        return self.content.well_type != "empty"


@dataclass(frozen=True)
class Treated:
    """A well with cells and what becomes of them."""

    place: PlannedWell
    viability: float
    death: Death


EMPTY = Content("empty", None, None, 1)
_NEGATIVE = ("neg", "DMSO", 0.0)
_POSITIVE = ("pos", STAUROSPORINE.name, KILLING_DOSE_NM)


def drug_screen(drugs: Sequence[Drug], n_plates: int, rng: Generator) -> list[PlannedWell]:
    """All wells of the plates P1, P2, ... of a drug screen, by plate, row and column.

    Every plate holds 10 DMSO, 8 staurosporine and 5 BzCl wells, a staurosporine series in duplicate and
    5 untreated wells. The two series of a drug stand on neighbouring plates.

    Raises:
        InputError: the drugs do not fit on the plates.
    """
    on_plate = [plate_controls() for _ in range(n_plates)]
    for index, drug in enumerate(drugs):
        for replicate in REPLICATES:
            series = [Content("therapy", drug.name, dose, replicate) for dose in drug.doses_nM]
            on_plate[(index + replicate - 1) % n_plates].extend(series)
    fullest = max(len(contents) for contents in on_plate)
    if fullest > len(INNER):
        room = (len(INNER) - len(plate_controls())) * n_plates // (len(REPLICATES) * len(STAUROSPORINE.doses_nM))
        raise InputError(
            f"{len(drugs)} drugs do not fit on {n_plates} plate(s) beside the controls; take at most {room} "
            "drugs or more plates."
        )
    return [well for number, contents in enumerate(on_plate, 1) for well in fill(f"P{number}", contents, rng)]


def control_experiment(n_wells: int, rng: Generator) -> list[PlannedWell]:
    """All wells of the one plate of a control experiment: of 15 wells 7 hold DMSO and 8 staurosporine.

    Raises:
        InputError: there are too few or too many wells for a plate.
    """
    if not 4 <= n_wells <= len(INNER):
        raise InputError(f"{n_wells} control wells: a control experiment has 4 to {len(INNER)} of them.")
    n_negative = round(n_wells * 7 / 15)
    contents = [Content(*_NEGATIVE, replicate=1)] * n_negative + [Content(*_POSITIVE, replicate=1)] * (
        n_wells - n_negative
    )
    return fill("P1", contents, rng)


def treat(
    wells: Sequence[PlannedWell],
    library: Sequence[Drug],
    rng: Generator,
    known: Callable[[Content], float | None] = lambda content: None,
) -> list[Treated]:
    """Every well with cells, and its viability: the true one with a little biological noise.

    Args:
        wells: what stands where.
        library: the drugs, whose true curves give the viability of their wells.
        rng: source of the noise.
        known: the true viability of a well whose drugs are not of the library; None for all others.
    """
    drugs = {drug.name: drug for drug in (*library, STAUROSPORINE)}
    treated = []
    for well in wells:
        if not well.has_cells:
            continue
        treatment, dose = well.content.treatment, well.content.concentration_nM
        if well.content.well_type == "BzCl":
            treated.append(Treated(well, 0.0, "lysis"))
            continue
        drug = drugs.get(treatment or "")
        true = known(well.content)
        if true is None:
            true = 1.0 if drug is None else float(drug.viability(dose or 0.0))
        noisy = max(0.0, true * (1.0 + _BIOLOGY_SPREAD * rng.normal()))
        treated.append(Treated(well, noisy, drug.death if drug else "apoptosis"))
    return treated


def plate_controls() -> list[Content]:
    """What every plate holds beside its drugs."""
    contents: list[Content] = []
    for replicate in REPLICATES:
        contents += [Content(*_NEGATIVE, replicate)] * 5
        contents += [Content(*_POSITIVE, replicate)] * 4
        contents += [Content("BzCl", "BzCl", LYSIS_DOSE_NM, replicate)] * (1 + replicate)
        contents += [Content("TRC", STAUROSPORINE.name, dose, replicate) for dose in STAUROSPORINE.doses_nM]
    contents += [Content("untreated", None, None, 1)] * 5
    return contents


def fill(plate: str, contents: Sequence[Content], rng: Generator) -> list[PlannedWell]:
    """All 384 wells of a plate: the contents at random places of the inner wells, medium elsewhere."""
    places = rng.permutation(len(INNER))[: len(contents)]
    held = {INNER[place]: content for place, content in zip(places, contents, strict=True)}
    return [
        PlannedWell(plate, row_label(row), column, held.get((row, column), EMPTY))
        for row in range(ROWS)
        for column in range(1, COLUMNS + 1)
    ]
