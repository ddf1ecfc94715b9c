"""Curves through every row and column of a dose matrix, as ZIP takes them: what a combination does to potencies.

Belongs here: the fits, and draws of them. Does not belong here: the fit of a curve (`hill`), what is made of them
(measures, which are plugins).

Source: Yadav et al. 2015 (Comput. Struct. Biotechnol. J. 13:504). A drug alone is y1 = Hill(a). At a dose b of the
second drug the first one's curve starts at the second's own effect, y12 = (y2 + top (a/m12)^l12) / (1 + (a/m12)^l12),
fitted along the row; likewise y21 along the column. Without interaction neither potency nor shape changes:
y_zip = y1 + y2 - y1 y2. The score is delta = (y12 + y21) / 2 - y_zip. The single drugs and rows have tops of their
own, as not every drug kills every cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from phenodose.combinations.dose_matrix import DRUGS, Cells
from phenodose.combinations.hill import LEAST_DOSES, Hills, Points, Pulls, fit_hills, joined
from phenodose.dose_response.curve_prior import LOG_SLOPE

#: Prior of draws (mean, standard deviation): the tops, and ln slope as for single drugs.
_TOP = (0.5, 0.5)


class Fits(NamedTuple):
    """The curves of a matrix, or of draws of it, which come first on every axis of n.

    Attributes:
        alone: curves of the first and of the second drug alone; n = 1 (or draws).
        rows: the first drug's curves at each dose of the second: n = d2 (or draws * d2); columns likewise, d1.
        columns: see rows.
    """

    alone: tuple[Hills, Hills]
    rows: Hills
    columns: Hills


def why_no_curve(cells: Cells) -> str:
    """Why there is no curve of both drugs alone; '' where there is."""
    for number, drug in zip(_numbers(cells), DRUGS, strict=True):
        doses = int((number > 0).sum())
        if not doses:
            return f"no wells with {drug} alone"
        if doses < LEAST_DOSES:
            return f"{drug} alone has {doses} dose{'s' if doses > 1 else ''}; its curve needs {LEAST_DOSES}"
    return ""


def why_not(cells: Cells) -> np.ndarray:
    """Why a dose pair has no fitted surface, text (1 + d1, 1 + d2); '' where it has one."""
    reasons = np.full(cells.number.shape, why_no_curve(cells), dtype=object)
    if reasons[0, 0]:
        return reasons
    there = cells.number[1:, 1:] > 0
    for drug, other, along in ((*DRUGS, 0), (*DRUGS[::-1], 1)):
        few = np.concatenate([[False], there.sum(axis=along) < LEAST_DOSES])
        text = f"needs {drug}'s curve at every dose of {other}: fewer than {LEAST_DOSES} doses of it here"
        reasons[(slice(None), few) if along == 0 else (few, slice(None))] = text
    return reasons


def fit_matrices(matrices: Sequence[Cells]) -> list[Fits | None]:
    """The curves of every matrix; None where a drug alone has fewer than `LEAST_DOSES` doses.

    Rows and columns with too few doses are there and mean nothing (`why_not`).
    """
    found: list[Fits | None] = [None] * len(matrices)
    fitted = [at for at, cells in enumerate(matrices) if all((n > 0).sum() >= LEAST_DOSES for n in _numbers(cells))]
    if not fitted:
        return found
    some = [matrices[at] for at in fitted]
    alone = fit_hills(joined([_alone(one) for cells in some for one in (cells, cells.swapped())]))
    pairs = [
        (alone.some(slice(2 * at, 2 * at + 1)), alone.some(slice(2 * at + 1, 2 * at + 2))) for at in range(len(some))
    ]
    parts = []
    for cells, (first, second) in zip(some, pairs, strict=True):
        parts.append(_rows(cells.swapped(), second.at(np.log10(cells.second_nM))[0]))
        parts.append(_rows(cells, first.at(np.log10(cells.first_nM))[0]))
    together = fit_hills(joined(parts))
    start = 0
    for at, cells, pair in zip(fitted, some, pairs, strict=True):
        middle, end = start + len(cells.second_nM), start + len(cells.second_nM) + len(cells.first_nM)
        found[at] = Fits(pair, together.some(slice(start, middle)), together.some(slice(middle, end)))
        start = end
    return found


def _numbers(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    """Wells of each drug alone, by dose."""
    return cells.number[1:, 0], cells.number[0, 1:]


def draw_fits(cells: Cells, fits: Fits, sd: np.ndarray, random: np.random.Generator) -> Fits:
    """The fits again with every well and every prior moved by its error: randomise, then optimise.

    With a linear curve these are draws from the posterior (Bardsley et al. 2014, SIAM J. Sci. Comput. 36:A1895). Wells
    that are on a row and on a column move for both.

    Args:
        cells: the matrix.
        fits: its own fits.
        sd: float64 (draws,), noise of a well.
        random: random numbers.
    """
    k = len(sd)
    with np.errstate(divide="ignore"):
        error = sd[:, None, None] / np.sqrt(cells.number) * random.standard_normal((k, *cells.number.shape))
    moved = np.where(cells.number > 0, np.nan_to_num(cells.mean) + np.where(cells.number > 0, error, 0.0), np.nan)
    x1, x2 = np.log10(cells.first_nM), np.log10(cells.second_nM)
    alone = tuple(
        _drawn(_many_alone(axis, values), start, sd, random)
        for axis, values, start in (
            (cells, moved[:, 1:, 0], fits.alone[0]),
            (cells.swapped(), moved[:, 0, 1:], fits.alone[1]),
        )
    )
    rows = _many_rows(cells.swapped(), moved.transpose(0, 2, 1), alone[1].at(x2))
    columns = _many_rows(cells, moved, alone[0].at(x1))
    return Fits(
        (alone[0], alone[1]),
        _drawn(rows, fits.rows, np.repeat(sd, len(x2)), random),
        _drawn(columns, fits.columns, np.repeat(sd, len(x1)), random),
    )


def _alone(cells: Cells) -> Points:
    return _many_alone(cells, cells.mean[None, 1:, 0])


def _many_alone(cells: Cells, values: np.ndarray) -> Points:
    """The first drug's own wells (draws, d1) as one curve a draw."""
    k = len(values)
    x = np.tile(np.log10(cells.first_nM), (k, 1))
    return Points(x, values, np.tile(cells.number[1:, 0], (k, 1)).astype(np.float64), np.zeros(k))


