"""Colours, markers and dashes that colour-blind people tell apart, also in grey print.

Belongs here: the palette of Okabe and Ito (jfly.uni-koeln.de/color, 2008), and marker and dashes to the colour of a
readout, so that it looks the same in every picture and report. Does not belong here: drawing, and the colours of
readouts, which the plugins declare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count

BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILLION = "#D55E00"
SKY = "#56B4E9"
PURPLE = "#CC79A7"
INK = "#222222"
GREY = "#8A8F98"
PALE = "#D9DCE1"

#: Order in which categories take colours; grey replaces the palette's yellow, which is weak on white.
CYCLE: tuple[str, ...] = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK, GREY)
#: matplotlib's names of the markers, in the order in which categories take them.
MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X", "*")
#: SVG and matplotlib dash patterns, in units of the line's width; () is a full line.
DASHES: tuple[tuple[int, ...], ...] = ((), (5, 2), (2, 2), (7, 2, 2, 2), (1, 1))


@dataclass(frozen=True)
class Look:
    """How one category is drawn: colour, marker and dashes, so that colour is never the only sign."""

    colour: str
    marker: str
    dashes: tuple[int, ...]


def look(index: int) -> Look:
    """The look of the category at `index`; 8 colours, then the same colours with other markers."""
    turn, place = divmod(index, len(CYCLE))
    return Look(CYCLE[place], MARKERS[(place + turn) % len(MARKERS)], DASHES[(place + turn) % len(DASHES)])


def readout_looks(readouts: Iterable[str], colours: Mapping[str, str]) -> dict[str, Look]:
    """The look of each readout.

    Args:
        readouts: the readouts.
        colours: colour by readout, also of readouts that are not asked for: with the same colours a readout looks the
            same everywhere. A readout of the same colour as one before it has another marker.

    Returns:
        Their looks; a readout without a colour takes the next of the palette that none of `colours` has.
    """
    names = list(dict.fromkeys(readouts))
    places: dict[str, int] = {}
    taken: set[int] = set()

    def take(name: str, candidates: Iterable[int]) -> None:
        places[name] = next(place for place in candidates if place not in taken)
        taken.add(places[name])

    of_palette = {name: CYCLE.index(colour.upper()) for name, colour in colours.items() if colour.upper() in CYCLE}
    for name, place in of_palette.items():
        take(name, count(place, len(CYCLE)))
    for name in (*colours, *sorted(names)):
        if name not in places:
            take(name, count())
    return {name: replace(look(places[name]), colour=colours.get(name, look(places[name]).colour)) for name in names}


def white_is_read_on(colour: str) -> bool:
    """Whether white text has a contrast of at least 4.5 on a ground such as '#005a8f' (WCAG 2.2, criterion 1.4.3).

    Example:
        >>> white_is_read_on("#005a8f"), white_is_read_on("#8fb9d1")
        (True, False)
    """
    shares = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (luminance + 0.05) >= 4.5
