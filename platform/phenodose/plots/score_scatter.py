"""Scores of the same drugs in two screens or versions, one against the other, with both intervals.

Belongs here: the drawing. Does not belong here: which scores (`phenodose.signing.comparison`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from phenodose.plots.palette import GREY, VERMILLION
from phenodose.plots.svg import Canvas
from phenodose.plots.svg_figures import nice_ticks

_SIDE, _LEFT, _TOP = 380.0, 52.0, 10.0
#: Drugs that are named in the figure; the others tell their names under the pointer.
_MOST_NAMED = 15


@dataclass(frozen=True)
class PairOfScores:
    """The scores of one drug.

    Attributes:
        drug: its name.
        x: score, lower and upper end in the first screen; ends None where unknown.
        y: likewise in the other one.
        stands_out: drawn in colour, and named: the interval of the difference leaves out 0.
    """

    drug: str
    x: tuple[float, float | None, float | None]
    y: tuple[float, float | None, float | None]
    stands_out: bool


def score_scatter(pairs: Sequence[PairOfScores], x_name: str, y_name: str) -> Markup:
    """A point a drug, with the line on which both scores are the same."""
    ends = [value for pair in pairs for side in (pair.x, pair.y) for value in side if value is not None]
    low, high = min([0.0, *ends]), max([1.0, *ends])
    ticks = nice_ticks(low, high, 5)
    low, high = ticks[0], ticks[-1]
    canvas = Canvas(_LEFT + _SIDE + 90, _TOP + _SIDE + 40, f"{y_name} against {x_name}")

    def x(value: float) -> float:
        return _LEFT + _SIDE * (value - low) / (high - low)

    def y(value: float) -> float:
        return _TOP + _SIDE - _SIDE * (value - low) / (high - low)

    for tick in ticks:
        canvas.line(_LEFT, y(tick), _LEFT + _SIDE, y(tick), "grid")
        canvas.line(x(tick), _TOP, x(tick), _TOP + _SIDE, "grid")
        canvas.text(_LEFT - 5, y(tick) + 3.5, f"{tick:g}", "end")
        canvas.text(x(tick), _TOP + _SIDE + 14, f"{tick:g}")
    canvas.line(x(low), y(low), x(high), y(high), "limit")
    canvas.text(_LEFT + _SIDE / 2, _TOP + _SIDE + 32, x_name)
    canvas.text(13, _TOP + _SIDE / 2, y_name, rotate=-90)
    named = sorted(
        (pair for pair in pairs if pair.stands_out), key=lambda pair: abs(pair.y[0] - pair.x[0]), reverse=True
    )[:_MOST_NAMED]
    for pair in pairs:
        if pair.x[1] is not None and pair.x[2] is not None:
            canvas.line(x(pair.x[1]), y(pair.y[0]), x(pair.x[2]), y(pair.y[0]), "whisker")
        if pair.y[1] is not None and pair.y[2] is not None:
            canvas.line(x(pair.x[0]), y(pair.y[1]), x(pair.x[0]), y(pair.y[2]), "whisker")
    for stands_out, colour, marker in ((False, GREY, "o"), (True, VERMILLION, "D")):
        marks = [
            (x(pair.x[0]), y(pair.y[0]), f"{pair.drug}: {pair.x[0]:.4g}, {pair.y[0]:.4g}")
            for pair in pairs
            if pair.stands_out == stands_out
        ]
        canvas.markers(marks, colour, marker)
    taken: list[tuple[float, float]] = []
    for pair in named:
        at = x(pair.x[0]) + 6, y(pair.y[0]) - 4
        if all(abs(at[1] - other[1]) > 10 or abs(at[0] - other[0]) > 90 for other in taken):
            canvas.text(*at, pair.drug if len(pair.drug) <= 18 else pair.drug[:17] + "…", "start", css="tiny")
            taken.append(at)
    return canvas.markup()
