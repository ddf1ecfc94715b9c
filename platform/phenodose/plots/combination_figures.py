"""Figures of two drugs together: a dose matrix, an isobologram, differences that an add-on makes.

Does not belong here: which pairs a report shows and what it says of them (`phenodose.reports`), other figures
(`svg_figures`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from phenodose.plots.palette import BLUE, GREY, INK, PALE, VERMILLION, white_is_read_on
from phenodose.plots.svg import Canvas
from phenodose.plots.svg_figures import nice_ticks

#: A scale from white to the colour, so that lightness carries the value in grey print too: less, and more.
LESS, MORE = "#005a8f", "#b84a00"
#: Cells of this width hold a number; narrower ones have it under the pointer alone.
_NUMBER_PX = 22.0
_WIDEST_CELL_PX, _CELL_HEIGHT_PX = 34.0, 21.0
_LONGEST_NAME = 30


@dataclass(frozen=True)
class Cell:
    """One cell of a dose matrix.

    Attributes:
        first_nM: dose of the first drug, across; 0 is without it.
        second_nM: dose of the second drug, upwards; 0 is without it.
        value: what its colour and number are; NaN leaves it pale.
        title: what it says under the pointer.
        marked: ringed, as its interval excludes 0.
    """

    first_nM: float
    second_nM: float
    value: float
    title: str
    marked: bool = False


def dose_matrix(
    cells: Sequence[Cell],
    names: tuple[str, str],
    label: str,
    title: str,
    full_colour_at: float,
    signed: bool = False,
    width_px: float = 340.0,
) -> Markup:
    """A number a dose pair: the first drug's dose across, the second's upwards, each dose as wide as any other.

    Args:
        cells: the dose pairs; pairs that are not among them are left white.
        names: the first and the second drug, beside their doses.
        label: what the figure shows, for those who cannot see it.
        title: a word or two above it.
        full_colour_at: value (signed: above and below 0) from which a cell has its full colour.
        signed: values have a sign: blue below 0, red above, and numbers are written with it.
        width_px: the most room that the cells take.
    """
    across, up = sorted({cell.first_nM for cell in cells}), sorted({cell.second_nM for cell in cells})
    width = min(_WIDEST_CELL_PX, width_px / max(len(across), 1))
    height = _CELL_HEIGHT_PX if width >= _NUMBER_PX else max(width * 0.8, 3.0)
    dose_names = [_dose(dose) for dose in up]
    left = 24 + 6.0 * max((len(name) for name in dose_names), default=1)
    top = 20.0
    turned = 6.2 * max((len(_dose(dose)) for dose in across), default=1) > width - 4
    foot = 8 + (6.0 * max((len(_dose(dose)) for dose in across), default=1) if turned else 8) + 16
    body = height * len(up)
    beside = 6.0 * (len(names[1]) + 5) <= body + 16
    below = f"{_short(names[0])} (nM)" if beside else f"{_short(names[0])} (nM) across, {_short(names[1])} (nM) upwards"
    room = max(left + width * len(across) + 8, left + 6.4 * len(title), 6.0 * len(below) + (left if beside else 10))
    canvas = Canvas(room, top + body + foot, label)
    canvas.text(left, 13, title, "start", css="title")
    place = {(first, second): (i, j) for i, first in enumerate(across) for j, second in enumerate(up)}
    numbers, rings = [], []
    for cell in cells:
        i, j = place[cell.first_nM, cell.second_nM]
        x, y = left + width * i, top + height * (len(up) - 1 - j)
        known = math.isfinite(cell.value)
        part = min(max(abs(cell.value) / full_colour_at, 0.0), 1.0) if known else 0.0
        part = part if signed or cell.value > 0 else 0.0
        colour = _tint(MORE if signed and cell.value > 0 else LESS, part) if known else PALE
        outline = f"M{_n(x)} {_n(y)}h{_n(width)}v{_n(height)}h-{_n(width)}z"
        canvas.add(Markup('<path d="{}" fill="{}"><title>{}</title></path>').format(outline, colour, cell.title))
        if cell.marked:
            rings.append(f"M{_n(x + 1)} {_n(y + 1)}h{_n(width - 2)}v{_n(height - 2)}h-{_n(width - 2)}z")
        if known and width >= _NUMBER_PX:
            number = f"{cell.value:+.0f}" if signed else f"{cell.value:.0f}"
            # The ground is named for whoever asks whether it can be read: a cell is no parent of its number.
            ink = f' style="fill:#fff;background-color:{colour}"' if white_is_read_on(colour) else ""
            number = "0" if number in ("-0", "+0") else number
            numbers.append(f'<text x="{_n(x + width / 2)}" y="{_n(y + height / 2 + 3.5)}"{ink}>{number}</text>')
    if rings:
        canvas.add(Markup(f'<path d="{"".join(rings)}" fill="none" stroke="{INK}" stroke-width="1.8"/>'))
    canvas.add(Markup(f'<g text-anchor="middle" pointer-events="none">{"".join(numbers)}</g>'))
    every = 1 if height >= 9 else math.ceil(9 / height)
    for j in range(0, len(up), every):
        canvas.text(left - 4, top + height * (len(up) - 1 - j) + height / 2 + 3.5, dose_names[j], "end")
    for i in range(0, len(across), 1 if width >= 9 else math.ceil(9 / width)):
        x, y = left + width * (i + 0.5), top + body + 12
        if turned:
            canvas.text(x + 3.5, y - 6, _dose(across[i]), "end", -90)
        else:
            canvas.text(x, y, _dose(across[i]))
    if beside:
        canvas.text(left + width * len(across) / 2, canvas.height - 5, below)
        canvas.text(10, top + body / 2, f"{names[1]} (nM)", rotate=-90)
    else:
        canvas.text(6, canvas.height - 5, below, "start")
    return canvas.markup()


def isobologram(
    points: Sequence[tuple[float, float, str]],
    alone_nM: tuple[float, float],
    tested_nM: tuple[float, float],
    names: tuple[str, str],
    label: str,
) -> Markup:
    """Doses of two drugs that reach one effect together, and the line of all that would if they merely added up.

    Points below the line need less than additivity (Loewe), points above it more.

    Args:
        points: dose of the first and of the second drug [nM], and what the point says under the pointer.
        alone_nM: dose of each drug that reaches the effect alone; NaN or infinite where it never does, and then
            the line runs along the other drug's dose.
        tested_nM: highest tested dose of each drug; a dose alone far beyond it lies outside the frame.
        names: the two drugs.
        label: what the figure shows.
    """
    top, side = 20.0, 150.0
    together = [first for first, _, _ in points], [second for _, second, _ in points]
    scales = []
    for doses, alone, tested in zip(together, alone_nM, tested_nM, strict=True):
        shown = [min(alone, 1.5 * tested)] if math.isfinite(alone) else []
        scales.append(nice_ticks(0.0, 1.02 * max([*doses, *shown, 1e-3 * tested]), 3))
    ends = scales[0][-1], scales[1][-1]
    left = 26 + 6.0 * max(len(_dose(tick)) for tick in scales[1])
    canvas = Canvas(left + side + 18, top + side + 40, label)

    def at(first: float, second: float) -> tuple[float, float]:
        return left + side * first / ends[0], top + side * (1 - second / ends[1])

    for tick in scales[0]:
        canvas.line(at(tick, 0)[0], top, at(tick, 0)[0], top + side, "grid")
        canvas.text(at(tick, 0)[0], top + side + 14, _dose(tick))
    for tick in scales[1]:
        canvas.line(left, at(0, tick)[1], left + side, at(0, tick)[1], "grid")
        canvas.text(left - 5, at(0, tick)[1] + 3.5, _dose(tick), "end")
    line = _additive_line(alone_nM, ends)
    if line:
        canvas.polyline([at(*point) for point in line], GREY, (5, 3), 1.5)
    canvas.markers([(*at(first, second), title) for first, second, title in points], BLUE, "o")
    for axis, place in enumerate(((alone_nM[0], 0.0), (0.0, alone_nM[1]))):
        if math.isfinite(alone_nM[axis]) and alone_nM[axis] <= ends[axis]:
            canvas.markers([(*at(*place), f"{names[axis]} alone: {_dose(alone_nM[axis])} nM")], INK, "s")
    canvas.text(left, 13, "isobologram", "start", css="title")
    canvas.text(left + side / 2, top + side + 31, f"{_short(names[0])} (nM)")
    canvas.text(11, top + side / 2, _fitting(names[1], side), rotate=-90)
    return canvas.markup()


def _additive_line(alone_nM: tuple[float, float], ends: tuple[float, float]) -> list[tuple[float, float]]:
    """Both ends of the part of the line that lies within the frame; empty where no part does."""
    first, second = alone_nM
    if not math.isfinite(first) and not math.isfinite(second):
        return []
    if not math.isfinite(first):
        return [(0.0, second), (ends[0], second)] if second <= ends[1] else []
    if not math.isfinite(second):
        return [(first, 0.0), (first, ends[1])] if first <= ends[0] else []
    start, stop = max(0.0, 1 - ends[1] / second), min(1.0, ends[0] / first)
    return [(share * first, (1 - share) * second) for share in (start, stop)] if start < stop else []


@dataclass(frozen=True)
class Difference:
    """A bar of `differences`.

    Attributes:
        name: below the bar.
        value: the difference.
        interval: its ends; NaN without one.
        link: address within the page, or ''.
    """

    name: str
    value: float
    interval: tuple[float, float]
    link: str = ""

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of 0, else 0."""
        return int(self.interval[0] > 0) - int(self.interval[1] < 0)


