"""What the features of a well say of its viability, taught by wells of other drugs that were measured otherwise.

Belongs here: the model and the rule that no drug is read by a model that has seen it. Does not belong here: the
features (`frozen`), and the readout that needs no teacher (`likeness`).

The model is a ridge regression (Hoerl and Kennard 1970, doi 10.1080/00401706.1970.10488634) on features in units of
their spread, in its dual form. Leaving out a group of wells needs no second fit: with the hat matrix H of all wells,
what the model of the others says of a group g differs from what was measured by (I - H_gg)^-1 (y - H y)_g
(Allen 1974, doi 10.1080/00401706.1974.10489157, for one well; the same algebra holds for groups). Whole drugs are left
out, and controls in parts. How strongly the model is held back, one number, is for each drug what serves drugs of
other parts best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phenodose.errors import NotMade

#: Fewer drugs say nothing of one that is left out.
LEAST_DRUGS = 4
#: Strengths of the ridge, in units of the mean variance of a well.
_STRENGTHS = tuple(10.0**power for power in (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 1.0))
#: What was measured counts within these bounds: a reading of dirt teaches nothing.
_LEAST, _MOST = -0.2, 1.5
#: Added to the products of wells: the variance of the intercept, which hardly anything holds back.
_CONSTANT = 1e3
#: Parts that drugs are divided in: the drugs of one have no say in how strongly their own models are held back.
_PARTS = 4
#: Stands for wells without a drug, and drugs without a measured well.
_ANY = -1
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


def taught(features: np.ndarray, measured: np.ndarray, treatment: np.ndarray) -> Taught:
    """Read every well by a model of the wells of other drugs.

    Args:
        features: float array (well, feature), finite.
        measured: float array (well,): viability as another readout measured it; NaN where it did not.
        treatment: int array (well,): wells of one drug share a number; -1 for controls and wells that nothing vouches
            for.

    Raises:
        NotMade: fewer than 4 drugs, or no control, were measured.
    """
    known = np.isfinite(measured)
    drugs = np.unique(treatment[known & (treatment >= 0)])
    if len(drugs) < LEAST_DRUGS or not (known & (treatment < 0)).any():
        raise NotMade(
            f"{len(drugs)} drugs have wells with both an image and a measured viability; at least {LEAST_DRUGS} and "
            "the controls are needed to learn from."
        )
    points = _scaled(features, known)
    kernel = points @ points[known].T
    among, target, of = kernel[known], np.clip(measured[known], _LEAST, _MOST), treatment[known]
    strengths = _strength_for(among, target, of, drugs)
    said = {strength: _left_out(among, target, _groups(of), strength) for strength in set(strengths.values())}
    viability = np.full(len(points), np.nan)
    viability[known] = [said[strengths[drug if drug >= 0 else _ANY]][row] for row, drug in enumerate(of)]
    error = float(np.sqrt(np.mean((viability[known] - target)[of >= 0] ** 2)))
    for drug in np.unique(treatment[~known]):
        rows = np.flatnonzero(~known & (treatment == drug))
        kept = (of != drug) | (of < 0)
        strength = strengths.get(drug if drug >= 0 else _ANY, strengths[_ANY])
        viability[rows] = _said(among[np.ix_(kept, kept)], target[kept], kernel[np.ix_(rows, kept)], strength)
    return Taught(viability, error)


def _strength_for(among: np.ndarray, target: np.ndarray, of: np.ndarray, drugs: np.ndarray) -> dict[int, float]:
    """Drug -> the strength that serves the drugs of all other parts best; under `_ANY` that which serves all best."""
    parts = {_ANY: drugs[:0], **{part: drugs[part::_PARTS] for part in range(_PARTS)}}
    best = {}
    for part, left in parts.items():
        kept = ~np.isin(of, left)
        own, wanted, groups = among[np.ix_(kept, kept)], target[kept], _groups(of[kept])
        drug_wells = of[kept] >= 0
        squares = {
            strength: float(((_left_out(own, wanted, groups, strength) - wanted)[drug_wells] ** 2).mean())
            for strength in _STRENGTHS
        }
        best[part] = min(squares, key=lambda one: squares[one])
    return {_ANY: best[_ANY], **{int(drug): best[place % _PARTS] for place, drug in enumerate(drugs)}}


def _scaled(features: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Features in units of their spread, such that a well has about the squared length 1."""
    centred = features.astype(np.float64) - features[known].mean(axis=0, dtype=np.float64)
    sd = centred[known].std(axis=0)
    varied = sd > 1e-9 * max(float(sd.max()), 1e-300)
    if not varied.any():
        raise NotMade("the features of all measured wells are the same; there is nothing to learn from them.")
    return np.asarray(centred[:, varied] / sd[varied] / np.sqrt(varied.sum()))


def _groups(of: np.ndarray) -> list[np.ndarray]:
    """Rows of measured wells that are left out together, for the drug of each."""
    controls = np.flatnonzero(of < 0)
    parts = [controls[fold::_FOLDS] for fold in range(_FOLDS)]
    return [rows for rows in [*(np.flatnonzero(of == drug) for drug in np.unique(of[of >= 0])), *parts] if len(rows)]


def _left_out(kernel: np.ndarray, target: np.ndarray, groups: list[np.ndarray], strength: float) -> np.ndarray:
    """What the models of all other groups say of each group (well,)."""
    n = len(target)
    whole = kernel + _CONSTANT
    hat = np.linalg.solve(whole + strength * np.eye(n), whole).T
    residual = target - hat @ target
    said = np.empty(n)
    for rows in groups:
        own = np.eye(len(rows)) - hat[np.ix_(rows, rows)]
        said[rows] = target[rows] - np.linalg.solve(own, residual[rows])
    return said


def _said(kernel: np.ndarray, target: np.ndarray, asked: np.ndarray, strength: float) -> np.ndarray:
    """What the model of some wells says of others."""
    weights = np.linalg.solve(kernel + _CONSTANT + strength * np.eye(len(target)), target)
    return np.asarray((asked + _CONSTANT) @ weights)
