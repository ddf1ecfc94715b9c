"""The small dose-response curve of one drug, for a page where many drugs stand below each other.

Does not belong here: the large figure of all readouts (`svg_figures.dose_response`), fitting.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from markupsafe import Markup

from phenodose.plots.palette import GREY, Look
from phenodose.plots.svg import Canvas
from phenodose.plots.svg_figures import Band, Line

_LEFT, _TOP, _WIDTH, _HEIGHT, _FOOT = 24, 5, 132, 56, 13
#: Ends of the scale of inhibition in percent; what lies beyond stands on the edge.
_LOWEST, _HIGHEST = -15.0, 115.0


def small_curve(
    label: str,
    points: Iterable[tuple[float, float]],
    line: Line | None,
    band: Band | None,
    look: Look,
    reachable_nm: float | None = None,
) -> Markup:
    """Inhibition over dose: wells as points, the fitted curve as a line, its 95 % interval as a shade.

    Args:
        label: what the figure shows, for those who do not see it.
        points: dose in nM (above 0) and inhibition in percent, a pair a well.
        line: the fitted curve; None where there is none.
        band: the 95 % interval of the curve; None where it is not known.
        look: colour and marker of the readout.
        reachable_nm: the concentration that patients reach, a dashed line where it lies within the doses.
    """
    wells = [(math.log10(dose), percent) for dose, percent in points if dose > 0 and percent == percent]
    doses = [dose for dose, _ in wells] + (list(line[0]) if line else [])
    first, last = (min(doses), max(doses)) if doses else (0.0, 4.0)
    if last - first < 1e-9:
        first, last = first - 0.5, last + 0.5
    canvas = Canvas(_LEFT + _WIDTH + 6, _TOP + _HEIGHT + _FOOT, label)

    def place(dose: float, percent: float) -> tuple[float, float]:
        shown = min(max(percent, _LOWEST), _HIGHEST)
        across = _LEFT + 4 + (_WIDTH - 8) * (dose - first) / (last - first)
        return across, _TOP + _HEIGHT * (_HIGHEST - shown) / (_HIGHEST - _LOWEST)

    for percent in (0, 50, 100):
        level = place(first, percent)[1]
        canvas.line(_LEFT, level, _LEFT + _WIDTH, level, "grid")
        canvas.text(_LEFT - 3, level + 3, str(percent), "end", css="tiny")
    canvas.line(_LEFT, _TOP + _HEIGHT, _LEFT + _WIDTH, _TOP + _HEIGHT)
    if reachable_nm is not None and reachable_nm > 0 and first <= math.log10(reachable_nm) <= last:
        across = place(math.log10(reachable_nm), 0)[0]
        canvas.line(across, _TOP, across, _TOP + _HEIGHT, "limit")
    if band is not None:
        there = [place(dose, upper) for dose, upper in zip(band[0], band[2], strict=True)]
        back = [place(dose, lower) for dose, lower in zip(band[0], band[1], strict=True)][::-1]
        canvas.shade([*there, *back], look.colour)
    if line is not None:
        canvas.polyline((place(*point) for point in zip(*line, strict=True)), look.colour)
    canvas.markers(
        [(*place(dose, percent), "") for dose, percent in wells], look.colour if wells else GREY, look.marker
    )
    foot = _TOP + _HEIGHT + 10
    canvas.text(_LEFT, foot, dose_words(10.0**first), "start", css="tiny")
    canvas.text(_LEFT + _WIDTH, foot, dose_words(10.0**last), "end", css="tiny")
    return canvas.markup()


def dose_words(nanomolar: float, digits: int = 2) -> str:
    """A dose in the unit that a clinician writes it in.

    >>> dose_words(0.5), dose_words(38.2), dose_words(996.0), dose_words(12300.0), dose_words(2.5e6)
    ('0.5 nM', '38 nM', '1 µM', '12 µM', '2.5 mM')
    """
    if not nanomolar > 0:
        return "0 nM"
    rounded = float(f"{nanomolar:.{digits}g}")
    for unit, size in (("mM", 1e6), ("µM", 1e3)):
        if rounded >= size:
            return f"{_plain(rounded / size, digits)} {unit}"
    return f"{_plain(rounded, digits)} nM"


def _plain(value: float, digits: int) -> str:
    shown = float(f"{value:.{digits}g}")
    return f"{shown:.0f}" if shown >= 100 else f"{shown:g}" if shown >= 1e-4 else f"{shown:.1e}"