def differences(bars: Sequence[Difference], unit: str, label: str) -> Markup:
    """What an add-on changes, a bar a drug, the most gained first; bars below 0 are losses.

    A bar is full where its interval excludes 0: red gained, blue lost; the others are pale.
    """
    ordered = sorted(bars, key=lambda bar: (-bar.value, bar.name))
    step = min(40.0, 1060 / max(len(ordered), 1))
    left, top, height = 46.0, 10.0, 150.0
    foot = 14 + 6.4 * max((len(_short(bar.name)) for bar in ordered), default=0) * (0.85 if step >= 24 else 1.0)
    ends = [end for bar in ordered for end in (bar.value, *bar.interval) if math.isfinite(end)]
    ticks = nice_ticks(min([-1.0, *ends]), max([1.0, *ends]), 5)
    low, high = ticks[0], ticks[-1]
    canvas = Canvas(max(left + step * len(ordered) + 12, 300), top + height + foot, label, interactive=True)

    def y(value: float) -> float:
        return top + height * (high - value) / (high - low)

    for tick in ticks:
        canvas.line(left, y(tick), canvas.width - 8, y(tick), "axis" if tick == 0 else "grid")
        canvas.text(left - 6, y(tick) + 3.5, f"{tick:g}", "end")
    canvas.text(12, top + height / 2, unit, rotate=-90)
    for index, bar in enumerate(ordered):
        x = left + step * (index + 0.5)
        lower, upper = bar.interval
        interval = f", 95 % interval {lower:+.1f} to {upper:+.1f}" if math.isfinite(lower) else ""
        title = f"{bar.name}: {bar.value:+.1f}{interval}"
        fill = {1: VERMILLION, -1: BLUE, 0: PALE}[bar.sign]
        start, end = y(max(bar.value, 0.0)), y(min(bar.value, 0.0))
        outline = (
            f"M{_n(x - step * 0.36)} {_n(start)}h{_n(step * 0.72)}v{_n(max(end - start, 0.6))}h-{_n(step * 0.72)}z"
        )
        shape = Markup('<path d="{}" fill="{}" stroke="{}" stroke-width=".8"><title>{}</title></path>').format(
            outline, fill, GREY, title
        )
        link = Markup('<a href="{}" aria-label="{}">{}</a>').format(bar.link, title, shape) if bar.link else shape
        canvas.add(link)
        if math.isfinite(lower) and math.isfinite(upper):
            canvas.line(x, y(lower), x, y(upper), "whisker")
        angle, shift = (-55.0, 3.0) if step >= 24 else (-90.0, 3.5)
        canvas.text(x + shift, top + height + 10, _short(bar.name), "end", angle)
    return canvas.markup()


def _tint(colour: str, part: float) -> str:
    """White at 0, the colour at 1."""
    ends = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 + part * (end - 255)):02x}" for end in ends)


def _dose(nanomolar: float) -> str:
    """A dose with three digits.

    >>> _dose(1000.0), _dose(0.0316228), _dose(0.0), _dose(2500000.0)
    ('1000', '0.0316', '0', '2.5e6')
    """
    text = f"{nanomolar:.0f}" if 1000 <= nanomolar < 1e6 else f"{nanomolar:.3g}"
    return text.replace("e+0", "e").replace("e-0", "e-")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _fitting(name: str, room_px: float) -> str:
    """The name with its unit, as long as the room allows."""
    letters = max(int(room_px / 6.0) - 5, 3)
    return f"{name if len(name) <= letters else name[: letters - 1] + '…'} (nM)"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
