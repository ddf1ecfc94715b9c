"""What a curve does at the concentration that patients' plasma reaches, and whether its effect needs more.

Belongs here: reading fitted curves and their draws at one dose each, never beyond the tested doses. Does not belong
here: which concentration that is (`phenodose.drug_library`).

A curve's effect needs more than a concentration if the dose half way between its asymptotes (`half_effect_target`, the
dose of the scorer rel_ic50) lies above it. Half of the curve's own effect, and not of all cells, so that a drug that
stops growth without killing is judged by the dose that does so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.score_functions import half_effect_target, inhibitory_dose
from phenodose.dose_response.scoring import BLOCK, values_with_intervals

if TYPE_CHECKING:
    import pandas as pd

#: Doses that differ by less are one dose [log10].
_SAME_LOG10 = 1e-9
#: Of the draws with an effect so many may reach it beyond the tested doses, where they do not tell more or less.
_MOST_UNTOLD = 0.05
_AT = "_log10_dose_wanted"


class EffectAt(NamedTuple):
    """Inhibition at one dose of every curve, (n,) each, as fractions; an end that is open is NaN."""

    value: np.ndarray
    bound: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def effect_at(curves: CurveBatch, dose_nM: np.ndarray) -> EffectAt:
    """Inhibition by every curve at a dose of its own, with the 95 % interval of its draws.

    Beyond the tested doses no well tells anything: there the value is that of the nearest tested dose, and bound says
    '>' (the dose lies above: at least so much) or '<' (below: at most so much).

    Args:
        curves: fitted curves; without draws there are no intervals.
        dose_nM: float64 (n,); NaN where there is none.

    Returns:
        NaN without a curve, and beyond the tested doses of one that falls with dose.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = replace(curves, keys=curves.keys.assign(**{_AT: np.log10(np.asarray(dose_nM, dtype=np.float64))}))
    found = values_with_intervals(wanted, _at_wanted)
    above, below = found.bound == ">", found.bound == "<"
    return EffectAt(
        found.value,
        np.where(np.isfinite(found.value), found.bound, np.full(len(curves), None)),
        np.where(below, np.nan, found.lower),
        np.where(above, np.nan, found.upper),
    )


def _at_wanted(curves: CurveBatch) -> tuple[np.ndarray, np.ndarray]:
    """Inhibition at the wanted dose of each curve, and its bound."""
    wanted = curves.keys[_AT].to_numpy(dtype=np.float64)
    low, high = curves.log10_dose_range
    with np.errstate(invalid="ignore"):
        above, below = wanted > high + _SAME_LOG10, wanted < low - _SAME_LOG10
        value = curves.inhibition_at(np.clip(wanted, low, high)[:, None])[:, 0]
        ends = curves.inhibition_at(np.stack([low, high], axis=1))
        nothing = (above | below) & (ends[:, 1] < ends[:, 0])
    bound = np.select([above, below], [">", "<"], "=").astype(object)
    return np.where(nothing, np.nan, value), bound


class Needs(NamedTuple):
    """Whether half of every curve's effect needs more than a dose, (n,) each.

    Attributes:
        half_effect_nM: dose of half the effect; NaN for a curve without effect.
        bound: '=', or '<' and '>' where the tested doses do not reach it; None without a dose.
        more: 1 if it lies above the dose, 0 if not, NaN where the tested doses do not tell.
        probability: share of the draws with an effect that lie above; NaN without draws, where fewer than half have an
            effect, or where more than a few reach it beyond the tested doses.
    """

    half_effect_nM: np.ndarray
    bound: np.ndarray
    more: np.ndarray
    probability: np.ndarray


