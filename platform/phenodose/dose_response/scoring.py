"""Scores of fitted curves with their intervals, as a table.

Belongs here: applying a scorer to curves and to their draws. Does not belong here: formulas
(`score_functions`) and which scorers there are (plugins).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.intervals import SHARES, interval_ends
from phenodose.errors import PluginError

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plugins.scorers import Scorer

#: Most draws that are scored at once: their curves on the grid of the scores should fit the cache.
BLOCK = 2048


class _Applied(NamedTuple):
    """What a scorer says of n curves: (n,) each; None where it says nothing."""

    value: np.ndarray
    bound: np.ndarray | None
    reason: np.ndarray | None
    published: np.ndarray | None


class WithInterval(NamedTuple):
    """Values of n curves with their bounds and intervals, (n,) each."""

    value: np.ndarray
    bound: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    lower_bound: np.ndarray
    upper_bound: np.ndarray


class _Interval(NamedTuple):
    """Ends of the interval of n scores, whether they are bounds, and P(hit): (n,) each."""

    lower: np.ndarray
    upper: np.ndarray
    lower_bound: np.ndarray
    upper_bound: np.ndarray
    p_hit: np.ndarray


def score_curves(curves: CurveBatch, scorer: Scorer) -> pd.DataFrame:
    """Score every curve; see `score_with_all`."""
    return score_with_all(curves, [scorer])[0]


def score_with_all(
    curves: CurveBatch, scorers: Sequence[Scorer], listener: Callable[[int, int], None] | None = None
) -> list[pd.DataFrame]:
    """Score every curve with several scorers, which share what they need of each draw.

    Args:
        curves: fitted curves; with draws every score has an interval.
        scorers: the scorers.
        listener: is told the curves done and the number of curves.

    Returns:
        One table a scorer, with one row a curve: the key columns, scorer, score, lower, upper (of the draws'
        scores; they always include the score), bound, unit, hit (missing if the scorer names no hits or there
        is no score), p_hit_fraction (the probability that the drug is a hit: share of the draws whose score reaches
        the scorer's threshold, weighed by its usual score; missing without an interval or threshold), status ('ok',
        or why there is no score), lower_bound and upper_bound ('=', or '<' and '>' where the interval may reach
        beyond its end; missing without an interval), published_value.

    Raises:
        PluginError: a scorer returned something of another length.
    """
    applied = [_checked(curves, scorer) for scorer in scorers]
    compute = [partial(_checked, scorer=scorer) for scorer in scorers]
    intervals = _intervals(curves, compute, applied, listener, [partial(_p_hit, scorer) for scorer in scorers])
    return [
        _table(curves, scorer, scores, interval)
        for scorer, scores, interval in zip(scorers, applied, intervals, strict=True)
    ]


def values_with_intervals(
    curves: CurveBatch, compute: Callable[[CurveBatch], tuple[np.ndarray, np.ndarray]]
) -> WithInterval:
    """Values and bounds that a function gives for every curve, with intervals as scores have them.

    Args:
        curves: fitted curves; without draws the intervals are missing.
        compute: gives values (n,), NaN where there is none, and their bounds (n,) '=', '<' or '>'.
    """

    def apply(some: CurveBatch) -> _Applied:
        value, bound = compute(some)
        return _Applied(np.where(some.fitted, value, np.nan), bound, None, None)

    value, bound = compute(curves)
    own = _Applied(np.where(curves.fitted, value, np.nan), bound, None, None)
    return WithInterval(own.value, bound, *_intervals(curves, [apply], [own], None)[0][:4])


def _table(curves: CurveBatch, scorer: Scorer, scores: _Applied, interval: _Interval) -> pd.DataFrame:
    import pandas as pd

    known = np.isfinite(scores.value)
    bound = "=" if scores.bound is None else np.where(known, scores.bound, "=")
    said = np.full(len(curves), "", dtype=object) if scores.reason is None else scores.reason
    columns: dict[str, object] = {
        "scorer": scorer.name,
        "score": np.where(known, scores.value, np.nan),
        "lower": interval.lower,
        "upper": interval.upper,
        "bound": bound,
        "unit": scorer.unit,
        "hit": _hits(scorer, scores.value, known),
        "p_hit_fraction": interval.p_hit,
        "status": np.array(
            [
                _status(ok, status, reason, why_not if fitted else "")
                for ok, status, reason, why_not, fitted in zip(
                    known, curves.status, curves.reason, said, curves.fitted, strict=True
                )
            ],
            dtype=object,
        ),
        "lower_bound": interval.lower_bound,
        "upper_bound": interval.upper_bound,
        "published_value": np.nan if scores.published is None else scores.published,
    }
    return pd.concat([curves.keys, pd.DataFrame(columns, index=curves.keys.index)], axis=1)


def apply_scorer(curves: CurveBatch, scorer: Scorer) -> tuple[np.ndarray, np.ndarray]:
    """The scores (n,) and their bounds (n,); NaN where there is no curve."""
    applied = _checked(curves, scorer)
    return applied.value, np.full(len(curves), "=", dtype=object) if applied.bound is None else applied.bound


def _checked(curves: CurveBatch, scorer: Scorer) -> _Applied:
    result = scorer.score(curves)
    n = len(curves)
    value = np.asarray(getattr(result, "value", result), dtype=np.float64)
    others = {
        name: None if given is None else np.asarray(given, dtype=kind)
        for name, kind in (("bound", object), ("reason", object), ("published", np.float64))
        for given in [getattr(result, name, None)]
    }
    for name, given in {"scores": value, **others}.items():
        if given is not None and given.shape != (n,):
            raise PluginError(
                f"scorer {scorer.name!r} gave {given.shape} {name} for {n} curves; it must give one of each a curve."
            )
    return _Applied(np.where(curves.fitted, value, np.nan), **others)


def _intervals(
    curves: CurveBatch,
    compute: Sequence[Callable[[CurveBatch], _Applied]],
    applied: Sequence[_Applied],
    listener: Callable[[int, int], None] | None,
    chances: Sequence[Callable[[np.ndarray], np.ndarray | None]] = (),
) -> list[_Interval]:
    n = len(curves)
    found = []
    for _ in compute:
        (lower, upper, p_hit), (lower_bound, upper_bound) = np.full((3, n), np.nan), np.full((2, n), None, dtype=object)
        found.append(_Interval(lower, upper, lower_bound, upper_bound, p_hit))
    if curves.draws is None or not n:
        return found
    step = max(1, BLOCK // curves.draws.shape[1])
    for first in range(0, n, step):
        which = np.arange(first, min(first + step, n))
        drawn = _drawn(curves, which)
        for number, (of_draws, scores, interval) in enumerate(zip(compute, applied, found, strict=True)):
            _read_off(of_draws(drawn), scores, which, interval, chances[number] if chances else None)
        if listener is not None:
            listener(int(which[-1]) + 1, n)
    return found


def _drawn(curves: CurveBatch, which: np.ndarray) -> CurveBatch:
    """The draws of some curves as curves."""

    def draw() -> CurveBatch:
        return curves.select(which).drawn(0, 0 if curves.draws is None else curves.draws.shape[1])

    return curves.once(("drawn", int(which[0]), len(which)), draw) if curves.keeps_draws else draw()


def _read_off(
    drawn: _Applied,
    scores: _Applied,
    which: np.ndarray,
    interval: _Interval,
    chance: Callable[[np.ndarray], np.ndarray | None] | None,
) -> None:
    """Write the ends of the interval of these curves, which always include the score, and P(hit)."""
    values, score = drawn.value.reshape(len(which), -1), scores.value[which]
    # an interval of fewer than half of the draws would tell of the draws, not of the curve
    enough = np.isfinite(score) & (np.isfinite(values).sum(axis=1) >= values.shape[1] / 2)
    if not enough.any():
        return
    at, value = which[enough], score[enough]
    lower, upper = interval_ends(values[enough])
    interval.lower[at], interval.upper[at] = np.minimum(lower, value), np.maximum(upper, value)
    interval.lower_bound[at], interval.upper_bound[at] = "=", "="
    p_hit = None if chance is None else chance(values[enough])
    if p_hit is not None:
        interval.p_hit[at] = p_hit
    if drawn.bound is None or scores.bound is None:
        return
    bound = drawn.bound.reshape(len(which), -1)[enough]
    for ends, bounds, sign, outermost in (
        (interval.lower, interval.lower_bound, "<", np.nanmin),
        (interval.upper, interval.upper_bound, ">", np.nanmax),
    ):
        # draws that are bounds lie beyond all others, wherever that is
        outside = ((bound == sign).mean(axis=1) >= SHARES[0]) | (scores.bound[at] == sign)
        ends[at] = np.where(outside, outermost([outermost(values[enough], axis=1), value], axis=0), ends[at])
        bounds[at] = np.where(outside, sign, "=")


def _p_hit(scorer: Scorer, values: np.ndarray) -> np.ndarray | None:
    """P(hit) of curves (n,) from the scores of their draws (n, draws); None if the scorer names no hits.

    Draws are weighed by exp(-score / usual score) where the scorer declares one, scores below 0 as 0: the draws come
    from a posterior that takes no score for likelier than another.
    """
    beyond = _reaches(scorer, values)
    if beyond is None:
        return None
    known = np.isfinite(values)
    if scorer.usual_score is None:
        return np.asarray(beyond.sum(axis=1) / known.sum(axis=1))
    above = np.where(known, np.maximum(values, 0.0), np.inf)
    # the least score of a curve has the weight 1, so that the weights of a curve far up do not vanish
    weights = np.exp((above.min(axis=1, keepdims=True) - above) / scorer.usual_score)
    return np.asarray((weights * beyond).sum(axis=1) / weights.sum(axis=1))


def _reaches(scorer: Scorer, value: np.ndarray) -> np.ndarray | None:
    """Whether scores are hits, in their shape, NaN not; None if the scorer names no hits."""
    if scorer.hit_threshold is None:
        return None
    return np.asarray(
        value >= scorer.hit_threshold if scorer.higher_is_more_sensitive else value <= scorer.hit_threshold
    )


def _hits(scorer: Scorer, value: np.ndarray, known: np.ndarray) -> pd.api.extensions.ExtensionArray:
    import pandas as pd

    beyond = _reaches(scorer, value)
    if beyond is None:
        return pd.array([None] * len(value), dtype="boolean")
    return pd.array([bool(hit) if ok else None for hit, ok in zip(beyond, known, strict=True)], dtype="boolean")


def _status(known: bool, status: str, reason: str, why_not: str) -> str:
    """Why a curve has no score, the scorer's own words first; 'ok' if it has one."""
    if known:
        return "ok"
    if why_not:
        return why_not
    return f"{status}: {reason}" if reason else "the scorer has no value for this curve"
