"""Molecular Devices SoftMax Pro: UTF-16 text with blocks `Plate:` to `~End`.

Before the values stand an empty column and the temperature, given in the first row alone; rows have no letters. Reads
at several wavelengths stand beside each other with an empty column between them, plates below each other.

Source: exports of SoftMax Pro 5 to 7 as users published them.
"""

from __future__ import annotations

from dataclasses import replace

from phenodose.screens.dialects.base import MatrixDialect, mark
from phenodose.screens.dialects.matrix import Rules
from phenodose.screens.dialects.page import Lines, RawBlock


class SoftMax(MatrixDialect):
    """Plates of SoftMax Pro."""

    name = "SoftMax Pro"
    marks = (mark(r"##BLOCKS\s*="), mark(r"Plate:\t"), mark(r"~End\b"))
    mark_words = "line '##BLOCKS=', 'Plate:' or '~End'"
    rules = Rules(side_by_side=True, empty_rows=True)

    def titled(self, block: RawBlock, lines: Lines) -> RawBlock:
        """The block under the plate's name, the second cell of the line `Plate:` above it."""
        for line in reversed(lines[: block.line - 1]):
            if line and str(line[0]).casefold().rstrip(":") == "plate" and len(line) > 1:
                read = block.title.rpartition(": ")[2] if block.title.rpartition(": ")[2].startswith("read ") else ""
                return replace(block, title=": ".join(filter(None, (str(line[1]), read))))
        return block
