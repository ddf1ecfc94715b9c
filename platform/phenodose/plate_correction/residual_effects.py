"""Effects of place from what the wells' fitted curves and controls leave over.

Belongs here: which wells say what of their place, and the effect of every place. Does not belong here: the shapes of
effects (`place_terms`), their strength (`variance_components`), and the rounds of fitting and correcting
(`phenodose.pipeline.plate_correction`).

A drug's wells have a curve, which rests on its other doses and on its replicate elsewhere; negative controls are at
viability 1; other wells are compared with the wells of the same content. What is left over is noise, and the effect of
the place: on the level of the signal, as a gradient of cell number or evaporation (`gain`: viability times 1 + e), or
added to every well alike, as a background (`offset`: viability + e); the more probable of the two is taken.

A drug whose doses stand along a gradient has a curve that follows the gradient: its residuals alone would show too
little of it. So curves and effects are not fitted in turn but against each other: what the curve of a drug can follow,
to first order, tells nothing of the place (its tangents are taken out of wells and shapes alike), and every drug may
stand off its curve as a whole by a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from phenodose.dose_response.models import inhibition
from phenodose.dose_response.tangents import curve_tangents, orthonormal
from phenodose.names import add_on_keys, curve_names, row_index
from phenodose.plate_correction.place_terms import place_terms
from phenodose.plate_correction.variance_components import fit_components

if TYPE_CHECKING:
    from phenodose.dose_response.curves import CurveBatch

#: What an effect of place does to a well.
Form = Literal["gain", "offset"]
#: Noise below this [fraction of viability] counts as this much.
LEAST_NOISE = 0.02
#: Residuals beyond so many robust SDs count less, in proportion.
_MOST_SD = 2.5
#: Rounds of robust weights before the effects of an earlier round are known.
_FIRST_ROUNDS = 2
#: Effects are held within these, as parts of the signal (or of the window).
LOWEST, HIGHEST = -0.7, 2.0
#: Wells of these types hold no cells, or nobody knows what.
_WITHOUT_CELLS = ("empty", "exclude")
_POOLED = "pooled"


@dataclass(frozen=True)
class PlaceEffects:
    """The effects of place on the wells of a screen.

    Attributes:
        effect: float array (well,), e of every well of the layout; 0 without any.
        form: what e does.
        kinds: kinds of effects that were found, in words -> typical size (root mean square over the wells).
        strength: variances of the kinds, for the next round; None if there is none.
    """

    effect: np.ndarray
    form: Form
    kinds: dict[str, float]
    strength: np.ndarray | None = None

    def removed(self, viability: np.ndarray) -> np.ndarray:
        """Viability (well,) without the effects."""
        return np.asarray(viability / (1 + self.effect) if self.form == "gain" else viability - self.effect)


def residual_effects(
    viability: pd.DataFrame, wells: pd.DataFrame, curves: CurveBatch, previous: PlaceEffects | None = None
) -> PlaceEffects:
    """The effects of place.

    Args:
        viability: columns of `to_viability`, not corrected, one row a well of the layout.
        wells: the wells of the layout, row by row the same.
        curves: pooled curves, fitted to viability without the effects `previous`.
        previous: what was taken off before; None for nothing.
    """
    known = viability["viability_fraction"].notna().to_numpy() & ~viability["masked"].to_numpy(dtype=bool)
    known &= ~wells["well_type"].isin(_WITHOUT_CELLS).to_numpy()
    group, expected, tangents = _expected(viability, wells, curves, known, previous)
    used = known & np.isfinite(expected)
    if used.sum() < 8:
        return PlaceEffects(np.zeros(len(wells)), "gain", {})
    # What the effects do is settled in the first round.
    forms: tuple[Form, ...] = ("gain", "offset") if previous is None or not previous.kinds else (previous.form,)
    found = [
        _effects_of_form(form, viability, wells, group, expected, tangents, used, known, previous) for form in forms
    ]
    return max(found, key=lambda one: one[0])[1]


def expected_viability(
    viability: pd.DataFrame, wells: pd.DataFrame, curves: CurveBatch, previous: PlaceEffects | None = None
) -> np.ndarray:
    """Viability of every well (well,) by its curve, its control or the wells of the same content; NaN without any.

    Args:
        viability: as for `residual_effects`.
        wells: likewise.
        curves: likewise.
        previous: likewise.
    """
    known = viability["viability_fraction"].notna().to_numpy() & ~viability["masked"].to_numpy(dtype=bool)
    return np.where(known, _expected(viability, wells, curves, known, previous)[1], np.nan)


def _expected(
    viability: pd.DataFrame, wells: pd.DataFrame, curves: CurveBatch, known: np.ndarray, previous: PlaceEffects | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group of wells that are expected together, expected viability, and tangents (well, 5) of every well."""
    n = len(wells)
    value = viability["viability_fraction"].to_numpy(dtype=np.float64)
    value = value if previous is None else previous.removed(value)
    frame = wells[["sample", "well_type", "treatment", "concentration_nM"]].reset_index(drop=True)
    content = frame.assign(add_on=add_on_keys(wells).to_numpy(), value=np.where(known, value, np.nan))
    same = content.groupby(["sample", "well_type", "treatment", "concentration_nM", "add_on"], dropna=False, sort=False)
    group = same.ngroup().to_numpy() + len(curves)
    expected = np.where(same["value"].transform("count") > 1, same["value"].transform("median"), np.nan)
    tangents = np.zeros((n, 5))
    tangents[:, 0] = 1.0
    negative = (viability["control"] == "negative").to_numpy()
    expected[negative & known] = 1.0
    tangents[negative] = 0.0
    fitted = np.flatnonzero((curves.keys["replicate"] == _POOLED).to_numpy() & curves.fitted)
    place = {
        key: i
        for i, key in zip(
            fitted, zip(*(curves.keys.iloc[fitted][k] for k in ("sample", "drug")), strict=True), strict=True
        )
    }
    therapy = np.flatnonzero((wells["well_type"] == "therapy").to_numpy() & (wells["concentration_nM"] > 0).to_numpy())
    names = curve_names(wells.iloc[therapy])
    curve = np.array(
        [place.get(key, -1) for key in zip(wells["sample"].iloc[therapy], names, strict=True)], dtype=np.int64
    )
    therapy, curve = therapy[curve >= 0], curve[curve >= 0]
    if len(therapy):
        x = np.log10(wells["concentration_nM"].to_numpy(dtype=np.float64)[therapy])
        group[therapy] = curve
        expected[therapy] = 1 - inhibition(x, *curves.parameters[curve].T)
        tangents[therapy] = curve_tangents(x, curve, curves)
    return group, expected, tangents


