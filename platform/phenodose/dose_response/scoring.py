"""Scores of fitted curves with their intervals, as a table.

Belongs here: applying a scorer to curves and to their bootstrap draws. Does not belong here: formulas
(`score_functions`) and which scorers there are (plugins).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenodose.dose_response.curves import CurveBatch
from phenodose.errors import PluginError

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plugins.scorers import Scorer

#: Ends of the 95 % interval, percent.
INTERVAL_PERCENTILES = (2.5, 97.5)
#: Most curves that are scored at once.
BLOCK = 8192


def score_curves(curves: CurveBatch, scorer: Scorer) -> pd.DataFrame:
    """Score every curve.

    Args:
        curves: fitted curves; with bootstrap draws every score has an interval.
        scorer: the scorer.

    Returns:
        One row a curve: the key columns, scorer, score, lower, upper (percentiles of the draws' scores;
        they always include the score), bound, unit, hit (missing if the scorer names no hits or there is
        no score), status ('ok', or why there is no score).

    Raises:
        PluginError: the scorer returned something of another length.
    """
    import pandas as pd

    value, bound = apply_scorer(curves, scorer)
    lower, upper = _interval(curves, scorer, value)
    known = np.isfinite(value)
    columns: dict[str, object] = {
        "scorer": scorer.name,
        "score": np.where(known, value, np.nan),
        "lower": lower,
        "upper": upper,
        "bound": np.where(known, bound, "="),
        "unit": scorer.unit,
        "hit": _hits(scorer, value, known),
        "status": np.array(
            [
                _status(ok, status, reason)
                for ok, status, reason in zip(known, curves.status, curves.reason, strict=True)
            ],
            dtype=object,
        ),
    }
    return pd.concat([curves.keys, pd.DataFrame(columns, index=curves.keys.index)], axis=1)


def apply_scorer(curves: CurveBatch, scorer: Scorer) -> tuple[np.ndarray, np.ndarray]:
    """The scores (n,) and their bounds (n,); NaN where there is no curve."""
    result = scorer.score(curves)
    value = np.asarray(getattr(result, "value", result), dtype=np.float64)
    bound = getattr(result, "bound", None)
    bound = np.full(len(curves), "=", dtype=object) if bound is None else np.asarray(bound, dtype=object)
    if value.shape != (len(curves),) or bound.shape != (len(curves),):
        raise PluginError(
            f"scorer {scorer.name!r} gave {value.shape} scores and {bound.shape} bounds for {len(curves)} curves; "
            "it must give one of each a curve."
        )
    return np.where(curves.fitted, value, np.nan), bound


def _interval(curves: CurveBatch, scorer: Scorer, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = len(curves)
    if curves.draws is None or n == 0:
        return np.full(n, np.nan), np.full(n, np.nan)
    draws = curves.draws.shape[1]
    scores = np.empty((n, draws))
    step = max(1, BLOCK // n)
    for first in range(0, draws, step):
        last = min(first + step, draws)
        scores[:, first:last] = apply_scorer(curves.drawn(first, last), scorer)[0].reshape(n, -1)
    # an interval of fewer than half of the draws would tell of the draws, not of the curve
    enough = np.isfinite(value) & (np.isfinite(scores).sum(axis=1) >= draws / 2)
    ends = np.full((2, n), np.nan)
    ends[:, enough] = np.nanpercentile(scores[enough], INTERVAL_PERCENTILES, axis=1)
    return np.minimum(ends[0], value), np.maximum(ends[1], value)


def _hits(scorer: Scorer, value: np.ndarray, known: np.ndarray) -> pd.api.extensions.ExtensionArray:
    import pandas as pd

    if scorer.hit_threshold is None:
        return pd.array([None] * len(value), dtype="boolean")
    beyond = value >= scorer.hit_threshold if scorer.higher_is_more_sensitive else value <= scorer.hit_threshold
    return pd.array([bool(hit) if ok else None for hit, ok in zip(beyond, known, strict=True)], dtype="boolean")


def _status(known: bool, status: str, reason: str) -> str:
    if known:
        return "ok"
    return f"{status}: {reason}" if reason else "the scorer has no value for this curve"
