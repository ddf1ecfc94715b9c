"""The excess of dose matrices over the reference models, with intervals.

Belongs here: tables of excess by dose pair and in sum. Does not belong here: the models (`reference_models`), the
single drugs (`single_drugs`).

Two things stand side by side for HSA and Bliss. The excess itself is computed of raw wells: the mean of the wells
of the pair minus the model of the means of the wells with each drug alone at these doses (the drug's curve at a dose
without such wells, within its tested range). The interval is of the true excess: what the pair's wells with
their noise leave open, minus the model of draws of the drugs' own curves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xxhash

from phenodose.combinations.bad_wells import Doubtful, doubtful_pairs, drawn_with, without
from phenodose.combinations.dose_matrix import Cells, DoseMatrix, cells_of
from phenodose.combinations.reference_models import HALVINGS_OF_DRAWS, bliss, hsa, hsa_of_draws, loewe
from phenodose.combinations.sensitivity import Sensitivity, sensitivity
from phenodose.combinations.single_drugs import Alone, Singles, effect_alone, single_drugs
from phenodose.combinations.zip_model import Fits, draw_fits, fit_matrices, surfaces, why_no_curve, why_not
from phenodose.dose_response.fit import LARGEST_INHIBITION
from phenodose.dose_response.intervals import interval_ends
from phenodose.errors import InputError

PAIR_COLUMNS = (
    *("matrix", "first_nM", "second_nM", "model", "inhibition_percent", "expected_percent", "excess_percent"),
    *("lower_percent", "upper_percent", "n_wells", "status"),
)
SUM_COLUMNS = ("matrix", "measure", "value", "lower", "upper", "probability_synergy", "interaction", "status")
DOUBTFUL_COLUMNS = ("matrix", "first_nM", "second_nM", "off_percent", "probability")
MODELS = ("hsa", "bliss", "loewe", "zip")
_Model = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: Models of wells, and how draws of the effects alone go into them.
_RAW_MODELS: dict[str, tuple[_Model, _Model]] = {"hsa": (hsa, hsa_of_draws), "bliss": (bliss, bliss)}


@dataclass(frozen=True)
class Excess:
    """What dose matrices show beyond the reference models.

    Attributes:
        pairs: one row a matrix, dose pair and model, with `PAIR_COLUMNS`: matrix (its number), first_nM, second_nM,
            model ('hsa', 'bliss', 'loewe', 'zip'), inhibition_percent (mean of the wells; for zip, where it has a
            score, of the two fitted curves), expected_percent, excess_percent (their difference), lower_percent and
            upper_percent (ends of the 95 % interval of the true excess; NaN without draws), n_wells, status ('ok', or
            why there is no excess; expected, excess and interval are NaN then).
        sums: one row a matrix and measure, with `SUM_COLUMNS`: matrix, measure (a model: mean excess over the dose
            pairs whose status is ok, percentage points; 'css': combination sensitivity score, percent), value, lower,
            upper, probability_synergy (posterior probability that the true value is above 0; NaN for css), interaction
            ('synergy' or 'antagonism' where the interval leaves out 0, else 'undecided'; '' for css and without
            intervals), status ('ok', or why there is no value).
        doubtful: one row a dose pair whose wells are more probably bad than good (`bad_wells`), with
            `DOUBTFUL_COLUMNS`: matrix, first_nM, second_nM, off_percent (how far they lie off those around them),
            probability. They count in every value; the intervals leave open whether they are right.
        sd: float64 (m,), standard deviation of a well of each matrix, fraction of inhibition; NaN without draws.
    """

    pairs: pd.DataFrame
    sums: pd.DataFrame
    doubtful: pd.DataFrame
    sd: np.ndarray


def excess_of(matrices: Sequence[DoseMatrix], draws: int = 200, seed: int = 0) -> Excess:
    """The excess of every dose pair of every matrix, and its mean over each matrix.

    Args:
        matrices: of one sample and readout, or of several whose wells are equally noisy: the noise of wells is learned
            from all matrices together.
        draws: number of draws for the intervals; 0 for none.
        seed: makes the draws repeatable.

    Raises:
        InputError: `draws` is negative.
    """
    if draws < 0:
        raise InputError(f"draws {draws}: give a number of draws from 0.")
    pairs: list[pd.DataFrame] = []
    sums: list[dict[str, Any]] = []
    doubts: list[dict[str, Any]] = []
    sd = np.full(len(matrices), np.nan)
    if matrices:
        cells = [cells_of(matrix) for matrix in matrices]
        reasons = [_broken_reading(matrix) for matrix in matrices]
        # a broken reading tells nothing of the noise of the others
        sound = [_emptied(one) if broken else one for one, broken in zip(matrices, reasons, strict=True)]
        singles, every = single_drugs(sound, draws, seed), fit_matrices([cells_of(one) for one in sound])
        sd = np.median(singles.sd, axis=1) if draws else sd
        for number, (matrix, fits, broken) in enumerate(zip(matrices, every, reasons, strict=True)):
            if broken:
                found, css = _nothing(cells[number], broken)
            else:
                found, css, bad = _of_matrix(number, cells[number], singles, fits, _generator(matrix, seed))
                doubts += bad
            pairs += [_frame(number, name, cells[number], of_model) for name, of_model in found.items()]
            sums += [_sum(number, name, of_model) for name, of_model in found.items()]
            sums.append(_sensitivity(number, css))
    empty = pd.DataFrame(columns=list(PAIR_COLUMNS))
    return Excess(
        pd.concat(pairs, ignore_index=True) if pairs else empty,
        pd.DataFrame(sums, columns=list(SUM_COLUMNS)),
        pd.DataFrame(doubts, columns=list(DOUBTFUL_COLUMNS)),
        sd,
    )


@dataclass(frozen=True)
class _Pairs:
    """The dose pairs of a matrix under a model: percentage points, float64 (p,), draws (draws, p), text (p,)."""

    seen: np.ndarray
    expected: np.ndarray
    drawn: np.ndarray
    status: np.ndarray


def _of_matrix(
    number: int, cells: Cells, singles: Singles, fits: Fits | None, random: np.random.Generator
) -> tuple[dict[str, _Pairs], Sensitivity, list[dict[str, Any]]]:
    """The dose pairs of a matrix under every model, its sensitivity score, and the pairs that are probably bad."""
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
    found = {name: _raw(*models, cells, alone, drawn) for name, models in _RAW_MODELS.items()}
    found["loewe"] = _loewe(cells, alone, fits, singles.draws[2 * number : 2 * number + 2], drawn)
    found["zip"] = _zip(cells, alone, fits, drawn_fits)
    return found, sensitivity(cells, fits, drawn_fits), bad


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


def _nothing(cells: Cells, reason: str) -> tuple[dict[str, _Pairs], Sensitivity]:
    """No excess of any pair, for that reason."""
    i, j = cells.pairs
    none, no_draws = np.full(len(i), np.nan), np.full((0, len(i)), np.nan)
    pairs = _Pairs(100 * cells.mean[i, j], none, no_draws, np.full(len(i), reason, dtype=object))
    return dict.fromkeys(MODELS, pairs), Sensitivity(np.nan, np.full(0, np.nan), reason)


def _why_not(cells: Cells, alone: list[Alone]) -> np.ndarray:
    """Why pairs lack the effect of a drug alone, text (p,); '' where they do not."""
    i, j = cells.pairs
    return np.array([alone[0].why_not[a - 1] or alone[1].why_not[b - 1] for a, b in zip(i, j, strict=True)], object)


def _loewe(cells: Cells, alone: list[Alone], fits: Fits | None, draws: np.ndarray, drawn: np.ndarray) -> _Pairs:
    """Loewe additivity of the fitted curves; draws (2, draws, 5) of the curves for the interval."""
    i, j = cells.pairs
    x1, x2 = np.log10(cells.first_nM)[i - 1], np.log10(cells.second_nM)[j - 1]
    reason = _why_not(cells, alone)
    reason = np.where(reason == "", why_no_curve(cells), reason).astype(object)
    status = np.where(reason == "", "ok", reason).astype(object)
    seen, expected, over = 100 * cells.mean[i, j], np.full(len(i), np.nan), np.full(drawn.shape, np.nan)
    if fits is not None and (status == "ok").any():
        first, second = (one.parameters for one in fits.alone)
        expected = 100 * loewe(first, second, x1, x2)
        over = 100 * (drawn - loewe(draws[0, :, None], draws[1, :, None], x1, x2, HALVINGS_OF_DRAWS))
    return _Pairs(seen, expected, over, status)


def _zip(cells: Cells, alone: list[Alone], fits: Fits | None, drawn: Fits | None) -> _Pairs:
    """ZIP: what is seen is the mean of the curves along row and column."""
    i, j = cells.pairs
    reason = _why_not(cells, alone)
    reason = np.where(reason == "", why_not(cells)[i, j], reason).astype(object)
    status = np.where(reason == "", "ok", reason).astype(object)
    if fits is None or drawn is None:
        return _Pairs(100 * cells.mean[i, j], np.full(len(i), np.nan), np.full((0, len(i)), np.nan), status)
    (seen, expected), (seen_drawn, expected_drawn) = (
        tuple(100 * surface[:, i - 1, j - 1] for surface in surfaces(cells, one)) for one in (fits, drawn)
    )
    seen = np.where(status == "ok", seen[0], 100 * cells.mean[i, j])
    return _Pairs(seen, expected[0], seen_drawn - expected_drawn, status)


def _sensitivity(number: int, css: Sensitivity) -> dict[str, Any]:
    row: dict[str, Any] = {"matrix": number, "measure": "css", "value": css.value, "lower": np.nan, "upper": np.nan}
    if np.isfinite(css.value) and len(css.drawn):
        row["lower"], row["upper"] = (float(end[0]) for end in interval_ends(css.drawn[None, :]))
    return row | {"probability_synergy": np.nan, "interaction": "", "status": css.status}


def _raw(model: _Model, of_draws: _Model, cells: Cells, alone: list[Alone], drawn: np.ndarray) -> _Pairs:
    """A model that takes effects alone at the doses of the pair."""
    i, j = cells.pairs
    first, second = alone
    status = np.array(
        [first.why_not[a - 1] or second.why_not[b - 1] or "ok" for a, b in zip(i, j, strict=True)], object
    )
    expected = model(first.expected[i - 1], second.expected[j - 1])
    over = drawn - of_draws(first.drawn[:, i - 1], second.drawn[:, j - 1])
    return _Pairs(100 * cells.mean[i, j], 100 * expected, 100 * over, status)


def _frame(number: int, name: str, cells: Cells, pairs: _Pairs) -> pd.DataFrame:
    i, j = cells.pairs
    ok = pairs.status == "ok"
    lower, upper = np.full((2, len(i)), np.nan)
    if ok.any() and len(pairs.drawn):
        lower[ok], upper[ok] = interval_ends(pairs.drawn[:, ok].T)
    return pd.DataFrame(
        {
            "matrix": number,
            "first_nM": cells.first_nM[i - 1],
            "second_nM": cells.second_nM[j - 1],
            "model": name,
            "inhibition_percent": pairs.seen,
            "expected_percent": np.where(ok, pairs.expected, np.nan),
            "excess_percent": np.where(ok, pairs.seen - pairs.expected, np.nan),
            "lower_percent": lower,
            "upper_percent": upper,
            "n_wells": cells.number[i, j],
            "status": pairs.status,
        },
        columns=list(PAIR_COLUMNS),
    )


def _sum(number: int, name: str, pairs: _Pairs) -> dict[str, Any]:
    ok = pairs.status == "ok"
    row: dict[str, Any] = {"matrix": number, "measure": name, "value": np.nan, "lower": np.nan, "upper": np.nan}
    row |= {"probability_synergy": np.nan, "interaction": ""}
    if not ok.any():
        reasons = list(dict.fromkeys(pairs.status))
        return row | {"status": "; ".join(reasons) or "no wells with both drugs"}
    row["value"] = float((pairs.seen - pairs.expected)[ok].mean())
    if len(pairs.drawn):
        mean = pairs.drawn[:, ok].mean(axis=1)
        row["lower"], row["upper"] = (float(end[0]) for end in interval_ends(mean[None, :]))
        row["probability_synergy"] = float((mean > 0).mean())
        row["interaction"] = interaction(row["lower"], row["upper"])
    return row | {"status": "ok"}


def interaction(lower: float, upper: float) -> str:
    """'synergy', 'antagonism' or 'undecided', by the 95 % interval of a mean excess."""
    return "synergy" if lower > 0 else "antagonism" if upper < 0 else "undecided"


def _generator(matrix: DoseMatrix, seed: int) -> np.random.Generator:
    """Random numbers of a matrix: its own wells decide them, with the seed."""
    order = np.lexsort((matrix.inhibition, matrix.second_nM, matrix.first_nM))
    digest = xxhash.xxh3_128(seed.to_bytes(8, "little", signed=True))
    for values in (matrix.first_nM, matrix.second_nM, matrix.inhibition):
        digest.update(values[order].tobytes())
    return np.random.Generator(np.random.Philox(key=digest.intdigest()))
