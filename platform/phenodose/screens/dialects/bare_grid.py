"""Values alone: lines of numbers that fill a plate of a usual size, without row letters and column numbers.

Only a grid of exactly a plate's rows and columns says where its wells are; any other is refused. So is one whose
columns have names: times below each other, with a well in every column, can have the size of a plate.
"""

from __future__ import annotations

from collections.abc import Sequence

from phenodose.io.spreadsheet import Cell
from phenodose.names import PLATE_FORMATS
from phenodose.screens.dialects.base import Dialect, NotThisError
from phenodose.screens.dialects.matrix import LEAST_COLUMNS, is_like_a_number, title_above
from phenodose.screens.dialects.page import Lines, Page, RawBlock, RawRow, is_blank

_SIZES = {columns: rows for rows, columns in PLATE_FORMATS.values() if columns >= LEAST_COLUMNS}


class BareGrid(Dialect):
    """Values without letters and numbers."""

    name = "values alone"

    def blocks(self, page: Page) -> list[RawBlock]:
        """The grids of the page; by the first separator that gives any."""
        for lines in page.splits(keep_empty=True):
            if found := grids_in(lines):
                return found
        sizes = ", ".join(f"{rows} x {columns}" for columns, rows in sorted(_SIZES.items()))
        raise NotThisError(f"has no lines of numbers alone that fill a plate ({sizes})")


def grids_in(lines: Lines) -> list[RawBlock]:
    """All runs of lines of numbers that have exactly the rows and columns of a plate; one empty cell may end a line."""
    found: list[RawBlock] = []
    run: list[tuple[int, Sequence[Cell]]] = []
    for number, line in enumerate([*lines, []], 1):
        if line and all(is_like_a_number(cell) for cell in line) and (not run or len(line) == len(run[0][1])):
            run.append((number, line))
            continue
        found += _grid(run, lines)
        starts = bool(line) and all(is_like_a_number(cell) for cell in line)
        run = [(number, line)] if starts else []
    return found


def _grid(run: list[tuple[int, Sequence[Cell]]], lines: Lines) -> list[RawBlock]:
    """The run as a block, if it is a plate and not empty."""
    if not run or all(is_blank(line) for _, line in run):
        return []
    width = len(run[0][1])
    if width not in _SIZES and all(line[-1] is None for _, line in run):
        width -= 1
    if _SIZES.get(width) != len(run):
        return []
    rows = [RawRow(number, None, list(line[:width])) for number, line in run]
    first = run[0][0]
    if _names_columns(lines[: first - 1]):
        return []
    return [RawBlock(title_above(lines, first - 1), first, list(range(1, width + 1)), rows)]


def _names_columns(above: Lines) -> bool:
    """Whether the nearest line above names what stands in each column, such as wells whose times stand in lines."""
    line = next((line for line in reversed(above) if not is_blank(line)), [])
    words = [cell for cell in line if cell is not None and not is_like_a_number(cell)]
    return len(words) >= LEAST_COLUMNS
