"""Where the report leads to the plate viewer (`phenodose view`) and how the viewer leads back.

The report is a file that knows no server, so it shows a command. The viewer serves it as `report.html?viewer`; then it
shows a link instead (`viewer_links.js`), and `report.html?viewer#drug=NAME` leads to the drug's curves.
"""

from __future__ import annotations

from shlex import quote as shell_quote
from typing import NamedTuple
from urllib.parse import quote


class WellsOf(NamedTuple):
    """The wells of one drug in the viewer.

    Attributes:
        command: opens the viewer with the drug's dilution strip.
        address: of that strip, relative to the report as the viewer serves it.
    """

    command: str
    address: str


def wells_of(screen: str, drug: str) -> WellsOf:
    """How the wells of a drug are looked at; nothing is looked up."""
    return WellsOf(f"phenodose view {screen} --drug {shell_quote(drug)}", f"./#strip={quote(drug, safe='')}")
