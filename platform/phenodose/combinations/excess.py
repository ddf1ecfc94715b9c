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

from phenodose.combinations.dose_matrix import Cells, DoseMatrix, cells_of
from phenodose.combinations.reference_models import bliss, hsa
from phenodose.combinations.single_drugs import Alone, Singles, effect_alone, single_drugs
from phenodose.dose_response.intervals import interval_ends
from phenodose.errors import InputError

PAIR_COLUMNS = (
    *("matrix", "first_nM", "second_nM", "model", "inhibition_percent", "expected_percent", "excess_percent"),
    *("lower_percent", "upper_percent", "n_wells", "status"),
)
SUM_COLUMNS = ("matrix", "measure", "value", "lower", "upper", "probability_synergy", "interaction", "status")
_RAW_MODELS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"hsa": hsa, "bliss": bliss}


@dataclass(frozen=True)
class Excess:
    """What dose matrices show beyond the reference models.

    Attributes:
        pairs: one row a matrix, dose pair and model, with `PAIR_COLUMNS`: matrix (its number), first_nM, second_nM,
            model ('hsa', 'bliss', ...), inhibition_percent (mean of the wells), expected_percent, excess_percent,
            lower_percent, upper_percent (ends of the 95 % interval of the true excess; NaN without draws), n_wells,
            status ('ok', or why there is no excess; numbers are NaN then).
        sums: one row a matrix and measure, with `SUM_COLUMNS`: matrix, measure (a model: mean excess over the dose
            pairs whose status is ok [percentage points]), value, lower, upper, probability_synergy (posterior
            probability that the true value is above 0), interaction ('synergy' or 'antagonism' where the interval
            leaves out 0, else 'undecided'; '' where there is no value), status ('ok', or why there is no value).
    """

    pairs: pd.DataFrame
    sums: pd.DataFrame


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
    if matrices:
        singles = single_drugs(matrices, draws, seed)
        for number, matrix in enumerate(matrices):
            of_pairs, of_sums = _of_matrix(number, matrix, singles, seed)
            pairs += of_pairs
            sums += of_sums
    empty = pd.DataFrame(columns=list(PAIR_COLUMNS))
    return Excess(
        pd.concat(pairs, ignore_index=True) if pairs else empty, pd.DataFrame(sums, columns=list(SUM_COLUMNS))
    )


@dataclass(frozen=True)
class _Pairs:
    """The dose pairs of a matrix under a model: percentage points, float64 (p,), draws (draws, p), text (p,)."""

    seen: np.ndarray
    expected: np.ndarray
    drawn: np.ndarray
    status: np.ndarray


def _of_matrix(
    number: int, matrix: DoseMatrix, singles: Singles, seed: int
) -> tuple[list[pd.DataFrame], list[dict[str, Any]]]:
    cells = cells_of(matrix)
    random = _generator(matrix, seed)
    alone = [effect_alone(singles, number, drug, cells, random) for drug in (0, 1)]
    i, j = cells.pairs
    seen = cells.mean[i, j]
    spread = singles.sd[number][:, None] / np.sqrt(cells.number[i, j])
    drawn = seen + spread * random.standard_normal(spread.shape)
    found = {name: _raw(model, cells, alone, drawn) for name, model in _RAW_MODELS.items()}
    frames = [_frame(number, name, cells, pairs) for name, pairs in found.items()]
    return frames, [_sum(number, name, pairs) for name, pairs in found.items()]


def _raw(
    model: Callable[[np.ndarray, np.ndarray], np.ndarray], cells: Cells, alone: list[Alone], drawn: np.ndarray
) -> _Pairs:
    """A model that takes effects alone at the doses of the pair."""
    i, j = cells.pairs
    first, second = alone
    status = np.array(
        [first.why_not[a - 1] or second.why_not[b - 1] or "ok" for a, b in zip(i, j, strict=True)], object
    )
    expected = model(first.expected[i - 1], second.expected[j - 1])
    over = drawn - model(first.drawn[:, i - 1], second.drawn[:, j - 1])
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
