"""The SVG figures of a report: waterfall, dose-response curves, agreement of readouts.

Does not belong here: choosing the rows (`data`) and words around the figures (templates).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from phenodose.io.frames import rows_of
from phenodose.plots.palette import Look
from phenodose.plots.svg import Canvas

if TYPE_CHECKING:
    import pandas as pd

#: Doses (log10 nM) and inhibition (percent) along a fitted curve.
Line = tuple[Sequence[float], Sequence[float]]
#: Doses (log10 nM), and lower and upper inhibition (percent) along a curve.
Band = tuple[Sequence[float], Sequence[float], Sequence[float]]


def waterfall(
    ranking: pd.DataFrame,
    links: Mapping[str, str],
    threshold: float | None,
    unit: str,
    reference: Mapping[str, Sequence[float]] | None = None,
) -> Markup:
    """All scored drugs as bars, best first; hits are full, others pale; whiskers are the intervals.

    Args:
        ranking: columns drug, score, lower, upper, hit; best first.
        links: drug -> address within the page that its bar leads to.
        threshold: score from which a drug is a hit; a line.
        unit: name of the score on the axis.
        reference: drug -> its scores in other samples; a bar from the lower to the upper quartile with the median,
            or single strokes where there are fewer than four.
    """
    others = reference or {}
    rows = ranking[ranking["score"].notna()]
    step = min(48.0, 1060 / max(len(rows), 1))
    angle, shift = (-55, 3.0) if step >= 24 else (-90, 3.5)
    left, top, height = 46, 12, 220
    foot = 20 + 7 * max((len(_short(row.drug)) for row in rows_of(rows)), default=0)
    highs = [row.upper if _known(row.upper) else row.score for row in rows_of(rows)]
    lows = [row.lower if _known(row.lower) else row.score for row in rows_of(rows)]
    ticks = nice_ticks(
        min([0.0, *lows, *(v for row in rows_of(rows) for v in others.get(row.drug, ()))]),
        max([threshold or 0.0, 1.0, *highs, *(v for row in rows_of(rows) for v in others.get(row.drug, ()))]),
        5,
    )
    low, high = ticks[0], ticks[-1]
    canvas = Canvas(
        max(left + step * len(rows) + 16, 420), top + height + foot, f"{unit} of {len(rows)} drugs, best first", True
    )

    def y(value: float) -> float:
        return top + height * (high - value) / (high - low)

    for tick in ticks:
        canvas.line(left, y(tick), canvas.width - 8, y(tick), "grid")
        canvas.text(left - 6, y(tick) + 3.5, f"{tick:g}", "end")
    canvas.text(12, top + height / 2, unit, rotate=-90)
    for index, row in enumerate(rows_of(rows)):
        x, hit = left + step * (index + 0.5), bool(row.hit) if _known(row.hit) else False
        interval = f", 95 % interval {row.lower:.1f} to {row.upper:.1f}" if _known(row.lower, row.upper) else ""
        title = f"{row.drug}: {row.score:.1f}{interval}{', hit' if hit else ''}"
        start, end = y(max(0.0, row.score)), y(min(0.0, row.score))
        css = "bar hit" if hit else "bar"
        facts = {"drug": row.drug, "score": row.score}
        canvas.rectangle(x - step * 0.36, start, step * 0.72, end - start, css, title, links.get(row.drug, ""), facts)
        if _known(row.lower, row.upper):
            canvas.line(x, y(row.lower), x, y(row.upper), "whisker")
        for start, end, css in _strokes(others.get(row.drug, ())):
            side = x + step * 0.36
            half = 0.0 if css == "quartiles" else step * 0.14
            canvas.line(side - half, y(start), side + half, y(end), css)
        canvas.text(x + shift, top + height + 10, _short(row.drug), "end", angle, "hit" if hit else "")
    if threshold is not None:
        canvas.line(left, y(threshold), canvas.width - 8, y(threshold), "limit")
        canvas.text(canvas.width - 8, y(threshold) - 4, f"hit from {threshold:g}", "end")
    return canvas.markup()


def _strokes(scores: Sequence[float]) -> list[tuple[float, float, str]]:
    """What stands for the scores of other samples: start, end, class."""
    import numpy as np

    if len(scores) < 4:
        return [(score, score, "other") for score in scores]
    low, middle, high = (float(v) for v in np.quantile(scores, (0.25, 0.5, 0.75)))
    return [(low, high, "quartiles"), (middle, middle, "other")]


def dose_response(
    drug: str,
    points: pd.DataFrame,
    lines: Mapping[str, Line],
    looks: Mapping[str, Look],
    thin_lines: Mapping[str, Sequence[Line]] | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    bands: Mapping[str, Band] | None = None,
    label: str = "Dose-response curves of",
) -> Canvas:
    """All readouts of one drug: wells as points (replicate 1 full, others hollow), curves as lines.

    Args:
        drug: its name, for the label.
        points: columns readout, replicate, concentration_nM, viability_fraction; one row a well.
        lines: readout -> its fitted curve; readouts without a curve are left out.
        looks: readout -> colour, marker, dashes.
        thin_lines: readout -> the curves of its single replicates.
        intervals: readout -> 95 % interval of the half-effect dose in log10 nM, a bar above the axis.
        bands: readout -> 95 % interval of its curve at every dose, a shade behind it.
        label: what the figure shows, before the name.
    """
    left, top, width, height = 36, 8, 226, 130
    canvas = Canvas(left + width + 18, top + height + 34, f"{label} {drug}")
    doses = [math.log10(d) for d in points["concentration_nM"]] + [x for xs, _ in lines.values() for x in xs]
    first, last = (min(doses), max(doses)) if doses else (0.0, 4.0)
    if last - first < 1e-9:
        first, last = first - 0.5, last + 0.5

    def x(log10_dose: float) -> float:
        return left + 6 + (width - 12) * (log10_dose - first) / (last - first)

    def y(percent: float) -> float:
        return top + height * (125 - min(max(percent, -25), 125)) / 150

    for percent in (0, 50, 100):
        canvas.line(left, y(percent), left + width, y(percent), "grid")
        canvas.text(left - 5, y(percent) + 3.5, str(percent), "end")
    for tick in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1):
        canvas.line(x(tick), top + height, x(tick), top + height + 3)
        canvas.text(x(tick), top + height + 14, _dose(10.0**tick))
    canvas.line(left, top + height, left + width, top + height)
    canvas.text(left + width / 2, top + height + 28, "concentration (nM)")
    canvas.text(10, top + height / 2, "inhibition (%)", rotate=-90)
    marks: dict[tuple[str, bool], list[tuple[float, float, str]]] = {}
    for row in rows_of(points[["readout", "replicate", "concentration_nM", "viability_fraction"]]):
        hollow = _known(row.replicate) and row.replicate != 1
        place = x(math.log10(row.concentration_nM)), y(100 * (1 - row.viability_fraction)), ""
        marks.setdefault((row.readout, hollow), []).append(place)
    for readout, look in looks.items():
        if readout in (bands or {}):
            log10_doses, lower, upper = (bands or {})[readout]
            there = [(x(d), y(i)) for d, i in zip(log10_doses, upper, strict=True)]
            back = [(x(d), y(i)) for d, i in zip(log10_doses, lower, strict=True)][::-1]
            canvas.shade([*there, *back], look.colour)
    for readout, look in looks.items():
        if readout in lines:
            canvas.polyline(((x(d), y(i)) for d, i in zip(*lines[readout], strict=True)), look.colour, look.dashes)
        for line in (thin_lines or {}).get(readout, ()):
            canvas.polyline(((x(d), y(i)) for d, i in zip(*line, strict=True)), look.colour, look.dashes, 0.5)
        if readout in (intervals or {}):
            low, high = (min(max(v, first), last) for v in (intervals or {})[readout])
            level = top + height - 4 - 4 * list(looks).index(readout)
            canvas.polyline([(x(low), level), (x(high), level)], look.colour, (), 2.5)
        for hollow in (False, True):
            if (readout, hollow) in marks:
                canvas.markers(marks[readout, hollow], look.colour, look.marker, hollow)
    return canvas


def agreement(
    pairs: Iterable[tuple[str, float, float]], threshold: float | None, x_name: str, y_name: str, look: Look
) -> Markup:
    """One readout's score against another's, a point a drug; both hit lines.

    Args:
        pairs: drug, score on x, score on y.
        threshold: score from which a drug is a hit.
        x_name: readout on x.
        y_name: readout on y.
        look: how the points are drawn.
    """
    rows = list(pairs)
    values = [value for _, a, b in rows for value in (a, b)]
    ticks = nice_ticks(min([0.0, *values]), max([threshold or 0.0, 1.0, *values]), 4)
    left, top, side = 44, 8, 220
    canvas = Canvas(left + side + 12, top + side + 38, f"{y_name} against {x_name}")
    low, high = ticks[0], ticks[-1]

    def at(value: float) -> float:
        return side * (value - low) / (high - low)

    for tick in ticks:
        canvas.line(left, top + side - at(tick), left + side, top + side - at(tick), "grid")
        canvas.line(left + at(tick), top, left + at(tick), top + side, "grid")
        canvas.text(left - 5, top + side - at(tick) + 3.5, f"{tick:g}", "end")
        canvas.text(left + at(tick), top + side + 14, f"{tick:g}")
    if threshold is not None:
        canvas.line(left, top + side - at(threshold), left + side, top + side - at(threshold), "limit")
        canvas.line(left + at(threshold), top, left + at(threshold), top + side, "limit")
    canvas.text(left + side / 2, top + side + 31, x_name)
    canvas.text(11, top + side / 2, y_name, rotate=-90)
    marks = [(left + at(a), top + side - at(b), f"{drug}: {a:.1f}, {b:.1f}") for drug, a, b in rows]
    canvas.markers(marks, look.colour, look.marker)
    return canvas.markup()


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers that enclose `low` to `high`, about `most` of them, equally spaced, with 0 among them.

    >>> nice_ticks(0, 41, 5)
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.10g}") for index in range(first, last + 1)]


def _known(*values: object) -> bool:
    import pandas as pd

    return not any(pd.isna(value) for value in values)  # type: ignore[call-overload]


def _dose(nanomolar: float) -> str:
    return f"{nanomolar:g}" if 1e-3 <= nanomolar < 1e6 else f"{nanomolar:.0e}"


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"
