"""What the features of a well say of its viability, taught by wells of other drugs that were measured otherwise.

Belongs here: the model and the rule that no drug is read by a model that has seen it. Does not belong here: the
features (`frozen`), and the readout that needs no teacher (`likeness`).

The model is a ridge regression (Hoerl and Kennard 1970, doi 10.1080/00401706.1970.10488634) on features in units of
their spread, in its dual form. Leaving out a group of wells needs no second fit: with the hat matrix H of all wells,
what the model of the others says of a group g differs from what was measured by (I - H_gg)^-1 (y - H y)_g
(Allen 1974, doi 10.1080/00401706.1974.10489157, for one well; the same algebra holds for groups). Left out are all
wells of any sample that hold one of the well's compounds, as drug or as add-on, and controls in parts. How strongly the
model is held back, one number, is for each drug what serves wells without it best.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from phenodose.errors import NotMade
from phenodose.learning.unit_length import of_unit_length

#: Fewer drugs say nothing of one that is left out.
LEAST_DRUGS = 4
#: Strengths of the ridge, in units of the mean variance of a well.
_STRENGTHS: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0)
#: What was measured counts within these bounds: a reading of dirt teaches nothing.
_LEAST, _MOST = -0.2, 1.5
#: Added to the products of wells: the variance of the intercept, which hardly anything holds back.
_CONSTANT = 1e3
#: Parts that drugs are divided in: the drugs of one have no say in how strongly their own models are held back.
_PARTS = 4
#: Strength where no drug well is left to choose by: one add-on in nearly all of them.
_MIDDLE = 0.1
#: Parts that controls are divided in, each of which is read by a model of the others.
_FOLDS = 8


@dataclass(frozen=True)
class Taught:
    """What the models say.

    Attributes:
        viability: float64 array (well,): in the units of what was measured.
        error: root mean square difference from what was measured, of wells with drugs.
    """

    viability: np.ndarray
    error: float


def taught(features: np.ndarray, measured: np.ndarray, compounds: np.ndarray) -> Taught:
    """Read every well by a model of wells that hold none of its compounds.

    Args:
        features: float array (well, feature), finite.
        measured: float array (well,): viability as another readout measured it; NaN where it did not.
        compounds: int array (well, 2): numbers of the drug and of its add-on; -1 where there is none, twice for
            controls and wells that nothing vouches for.

    Raises:
        NotMade: fewer than 4 drugs, or no control, were measured.
    """
    known = np.isfinite(measured)
    of = compounds[known]
    drugs = np.unique(of[of >= 0])
    if len(drugs) < LEAST_DRUGS or not (of < 0).all(axis=1).any():
        raise NotMade(
            f"{len(drugs)} drugs have wells with both an image and a measured viability; at least {LEAST_DRUGS} and "
            "the controls are needed to learn from."
        )
    alike = "the features of all measured wells are the same; there is nothing to learn from them."
    points = of_unit_length(features, known, alike)
    kernel = points @ points[known].T
    among, target = kernel[known], np.clip(measured[known], _LEAST, _MOST)
    part_of = {int(drug): place % _PARTS for place, drug in enumerate(drugs)}
    strength_without = cache(partial(_strength_without, among, target, of, part_of))
    said_with = cache(partial(_left_out, among, target, of))

    def strength_of(content: np.ndarray) -> float:
        return strength_without(frozenset(part_of[one] for one in content.tolist() if one in part_of))

    viability = np.full(len(points), np.nan)
    viability[known] = [said_with(strength_of(one))[row] for row, one in enumerate(of)]
    error = float(np.sqrt(np.mean((viability[known] - target)[_treated(of)] ** 2)))
    for content in np.unique(compounds[~known], axis=0):
        rows, kept = np.flatnonzero(~known & (compounds == content).all(axis=1)), ~_sharing(of, content)
        learned = among[np.ix_(kept, kept)], target[kept]
        viability[rows] = _said(*learned, kernel[np.ix_(rows, kept)], strength_of(content))
    return Taught(viability, error)


def _treated(of: np.ndarray) -> np.ndarray:
    """Which wells hold a drug."""
    return np.asarray((of >= 0).any(axis=1))


def _sharing(of: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Which wells hold a compound of this content."""
    return np.asarray(np.isin(of, content[content >= 0]).any(axis=1))


def _strength_without(
    among: np.ndarray, target: np.ndarray, of: np.ndarray, part_of: dict[int, int], parts: frozenset[int]
) -> float:
    """The strength that serves wells best which hold no compound of these parts."""
    kept = ~np.isin(of, [drug for drug, part in part_of.items() if part in parts]).any(axis=1)
    drug_wells = _treated(of[kept])
    if not drug_wells.any():
        return _MIDDLE
    own, wanted = among[np.ix_(kept, kept)], target[kept]
    squares = {
        strength: float(((_left_out(own, wanted, of[kept], strength) - wanted)[drug_wells] ** 2).mean())
        for strength in _STRENGTHS
    }
    return min(squares, key=lambda one: squares[one])


def _groups(of: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that are read together, and all rows that their model must not have seen, these among them."""
    controls = np.flatnonzero(~_treated(of))
    for part in (controls[fold::_FOLDS] for fold in range(_FOLDS)):
        if len(part):
            yield part, part
    for content in np.unique(of[_treated(of)], axis=0):
        yield np.flatnonzero((of == content).all(axis=1)), np.flatnonzero(_sharing(of, content))


def _left_out(kernel: np.ndarray, target: np.ndarray, of: np.ndarray, strength: float) -> np.ndarray:
    """What the models of wells with none of its compounds say of each well (well,)."""
    n = len(target)
    whole = kernel + _CONSTANT
    hat = np.linalg.solve(whole + strength * np.eye(n), whole).T
    residual = target - hat @ target
    said = np.empty(n)
    for rows, unseen in _groups(of):
        own = np.eye(len(unseen)) - hat[np.ix_(unseen, unseen)]
        said[rows] = target[rows] - np.linalg.solve(own, residual[unseen])[np.searchsorted(unseen, rows)]
    return said


def _said(kernel: np.ndarray, target: np.ndarray, asked: np.ndarray, strength: float) -> np.ndarray:
    """What the model of some wells says of others."""
    weights = np.linalg.solve(kernel + _CONSTANT + strength * np.eye(len(target)), target)
    return np.asarray((asked + _CONSTANT) @ weights)