def needs_more(curves: CurveBatch, dose_nM: np.ndarray) -> Needs:
    """Compare the dose of half the effect with a dose of every curve, of which NaN is none.

    Args:
        curves: fitted curves.
        dose_nM: float64 (n,).
    """
    limit = np.asarray(dose_nM, dtype=np.float64)
    half, bound, more = _more(curves, limit)
    probability = np.full(len(curves), np.nan)
    if curves.draws is not None and len(curves):
        n_draws = curves.draws.shape[1]
        step = max(1, BLOCK // n_draws)
        for first in range(0, len(curves), step):
            which = np.arange(first, min(first + step, len(curves)))
            drawn = curves.select(which).drawn(0, n_draws)
            half_of_draws, _, more_of_draws = _more(drawn, np.repeat(limit[which], n_draws))
            halves, told = (one.reshape(len(which), n_draws) for one in (half_of_draws, more_of_draws))
            effective, told_of = np.isfinite(halves).sum(axis=1), np.isfinite(told).sum(axis=1)
            enough = (effective >= n_draws / 2) & (told_of >= (1 - _MOST_UNTOLD) * effective)
            probability[which[enough]] = np.nanmean(told[enough], axis=1)
    known = np.isfinite(half)
    return Needs(half, np.where(known, bound, np.full(len(curves), None)), more, np.where(known, probability, np.nan))


def _more(curves: CurveBatch, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dose of half the effect, its bound, and 1, 0 or NaN for whether it lies above the limit."""
    half, bound = inhibitory_dose(curves, half_effect_target(curves))
    with np.errstate(invalid="ignore"):
        # a dose beyond the highest tested one is above whatever lies below that, and says nothing of what lies above
        more = np.select(
            [bound == ">", bound == "<"],
            [np.where(limit <= half, 1.0, np.nan), np.where(limit >= half, 0.0, np.nan)],
            (half > limit).astype(np.float64),
        )
    return half, bound, np.where(np.isfinite(half) & np.isfinite(limit), more, np.nan)


#: Columns of `reachable_effects` that follow from curves, with those of `effect_at` for the part that is not bound.
EFFECT_COLUMNS = (
    *("effect_at_c_max_fraction", "lower_fraction", "upper_fraction", "bound", "half_effect_nM", "half_effect_bound"),
    *("needs_more_than_c_max", "p_needs_more", "effect_at_c_max_unbound_fraction", "unbound_bound", "note"),
)


def reachable_effects(curves: CurveBatch, c_max_nM: np.ndarray, c_max_unbound_nM: np.ndarray) -> pd.DataFrame:
    """What every curve does at its C max.

    Args:
        curves: fitted curves.
        c_max_nM: total concentration, float64 (n,).
        c_max_unbound_nM: the part that is not bound to protein, likewise; NaN where it is not known.

    Returns:
        One row a curve with `EFFECT_COLUMNS`, in the order of the curves.
    """
    import pandas as pd

    total, unbound = effect_at(curves, c_max_nM), effect_at(curves, c_max_unbound_nM)
    needs = needs_more(curves, c_max_nM)
    more = [None if np.isnan(one) else bool(one) for one in needs.more]
    values = (
        *(total.value, total.lower, total.upper, total.bound, needs.half_effect_nM, needs.bound),
        *(pd.array(more, dtype="boolean"), needs.probability, unbound.value, unbound.bound),
        np.array([_note(curves, at, float(c_max_nM[at]), total) for at in range(len(curves))], dtype=object),
    )
    return pd.DataFrame(dict(zip(EFFECT_COLUMNS, values, strict=True)), columns=list(EFFECT_COLUMNS))


def _note(curves: CurveBatch, at: int, c_max_nM: float, effect: EffectAt) -> str | None:
    """What to know of a row, in words; None if nothing."""
    lowest, highest = curves.min_dose_nM[at], curves.max_dose_nM[at]
    said = []
    if not curves.fitted[at]:
        said.append(f"no curve: {curves.reason[at] or curves.status[at]}")
    elif np.isnan(effect.value[at]):
        said.append("inhibition falls with dose, so nothing follows for C max, which lies outside the tested doses")
    elif effect.bound[at] == ">":
        said.append(f"C max ({c_max_nM:.3g} nM) lies above the highest tested dose ({highest:g} nM): at least so much")
    elif effect.bound[at] == "<":
        said.append(f"C max ({c_max_nM:.3g} nM) lies below the lowest tested dose ({lowest:g} nM): at most so much")
    if curves.fitted[at] and curves.status[at] in ("misfit", "decreasing"):
        said.append(f"the curve is {curves.status[at]}: {curves.reason[at]}".rstrip(": "))
    return "; ".join(said) or None
