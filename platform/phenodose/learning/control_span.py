"""Which wells lie outside what the controls and their mixtures span: cells that died in another way than the control.

Belongs here: the ways between the controls, and the distance of a well from them. Does not belong here: the figures of
an image that it is told by (`cell_texture`), pictures of half-killed wells (`mosaics`), how alive a well looks
(`likeness`), and what becomes of a well that lies beyond (`phenodose.quality.wells`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phenodose.learning.cell_texture import mixed_counts, texture, texture_counts
from phenodose.learning.mosaics import DEAD, mosaics, pairs_of
from phenodose.learning.replicate_noise import alike, components, covariance, departures, in_units_of_noise

#: Principal components in which a well may leave the ways; further ones are noise.
_COMPONENTS = 20
#: Shares of killed cells at which a way between the controls is told by mixtures; between them it is straight.
_NODES = (0.25, 0.5, 0.75)
#: Pull of a way towards the straight line, in mixtures.
_PULL = 0.3
#: A way counts as far as it bends, and less, and a little more.
_BENDING = np.linspace(0.0, 1.25, 6)
_STEPS = np.linspace(0.0, 1.0, 41)
#: A single well counts no farther than so many times the median distance of a control: a speck of dust is no death.
_MOST = 2.5
#: Share of controls, pairs or single ones, that is within the limit; and the limit of pairs in units of that, as
#: mixtures of controls show only about what the way looks like.
_WITHIN, _MARGIN = 0.95, 1.4
#: Most pairs of controls of a kind that are looked at.
_PAIRS = 2000


@dataclass(frozen=True)
class Mixtures:
    """What wells would look like in which part of the cells is killed, in one way of mixing two controls.

    Attributes:
        texture: float array (mixture, feature).
        living: float array (mixture,): share of the living control.
    """

    texture: np.ndarray
    living: np.ndarray


@dataclass(frozen=True)
class Looks:
    """How the cells of all wells look, and those of mixtures of controls.

    Attributes:
        texture: float64 array (well, feature).
        mixtures: of the controls, one for each way of mixing; none were asked for if it is empty.
    """

    texture: np.ndarray
    mixtures: list[Mixtures]

    def all_mixtures(self) -> Mixtures:
        """Those of all ways of mixing, one after the other."""
        texture = np.concatenate([self.texture[:0], *(each.texture for each in self.mixtures)])
        return Mixtures(texture, np.concatenate([np.empty(0), *(each.living for each in self.mixtures)]))


def looks_of(
    images: np.ndarray,
    negative: np.ndarray,
    positive: np.ndarray,
    plate: np.ndarray,
    mixtures: int,
    seed: int,
    threads: int,
) -> Looks:
    """How cells look in images, and in wells that would hold those of two controls.

    Controls are mixed in three ways: their cells side by side without seeing each other, and pictures in which cells
    have died from the core or from the rim on.

    Args:
        images: array (well, y, x, channel) of counts.
        negative: bool array (well,): living controls.
        positive: bool array (well,): killed controls.
        plate: array (well,) of plate names.
        mixtures: of each way of mixing.
        seed: seed of the mixtures.
        threads: batches worked on at once; the numbers do not depend on it.
    """
    channels, counts = images.shape[3], texture_counts(images, threads)
    of_mixtures = []
    if mixtures:
        pairs, living = pairs_of(negative, positive, plate, mixtures, seed)
        made = [mixed_counts(counts, pairs, living)]
        made += [texture_counts(mosaics(images, pairs, living, dead, seed), threads) for dead in DEAD]
        of_mixtures = [Mixtures(texture(each, channels), living) for each in made]
    return Looks(texture(counts, channels), of_mixtures)


def control_distance(
    figures: np.ndarray,
    mixtures: list[Mixtures],
    negative: np.ndarray,
    positive: np.ndarray,
    content: np.ndarray,
    treatment: np.ndarray | None = None,
) -> np.ndarray:
    """How far every well lies from the ways between the controls, in units of the limit.

    A way goes from the mean of the living to that of the killed controls: a straight line, or bent as mixtures of
    controls say, one way for each kind of mixture; the nearest counts. What two replicates share of their departure
    from it is no chance: the square of their distance is the mean product of their departures, which chance leaves at 0
    however many directions there are. Half of it is what they share with the other doses of their drug, of which each
    way of dying has a direction of its own. The limit is what pairs of controls of one kind share, times a margin; of a
    well without replicates it is how far controls lie that nothing was learned from.

    Args:
        figures: float array (well, feature), from `cell_texture.texture`.
        mixtures: of the controls, in several ways of mixing.
        negative: bool array (well,): living controls.
        positive: bool array (well,): killed controls.
        content: int array (well,): wells of equal content share a number; -1 for wells that nothing vouches for.
        treatment: int array (well,): wells of one drug share a number; -1 for wells without. None for all without.

    Returns:
        float64 array (well,): above 1 is beyond. Replicates have the same; a well without one is judged alone.

    Raises:
        NotMade: all control wells are the same.
    """
    groups = alike(negative, positive, content)
    kinds = np.flatnonzero(negative), np.flatnonzero(positive)
    of_mixtures = np.concatenate([figures[:0], *(each.texture for each in mixtures)])
    scaled, mixed = in_units_of_noise(figures, of_mixtures, groups)
    points, mixed_points = components(scaled, mixed, _COMPONENTS)
    axes = _whitening(points, groups)
    wells = points @ axes
    ways = _Ways.of(wells[kinds[0]].mean(axis=0), wells[kinds[1]].mean(axis=0), mixed_points @ axes, mixtures)
    alone = np.linalg.norm(ways.departure(wells, wells), axis=1)
    left_out = _left_out(points, groups)
    far = alone / max(float(np.quantile(left_out, _WITHIN)), 1e-6)
    most = _MOST * float(np.median(left_out))
    limit = _MARGIN * _shared_by_controls(wells, ways, kinds, most)
    squares = _squares(wells, ways, groups[2:], treatment, max(most, 2 * limit))
    for rows, square in zip(groups[2:], squares, strict=True):
        far[rows] = np.sqrt(max(square, 0.0)) / limit
    return np.asarray(far)


def _squares(
    wells: np.ndarray, ways: _Ways, replicates: list[np.ndarray], treatment: np.ndarray | None, most: float
) -> np.ndarray:
    """Squared distance (group,) of replicates from the ways: half their own, half along that of their drug's others."""
    own, means = np.zeros(len(replicates)), np.zeros((len(replicates), wells.shape[1]))
    for place, rows in enumerate(replicates):
        beside = _cut(ways.departure(wells[rows].mean(axis=0, keepdims=True), wells[rows]), most)
        own[place], means[place] = _product(beside[None])[0], beside.mean(axis=0)
    squares = own.copy()
    if treatment is not None and replicates:
        drugs = treatment[[rows[0] for rows in replicates]]
        for place, others in _other_doses(drugs):
            direction = means[others].sum(axis=0)
            along = float(means[place] @ direction / max(float(np.linalg.norm(direction)), 1e-9))
            squares[place] = (own[place] + along * abs(along)) / 2
    return squares


