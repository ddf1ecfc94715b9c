"""Which wells lie outside what the controls and their blends span: cells that died in another way than the control.

Belongs here: the distance of a well from the way between the controls. Does not belong here: how alive a well looks
(`likeness`), and what becomes of a well that lies beyond (`phenodose.quality.wells`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phenodose.learning.replicate_noise import covariance, departures

#: Principal components in which a well may leave the line; further ones are noise.
_SPAN_COMPONENTS = 15
#: Share of controls whose distance from the line is within the limit.
_WITHIN = 0.95
#: A drug whose strongest wells lie so far along the line shows how the way from one control to the other bends.
_ALONG = 0.8
#: Wells of such drugs that are needed to tell.
_LEAST_ON_WAY = 10


def control_distance(
    points: np.ndarray,
    blends: np.ndarray,
    living: np.ndarray,
    groups: list[np.ndarray],
    negative: np.ndarray,
    positive: np.ndarray,
    treatment: np.ndarray | None,
) -> np.ndarray:
    """How far every well lies from the way between the controls, in units of the limit that 95 % of controls keep.

    The way is a straight line, or bent as blends of the controls say, or as the wells of those drugs say that end at
    the killing control; the nearest counts. Replicates are judged by their mean, whose chance is the smaller: a way of
    dying is the drug's, a speck of dust is one well's.

    Args:
        points: float array (well, component), the strongest component first.
        blends: float array (blend, component): blends of controls.
        living: float array (blend,): share of the living control.
        groups: rows of wells that hold the same, of which there are several; both controls first.
        negative: bool array (well,): living controls.
        positive: bool array (well,): killed controls.
        treatment: int array (well,): wells of one drug share a number; -1 for wells without. None for all without.

    Returns:
        float64 array (well,): above 1 is beyond.
    """
    space = _Space.of(points[:, :_SPAN_COMPONENTS], groups)
    wells, of_blends = space(points[:, :_SPAN_COMPONENTS]), space(blends[:, :_SPAN_COMPONENTS])
    start, end = wells[negative].mean(axis=0), wells[positive].mean(axis=0)
    pooled = wells.copy()
    for rows in groups[2:] if len(groups) > 2 else []:
        pooled[rows] = wells[rows].mean(axis=0)
    ways = [np.zeros(wells.shape[1])]
    if len(living):
        ways.append(_bend(of_blends, 1.0 - living, start, end))
    limit = _limit(wells, ways, start, end, negative, positive)
    if treatment is not None:
        along = np.clip((pooled - start) @ (end - start) / ((end - start) @ (end - start)), 0.0, 1.0)
        near = _from_ways(pooled, ways, start, end) <= 1.2 * limit
        on_way = _ending_at_control(treatment, along, near, ~(negative | positive))
        if on_way.sum() >= _LEAST_ON_WAY:
            bend = _bend(wells[on_way], along[on_way], start, end)
            ways += [bend, bend / 2]
            limit = _limit(wells, ways, start, end, negative, positive)
    return np.asarray(_from_ways(pooled, ways, start, end) / limit)


@dataclass(frozen=True)
class _Space:
    """Coordinates in which the noise of like wells is 1 in every direction."""

    axes: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray, groups: list[np.ndarray]) -> _Space:
        variance, directions = np.linalg.eigh(covariance(departures(points, groups)))
        return cls(directions / np.sqrt(np.maximum(variance, 1e-12 * variance.max())))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(points @ self.axes)


def _bend(points: np.ndarray, along: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The vector b for which points lie at start + t (end - start) + t (1 - t) b, a little pulled to 0."""
    bend = along * (1.0 - along)
    straight = start + along[:, None] * (end - start)
    return np.asarray(bend @ (points - straight) / (bend @ bend + 0.02 * len(bend)))


def _from_ways(points: np.ndarray, ways: list[np.ndarray], start: np.ndarray, end: np.ndarray) -> np.ndarray:
    steps = np.linspace(0.0, 1.0, 41)
    nearest = np.full(len(points), np.inf)
    for bend in ways:
        way = start + steps[:, None] * (end - start) + (steps * (1 - steps))[:, None] * bend
        squares = (points**2).sum(axis=1)[:, None] + (way**2).sum(axis=1)[None, :] - 2 * points @ way.T
        nearest = np.minimum(nearest, np.sqrt(np.maximum(squares, 0.0)).min(axis=1))
    return nearest


def _limit(
    wells: np.ndarray,
    ways: list[np.ndarray],
    start: np.ndarray,
    end: np.ndarray,
    negative: np.ndarray,
    positive: np.ndarray,
) -> float:
    """The distance that 95 % of controls keep, each from the mean of the others of its kind."""
    far = _from_ways(wells, ways, start, end)
    left_out = [far[kind] * kind.sum() / (kind.sum() - 1) for kind in (negative, positive)]
    return float(np.quantile(np.concatenate(left_out), _WITHIN))


def _ending_at_control(treatment: np.ndarray, along: np.ndarray, near: np.ndarray, drugs: np.ndarray) -> np.ndarray:
    """Wells of the drugs whose two strongest wells look like the killing control."""
    found = np.zeros(len(treatment), dtype=bool)
    for rows in _of_each(treatment, drugs):
        strongest = rows[np.argsort(-along[rows], kind="stable")[:2]]
        if along[strongest].min() > _ALONG and near[strongest].all():
            found[rows] = True
    return found


def _of_each(treatment: np.ndarray, drugs: np.ndarray) -> Iterator[np.ndarray]:
    for number in np.unique(treatment[drugs]):
        if number >= 0:
            yield np.flatnonzero(drugs & (treatment == number))
