"""Matrices: a line of column numbers, and below it rows of a letter and one value a column.

Belongs here: finding these blocks among whatever a plate reader writes around them, under the rules of a dialect. Does
not belong here: which rules an instrument needs (its own file), and numbers (`numbers`).

A block starts at a line of at least `LEAST_COLUMNS` rising column numbers that is followed by at least `LEAST_ROWS`
rows; a row is a row letter (A to Z, AA to AF, optional colon) and one value a column. Rows without any letter are A, B,
C in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from phenodose.io.spreadsheet import Cell, to_number
from phenodose.names import MAX_COLUMNS
from phenodose.screens.dialects.page import ROW_LABEL, Lines, RawBlock, RawRow, is_blank, words_of

LEAST_COLUMNS = 6
LEAST_ROWS = 3
#: Cells that may stand before the first column number: an empty one, and the row letter's or the temperature's.
MOST_BEFORE = 3

_LIKE_A_NUMBER = re.compile(r"[+-]?[\d.,’' \u00a0\u202f]*\d[\d.,]*(?:[eE][+-]?\d+)?\Z")

#: The time of a read, which SoftMax Pro writes before the temperature.
_TIME = re.compile(r"\d+:\d\d(?::\d\d(?:\.\d+)?)?\Z")


@dataclass(frozen=True)
class Rules:
    """What the matrices of a dialect may have beside the plain one.

    Attributes:
        short_rows: the ends of lines may be missing; what is missing has no value.
        number_behind: a number may stand behind the last column, such as the wavelength of the read.
        stacked: a row may be followed by further reads of it, in lines without letter.
        side_by_side: several blocks may stand beside each other, an empty column between them.
        empty_rows: a line of separators alone is a row without values.
    """

    short_rows: bool = False
    number_behind: bool = False
    stacked: bool = False
    side_by_side: bool = False
    empty_rows: bool = False


PLAIN = Rules()


def blocks_in(lines: Lines, rules: Rules = PLAIN) -> list[RawBlock]:
    """All blocks of a page, in order, titled by the line above them; maps of words are none."""
    found: list[RawBlock] = []
    start = 0
    while start < len(lines):
        header = _header(lines[start], rules)
        end = start + 1
        if header:
            rows = list(_rows_below(lines, start + 1, header, rules))
            if len(rows) >= LEAST_ROWS:
                found += _blocks(header, rows, title_above(lines, start), start + 1)
                end = rows[-1][0].line
        start = end
    numeric = [block for block in found if not _is_map_of_words(block)]
    return numeric or found


@dataclass(frozen=True)
class _Header:
    """Column numbers, and the cells at which the values of each block beside each other begin."""

    columns: list[int]
    starts: list[int]


def _header(line: Sequence[Cell], rules: Rules) -> _Header | None:
    """The column numbers of a header line; None if it is none."""
    cells = _without_tail(line)
    before = next((place for place, cell in enumerate(cells) if _is_number(cell)), len(cells))
    if before > MOST_BEFORE or any(isinstance(cell, str) and ROW_LABEL.match(cell) for cell in cells[:before]):
        return None
    runs: list[tuple[int, list[Cell]]] = [(before, [])]
    for place, cell in enumerate(cells[before:], before):
        if cell is None and rules.side_by_side:
            runs.append((place + 1, []))
        else:
            runs[-1][1].append(cell)
    runs = [(place, run) for place, run in runs if run]
    if not runs or any(run != runs[0][1] for _, run in runs):
        return None
    columns = _column_numbers(runs[0][1])
    return _Header(columns, [place for place, _ in runs]) if columns else None


def _column_numbers(cells: Sequence[Cell]) -> list[int]:
    if len(cells) < LEAST_COLUMNS or not all(_is_number(cell) for cell in cells):
        return []
    numbers = [to_number(cell) or 0.0 for cell in cells]
    rising = all(a < b for a, b in pairwise(numbers))
    whole = all(number.is_integer() and 1 <= number <= MAX_COLUMNS for number in numbers)
    return [int(number) for number in numbers] if rising and whole else []


def _rows_below(lines: Lines, start: int, header: _Header, rules: Rules) -> Iterator[list[RawRow]]:
    """The rows of all blocks beside each other, one a block, until a line that is no row."""
    lettered: bool | None = None
    for number, line in enumerate(lines[start:], start + 1):
        found = [_row(line, number, at, header, rules, lettered) for at in header.starts]
        if any(row is None for row in found):
            return
        rows = [row for row in found if row is not None]
        lettered = lettered or rows[0].letter is not None
        yield [RawRow(row.line, rows[0].letter, row.cells, row.label) for row in rows]


def _row(
    line: Sequence[Cell], number: int, at: int, header: _Header, rules: Rules, lettered: bool | None
) -> RawRow | None:
    """One row of the block whose values begin at cell `at`; None if the line is none."""
    width = len(header.columns)
    if not line:
        return None
    if is_blank(line) and rules.empty_rows:
        is_row = not lettered and len(line) >= width
        return RawRow(number, None, [None] * width) if is_row else None
    for index, label in enumerate(line[: max(header.starts[0], 1)]):
        if isinstance(label, str) and ROW_LABEL.match(label):
            cells, behind = _fitted(line[max(at, index + 1) :], width, rules, alone=len(header.starts) == 1)
            return RawRow(number, label.rstrip(":"), cells, behind)
    before, alone = header.starts[0], len(header.starts) == 1
    aligned = before >= 1 and before + width <= len(line)
    if aligned and all(cell is None or _is_number(cell) or _is_time(cell) for cell in line[:before]):
        cells, behind = _fitted(line[at:], width, rules, alone)
        is_row = len(cells) == width and _mostly_numbers(cells) and (rules.stacked or not lettered)
        return RawRow(number, None, cells, behind) if is_row else None
    whole = _fitted(line, width, PLAIN)[0]
    return RawRow(number, None, whole) if alone and len(whole) == width and _mostly_numbers(whole) else None


def _fitted(line: Sequence[Cell], width: int, rules: Rules, alone: bool = True) -> tuple[list[Cell], str]:
    """The values of a line, and what stands behind them; shorter and longer lines keep their own length."""
    cells = list(line)
    if not alone:
        cells = cells[:width]
    while len(cells) > width and cells[-1] is None:
        cells.pop()
    behind = ""
    if len(cells) == width + 1 and (not is_like_a_number(cells[-1]) or rules.number_behind):
        behind = str(cells.pop())
    if rules.short_rows and len(cells) < width:
        cells += [None] * (width - len(cells))
    return cells, behind


def _blocks(header: _Header, rows: list[list[RawRow]], title: str, line: int) -> list[RawBlock]:
    """The blocks below one header: those beside each other, and the reads that are stacked in their rows."""
    blocks = []
    several = len(header.starts) > 1
    for number in range(len(header.starts)):
        own = [row[number] for row in rows]
        if any(row.letter is None for row in own) and any(row.letter is not None for row in own):
            for read, stacked in enumerate(_unstacked(own), 1):
                name = stacked[0].label or f"read {read}"
                blocks.append(RawBlock(": ".join(filter(None, (title, name))), line, header.columns, stacked))
            continue
        name = f"read {number + 1}" if several else ""
        blocks.append(RawBlock(": ".join(filter(None, (title, name))), line, header.columns, own))
    return blocks


def _unstacked(rows: list[RawRow]) -> list[list[RawRow]]:
    """The reads of a block whose rows hold several each, the first with the letter; as they are if uneven."""
    groups: list[list[RawRow]] = []
    for row in rows:
        if row.letter is not None or not groups:
            groups.append([])
        groups[-1].append(row)
    if len({len(group) for group in groups}) != 1 or groups[0][0].letter is None:
        return [rows]
    return [
        [RawRow(group[read].line, group[0].letter, group[read].cells, group[read].label) for group in groups]
        for read in range(len(groups[0]))
    ]


def title_above(lines: Lines, start: int, most: int = 3) -> str:
    """The nearest line of words above a block, of the `most` nearest that hold anything; '' if there is none."""
    above = (line for line in reversed(lines[:start]) if not is_blank(line))
    for line, _ in zip(above, range(most), strict=False):
        if any(isinstance(cell, str) and not is_like_a_number(cell) for cell in line):
            return words_of(line)
        if len([cell for cell in line if cell is not None]) >= LEAST_COLUMNS:
            return ""
    return ""


def _is_map_of_words(block: RawBlock) -> bool:
    """Whether most wells hold words: the plan of a plate, as some programs write it above the values."""
    cells = [cell for row in block.rows for cell in row.cells if cell is not None]
    return 2 * sum(not is_like_a_number(cell) for cell in cells) > len(cells)


def _mostly_numbers(cells: Sequence[Cell]) -> bool:
    """A stray word, such as OVER, leaves a line without letter a row, so that the well can be told."""
    filled = [cell for cell in cells if cell is not None]
    return not filled or 2 * sum(not is_like_a_number(cell) for cell in filled) < len(filled)


def is_like_a_number(cell: Cell) -> bool:
    """Whether a cell is empty or a number in any format."""
    return not isinstance(cell, str) or bool(_LIKE_A_NUMBER.match(cell))


def _is_time(cell: Cell) -> bool:
    return isinstance(cell, str) and bool(_TIME.match(cell))


def _is_number(cell: Cell) -> bool:
    try:
        return to_number(cell) is not None
    except ValueError:
        return False


def _without_tail(line: Sequence[Cell]) -> list[Cell]:
    """The line without the empty cells at its end."""
    cells = list(line)
    while cells and cells[-1] is None:
        cells.pop()
    return cells
