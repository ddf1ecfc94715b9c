"""How like the living and the killed controls a well's image is: a linear model on the features of a frozen network.

Belongs here: the model, its scale between the controls, its uncertainty. Does not belong here: the features (`frozen`),
which wells the model cannot speak of (`control_span`), and scaling to the controls of each plate
(`phenodose.viability`).

The model is Fisher's linear discriminant of the two controls (Fisher 1936, doi 10.1111/j.1469-1809.1936.tb02137.x).
Two dozen wells of a kind cannot tell which of a thousand features vary by chance; wells of equal content can, whatever
they hold. So the noise is that of the controls around the mean of their kind and of replicate wells around theirs, its
covariance shrunk as by Ledoit and Wolf 2004, doi 10.1016/S0047-259X(03)00096-4; half of the answer is that of a model
whose noise is the controls' alone. No drug well has a label. A well is read by a model that has not seen it, nor its
replicates: so their agreement and the distance between the controls remain metrics of quality.

What is seen is likeness to the killing control; how far a well lies from what the controls span is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phenodose.errors import NotMade
from phenodose.learning.replicate_noise import alike, components, covariance, departures, in_units_of_noise

#: Fewer control wells of a kind teach nothing.
LEAST_CONTROLS = 3
#: Most principal components that the model is fitted in.
_COMPONENTS = 256
#: Bootstrap samples of the controls and replicates, each with half of the features.
_RESAMPLINGS = 24
#: Most curvature of the scale: 1 would make it flat at one end.
_MOST_CURVATURE = 0.95
#: Part of the curvature that blends of images show which is taken: cells that die are no sum of images, and without any
#: correction half-killed wells read as too alive.
_OF_CURVATURE = 0.5
_ALIKE = (
    "living and killed controls look the same to a model that has not seen them; there is nothing to measure viability "
    "by."
)
_NO_NOISE = "wells that hold the same look exactly the same; are some images copies of others?"
#: Beyond these viabilities it makes no difference to how far like wells differ.
_TOLD = (-1 / 3, 4 / 3)
#: Parts that the controls are divided in, each of which is read by a model of the others.
_FOLDS = 8


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
    """

    viability: np.ndarray
    viability_sd: np.ndarray


def likeness(
    features: np.ndarray,
    negative: np.ndarray,
    positive: np.ndarray,
    content: np.ndarray,
    blends: Blends,
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
        seed: seed of the resampling.

    Raises:
        NotMade: fewer than 3 controls of a kind, or controls that do not differ from each other.
    """
    require_controls(negative, positive)
    groups = alike(negative, positive, content)
    scaled, blended = in_units_of_noise(features, blends.features, groups)
    points, blend_points = components(scaled, blended, _COMPONENTS)
    # Replicates show noise that few controls do not, and have noise of their own that controls do not have: neither
    # model is the better one everywhere.
    known = (groups, groups[:2]) if len(groups) > 2 else (groups,)
    models = [_viability(points, blend_points, blends.living, some, negative, positive) for some in known]
    mean = np.mean(models, axis=0)
    top, bottom = np.median(mean[negative]), np.median(mean[positive])
    if not top > bottom:
        raise NotMade(_ALIKE)
    viability = (mean - bottom) / (top - bottom)
    spread = _spread(scaled, blended, blends, groups, negative, positive, np.random.default_rng([seed, 1]))
    return Likeness(viability, spread)


def likeness_of_views(
    views: Sequence[tuple[np.ndarray, Blends]],
    negative: np.ndarray,
    positive: np.ndarray,
    content: np.ndarray,
    seed: int = 0,
) -> Likeness:
    """What models of several views of the same wells say together.

    A view counts the more the less wells that hold the same differ in it: its weight is one over the variance of what
    it says of them, controls and replicates, each read by a model that has not seen it. Errors are taken to go
    together, as all models rest on the same controls. A view in which the controls cannot be told apart is left out.

    Args:
        views: float array (well, feature) and blends of each; see `likeness` for these and the other arguments.
        negative: bool array (well,).
        positive: bool array (well,).
        content: int array (well,).
        seed: seed of the resampling.

    Raises:
        NotMade: no view tells viability; the reason is that of the first.
    """
    said, reasons = [], []
    for features, blends in views:
        try:
            said.append(likeness(features, negative, positive, content, blends, seed))
        except NotMade as reason:
            reasons.append(reason)
    if not said:
        raise reasons[0]
    groups = alike(negative, positive, content)
    within = [np.clip(each.viability, *_TOLD)[:, None] for each in said]
    variances = np.array([float((departures(each, groups) ** 2).mean()) for each in within])
    weights = 1 / np.maximum(variances, 1e-9)
    weights /= weights.sum()
    mean = weights @ np.stack([each.viability for each in said])
    top, bottom = np.median(mean[negative]), np.median(mean[positive])
    spread = weights @ np.stack([each.viability_sd for each in said])
    return Likeness((mean - bottom) / (top - bottom), spread / (top - bottom))


def require_controls(negative: np.ndarray, positive: np.ndarray) -> None:
    """Raise NotMade unless there are enough controls of both kinds, given as bool arrays (well,)."""
    counts = int(negative.sum()), int(positive.sum())
    if min(counts) < LEAST_CONTROLS:
        raise NotMade(
            f"{counts[0]} living and {counts[1]} killed control wells have an image; at least {LEAST_CONTROLS} of each "
            "are needed to learn what the two look like."
        )


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

    noise = departures(points, groups)
    shrinkage = ledoit_wolf_shrinkage(noise, assume_centered=True)
    scatter, number = noise.T @ noise, len(noise)
    kinds = np.flatnonzero(negative), np.flatnonzero(positive)

    def without(left: list[np.ndarray], kept: list[np.ndarray], controls: tuple[np.ndarray, np.ndarray]) -> _Straight:
        """The model without the noise of some groups, with that of others in their place."""
        out, instead = (departures(points, some) if some else points[:0] for some in (left, kept))
        remaining = number - len(out) + len(instead)
        covariance = (scatter - out.T @ out + instead.T @ instead) * ((1 - shrinkage) / remaining)
        size = (np.trace(scatter) - (out**2).sum() + (instead**2).sum()) / remaining / len(scatter)
        covariance[np.diag_indices_from(covariance)] += shrinkage * size
        difference = points[controls[0]].mean(axis=0) - points[controls[1]].mean(axis=0)
        try:
            return _Straight.of(points, np.linalg.solve(covariance, difference), *controls)
        except np.linalg.LinAlgError:
            raise NotMade(_NO_NOISE) from None

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
        raise NotMade(_ALIKE)
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
            raise NotMade(_ALIKE)
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
        direction = np.linalg.solve(covariance(departures(points, [living, killed, *others])), difference)
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
