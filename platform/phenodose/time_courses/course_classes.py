"""What a drug does over time: kill, slow, regrow or none, with probabilities.

Belongs here: the definitions of the classes, the model of a series, and its posterior. Does not belong here: how
readings become series (`series`).

The definitions, with cells(t) in units of the cells at the start and untreated cells growing by g(t) doublings:

    After a delay perhaps, a course has two phases that part at an unknown time. In each, cells grow at a share a >= 0
    of the growth of untreated cells, or die at a steady rate (then a counts as negative).

    regrow  stopped first, growing later: between two readings cells grow by at most 1/4 of what untreated cells do, and
            between two later ones by at least 1/2, and by 1/2 more, so that they end a quarter above their lowest count
    none    a >= 0.8 in both phases
    kill    neither of these, and at the end at least a quarter of the cells are lost that were there at some time
    slow    everything else: cells grow more slowly than untreated ones, or stand still

The posterior: every course on a grid of the two phases and the time between them is as probable as its readings make it
under normal noise of log2 cells, whose spread the untreated wells and the replicates of the screen tell. Beforehand the
classes are equally probable; within a class the courses of one phase are as probable as those of two, where it has
both, and alike among themselves. Counts below a limit of detection count as that limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLASSES = ("kill", "slow", "regrow", "none")
#: Growth as a share of that of untreated cells, and losses over the whole time in halvings.
_SHARES = np.round(np.arange(0.0, 1.31, 0.1), 2)
_LOSSES = np.geomspace(0.15, 12.0, 24)
#: Most times at which a second phase may begin; of more times these many are spread over all.
_SWITCHES = 12
#: When a drug begins to act, as a share of the whole time.
_DELAYS = np.array([0.0, 1 / 9, 2 / 9])
STOPPED, GROWS_AGAIN, AS_UNTREATED = 0.25, 0.5, 0.8
#: A quarter of the cells lost, and a quarter gained, in doublings.
_LOST, _GAINED = np.log2(4 / 3), np.log2(5 / 4)
#: Doublings of untreated cells from which growth can be told from its lack.
LEAST_GROWTH = 0.5
#: How far real courses lie from ones of two phases, in doublings: delays, and growth that slows down by itself.
MODEL_SD = 0.1
#: Growth of untreated cells between two readings (doublings); where they grow less, courses are compared with this.
_LITTLE = 0.05
#: Variance of the median of three and more over that of their mean.
_MEDIAN_COSTS = 1.4
#: Most numbers that are computed side by side.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Noise:
    """Noise of one well's log2 cells.

    Attributes:
        sd: of one reading, doublings.
        shared: part of the variance that all readings of a well have in common, 0 to 1: 0 where each time has wells of
            its own.
        limit: cells that can just be told from none, in units of the cells at the start.
        empty_sd: spread of readings of no cells, in the same unit, which adds to that of few cells.
    """

    sd: float
    shared: float = 0.0
    limit: float = 0.02
    empty_sd: float = 0.0


@dataclass(frozen=True)
class ClassProbabilities:
    """The classes of n series.

    Attributes:
        probability: float64 (n, 4), in the order of `CLASSES`; NaN where nothing was read.
        change: float64 (n,), doublings from start to end that are expected of the series (negative: cells lost).
    """

    probability: np.ndarray
    change: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """The most probable class, text (n,); '' where nothing was read."""
        known = np.isfinite(self.probability).all(axis=1)
        at = np.argmax(np.nan_to_num(self.probability), axis=1)
        return np.where(known, np.array(CLASSES, dtype=object)[at], "")


def classify(
    cells: np.ndarray, count: np.ndarray, hours: np.ndarray, growth: np.ndarray, noise: Noise
) -> ClassProbabilities:
    """The class of every series.

    Args:
        cells: float64 (n, t), log2 of the cells over those at the start: the middle one of the wells of a dose.
        count: int (n, t), wells that each number stands for; 0 where nothing was read.
        hours: float64 (t,), times of reading, rising from the start.
        growth: float64 (t,), doublings of untreated cells since the start.
        noise: of one well.
    """
    courses, lost, regrown, untouched, simple = _courses(hours, growth, np.log2(noise.limit))
    classes = np.select([regrown, untouched, lost], [2, 3, 0], 1)
    possible = np.array([True, growth[-1] >= LEAST_GROWTH, growth[-1] >= LEAST_GROWTH, True])
    log_prior = _log_prior(classes, simple, possible)
    floor = np.log2(noise.limit)
    seen = np.maximum(courses, floor)
    n = len(cells)
    probability, change = np.full((n, len(CLASSES)), np.nan), np.full(n, np.nan)
    step = max(1, _BLOCK // len(seen))
    for first in range(0, n, step):
        some = slice(first, first + step)
        log_weight = log_prior - 0.5 * _misfit(np.maximum(cells[some], floor), count[some], seen, noise)
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        for i in range(len(CLASSES)):
            probability[some, i] = weight[:, classes == i].sum(axis=1)
        change[some] = weight @ courses[:, -1]
    unread = (count[:, 1:] > 0).sum(axis=1) == 0
    probability[unread], change[unread] = np.nan, np.nan
    return ClassProbabilities(probability, change)


def _log_prior(classes: np.ndarray, simple: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Log of how probable each course (g,) is beforehand."""
    prior = np.zeros(len(classes))
    for i in np.flatnonzero(possible):
        kinds = [kind for kind in ((classes == i) & simple, (classes == i) & ~simple) if kind.any()]
        for kind in kinds:
            prior[kind] = 1.0 / len(kinds) / kind.sum()
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(prior))


