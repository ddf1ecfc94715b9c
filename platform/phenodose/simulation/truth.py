"""The truth of a simulated screen, as CSV files.

Belongs here: what every well and every drug really is. Does not belong here: making it (`pharmacology`,
`screen`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from phenodose.simulation.design import Treated
from phenodose.simulation.morphology import Morphology
from phenodose.simulation.pairs import PAIR_COLUMNS, SimulatedPair, truth_rows
from phenodose.simulation.pharmacology import Drug

WELL_COLUMNS = ("plate", "row", "column", "drug", "dose_nM", "replicate", "viability_fraction")
#: More columns of a screen with pairs of drugs.
ADD_ON_COLUMNS = ("add_on", "add_on_dose_nM")
DRUG_COLUMNS = (
    *("drug", "drug_class", "death", "min_dose_nM", "max_dose_nM"),
    *("bottom", "top", "log10_mid", "slope", "asymmetry", "ic50_nM", "dss_asym"),
)


def write_truth_wells(path: Path, wells: Iterable[Treated]) -> None:
    """Write one row a well with cells, controls included; the viability is the well's own.

    What is given as an add-on has columns of its own, `ADD_ON_COLUMNS`, if any well has one.
    """
    held_by = [(well, well.place, well.place.content) for well in wells]
    dosed = any(held.add_on for _, _, held in held_by)
    rows = [
        (
            *(place.plate, place.row, place.column, held.treatment, held.concentration_nM, held.replicate),
            *(well.viability, *((held.add_on, held.add_on_concentration_nM) if dosed else ())),
        )
        for well, place, held in held_by
    ]
    _write_csv(path, (*WELL_COLUMNS, *(ADD_ON_COLUMNS if dosed else ())), rows)


def write_truth_pairs(path: Path, pairs: Sequence[SimulatedPair]) -> None:
    """Write one row a pair of drugs, pair of doses and model: true inhibition, what the model expects, the excess."""
    _write_csv(path, PAIR_COLUMNS, truth_rows(pairs))


def write_truth_drugs(path: Path, drugs: Sequence[Drug]) -> None:
    """Write one row a drug: its true curve, the dose of half inhibition if it has one, and its true score."""
    rows = [
        (
            *(drug.name, drug.drug_class, drug.death, drug.doses_nM[0], drug.doses_nM[-1]),
            *(drug.curve.bottom, drug.curve.top, drug.curve.log10_mid, drug.curve.slope, drug.curve.asymmetry),
            *(drug.curve.dose_at(0.5), score),
        )
        for drug, score in zip(drugs, true_dss_asym(drugs), strict=True)
    ]
    _write_csv(path, DRUG_COLUMNS, rows)


def write_truth_morphology(path: Path, morphology: Morphology) -> None:
    """Write one row a setting of what the sample looks like; shares of dead cells as dead_cells.condensed etc."""
    rows: list[tuple[str, object]] = []
    for name, value in asdict(morphology).items():
        if isinstance(value, dict):
            rows += [(f"{name}.{part}", number) for part, number in value.items()]
        else:
            rows.append((name, value))
    _write_csv(path, ("setting", "value"), rows)


def true_dss_asym(drugs: Sequence[Drug]) -> list[float]:
    """DSS_asym of the true curves over the tested doses, 0 to 50."""
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.dose_response.score_functions import dss_asym
    from phenodose.tables import CURVE_FIT_COLUMNS

    if not drugs:
        return []
    known = [
        {
            "model": 5,
            "bottom": drug.curve.bottom,
            "top": drug.curve.top,
            "log10_mid": drug.curve.log10_mid,
            "slope": drug.curve.slope,
            "asymmetry": drug.curve.asymmetry,
            "min_dose_nM": drug.doses_nM[0],
            "max_dose_nM": drug.doses_nM[-1],
            "n_doses": len(drug.doses_nM),
            "fit": "robust",
            "status": "ok",
        }
        for drug in drugs
    ]
    frame = pd.DataFrame([{name: row.get(name) for name in CURVE_FIT_COLUMNS} for row in known])
    return [float(score) for score in dss_asym(CurveBatch.from_frame(frame))]


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file; None and NaN become empty fields, numbers get 10 digits."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_field(value) for value in row] for row in rows)


def _field(value: object) -> object:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.10g}"
    return "" if value is None else value
