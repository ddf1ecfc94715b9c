"""How like the living and the killed controls a well's image is: a linear model on the features of a frozen network.

Belongs here: the model, its scale between the controls, its uncertainty, and which wells it cannot speak of. Does not
belong here: the features (`frozen`), and scaling to the controls of each plate (`phenodose.viability`).

The model is Fisher's linear discriminant of the two controls (Fisher 1936, doi 10.1111/j.1469-1809.1936.tb02137.x).
Two dozen wells of a kind cannot tell which of a thousand features vary by chance; wells of equal content can, whatever
they hold. So the noise is that of the controls around the mean of their kind and of replicate wells around theirs, its
covariance shrunk as by Ledoit and Wolf 2004, doi 10.1016/S0047-259X(03)00096-4; half of the answer is that of a model
whose noise is the controls' alone. No drug well has a label. A well is read by a model that has not seen it, nor its
replicates: so their agreement and the distance between the controls remain metrics of quality.

What is seen is likeness to the killing control. A drug that kills in another way leaves the line between the two
controls; how far, in units of what controls do by chance, is `distance`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phenodose.errors import NotMade

#: Fewer control wells of a kind teach nothing.
LEAST_CONTROLS = 3
#: Most principal components that the model is fitted in.
_COMPONENTS = 256
#: Principal components in which a well may leave the line; further ones are noise.
_SPAN_COMPONENTS = 15
#: Share of controls whose distance from the line is within the limit.
_WITHIN = 0.95
#: Bootstrap samples of the controls and replicates, each with half of the features.
_RESAMPLINGS = 24
#: Most curvature of the scale: 1 would make it flat at one end.
_MOST_CURVATURE = 0.95
#: Part of the curvature that blends of images show which is taken: cells that die are no sum of images, and without any
#: correction half-killed wells read as too alive.
_OF_CURVATURE = 0.5
#: Parts that the controls are divided in, each of which is read by a model of the others.
_FOLDS = 8
#: A drug whose strongest wells lie so far along the line shows how the way from one control to the other bends.
_ALONG = 0.8
#: Wells of such drugs that are needed to tell.
_LEAST_ON_WAY = 10


@dataclass(frozen=True)
class Blends:
    """Images made of two controls, which show how the features go from one to the other.

    Attributes:
        features: float array (blend, feature).
        living: float array (blend,): share of the living control.
    """

    features: np.ndarray
    living: np.ndarray


@dataclass(frozen=True)
class Likeness:
    """What the model says of every well.

    Attributes:
        viability: float64 array (well,): 1 as the median of the living controls, 0 as that of the killed.
        viability_sd: float64 array (well,): standard deviation over resampled controls and features.
        distance: float64 array (well,): distance from what controls and their blends span, in units of the limit that
            95 % of controls keep; of replicate wells together.
    """

    viability: np.ndarray
    viability_sd: np.ndarray
    distance: np.ndarray


def likeness(
    features: np.ndarray,
    negative: np.ndarray,
    positive: np.ndarray,
    content: np.ndarray,
    blends: Blends,
    treatment: np.ndarray | None = None,
    seed: int = 0,
) -> Likeness:
    """Fit the model on the controls and ask it about all wells.

    Args:
        features: float array (well, feature), finite.
        negative: bool array (well,): living controls.
        positive: bool array (well,): killed controls.
        content: int array (well,): wells of equal content share a number, such as one drug and dose; -1 for wells that
            nothing vouches for. Controls are told by the two arrays before.
        blends: blends of the controls.
        treatment: int array (well,): wells of one drug share a number; -1 for wells without. None for all without.
        seed: seed of the resampling.

    Raises:
        NotMade: fewer than 3 controls of a kind, or controls that do not differ from each other.
    """
    require_controls(negative, positive)
    groups = _groups(negative, positive, content)
    scaled, blended = _scaled(features, blends.features, groups)
    points, blend_points = _components(scaled, blended)
    # Replicates show noise that few controls do not, and have noise of their own that controls do not have: neither
    # model is the better one everywhere.
    known = (groups, groups[:2]) if len(groups) > 2 else (groups,)
    models = [_viability(points, blend_points, blends.living, some, negative, positive) for some in known]
    mean = np.mean(models, axis=0)
    top, bottom = np.median(mean[negative]), np.median(mean[positive])
    viability = (mean - bottom) / (top - bottom)
    spread = _spread(scaled, blended, blends, groups, negative, positive, np.random.default_rng([seed, 1]))
    distance = _distance(points, blend_points, blends.living, groups, negative, positive, treatment)
    return Likeness(viability, spread, distance)


def require_controls(negative: np.ndarray, positive: np.ndarray) -> None:
    """Raise NotMade unless there are enough controls of both kinds, given as bool arrays (well,)."""
    counts = int(negative.sum()), int(positive.sum())
    if min(counts) < LEAST_CONTROLS:
        raise NotMade(
            f"{counts[0]} living and {counts[1]} killed control wells have an image; at least {LEAST_CONTROLS} of each "
            "are needed to learn what the two look like."
        )


def _groups(negative: np.ndarray, positive: np.ndarray, content: np.ndarray) -> list[np.ndarray]:
    """Rows of wells of equal content, of which there are several: both controls first."""
    control = negative | positive
    numbers = [number for number in np.unique(content[~control]) if number >= 0]
    found = [np.flatnonzero(negative), np.flatnonzero(positive)]
    found += [np.flatnonzero((content == number) & ~control) for number in numbers]
    return [rows for rows in found if len(rows) > 1]


def _noise(points: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Departures of wells from the mean of their like, scaled to the variance of single wells."""
    return np.concatenate(
        [(points[rows] - points[rows].mean(axis=0)) * np.sqrt(len(rows) / (len(rows) - 1)) for rows in groups]
    )