def _misfit(cells: np.ndarray, count: np.ndarray, courses: np.ndarray, noise: Noise) -> np.ndarray:
    """Squared distance (n, g) of series from courses, in units of the noise, which wells read repeatedly share."""
    read = count > 0
    cells = np.where(read, cells, 0.0)
    several = np.where(count >= 3, _MEDIAN_COSTS, 1.0) / np.maximum(count, 1)
    own = (noise.sd**2 * (1 - noise.shared) + (noise.empty_sd / np.log(2) / 2.0**cells) ** 2) * several + MODEL_SD**2
    precision = np.where(read, 1.0 / own, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_count = count.sum(axis=1) / np.maximum(read.sum(axis=1), 1)
        common = noise.sd**2 * noise.shared / np.maximum(mean_count, 1)
    weighted = precision * cells
    distance = (weighted * cells).sum(axis=1)[:, None] - 2.0 * weighted @ courses.T + precision @ (courses**2).T
    sums = weighted.sum(axis=1)[:, None] - precision @ courses.T
    # Sherman-Morrison: the noise that all readings of a well have in common
    correction = common / (1.0 + common * precision.sum(axis=1))
    return np.asarray(distance - correction[:, None] * sums**2)


def _courses(
    hours: np.ndarray, growth: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Courses (g, t) in doublings since the start, and whether they lose cells, regrow, are untouched, have one phase.

    A drug acts from the start or with a delay, until when cells grow as untreated ones. The second phase begins at the
    time of a reading but the first and the last, or in the middle between two of them; or there is none.
    """
    switches = np.unique(np.concatenate([hours[1:-1], (hours[1:-1] + hours[:-2]) / 2]))
    if len(switches) > _SWITCHES:
        switches = switches[np.linspace(0, len(switches) - 1, _SWITCHES).round().astype(int)]
    pace = np.concatenate([-_LOSSES[::-1], _SHARES])
    first, second = (a.ravel() for a in np.meshgrid(pace, pace, indexing="ij"))
    both = np.stack([first, second])[:, first != second]
    blocks, paces = [], []
    for delay in _DELAYS * hours[-1]:
        before = _upto(growth, hours, delay)
        blocks.append(before + _phase(pace, hours, growth, delay, np.inf))
        paces.append(np.stack([pace, pace]))
        for switch in switches[switches > delay]:
            parts = (_phase(both[0], hours, growth, delay, switch), _phase(both[1], hours, growth, switch, np.inf))
            blocks.append(before + parts[0] + parts[1])
            paces.append(both)
    courses, phases = np.concatenate(blocks), np.concatenate(paces, axis=1)
    early, late = phases
    seen = np.maximum(courses, floor)
    end = seen[:, -1]
    # 1 as untreated cells, whether these grow, rest or lose cells in between; 0 without growth where they grow
    usual = np.maximum(np.diff(growth), _LITTLE)
    shares = 1 + (np.diff(courses, axis=1) - np.diff(growth)) / usual
    lowest = np.minimum.accumulate(shares[:, :-1], axis=1)
    again = (lowest <= STOPPED) & (shares[:, 1:] >= GROWS_AGAIN) & (shares[:, 1:] - lowest >= GROWS_AGAIN)
    regrown = again.any(axis=1) & (end - seen.min(axis=1) >= _GAINED)
    untouched = (early >= AS_UNTREATED - 1e-9) & (late >= AS_UNTREATED - 1e-9)
    lost = seen.max(axis=1) - end >= _LOST
    return courses, lost, regrown, untouched, early == late


def _phase(pace: np.ndarray, hours: np.ndarray, growth: np.ndarray, start: float, end: float) -> np.ndarray:
    """Doublings (g, t) in a phase at a pace (g,): shares of untreated growth from 0 on, losses over all hours below."""
    time = (np.clip(hours, start, end) - start) / hours[-1]
    grown = _upto(growth, hours, end) - _upto(growth, hours, start)
    return np.asarray(np.where(pace[:, None] >= 0, pace[:, None] * grown, pace[:, None] * time))


def _upto(growth: np.ndarray, hours: np.ndarray, end: float) -> np.ndarray:
    """Growth of untreated cells at each time, that at the end from there on."""
    return np.asarray(np.interp(np.minimum(hours, end), hours, growth))
