"""The phenotype map of a report as SVG: wells in the plane, labels that cover nothing, room for images at both sides.

Does not belong here: which wells, colours, labels and images (`phenodose.reports.phenotypes`), making maps (embedders).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from phenodose.io.frames import rows_of
from phenodose.plots.palette import Look
from phenodose.plots.svg import Canvas, data_attributes

if TYPE_CHECKING:
    import pandas as pd

_WIDTH, _EDGE = 760.0, 16.0
#: Least and largest height of the plane in which the wells lie.
_HEIGHTS = (330.0, 540.0)
#: Side of an image, its distance from the next and from the plane, and the room for its caption.
_IMAGE_PX, _GAP_PX, _CAPTION_PX = 92.0, 6.0, 11.0
#: Width of a sign of a label and height of its line, about.
_SIGN_PX, _LINE_PX = 4.7, 9.0
#: How far a label may stand from its well.
_REACHES = (6.0, 13.0, 22.0, 34.0)
_WELL_PX = 3.5

#: Left, top, right, bottom.
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Inset:
    """An image beside the map.

    Attributes:
        well: name such as 'P1/B07'.
        caption: what stands below it.
        x: left edge of the image in pixels of the figure.
        y: its upper edge.
        side: its width and height.
        line: ends of the line to its well on the map: x1, y1, x2, y2.
    """

    well: str
    caption: str
    x: float
    y: float
    side: float
    line: tuple[float, float, float, float]


@dataclass(frozen=True)
class MapFigure:
    """A map without its images.

    Attributes:
        start: the SVG up to where images may follow; '</svg>' ends it.
        insets: the images that it has room for, their lines below them.
    """

    start: Markup
    insets: list[Inset]


def phenotype_map(
    places: pd.DataFrame,
    looks: Mapping[str, Look],
    pairs: Iterable[tuple[int, int]] = (),
    pictured: Sequence[tuple[int, str, str]] = (),
) -> MapFigure:
    """Wells on the map, as large as their spread allows; hovering tells the well.

    Args:
        places: columns x, y, group, label (short text, or '' for none), title; with facts (mapping) those become
            data- attributes, with colours (mapping) the colours of a well under other views.
        looks: group -> colour and marker.
        pairs: rows of `places`, by position, that a line joins: duplicates.
        pictured: rows of `places`, by position, whose image stands at the side, with well and caption; the first are
            shown where there is no room for all.
    """
    band = _IMAGE_PX + 2 * _GAP_PX if pictured else 0.0
    width = _WIDTH - 2 * (band + _EDGE)
    span_x, span_y = _span(places["x"]), _span(places["y"])
    scale = width / max(span_x, 1e-9)
    height = min(max(scale * span_y, _HEIGHTS[0]), _HEIGHTS[1])
    if scale * span_y > height:
        scale = height / span_y
    canvas = Canvas(_WIDTH, height + 2 * _EDGE, f"Phenotype map of {len(places)} wells", True)
    centre_x, centre_y = _centre(places["x"]), _centre(places["y"])
    at = [
        (_WIDTH / 2 + scale * (row.x - centre_x), canvas.height / 2 - scale * (row.y - centre_y))
        for row in rows_of(places)
    ]
    canvas.add(Markup('<g class="duplicates">'))
    for one, other in pairs:
        canvas.line(*at[one], *at[other], "duplicate")
    canvas.add(Markup("</g>"))
    for index, row in enumerate(rows_of(places)):
        colours = {"class": looks[row.group].colour} | getattr(row, "colours", {})
        style = ";".join(f"--{name}:{colour}" for name, colour in colours.items())
        mark = canvas.mark(*at[index], looks[row.group].marker, row.title)
        canvas.add(
            Markup('<g class="well" fill="{}" style="{}" role="img" aria-label="{}"{}>{}</g>').format(
                colours["class"], style, row.title, data_attributes(getattr(row, "facts", {})), mark
            )
        )
    named = [(at[index], label) for index, label in enumerate(places["label"]) if label]
    for label, (point, box) in zip(
        [label for _, label in named],
        labels(named, at, (band + 2, 2, _WIDTH - band - 2, canvas.height - 2)),
        strict=True,
    ):
        if box is not None:
            if math.dist(point, _nearest(point, box)) > _REACHES[1]:
                canvas.line(*point, *_nearest(point, box), "leader")
            canvas.text(box[0], box[3] - 1.5, label, "start", css="tiny")
    start = Markup(str(canvas.markup()).removesuffix("</svg>"))
    return MapFigure(start, _insets(pictured, at, canvas.height))


def labels(
    named: Sequence[tuple[tuple[float, float], str]], points: Sequence[tuple[float, float]], frame: Box
) -> list[tuple[tuple[float, float], Box | None]]:
    """Where labels stand: beside their points, within the frame, over no other label and over as few points as can be.

    Args:
        named: point and text of each label, the most wanted first.
        points: all points of the map.
        frame: what no label reaches beyond.

    Returns:
        The point of each label, and its box; None where there is no room for it.
    """
    taken: list[Box] = []
    found: list[tuple[tuple[float, float], Box | None]] = []
    for (x, y), text in named:
        width = _SIGN_PX * len(text) + 2
        best: tuple[int, Box] | None = None
        for reach in _REACHES:
            for box in _around(x, y, width, reach):
                if not _inside(box, frame) or any(_overlap(box, other) for other in taken):
                    continue
                covered = sum(_covers(box, point) for point in points)
                if best is None or covered < best[0]:
                    best = covered, box
            if best is not None and best[0] == 0:
                break
        if best is not None:
            taken.append(best[1])
        found.append(((x, y), None if best is None else best[1]))
    return found


def _around(x: float, y: float, width: float, reach: float) -> list[Box]:
    """Boxes of a label around its point: right, left, above, below, and between."""
    half, line = width / 2, _LINE_PX
    lefts = {
        "right": (x + reach, y - line / 2),
        "left": (x - reach - width, y - line / 2),
        "above": (x - half, y - reach - line),
        "below": (x - half, y + reach),
    }
    slant = reach * 0.75
    corners = [
        (x + slant, y - slant - line),
        (x - slant - width, y - slant - line),
        (x + slant, y + slant),
        (x - slant - width, y + slant),
    ]
    return [
        (left, top, left + width, top + line) for left, top in [lefts["right"], *corners, *list(lefts.values())[1:]]
    ]


def _insets(pictured: Sequence[tuple[int, str, str]], at: Sequence[tuple[float, float]], height: float) -> list[Inset]:
    """The images at both sides of the map, each on the side of its well, in order of height so that no lines cross."""
    step = _IMAGE_PX + _CAPTION_PX + _GAP_PX
    most = max(int((height - _GAP_PX) / step), 1)
    chosen = sorted(pictured[: 2 * most], key=lambda one: at[one[0]][0])
    n_left = min(max(len(chosen) - most, sum(at[index][0] < _WIDTH / 2 for index, _, _ in chosen)), most)
    found = []
    for is_left, some in ((True, chosen[:n_left]), (False, chosen[n_left:])):
        ordered = sorted(some, key=lambda one: at[one[0]][1])
        room = (height - _GAP_PX) / max(len(ordered), 1)
        for place, (index, well, caption) in enumerate(ordered):
            x = _GAP_PX if is_left else _WIDTH - _GAP_PX - _IMAGE_PX
            y = _GAP_PX + place * room + (room - step) / 2
            edge = x + _IMAGE_PX if is_left else x
            line = (edge, y + _IMAGE_PX / 2, *at[index])
            found.append(Inset(well, caption, x, max(y, 0.0), _IMAGE_PX, line))
    return found


def _inside(box: Box, frame: Box) -> bool:
    return box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _covers(box: Box, point: tuple[float, float]) -> bool:
    return box[0] - _WELL_PX < point[0] < box[2] + _WELL_PX and box[1] - _WELL_PX < point[1] < box[3] + _WELL_PX


def _nearest(point: tuple[float, float], box: Box) -> tuple[float, float]:
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])


def _span(values: pd.Series[float]) -> float:
    return float(values.max() - values.min())


def _centre(values: pd.Series[float]) -> float:
    return float(values.max() + values.min()) / 2
