"""Colours, markers and dashes that colour-blind people tell apart, also in grey print.

Belongs here: the palette of Okabe and Ito (jfly.uni-koeln.de/color, 2008) and which readout has which
colour, so that a readout looks the same in every picture and report. Does not belong here: drawing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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

_READOUTS = ("cnn_phase2", "cnn_phase3", "mean_of_stack", "ctg")


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


def readout_looks(readouts: Iterable[str]) -> dict[str, Look]:
    """The look of each readout; the built-in readouts always have the same one."""
    names = list(dict.fromkeys(readouts))
    others = [name for name in names if name not in _READOUTS]
    places = {name: index for index, name in enumerate((*_READOUTS, *sorted(others)))}
    return {name: look(places[name]) for name in names}
