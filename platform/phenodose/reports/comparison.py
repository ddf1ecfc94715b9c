"""Screens or versions side by side as one HTML page: facts, drugs with differences, a figure a pair, what changed.

Does not belong here: the numbers (`phenodose.signing.comparison`), drawing (`phenodose.plots.score_scatter`).
"""

from __future__ import annotations

from typing import Any

from phenodose.plots.score_scatter import PairOfScores, score_scatter
from phenodose.plots.svg import marker_definitions
from phenodose.reports.patient import render
from phenodose.reports.sealed_page import sealed_page
from phenodose.signing.comparison import Comparison, Difference, DrugRow, Score


def comparison_page(found: Comparison) -> bytes:
    """The bytes of the page."""
    figures = [
        {"name": name, "figure": score_scatter(pairs, found.names[0], name)}
        for place, name in enumerate(found.names[1:])
        if (pairs := _pairs(found.drugs, place))
    ]
    return sealed_page(
        render(
            "compare.html.j2",
            found=found,
            markers=marker_definitions(),
            rows=[_row(row) for row in found.drugs],
            figures=figures,
            missing={name: drugs for name, drugs in found.missing.items() if drugs},
            changes={name: changed.sentences() for name, changed in found.changes.items()},
        )
    )


def score_text(score: Score | None) -> str:
    """A score as people read it, such as '21.3'; why there is none."""
    if score is None:
        return "not tested"
    return score.status if score.score is None else f"{score.score:.4g}"


def interval_text(one: Score | Difference | None) -> str:
    """The 95 % interval, such as '18.1 to 24.0'; '' without one."""
    if one is None or (one.lower is None and one.upper is None):
        return ""
    lower, upper = ("open" if end is None else f"{end:.3g}" for end in (one.lower, one.upper))
    return f"{lower} to {upper}"


def difference_text(one: Difference | None) -> str:
    """A difference with its sign, such as '+2.1'; '' without one."""
    return "" if one is None else f"{one.difference:+.3g}"


def _pairs(rows: list[DrugRow], place: int) -> list[PairOfScores]:
    found = []
    for row in rows:
        first, other, difference = row.scores[0], row.scores[place + 1], row.differences[place]
        if first is None or other is None or first.score is None or other.score is None or difference is None:
            continue
        clear = bool(difference.is_clear) if difference.is_clear is not None else first.call != other.call
        found.append(
            PairOfScores(
                row.drug, (first.score, first.lower, first.upper), (other.score, other.lower, other.upper), clear
            )
        )
    return found


def _row(row: DrugRow) -> dict[str, Any]:
    return {
        "drug": row.drug,
        "scores": [
            {
                "text": score_text(score),
                "interval": interval_text(score),
                "call": score.call or "" if score else "",
                "sort": "" if score is None or score.score is None else score.score,
            }
            for score in row.scores
        ],
        "differences": [
            {
                "text": difference_text(one),
                "interval": interval_text(one),
                "stands_out": bool(one and one.is_clear),
                "sort": "" if one is None else one.difference,
            }
            for one in row.differences
        ],
    }
