"""Dose pairs whose wells lie off those around them, and may be bad.

Belongs here: how probable it is that a pair's wells are bad, and what they would be instead. Does not belong here: bad
wells of single drugs (`dose_response.posterior`).

The excess over Bliss of the drugs' own curves changes smoothly over a matrix where the effects themselves do not. So a
pair is compared with its neighbours: all around it (their median), those with another dose of the first drug, and those
with another of the second. Of the three distances, if all point the same way, the smallest counts: a bad well of a
single drug moves a whole row, a potency that changes moves a whole row too, and neither is a bad pair. With the scatter
of that distance and the share of bad wells, which all wells of all matrices teach (`dose_response.noise`), Bayes' rule
gives the probability. An interaction in one dose pair alone looks the same: only replicates tell them apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from phenodose.combinations.dose_matrix import Cells
from phenodose.combinations.reference_models import bliss
from phenodose.combinations.single_drugs import Alone
from phenodose.dose_response.curve_prior import BAD_WELL_DENSITY

#: Pairs of which it is less probable are taken as good.
LEAST_PROBABILITY = 0.05
#: Fewest neighbours, of all eight, of a pair that is looked at.
_LEAST_NEIGHBOURS = 3
#: Usual scatter of the smallest of the three distances, in standard deviations of the pair's mean, at least.
_LEAST_SCATTER = 1.2


class Doubtful(NamedTuple):
    """Dose pairs that may be bad, (s,) each.

    Attributes:
        at: int64, place among the pairs of the matrix.
        probability: float64, that the wells are bad.
        off: float64, how far they lie off [fraction of inhibition].
        instead: float64, inhibition that the pairs around them speak for.
        spread: float64, standard deviation of that.
    """

    at: np.ndarray
    probability: np.ndarray
    off: np.ndarray
    instead: np.ndarray
    spread: np.ndarray


def doubtful_pairs(cells: Cells, alone: list[Alone], sd: float, bad_wells: float) -> Doubtful:
    """The pairs of a matrix whose wells may be bad.

    Args:
        cells: the matrix.
        alone: effects of the first and of the second drug alone.
        sd: standard deviation of a well [fraction].
        bad_wells: share of wells that are bad anywhere.
    """
    i, j = cells.pairs
    first, second = (np.where(np.isfinite(one.fitted), one.fitted, one.wells) for one in alone)
    over = np.full((len(cells.first_nM) + 2, len(cells.second_nM) + 2), np.nan)
    over[i, j] = cells.mean[i, j] - bliss(first[i - 1], second[j - 1])
    around = np.stack([over[i + a, j + b] for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b])
    seen = np.isfinite(around).sum(axis=0) >= _LEAST_NEIGHBOURS
    distance = np.full((3, len(i)), np.nan)
    for row, values in zip(distance, (around, around[[1, 6]], around[[3, 4]]), strict=True):
        some = seen & np.isfinite(values).any(axis=0)
        row[some] = over[i, j][some] - np.nanmedian(values[:, some], axis=0)
    one_way = (np.sign(distance) == np.sign(distance[:1])).all(axis=0)
    off = np.where(one_way, np.sign(distance[0]) * np.abs(distance).min(axis=0), 0.0)
    known = np.isfinite(distance).all(axis=0)
    if not known.any():
        none = np.full(0, np.nan)
        return Doubtful(np.full(0, 0), none, none, none, none)
    spread = _LEAST_SCATTER * sd / np.sqrt(cells.number[i, j])
    spread = np.maximum(spread, 1.4826 * np.median(np.abs(off[known])))
    good = (1 - bad_wells) * np.exp(-0.5 * (off / spread) ** 2) / (np.sqrt(2 * np.pi) * spread)
    probability = np.where(known, bad_wells * BAD_WELL_DENSITY / (bad_wells * BAD_WELL_DENSITY + good), 0.0)
    at = np.flatnonzero(probability >= LEAST_PROBABILITY)
    instead = cells.mean[i, j] - distance[0]
    return Doubtful(at, probability[at], distance[0][at], instead[at], spread[at])


def drawn_with(doubtful: Doubtful, drawn: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draws (draws, p) of the pairs' inhibition in which doubtful wells are now right and now replaced."""
    shape = (len(drawn), len(doubtful.at))
    bad = random.random(shape) < doubtful.probability
    instead = doubtful.instead + doubtful.spread * random.standard_normal(shape)
    drawn = drawn.copy()
    drawn[:, doubtful.at] = np.where(bad, instead, drawn[:, doubtful.at])
    return drawn


def without(cells: Cells, doubtful: Doubtful) -> Cells:
    """The matrix without the pairs that are more probably bad than good."""
    i, j = cells.pairs
    bad = doubtful.at[doubtful.probability > 0.5]
    mean, number = cells.mean.copy(), cells.number.copy()
    mean[i[bad], j[bad]], number[i[bad], j[bad]] = np.nan, 0
    return cells._replace(mean=mean, number=number)
