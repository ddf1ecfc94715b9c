"""BMG Labtech (CLARIOstar, PHERAstar, Omega): MARS and Smart Control exports of the microplate view.

MARS 3.40 leaves out the ends of lines whose last wells hold nothing. Rows AA to AF of a 1536-well plate are written a
to f (`numbers`). Raw and blank-corrected values may stand below each other: these are two blocks.

Source: exports of MARS 3.40 and of Smart Control as users published them.
"""

from __future__ import annotations

from phenodose.screens.dialects.base import MatrixDialect, mark
from phenodose.screens.dialects.matrix import Rules


class Bmg(MatrixDialect):
    """Microplate views of BMG's MARS."""

    name = "BMG MARS"
    marks = (
        mark(r"User:\s*[^\n]*Path:"),
        mark(r"Test (?:run no\.|ID|name):"),
        mark(r"ID1:"),
        mark(r"(?:\d+\. )?Raw Data \("),
    )
    mark_words = "line 'User: ..., Path: ...', 'Test name:', 'ID1:' or 'Raw Data ('"
    rules = Rules(short_rows=True)