def _effects_of_form(
    form: Form,
    viability: pd.DataFrame,
    wells: pd.DataFrame,
    group: np.ndarray,
    expected: np.ndarray,
    tangents: np.ndarray,
    used: np.ndarray,
    known: np.ndarray,
    previous: PlaceEffects | None,
) -> tuple[float, PlaceEffects]:
    plate = wells["plate"].to_numpy(dtype=object)
    row = np.array([row_index(label) for label in wells["row"]])
    column = wells["column"].to_numpy(dtype=np.int64)
    terms = place_terms(plate, row, column, known)
    here = np.flatnonzero(used)
    scale = expected.clip(0, 1.5)[here] if form == "gain" else np.ones(len(here))
    y = viability["viability_fraction"].to_numpy(dtype=np.float64)[here] - expected[here]
    plates = (plate[here][:, None] == np.array(list(dict.fromkeys(plate)), dtype=object)).astype(np.float64)
    curve = np.unique(group[here], return_inverse=True)[1]
    of_curve = (curve[:, None] == np.unique(curve)[None, :]).astype(np.float64)
    shapes = np.concatenate([terms.values[here] * scale[:, None], of_curve], axis=1)
    n_kinds = len(terms.kinds)
    kind = np.concatenate([terms.kind, np.full(of_curve.shape[1], n_kinds)])
    kept = np.arange(n_kinds + 1) >= n_kinds
    level = plates * scale[:, None]
    again = previous is not None and previous.form == form
    effect = previous.effect[here] * scale if previous is not None and again else np.zeros(len(here))
    strength = previous.strength if previous is not None and again else None
    fit = None
    for _ in range(1 if again else _FIRST_ROUNDS):
        left = y - effect
        noise = _noise(left, expected[here])
        off = np.abs(left - np.median(left)) / noise
        trusted = np.minimum(1.0, _MOST_SD / np.maximum(off, 1e-9))
        weight = np.sqrt(trusted) / noise
        own_y, own_shapes, freedom = _freed(
            y * weight, shapes * weight[:, None], level * weight[:, None], curve, tangents[here] * weight[:, None]
        )
        fit = fit_components(own_y, own_shapes, kind, freedom, kept, strength)
        effect, strength = shapes @ fit.effects, fit.strength
    assert fit is not None
    n_place = terms.values.shape[1]
    e = (terms.values @ fit.effects[:n_place]).clip(LOWEST, HIGHEST)
    e = np.where(known, e, 0.0)
    sizes = {
        name: float(
            np.sqrt(np.mean((terms.values[here][:, terms.kind == k] @ fit.effects[:n_place][terms.kind == k]) ** 2))
        )
        for k, name in enumerate(terms.kinds)
        if fit.strength[k] > 0
    }
    # Both forms explain the same y; the weights differ little.
    likelihood = fit.log_likelihood + float(np.log(weight).sum())
    return likelihood, PlaceEffects(e, form, sizes, fit.strength)


def _noise(residual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """SD of every well's noise [fraction]: a^2 + b^2 viability^2, from the wells at low and high viability."""
    level = expected.clip(0, 1.2)
    low, high = level < 1 / 3, level > 2 / 3
    top = _spread(residual[high] if high.sum() >= 10 else residual)
    bottom = min(_spread(residual[low]), top) if low.sum() >= 10 else top
    return np.asarray(np.sqrt(np.maximum(bottom**2 + (top**2 - bottom**2) * level**2, LEAST_NOISE**2)))


def _spread(residual: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(residual - np.median(residual))))


def _freed(
    y: np.ndarray, shapes: np.ndarray, level: np.ndarray, curve: np.ndarray, tangents: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Wells and shapes without what curves and plates' levels can follow, and the degrees of freedom left."""
    everything = np.concatenate([y[:, None], level, shapes], axis=1)
    taken = 0
    for which in pd.Series(np.arange(len(y))).groupby(curve).indices.values():
        basis = orthonormal(tangents[which], 5)
        basis = basis[:, np.abs(basis).sum(axis=0) > 0]
        taken += basis.shape[1]
        everything[which] -= basis @ (basis.T @ everything[which])
    level = orthonormal(everything[:, 1 : 1 + level.shape[1]], level.shape[1], least=1e-6)
    level = level[:, np.abs(level).sum(axis=0) > 0]
    everything -= level @ (level.T @ everything)
    first = everything.shape[1] - shapes.shape[1]
    return everything[:, 0], everything[:, first:], float(len(y) - taken - level.shape[1])