def _whitening(points: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Axes (component, axis) in which the noise of like wells is 1 in every direction."""
    variance, directions = np.linalg.eigh(covariance(departures(points, groups)))
    return np.asarray(directions / np.sqrt(np.maximum(variance, 1e-12 * variance.max())))


def _left_out(points: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Distance (control,) of every control from the mean of the others of its kind, in units of noise without it.

    In units of noise that it had a part in a control lies near, the nearer the fewer wells showed the noise.
    """
    found = []
    for kind in range(2):
        for one in groups[kind]:
            others = groups[kind][groups[kind] != one]
            axes = _whitening(points, [*groups[:kind], others, *groups[kind + 1 :]])
            found.append(np.linalg.norm((points[one] - points[others].mean(axis=0)) @ axes))
    return np.array(found)


@dataclass(frozen=True)
class _Ways:
    """Points (point, axis) of all ways between the controls."""

    points: np.ndarray

    @classmethod
    def of(cls, start: np.ndarray, end: np.ndarray, points: np.ndarray, mixtures: list[Mixtures]) -> _Ways:
        """The straight way, and those that mixtures show: points (mixture, axis), one kind after the other."""
        straight = start + _STEPS[:, None] * (end - start)
        ways, first = [straight], 0
        for each in mixtures:
            number = len(each.living)
            if number:
                bend = _bend(points[first : first + number], 1.0 - each.living, start, end)
                ways += [straight + part * bend for part in _BENDING[1:]]
            first += number
        return cls(np.concatenate(ways))

    def departure(self, places: np.ndarray, wells: np.ndarray) -> np.ndarray:
        """Vectors (well, axis) to wells from the points of the ways that are nearest to some places, one or of each."""
        squares = (self.points**2).sum(axis=1)[None] - 2 * places @ self.points.T
        return np.asarray(wells - self.points[squares.argmin(axis=1)])


def _bend(points: np.ndarray, killed: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """How far (step, axis) a way lies beside the straight line: least squares at the nodes, a little pulled to 0."""
    hats = np.maximum(0.0, 1.0 - np.abs(killed[:, None] - np.array(_NODES)) / (_NODES[1] - _NODES[0]))
    beside = points - start - killed[:, None] * (end - start)
    nodes = np.linalg.solve(hats.T @ hats + _PULL * np.eye(len(_NODES)), hats.T @ beside)
    whole = np.concatenate([np.zeros((1, nodes.shape[1])), nodes, np.zeros((1, nodes.shape[1]))])
    return np.stack([np.interp(_STEPS, (0.0, *_NODES, 1.0), axis) for axis in whole.T], axis=1)


def _cut(departures: np.ndarray, most: float) -> np.ndarray:
    """Departures (..., axis), none longer than `most`."""
    length = np.linalg.norm(departures, axis=-1, keepdims=True)
    return np.asarray(departures * np.minimum(1.0, most / np.maximum(length, 1e-12)))


def _product(departures: np.ndarray) -> np.ndarray:
    """Mean product (group,) of the departures (group, well, axis) of two different wells of a group."""
    number = departures.shape[1]
    both = (departures.sum(axis=1) ** 2).sum(axis=1) - (departures**2).sum(axis=(1, 2))
    return np.asarray(both / (number * (number - 1)))


def _shared_by_controls(wells: np.ndarray, ways: _Ways, kinds: tuple[np.ndarray, np.ndarray], most: float) -> float:
    """What 95 % of pairs of controls of one kind share, each from the mean of its kind without both.

    From a mean that they are part of two controls lie on opposite sides, the more so the fewer there are.
    """
    shared = []
    for rows in kinds:
        first, second = np.triu_indices(len(rows), 1)
        some = np.unique(np.linspace(0, len(first) - 1, _PAIRS).astype(int))
        pairs = wells[np.stack([rows[first[some]], rows[second[some]]], axis=1)]
        middle = pairs.mean(axis=1)
        both = np.stack([ways.departure(middle, pairs[:, place]) for place in range(2)], axis=1)
        both = both + both.sum(axis=1, keepdims=True) / (len(rows) - 2)
        shared.append(_product(_cut(both, most)))
    return float(np.sqrt(max(np.quantile(np.concatenate(shared), _WITHIN), 1e-12)))


def _other_doses(drugs: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Every group of a drug with several, and its others."""
    for place, drug in enumerate(drugs):
        others = np.flatnonzero(drugs == drug)
        if drug >= 0 and len(others) > 1:
            yield place, others[others != place]
