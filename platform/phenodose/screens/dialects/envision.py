"""PerkinElmer / Revvity EnVision: csv with a part `Plate information` above every plate.

Plates of one run stand below each other. Letters and column numbers may be left out; then the values alone stand below
the part, as many lines and columns as the plate has.

Source: exports of EnVision Workstation 1.13 as users published them.
"""

from __future__ import annotations

from dataclasses import replace

from phenodose.io.spreadsheet import to_text
from phenodose.screens.dialects.bare_grid import grids_in
from phenodose.screens.dialects.base import MatrixDialect, NotThisError, mark
from phenodose.screens.dialects.matrix import Rules
from phenodose.screens.dialects.page import Lines, Page, RawBlock, words_of


class EnVision(MatrixDialect):
    """Plates of the EnVision."""

    name = "EnVision"
    marks = (mark(r"Plate information"), mark(r"Basic assay information"), mark(r"Exported with EnVision"))
    mark_words = "line 'Plate information' or 'Basic assay information'"
    rules = Rules()

    def blocks(self, page: Page) -> list[RawBlock]:
        """The matrices of the page, else its grids without letters and numbers."""
        try:
            return super().blocks(page)
        except NotThisError as reason:
            if not any(mark.search(page.text) for mark in self.marks):
                raise
            for lines in page.splits(keep_empty=True):
                if found := grids_in(lines):
                    return [self.titled(block, lines) for block in found]
            raise NotThisError(f"{reason}, and no lines of values alone that fill a plate") from None

    def titled(self, block: RawBlock, lines: Lines) -> RawBlock:
        """The block under the number that its part `Plate information` gives the plate, and the line above it."""
        above = lines[: block.line - 1]
        for number in range(len(above) - 1, -1, -1):
            names = [str(cell).strip().casefold() for cell in above[number] if cell is not None]
            if names[:1] == ["plate information"] or "plate" not in names or number + 1 >= len(above):
                continue
            values = above[number + 1]
            named = {str(cell).strip().casefold(): index for index, cell in enumerate(above[number]) if cell}
            plate = to_text(values[named["plate"]]) if named["plate"] < len(values) else None
            repeat = named.get("repeat", len(values))
            titles = [f"plate {plate}"] if plate else []
            if repeat < len(values) and to_text(values[repeat]) not in (None, "1"):
                titles.append(f"repeat {to_text(values[repeat])}")
            title = block.title if block.title and block.title != words_of(values) else ""
            return replace(block, title=": ".join(filter(None, (", ".join(titles), title))))
        return block
