"""Pictures of a readout's wells: histogram with controls, and replicate against replicate.

Does not belong here: normalisation and quality metrics (`phenodose.viability`, `phenodose.quality`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from phenodose.plots import palette
from phenodose.plots.svg import Canvas
from phenodose.plots.svg_figures import nice_ticks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_LEFT, _RIGHT, _GAP = 44.0, 10.0, 16.0


def viability_histogram(
    frame: pd.DataFrame,
    title: str = "",
    value: str = "raw",
    limits: tuple[float, float] | None = None,
    bins: int = 50,
    width_px: int = 560,
) -> bytes:
    """How a readout spreads over all wells (above) and over its controls (below), as an SVG.

    Args:
        frame: columns named by `value` and control ('negative', 'positive' or None); one row a well.
        title: what is shown.
        value: 'raw' for the readout's own number, 'viability_fraction' for the normalised one.
        limits: range outside which a value is suspicious, drawn as two dotted lines.
        bins: number of bars.
        width_px: width of the picture.
    """
    import numpy as np

    values = frame[value].to_numpy(dtype=np.float64, na_value=np.nan)
    finite = np.isfinite(values)
    canvas = Canvas(width_px, int(width_px * 0.55), title or "histogram")
    canvas.text(8, 15, title, "start", css="title")
    if not finite.any():
        canvas.text(canvas.width / 2, canvas.height / 2, "no well has a value")
        return canvas.picture()
    edges = np.histogram_bin_edges(values[finite], bins=bins)
    marks = [*edges.tolist(), *(limits or ())]
    ends = min(marks), max(marks)
    control = frame["control"].to_numpy(dtype=object)
    of_controls = [
        (f"{name} controls ({len(chosen)})", colour, chosen)
        for name, colour in (("negative", palette.BLUE), ("positive", palette.ORANGE))
        if len(chosen := values[finite & (control == name)])
    ]
    panel = (canvas.height - 26 - _GAP - 34) / 2
    rows = (
        (26.0, "wells", [("all wells", palette.GREY, values[finite])]),
        (26 + panel + _GAP, "controls", of_controls),
    )
    for top, what, groups in rows:
        _bars(canvas, top, panel, what, groups, edges, ends)
        for limit in limits or ():
            x = _across(canvas, limit, ends)
            canvas.line(x, top, x, top + panel, "limit")
    for tick in nice_ticks(*ends, 6):
        if ends[0] <= tick <= ends[1]:
            canvas.text(_across(canvas, tick, ends), canvas.height - 20, f"{tick:g}")
    unit = "raw readout" if value == "raw" else "viability (fraction)"
    canvas.text((canvas.width + _LEFT) / 2, canvas.height - 6, unit)
    return canvas.picture()


def _across(canvas: Canvas, value: float, ends: tuple[float, float]) -> float:
    return _LEFT + (canvas.width - _LEFT - _RIGHT) * (value - ends[0]) / (ends[1] - ends[0])


def _bars(
    canvas: Canvas,
    top: float,
    height: float,
    what: str,
    groups: list[tuple[str, str, np.ndarray]],
    edges: np.ndarray,
    ends: tuple[float, float],
) -> None:
    """One panel: counts of each group as bars that let those behind them through, and its legend."""
    import numpy as np

    counts = [np.histogram(values, bins=edges)[0] for _, _, values in groups]
    most = max((int(count.max()) for count in counts), default=0) or 1
    canvas.text(_LEFT - 5, top + 7, str(most), "end")
    canvas.text(_LEFT - 5, top + height + 3, "0", "end")
    canvas.text(11, top + height / 2, what, rotate=-90)
    for index, ((label, colour, _), count) in enumerate(zip(groups, counts, strict=True)):
        outline = []
        for start, end, number in zip(edges[:-1].tolist(), edges[1:].tolist(), count.tolist(), strict=True):
            if number:
                x, y = _across(canvas, start, ends), top + height * (1 - number / most)
                outline.append(f"M{x:.1f} {y:.1f}H{_across(canvas, end, ends):.1f}V{top + height:.1f}H{x:.1f}z")
        paint = f'fill="{colour}" fill-opacity="0.75" stroke="#fff" stroke-width="0.5"'
        canvas.add(Markup(f'<path d="{"".join(outline)}" {paint}/>'))
        x, y = canvas.width / 2 - 40, top + 4 + 13 * index
        canvas.add(Markup(f'<rect x="{x:.1f}" y="{y:.1f}" width="14" height="8" fill="{colour}"/>'))
        canvas.text(x + 18, y + 8, label, "start")
    canvas.line(_LEFT, top + height, canvas.width - _RIGHT, top + height)


def replicate_scatter(
    frame: pd.DataFrame, title: str = "", unit: str = "viability, percent", width_px: int = 360
) -> bytes:
    """Replicate 1 against replicate 2, a point a drug and concentration, with the line of agreement, as an SVG.

    Args:
        frame: columns first, second: the same quantity in the two replicates.
        title: what is shown.
        unit: quantity and unit, on both axes.
        width_px: width and height of the picture.
    """
    import numpy as np

    pairs = frame[["first", "second"]].dropna().to_numpy(dtype=np.float64)
    canvas = Canvas(width_px, width_px, title or "replicates")
    canvas.text(8, 15, title, "start", css="title")
    top, side = 24.0, width_px - _LEFT - 24.0
    canvas.text(_LEFT + side / 2, canvas.height - 5, f"replicate 1 ({unit})")
    canvas.text(11, top + side / 2, f"replicate 2 ({unit})", rotate=-90)
    if not len(pairs):
        canvas.text(canvas.width / 2, canvas.height / 2, "no duplicates")
        return canvas.picture()
    ticks = nice_ticks(min(0.0, float(pairs.min())), max(1e-9, float(pairs.max())), 5)
    low, high = ticks[0], ticks[-1]

    def at(value: float) -> float:
        return (side - 12) * (value - low) / (high - low)

    floor = top + side - 12
    for tick in ticks:
        canvas.line(_LEFT, floor - at(tick), _LEFT + side - 12, floor - at(tick), "grid")
        canvas.line(_LEFT + at(tick), top, _LEFT + at(tick), floor, "grid")
        canvas.text(_LEFT - 5, floor - at(tick) + 3.5, f"{tick:g}", "end")
        canvas.text(_LEFT + at(tick), floor + 13, f"{tick:g}")
    canvas.line(_LEFT, floor, _LEFT + side - 12, top, "limit")
    points = "".join(f"M{_LEFT + at(x):.1f} {floor - at(y):.1f}h0" for x, y in pairs.tolist())
    paint = f'stroke="{palette.BLUE}" stroke-opacity="0.6" stroke-width="4.5" stroke-linecap="round" fill="none"'
    canvas.add(Markup(f'<path d="{points}" {paint}/>'))
    return canvas.picture()