def _rows(cells: Cells, bottoms: np.ndarray) -> Points:
    return _many_rows(cells, cells.mean[None], bottoms[None])


def _many_rows(cells: Cells, values: np.ndarray, bottoms: np.ndarray) -> Points:
    """For every draw and dose of the first drug the wells along the second, (draws, 1 + d1, 1 + d2), as a curve.

    Bottoms (draws, d1) are the first drug's effect alone. A row without wells is one flat point.
    """
    k, d1, d2 = len(values), len(cells.first_nM), len(cells.second_nM)
    x = np.tile(np.log10(cells.second_nM), (k * d1, 1))
    weight = np.tile(cells.number[1:, 1:].astype(np.float64), (k, 1))
    y = values[:, 1:, 1:].reshape(k * d1, d2)
    empty = weight.sum(axis=1) == 0
    weight[empty, 0] = 1.0
    return Points(x, np.where(empty[:, None], 0.0, y), weight, bottoms.reshape(-1))


def _drawn(points: Points, start: Hills, sd: np.ndarray, random: np.random.Generator) -> Hills:
    """One fit a draw with pulls to the moved priors, from the fits of the wells themselves."""
    n = len(points.bottom)
    times = n // len(start.mid)
    start = Hills(*(np.tile(values, times) for values in start))
    move = random.standard_normal((2, n))
    pulls = Pulls(
        (sd / _TOP[1]) ** 2,
        _TOP[0] + _TOP[1] * move[0],
        (sd / LOG_SLOPE[1]) ** 2,
        LOG_SLOPE[0] + LOG_SLOPE[1] * move[1],
    )
    return fit_hills(points, pulls, start)
