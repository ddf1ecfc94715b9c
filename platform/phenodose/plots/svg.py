"""Drawing small SVG figures for HTML: escaped, with few bytes, without a library.

Belongs here: a canvas with scales and marks. Does not belong here: what is drawn (`svg_figures`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from phenodose.plots.palette import GREY, INK, MARKERS, PALE, VERMILLION, Look

#: SVG shapes of the markers, about 7 px wide, centred on the origin, by their matplotlib names.
_SHAPES: dict[str, str] = {
    "o": '<circle r="3"/>',
    "s": '<path d="M-2.8-2.8h5.6v5.6h-5.6z"/>',
    "^": '<path d="M0-3.6L3.3 2.4H-3.3z"/>',
    "D": '<path d="M0-3.8L3.8 0 0 3.8-3.8 0z"/>',
    "v": '<path d="M0 3.6L3.3-2.4H-3.3z"/>',
    "P": '<path d="M-1.2-3.4h2.4v2.2h2.2v2.4h-2.2v2.2h-2.4v-2.2h-2.2v-2.4h2.2z"/>',
    "X": '<path d="M-3-1.6L-1.6-3 0-1.4 1.6-3 3-1.6 1.4 0 3 1.6 1.6 3 0 1.4-1.6 3-3 1.6-1.4 0z"/>',
    "*": '<path d="M0-4l1.2 2.5 2.8.3-2 1.9.5 2.8L0 2.2-2.5 3.5-2 .7-4-1.2l2.8-.3z"/>',
}

#: What a figure looks like that stands outside a report, whose own style sheet says the same.
_STYLE = (
    f"text{{font:10.5px system-ui,'DejaVu Sans',sans-serif;fill:{INK}}}.title{{font-weight:600}}"
    f".axis{{stroke:{INK}}}.grid{{stroke:{PALE};stroke-width:.7}}.limit{{stroke:{INK};stroke-dasharray:2 3}}"
    f".whisker{{stroke:{INK};stroke-width:1.2}}.bar{{fill:{PALE};stroke:{GREY};stroke-width:.8}}"
    f".bar.hit{{fill:{VERMILLION};stroke:none}}"
)
#: Characters that XML cannot hold, not even escaped.
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def marker_definitions() -> Markup:
    """The markers' shapes, to stand once in a document before the figures that use them."""
    shapes = "".join(f'<g id="marker-{i}">{_SHAPES[name]}</g>' for i, name in enumerate(MARKERS))
    return Markup(f'<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>{shapes}</defs></svg>')


class Canvas:
    """An SVG image under construction; lengths are pixels of its own coordinate system, y downwards."""

    def __init__(self, width: float, height: float, label: str, interactive: bool = False) -> None:
        self.width = width
        self.height = height
        self._label = label
        self._role = "group" if interactive else "img"
        self._parts: list[Markup] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str = "axis") -> None:
        """A straight line."""
        points = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
        self._parts.append(Markup(f'<line {points} class="{css}"/>'))

    def polyline(
        self, points: Iterable[tuple[float, float]], colour: str, dashes: Sequence[int] = (), width: float = 1.5
    ) -> None:
        """A line through points."""
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        dash = f' stroke-dasharray="{" ".join(map(str, dashes))}"' if dashes else ""
        self._parts.append(
            Markup(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"{dash}/>')
        )

    def shade(self, outline: Iterable[tuple[float, float]], colour: str) -> None:
        """A pale area within an outline."""
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in outline)
        self._parts.append(Markup(f'<polygon points="{path}" fill="{colour}" fill-opacity="0.14" stroke="none"/>'))

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        css: str,
        title: str,
        link: str = "",
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """A rectangle that tells `title` under the pointer and leads to `link`; `facts` become data- attributes."""
        shape = Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"{}><title>{}</title></rect>').format(
            _n(x), _n(y), _n(width), _n(max(height, 0.5)), css, data_attributes(facts or {}), title
        )
        self._parts.append(Markup('<a href="{}" aria-label="{}">{}</a>').format(link, title, shape) if link else shape)

    def text(self, x: float, y: float, text: str, anchor: str = "middle", rotate: float = 0, css: str = "") -> None:
        """A text; `rotate` in degrees around its anchor."""
        turn = Markup(' transform="rotate({} {} {})"').format(_n(rotate), _n(x), _n(y)) if rotate else ""
        self._parts.append(
            Markup('<text x="{}" y="{}" text-anchor="{}" class="{}"{}>{}</text>').format(
                _n(x), _n(y), anchor, css, turn, text
            )
        )

    def markers(
        self, points: Iterable[tuple[float, float, str]], colour: str, marker: str, hollow: bool = False
    ) -> None:
        """Points (x, y, title) with the same look; an empty title tells nothing."""
        name = MARKERS.index(marker)
        uses = Markup("").join(
            Markup('<use href="#marker-{}" x="{}" y="{}">{}</use>').format(
                name, _n(x), _n(y), Markup("<title>{}</title>").format(title) if title else ""
            )
            for x, y, title in points
        )
        paint = f'fill="#fff" stroke="{colour}" stroke-width="1.2"' if hollow else f'fill="{colour}"'
        self._parts.append(Markup(f"<g {paint}>{uses}</g>"))

    def add(self, part: Markup) -> None:
        """Anything else that is SVG already."""
        self._parts.append(part)

    def mark(self, x: float, y: float, marker: str, title: str) -> Markup:
        """One marker in the colour of what it is put in."""
        name, label = MARKERS.index(marker), Markup("<title>{}</title>").format(title)
        return Markup('<use href="#marker-{}" x="{}" y="{}">{}</use>').format(name, _n(x), _n(y), label)

    def picture(self) -> bytes:
        """The whole figure as an SVG file of its own, on white, with its style and markers in it."""
        body = str(self.markup()).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        start = body.index(">") + 1
        markers = str(marker_definitions()).split("<defs>")[1].split("</defs>")[0] if "#marker-" in body else ""
        own = f'<style>{_STYLE}</style><defs>{markers}</defs><rect width="100%" height="100%" fill="#fff"/>'
        return _NOT_XML.sub("\ufffd", body[:start] + own + body[start:]).encode()

    def markup(self) -> Markup:
        """The whole figure, to stand in a report."""
        body = Markup("").join(self._parts)
        about = Markup('role="{}" aria-label="{}"').format(self._role, self._label)
        return Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" {2}>{3}</svg>').format(
            _n(self.width), _n(self.height), about if self._label else Markup('aria-hidden="true"'), body
        )


def swatch(look: Look, line: bool = True) -> Markup:
    """The key of a legend: the marker, on a short line if the category has curves."""
    canvas = Canvas(30, 12, "")
    if line:
        canvas.polyline([(1, 6), (29, 6)], look.colour, look.dashes)
    canvas.markers([(15, 6, "")], look.colour, look.marker)
    return canvas.markup()


def data_attributes(facts: Mapping[str, object]) -> Markup:
    """` data-name="value"` of every fact, escaped; numbers keep all their digits."""
    return Markup("").join(Markup(' data-{}="{}"').format(name, value) for name, value in facts.items())


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