def _scaled(features: np.ndarray, blended: np.ndarray, groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Features around 0 in units of their noise, and those of the blends alike."""
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features.astype(np.float64) - mean
    sd = np.sqrt((_noise(centred, groups) ** 2).mean(axis=0))
    known = sd[sd > 0]
    if not known.size:
        raise NotMade("all images of the control wells are the same; there is nothing to learn from them.")
    # A feature that hardly varies between like wells is not the more to be trusted.
    unit = sd + 0.01 * np.median(known)
    return centred / unit, (blended - mean) / unit


def _components(scaled: np.ndarray, blended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.linalg import svd

    _, _, axes = svd(scaled, full_matrices=False, lapack_driver="gesdd")
    axes = axes[:_COMPONENTS]
    return scaled @ axes.T, blended @ axes.T


def _covariance(noise: np.ndarray) -> np.ndarray:
    from sklearn.covariance import LedoitWolf

    return np.asarray(LedoitWolf(assume_centered=True).fit(noise).covariance_)


def _viability(
    points: np.ndarray,
    blends: np.ndarray,
    living: np.ndarray,
    groups: list[np.ndarray],
    negative: np.ndarray,
    positive: np.ndarray,
) -> np.ndarray:
    """Viability (well,): every well is read by a model that has not seen it.

    Replicates are read by a model without them, a control by one without a share of the controls that it is of.
    Controls that a model was fitted on lie farther apart than others that look the same, so the scale rests on the
    medians of those left out.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    noise = _noise(points, groups)
    shrinkage = ledoit_wolf_shrinkage(noise, assume_centered=True)
    scatter, number = noise.T @ noise, len(noise)
    kinds = np.flatnonzero(negative), np.flatnonzero(positive)

    def without(left: list[np.ndarray], kept: list[np.ndarray], controls: tuple[np.ndarray, np.ndarray]) -> _Straight:
        """The model without the noise of some groups, with that of others in their place."""
        out, instead = (_noise(points, some) if some else points[:0] for some in (left, kept))
        remaining = number - len(out) + len(instead)
        covariance = (scatter - out.T @ out + instead.T @ instead) * ((1 - shrinkage) / remaining)
        size = (np.trace(scatter) - (out**2).sum() + (instead**2).sum()) / remaining / len(scatter)
        covariance[np.diag_indices_from(covariance)] += shrinkage * size
        difference = points[controls[0]].mean(axis=0) - points[controls[1]].mean(axis=0)
        return _Straight.of(points, np.linalg.solve(covariance, difference), *controls)

    whole = without([], [], kinds)
    viability = whole(points)
    for fold in range(_FOLDS):
        left = [rows[np.arange(len(rows)) % _FOLDS == fold] for rows in kinds]
        kept = kinds[0][np.arange(len(kinds[0])) % _FOLDS != fold], kinds[1][np.arange(len(kinds[1])) % _FOLDS != fold]
        if any(map(len, left)):
            model = without(list(kinds), list(kept), kept)
            for rows in left:
                viability[rows] = model(points[rows])
    for rows in groups[2:]:
        viability[rows] = without([rows], [], kinds)(points[rows])
    top, bottom = np.median(viability[negative]), np.median(viability[positive])
    if not top > bottom:
        raise NotMade(
            "living and killed controls that the model has not seen look the same to it; there is nothing to measure "
            "viability by."
        )
    return _bent((viability - bottom) / (top - bottom), whole(blends), living)


@dataclass(frozen=True)
class _Straight:
    """A direction, and what stands for 1 and 0 on it: the medians of the controls that it was fitted on."""

    direction: np.ndarray
    top: float
    bottom: float

    @classmethod
    def of(cls, points: np.ndarray, direction: np.ndarray, living: np.ndarray, killed: np.ndarray) -> _Straight:
        top, bottom = (float(np.median(points[rows] @ direction)) for rows in (living, killed))
        if top == bottom:
            raise NotMade("living and killed controls look the same; there is nothing to measure viability by.")
        return cls(direction, top, bottom)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return np.asarray((points @ self.direction - self.bottom) / (self.top - self.bottom))


def _bent(straight: np.ndarray, of_blends: np.ndarray, living: np.ndarray) -> np.ndarray:
    """Viability from its straight scale, which bends between the controls as blends say.

    Blends give v = s + k s (1 - s) for a share s of living; half of their k is undone.
    """
    bend = living * (1.0 - living)
    curvature = float(bend @ (of_blends - living) / (bend @ bend)) if bend.any() else 0.0
    k = _OF_CURVATURE * float(np.clip(curvature, -_MOST_CURVATURE, _MOST_CURVATURE))
    if abs(k) < 1e-6:
        return straight
    inside = np.clip(straight, 0.0, 1.0)
    bent = ((1 + k) - np.sqrt((1 + k) ** 2 - 4 * k * inside)) / (2 * k)
    return np.asarray(np.where((straight > 0) & (straight < 1), bent, straight))


def _spread(
    scaled: np.ndarray,
    blended: np.ndarray,
    blends: Blends,
    groups: list[np.ndarray],
    negative: np.ndarray,
    positive: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Standard deviation (well,) of what models of resampled wells and half of the features say."""
    answers = []
    for _ in range(_RESAMPLINGS):
        chosen = np.sort(rng.choice(scaled.shape[1], max(scaled.shape[1] // 2, 1), replace=False))
        points, of_blends = _components_of_few(scaled[:, chosen], blended[:, chosen])
        living, killed = (
            np.sort(rng.choice(rows, len(rows))) for rows in (np.flatnonzero(negative), np.flatnonzero(positive))
        )
        others = [groups[place] for place in rng.integers(2, len(groups), len(groups) - 2)] if len(groups) > 2 else []
        difference = points[living].mean(axis=0) - points[killed].mean(axis=0)
        direction = np.linalg.solve(_covariance(_noise(points, [living, killed, *others])), difference)
        model = _Straight.of(points, direction, np.flatnonzero(negative), np.flatnonzero(positive))
        answers.append(_bent(model(points), model(of_blends), blends.living))
    return np.asarray(np.std(answers, axis=0))


def _components_of_few(scaled: np.ndarray, blended: np.ndarray, number: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """The first components, by the smaller of the two products: resampling is done many times."""
    if scaled.shape[0] <= scaled.shape[1]:
        values, left = np.linalg.eigh(scaled @ scaled.T)
        kept = np.flatnonzero(values > values[-1] * 1e-10)[-number:]
        axes = (scaled.T @ left[:, kept]) / np.sqrt(values[kept])
    else:
        _, right = np.linalg.eigh(scaled.T @ scaled)
        axes = right[:, -number:]
    return scaled @ axes, blended @ axes


def _distance(
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
        variance, directions = np.linalg.eigh(_covariance(_noise(points, groups)))
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
