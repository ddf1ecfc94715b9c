"""The small figure of a drug over time: cells at each dose beside untreated ones.

Does not belong here: choosing the rows (`phenodose.reports.time_courses`).
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from phenodose.plots.palette import GREY, VERMILLION
from phenodose.plots.svg import Canvas

#: Hours and doublings since the start.
Course = Sequence[tuple[float, float]]
_LEFT, _TOP, _WIDTH, _HEIGHT, _FOOT = 26, 6, 128, 84, 24
#: Doublings beyond which a course stands on the edge.
_LOWEST = -6.0


def drug_course(label: str, untreated: Course, doses: Sequence[Course], highest: Course) -> Markup:
    """Doublings of cells over hours: untreated dashed, the doses grey, the highest dose in colour.

    Args:
        label: what the figure shows, for those who do not see it.
        untreated: the course of untreated cells.
        doses: the courses of the lower doses.
        highest: the course of the highest dose.
    """
    everything = [point for course in (untreated, *doses, highest) for point in course]
    last = max((hours for hours, _ in everything), default=1.0) or 1.0
    low = max(min([-1.0, *(value for _, value in everything)]), _LOWEST)
    high = max([1.0, *(value for _, value in everything)])
    canvas = Canvas(_LEFT + _WIDTH + 6, _TOP + _HEIGHT + _FOOT, label)

    def place(course: Course) -> list[tuple[float, float]]:
        return [
            (_LEFT + _WIDTH * hours / last, _TOP + _HEIGHT * (high - min(max(value, low), high)) / (high - low))
            for hours, value in course
        ]

    zero = place([(0.0, 0.0)])[0][1]
    canvas.line(_LEFT, _TOP, _LEFT, _TOP + _HEIGHT)
    canvas.line(_LEFT, zero, _LEFT + _WIDTH, zero, "grid")
    for value in {round(low), 0, round(high)}:
        canvas.text(_LEFT - 4, place([(0.0, float(value))])[0][1] + 3.5, f"{value:+d}" if value else "0", "end")
    canvas.text(_LEFT, _TOP + _HEIGHT + 12, "0")
    canvas.text(_LEFT + _WIDTH, _TOP + _HEIGHT + 12, f"{last:g} h", "end")
    canvas.polyline(place(untreated), GREY, (4, 3))
    for course in doses:
        canvas.polyline(place(course), GREY, width=0.8)
    canvas.polyline(place(highest), VERMILLION, width=2)
    return canvas.markup()
