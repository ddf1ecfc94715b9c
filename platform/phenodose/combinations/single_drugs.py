"""The drugs of dose matrices alone, and the noise of the matrices' wells.

Belongs here: curves of single drugs with draws, effects alone at the doses of a matrix, draws of the wells' noise.
Does not belong here: reference models (`reference_models`) and what is made of them (`excess`).

The curves and their draws are those of single drugs anywhere (`dose_response.posterior`). How noisy wells are is
learned from all wells of all matrices: the single drugs, and every row of a matrix, which is a curve of the first drug
on top of one dose of the second, so that no replicates are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from phenodose.combinations.dose_matrix import DRUGS, Cells, DoseMatrix, cells_of
from phenodose.dose_response.curve_prior import log_prior_of_noise
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.evidence import LOG_SD_GRID
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.noise import finer, noise_and_evidence
from phenodose.dose_response.points import CurvePoints
from phenodose.dose_response.posterior import posterior_draws

#: Room for the last digits that log10 doses lose.
_SAME_LOG10 = 1e-9


class Singles(NamedTuple):
    """The single drugs of m matrices.

    Attributes:
        curves: 2 m curves: first and second drug of the first matrix, and so on.
        draws: float64 (2 m, draws, 5), from the posterior of the curves; NaN where there is no curve.
        sd: float64 (m, draws), standard deviation of a well of the matrix, fraction of inhibition.
        bad_wells: share of all wells that are bad.
    """

    curves: CurveBatch
    draws: np.ndarray
    sd: np.ndarray
    bad_wells: float


def single_drugs(matrices: Sequence[DoseMatrix], draws: int, seed: int) -> Singles:
    """Curves of the single drugs, and what the wells of all matrices say of their noise."""
    points, of_matrix = _points(matrices)
    every = fit_curves(points)
    curves = every.select(np.arange(2 * len(matrices)))
    noise, of_curves = noise_and_evidence(every)
    evidence = np.zeros((len(matrices), len(LOG_SD_GRID)))
    np.add.at(evidence, of_matrix, of_curves)
    fine = np.linspace(LOG_SD_GRID[0], LOG_SD_GRID[-1], 20 * len(LOG_SD_GRID))
    value = finer(evidence, fine) + log_prior_of_noise(fine, noise.sd, noise.weight)
    summed = np.cumsum(np.exp(value - value.max(axis=1, keepdims=True)), axis=1)
    # even quantiles, as whatever goes with them is random
    at = (np.arange(draws) + 0.5) / max(draws, 1)
    sd = np.exp([np.interp(at * total[-1], total, fine) for total in summed]).reshape(len(matrices), draws)
    return Singles(curves, posterior_draws(curves, draws, seed, noise), sd, noise.bad_wells)


class Alone(NamedTuple):
    """The effect of one drug alone at its doses in a matrix.

    Attributes:
        wells: float64 (d,), mean of the wells with this drug alone; NaN without any.
        fitted: float64 (d,), value of its curve; NaN without a curve and outside the doses of its own wells.
        drawn: float64 (draws, d), what the effect may be: of the curve, or, where there is none, of the mean of the
            wells with their noise; NaN where neither is there.
        why_not: text (d,): why there is no effect; '' where there is one.
    """

    wells: np.ndarray
    fitted: np.ndarray
    drawn: np.ndarray
    why_not: list[str]

    @property
    def expected(self) -> np.ndarray:
        """What models of raw wells take: the mean of the wells, or the curve between doses that have wells."""
        return np.asarray(np.where(np.isfinite(self.wells), self.wells, self.fitted))


def effect_alone(singles: Singles, matrix: int, drug: int, cells: Cells, random: np.random.Generator) -> Alone:
    """The effect of the first (`drug` 0) or second (1) drug alone at the doses of its axis of `cells`."""
    cells = cells.swapped() if drug else cells
    at = 2 * matrix + drug
    x = np.log10(cells.first_nM)
    wells, number = cells.mean[1:, 0], cells.number[1:, 0]
    curves = singles.curves
    low, high = np.log10(curves.min_dose_nM[at]), np.log10(curves.max_dose_nM[at])
    with np.errstate(invalid="ignore"):
        inside = (x >= low - _SAME_LOG10) & (x <= high + _SAME_LOG10) & curves.fitted[at]
    fitted = np.where(inside, inhibition(x, *curves.parameters[at]), np.nan)
    of_curve = inhibition(x, *(column[:, None] for column in singles.draws[at].T))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = singles.sd[matrix][:, None] / np.sqrt(number)
        of_wells = wells + spread * random.standard_normal(spread.shape)
    drawn = np.where(inside & np.isfinite(of_curve).all(axis=0), of_curve, of_wells)
    missing = np.isnan(wells) & np.isnan(fitted)
    why_not = [
        _why_not(DRUGS[drug], dose, int(number.sum()), curves.fitted[at]) if absent else ""
        for dose, absent in zip(cells.first_nM, missing, strict=True)
    ]
    return Alone(wells, fitted, drawn, why_not)


def _why_not(drug: str, dose: float, wells: int, fitted: bool) -> str:
    if not wells:
        return f"no wells with {drug} alone"
    if not fitted:
        return f"no wells with {drug} alone at {dose:g} nM, and too few doses for a curve"
    return f"{drug} alone was not tested up or down to {dose:g} nM"


def _points(matrices: Sequence[DoseMatrix]) -> tuple[CurvePoints, np.ndarray]:
    """Points of the single drugs (2 m curves) and then of the rows of the matrices, and the matrix of each curve.

    Rows run along the drug with more doses.
    """
    parts: list[tuple[int, float, np.ndarray, np.ndarray]] = []
    for number, matrix in enumerate(matrices):
        for drug, one in enumerate((matrix, matrix.swapped())):
            alone = one.second_nM == 0
            parts.append((2 * number + drug, 0.0, one.first_nM[alone], one.inhibition[alone]))
    for number, matrix in enumerate(matrices):
        cells = cells_of(matrix)
        one = matrix if len(cells.first_nM) >= len(cells.second_nM) else matrix.swapped()
        both = (one.first_nM > 0) & (one.second_nM > 0)
        for dose in np.unique(one.second_nM[both]):
            row = both & (one.second_nM == dose)
            parts.append((2 * len(matrices) + number, float(dose), one.first_nM[row], one.inhibition[row]))
    width = max((len(doses) for _, _, doses, _ in parts), default=0)
    x, y = np.full((2, len(parts), max(width, 1)), np.nan)
    for at, (_, _, doses, values) in enumerate(parts):
        with np.errstate(divide="ignore"):
            x[at, : len(doses)] = np.where(doses > 0, np.log10(doses), np.nan)
        y[at, : len(doses)] = values
    curve = np.array([number for number, *_ in parts], dtype=np.int64)
    keys = pd.DataFrame({"curve": curve, "row": [row for _, row, _, _ in parts]})
    m = len(matrices)
    return CurvePoints(keys, x, y), np.where(curve < 2 * m, curve // 2, curve - 2 * m)
