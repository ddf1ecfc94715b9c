"""Which class a well's image belongs to: living, killed, and whatever else a person has named wells.

Belongs here: the classes of a screen, and a linear model on the features of a frozen network. Does not belong here: the
features (`frozen`), viability (`likeness`), the network that is taught the same classes (`training_sets`), and what
becomes of a well that holds no cells (`phenodose.quality.wells`).

The model is one ridge regression (Hoerl and Kennard 1970, doi 10.1080/00401706.1970.10488634) for each class against
all others, on features in units of their spread; every class weighs the same, however many wells it has. The answers
become probabilities by a softmax whose slope, like the strength of the ridge, is what serves wells best that their
model has not seen. No well of a named class is read by a model that has seen it: such wells are divided in parts, and
the wells of one have no say in the model that reads them, nor in its strength and slope. Leaving one well out of a
ridge regression needs no second fit (Allen 1974, doi 10.1080/00401706.1974.10489157).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phenodose.errors import NotMade
from phenodose.learning.unit_length import of_unit_length
from phenodose.names import class_key

#: The two classes that every readout of images knows, in this order.
KILLED, LIVING = "killed", "living"
#: Fewer wells of a name teach nothing.
LEAST_WELLS = 3
#: Strengths of the ridge, in units of the mean variance of a well.
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
#: Slopes of the softmax: regressions answer 1 for their own class and 0 for the others.
_SLOPES = (2.0, 4.0, 6.0, 8.0, 12.0, 16.0)
#: Parts that the wells of each class are divided in, each of which is read by a model of the others.
_FOLDS = 8
#: Added to the products of wells: the variance of the intercept, which hardly anything holds back.
_CONSTANT = 1e3


def class_names(named: Sequence[str]) -> tuple[str, ...]:
    """The classes that wells are told apart by: killed, living, then the names with enough wells, in order of name.

    Args:
        named: what a person calls each imaged well; '' where nobody says.
    """
    spelling: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name in named:
        if name and class_key(name) not in (KILLED, LIVING):
            spelling.setdefault(class_key(name), name)
            counts[class_key(name)] = counts.get(class_key(name), 0) + 1
    return KILLED, LIVING, *(spelling[key] for key in sorted(counts) if counts[key] >= LEAST_WELLS)


def too_few(named: Sequence[str]) -> dict[str, int]:
    """Names of fewer wells than a class needs -> how many wells bear them."""
    known = {class_key(name) for name in class_names(named)}
    rare = [class_key(name) for name in named if name and class_key(name) not in known]
    return {name: rare.count(name) for name in sorted(set(rare))}


def class_labels(names: Sequence[str], named: Sequence[str], negative: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Place in `names` of every well's class, int array (well,); -1 for wells that nobody has put into one of them.

    What a person calls a control counts before what the layout put into it.

    Args:
        names: from `class_names`.
        named: what a person calls each well; '' where nobody says.
        negative: bool array (well,): living controls.
        positive: bool array (well,): killed controls.
    """
    place = {class_key(name): number for number, name in enumerate(names)}
    labels = np.where(negative, place.get(LIVING, -1), np.where(positive, place.get(KILLED, -1), -1))
    said = np.array([bool(name) for name in named], dtype=bool)
    of_name = np.array([place.get(class_key(name), -1) for name in named], dtype=np.int64)
    return np.where(said, of_name, labels)


def with_enough_wells(names: Sequence[str], labels: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """The classes that have enough wells, and the wells' places among them; a person may call all controls otherwise.

    Args:
        names: the classes.
        labels: from `class_labels`.
    """
    kept = [number for number in range(len(names)) if (labels == number).sum() >= LEAST_WELLS]
    place = np.full(len(names) + 1, -1)  # the last is that of wells of no class
    place[kept] = np.arange(len(kept))
    return tuple(names[number] for number in kept), place[labels]


def class_probabilities(features: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """Probability of each class for every well, float64 array (well, class); rows sum to 1.

    Args:
        features: float array (well, feature), finite.
        labels: int array (well,): the class that the well is known to be of, -1 where nobody says.
        number: classes; each has at least 3 wells.

    Raises:
        NotMade: a class has fewer wells, or all known wells look the same.
    """
    counts = np.bincount(labels[labels >= 0], minlength=number)
    if counts.min() < LEAST_WELLS:
        raise NotMade(f"a class of wells has {counts.min()} of them with an image; {LEAST_WELLS} are the least.")
    known = np.flatnonzero(labels >= 0)
    alike = "the images of all wells of known class are the same; there is nothing to tell them apart by."
    points = of_unit_length(features, known, alike)
    kernel = points @ points[known].T + _CONSTANT
    among, of = kernel[known], labels[known]
    found = np.empty((len(points), number))
    others = np.flatnonzero(labels < 0)
    found[others] = _read(among, of, kernel[others], number)
    part = np.empty(len(known), dtype=np.int64)
    for one in range(number):
        rows = np.flatnonzero(of == one)
        part[rows] = np.arange(len(rows)) % _FOLDS
    for fold in range(_FOLDS):
        asked, kept = part == fold, part != fold
        if asked.any():
            found[known[asked]] = _read(among[np.ix_(kept, kept)], of[kept], among[np.ix_(asked, kept)], number)
    return found


def confusion(names: Sequence[str], labels: np.ndarray, probability: np.ndarray) -> dict[str, dict[str, int]]:
    """How many wells of each class were read as which: known class -> class that was read -> wells.

    Args:
        names: the classes.
        labels: int array (well,), as for `class_probabilities`.
        probability: from `class_probabilities`.
    """
    read = probability.argmax(axis=1)
    return {
        name: {other: int(((labels == own) & (read == one)).sum()) for one, other in enumerate(names)}
        for own, name in enumerate(names)
    }


def _read(among: np.ndarray, of: np.ndarray, asked: np.ndarray, number: int) -> np.ndarray:
    """What a model of some wells says of others (asked well, class).

    Args:
        among: products of the known wells.
        of: their classes.
        asked: products of the asked wells with the known ones.
        number: classes.
    """
    root = np.sqrt(len(of) / (number * np.bincount(of, minlength=number)[of]))
    weighted, wanted = among * root[:, None] * root, np.eye(number)[of] * root[:, None]
    strength, slope, best = _STRENGTHS[0], _SLOPES[0], -np.inf
    for one in _STRENGTHS:
        hat = np.linalg.solve(weighted + one * np.eye(len(of)), weighted).T
        left_out = (wanted - (wanted - hat @ wanted) / (1.0 - np.diag(hat))[:, None]) / root[:, None]
        for steepness in _SLOPES:
            likelihood = float((np.log(_softmax(steepness * left_out)[np.arange(len(of)), of]) * root**2).sum())
            if likelihood > best:
                strength, slope, best = one, steepness, likelihood
    weights = np.linalg.solve(weighted + strength * np.eye(len(of)), wanted) * root[:, None]
    return _softmax(slope * (asked @ weights))


def _softmax(values: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return np.asarray(softmax(values, axis=1))
