"""What dose matrices show by the measures of two drugs together, with intervals.

Belongs here: what the measures are given of every matrix, and the tables of all of them. Does not belong here: what one
measure tells (`measured`), the measures (plugins), their formulas (`reference_models`), the single drugs
(`single_drugs`).

What a measure is given stands side by side twice (`effects`). Of the wells: the mean of the wells of a pair, and of
those with each drug alone at these doses (the drug's curve at a dose without such wells, within its tested range). And
draws, for the interval of the true number: what the pair's wells with their noise leave open, and draws of the drugs'
own curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xxhash

from phenodose.combinations.bad_wells import Doubtful, doubtful_pairs, drawn_with, without
from phenodose.combinations.dose_matrix import Cells, DoseMatrix, cells_of
from phenodose.combinations.effects import effects_of_draws, effects_of_wells
from phenodose.combinations.measured import PAIR_COLUMNS, SUM_COLUMNS, MatrixEffects, measured
from phenodose.combinations.single_drugs import Alone, Singles, effect_alone, single_drugs
from phenodose.combinations.zip_model import Fits, draw_fits, fit_matrices, why_no_curve, why_not
from phenodose.dose_response.fit import LARGEST_INHIBITION
from phenodose.errors import InputError

if TYPE_CHECKING:
    from phenodose.plugins.measures import CombinationMeasure

DOUBTFUL_COLUMNS = ("matrix", "first_nM", "second_nM", "off_percent", "probability")
_BASES = ("wells", "curves", "surface")


@dataclass(frozen=True)
class Excess:
    """What dose matrices show by some measures.

    Attributes:
        pairs: one row a matrix, dose pair and measure of pairs, with `PAIR_COLUMNS`: matrix (its number), first_nM,
            second_nM, model (name of the measure), inhibition_percent (mean of the wells), fitted_percent (the fitted
            surface that is compared instead, by a measure whose basis it is; else NaN), expected_percent,
            excess_percent (seen minus expected), lower_percent and upper_percent (ends of the 95 % interval of the true
            excess; NaN without draws), n_wells, status ('ok', or why there is no excess; fitted, expected, excess and
            interval are NaN then).
        sums: one row a matrix and measure, with `SUM_COLUMNS`: matrix, measure, value (of a measure of pairs the mean
            excess over the dose pairs whose status is ok), lower, upper, unit, probability_synergy (posterior
            probability that the true value is on the side of synergy; NaN for a measure that tells no interaction),
            interaction ('synergy' or 'antagonism' where the interval leaves out 0, else 'undecided'; '' for such a
            measure, and without intervals), status ('ok', or why there is no value).
        doubtful: one row a dose pair whose wells are more probably bad than good (`bad_wells`), with
            `DOUBTFUL_COLUMNS`: matrix, first_nM, second_nM, off_percent (how far they lie off those around them),
            probability. They count in every value; the intervals leave open whether they are right.
        sd: float64 (m,), standard deviation of a well of each matrix, fraction of inhibition; NaN without draws.
        faults: name of a measure that failed -> what is wrong with it; it has no value anywhere.
    """

    pairs: pd.DataFrame
    sums: pd.DataFrame
    doubtful: pd.DataFrame
    sd: np.ndarray
    faults: dict[str, str] = field(default_factory=dict)


def excess_of(
    matrices: Sequence[DoseMatrix], measures: Sequence[CombinationMeasure], draws: int = 200, seed: int = 0
) -> Excess:
    """What every measure tells of every matrix and of its dose pairs; one that fails costs its own numbers alone.

    Args:
        matrices: of one sample and readout, or of several whose wells are equally noisy: the noise of wells is learned
            from all matrices together.
        measures: plugins, in the order of the rows.
        draws: number of draws for the intervals; 0 for none.
        seed: makes the draws repeatable.

    Raises:
        InputError: `draws` is negative.
    """
    if draws < 0:
        raise InputError(f"draws {draws}: give a number of draws from 0.")
    doubts: list[dict[str, Any]] = []
    every: list[MatrixEffects] = []
    sd = np.full(len(matrices), np.nan)
    if matrices:
        cells = [cells_of(matrix) for matrix in matrices]
        reasons = [_broken_reading(matrix) for matrix in matrices]
        # a broken reading tells nothing of the noise of the others
        sound = [_emptied(one) if broken else one for one, broken in zip(matrices, reasons, strict=True)]
        singles, fits = single_drugs(sound, draws, seed), fit_matrices([cells_of(one) for one in sound])
        sd = np.median(singles.sd, axis=1) if draws else sd
        for number, (matrix, own, broken) in enumerate(zip(matrices, fits, reasons, strict=True)):
            if broken:
                every.append(_nothing(cells[number], broken))
                continue
            found, bad = _of_matrix(number, cells[number], singles, own, _generator(matrix, seed))
            every.append(found)
            doubts += bad
    told = [measured(measure, every) for measure in measures]
    by_matrix = [one for of_matrix in zip(*(of.pairs for of in told), strict=True) for one in of_matrix]
    pairs = [rows for rows in by_matrix if rows is not None]
    return Excess(
        pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame(columns=list(PAIR_COLUMNS)),
        pd.DataFrame(
            [row for of_matrix in zip(*(of.sums for of in told), strict=True) for row in of_matrix],
            columns=list(SUM_COLUMNS),
        ),
        pd.DataFrame(doubts, columns=list(DOUBTFUL_COLUMNS)),
        sd,
        {measure.name: of.fault for measure, of in zip(measures, told, strict=True) if of.fault},
    )


def _of_matrix(
    number: int, cells: Cells, singles: Singles, fits: Fits | None, random: np.random.Generator
) -> tuple[MatrixEffects, list[dict[str, Any]]]:
    """What measures are given of a matrix, and its pairs that are probably bad."""
    alone = [effect_alone(singles, number, drug, cells, random) for drug in (0, 1)]
    i, j = cells.pairs
    sd = singles.sd[number]
    spread = sd[:, None] / np.sqrt(cells.number[i, j])
    drawn = cells.mean[i, j] + spread * random.standard_normal(spread.shape)
    drawn_fits = None if fits is None else draw_fits(cells, fits, sd, random)
    bad = []
    if len(sd):
        doubtful = doubtful_pairs(cells, alone, float(np.median(sd)), singles.bad_wells)
        drawn = drawn_with(doubtful, drawn, random) if len(doubtful.at) else drawn
        bad = _rows_of(number, cells, doubtful)
        fewer = without(cells, doubtful)
        again = fit_matrices([fewer])[0] if bad else None
        drawn_fits = drawn_fits if again is None else draw_fits(fewer, again, sd, random)
    curves = singles.draws[2 * number : 2 * number + 2]
    of_draws = effects_of_draws(cells, alone, curves, drawn, drawn_fits) if len(sd) else None
    return MatrixEffects(cells, _why_not(cells, alone), effects_of_wells(cells, alone, fits), of_draws), bad


def _why_not(cells: Cells, alone: list[Alone]) -> dict[str, np.ndarray]:
    """By basis of a measure, why pairs lack it, text (p,); '' where they do not."""
    i, j = cells.pairs
    wells = np.array([alone[0].why_not[a - 1] or alone[1].why_not[b - 1] for a, b in zip(i, j, strict=True)], object)
    further = {"curves": np.full(len(i), why_no_curve(cells), dtype=object), "surface": why_not(cells)[i, j]}
    of_fits = {basis: np.where(wells == "", text, wells).astype(object) for basis, text in further.items()}
    return {"wells": wells, **of_fits}


def _nothing(cells: Cells, reason: str) -> MatrixEffects:
    """No measure of any pair, for that reason."""
    return MatrixEffects(cells, dict.fromkeys(_BASES, np.full(len(cells.pairs[0]), reason, dtype=object)), None, None)


def _rows_of(number: int, cells: Cells, doubtful: Doubtful) -> list[dict[str, Any]]:
    """Rows of `Excess.doubtful`."""
    i, j = cells.pairs
    return [
        {
            "matrix": number,
            "first_nM": cells.first_nM[i[at] - 1],
            "second_nM": cells.second_nM[j[at] - 1],
            "off_percent": 100 * off,
            "probability": probability,
        }
        for at, off, probability in zip(doubtful.at, doubtful.off, doubtful.probability, strict=True)
        if probability > 0.5
    ]


def _broken_reading(matrix: DoseMatrix) -> str:
    """Why a matrix is not looked at, as a curve with such a well is not fitted (`dose_response.fit`); else ''."""
    largest = float(np.abs(np.nan_to_num(matrix.inhibition)).max(initial=0.0))
    return f"an inhibition of {largest:.1g} is a broken reading; mask the well" if largest > LARGEST_INHIBITION else ""


def _emptied(matrix: DoseMatrix) -> DoseMatrix:
    """The same wells, none of which counts."""
    return DoseMatrix(matrix.first_nM, matrix.second_nM, np.full(len(matrix.inhibition), np.nan))


def _generator(matrix: DoseMatrix, seed: int) -> np.random.Generator:
    """Random numbers of a matrix: its own wells decide them, with the seed."""
    order = np.lexsort((matrix.inhibition, matrix.second_nM, matrix.first_nM))
    digest = xxhash.xxh3_128(seed.to_bytes(8, "little", signed=True))
    for values in (matrix.first_nM, matrix.second_nM, matrix.inhibition):
        digest.update(values[order].tobytes())
    return np.random.Generator(np.random.Philox(key=digest.intdigest()))
