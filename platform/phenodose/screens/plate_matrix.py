"""The plate block: where in a plate-reader file the header of column numbers and the lettered rows stand.

Belongs here: finding and reading that block in a sheet or a text. Does not belong here: files, folders,
samples and plates (`matrices`).

Plate readers write anything above and below the block. It starts at the first line of at least
`LEAST_COLUMNS` rising column numbers that is followed by at least `LEAST_ROWS` rows; a row is a row letter
(A to Z, AA to AF, optional colon) and one value a column. Rows without any letter are A, B, C in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from phenodose.errors import Faults, InputError
from phenodose.io.spreadsheet import Cell, has_decimal_comma, no_number, to_cell, to_number
from phenodose.names import MAX_COLUMNS, MAX_ROWS, row_index, row_label, well_name

LEAST_COLUMNS = 6
LEAST_ROWS = 3

_ROW_LABEL = re.compile(r"([A-Za-z]|[Aa][A-Fa-f]):?\Z")
_GLUED_LABEL = re.compile(r"\s*(<>|[A-Za-z]|[Aa][A-Fa-f])(?::[ ]*|[ ]+)(?=[\d+.-]|NA)", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """The numbers of one plate.

    Attributes:
        rows: row letters, in file order.
        columns: column numbers, rising.
        values: one list a row, one value a column; None where the file says NA, NaN or nothing.
    """

    rows: list[str]
    columns: list[int]
    values: list[list[float | None]]

    @property
    def extent(self) -> str:
        """The block in words: '16 rows x 24 columns, to P24'."""
        last = row_label(max(row_index(row) for row in self.rows))
        return f"{len(self.rows)} rows x {len(self.columns)} columns, to {last}{max(self.columns):02d}"


def block_of_sheet(rows: Sequence[Sequence[Cell]], place: str) -> Block:
    """The plate block of a sheet.

    Raises:
        InputError: there is none, or some of its cells are not numbers; all faults in one message.
    """
    first = min((i for row in rows for i, cell in enumerate(row) if cell is not None), default=0)
    block = _find([list(row[first:]) if any(cell is not None for cell in row) else [] for row in rows], place)
    return _required(block, place)


def block_of_text(text: str, place: str) -> Block:
    """The plate block of a text whose values are separated by tab, semicolon, comma or blanks.

    Raises:
        InputError: there is none, or some of its values are not numbers; all faults in one message.
    """
    found = (_find(_split(text, separator), place) for separator in ("\t", ";", ",", None))
    return _required(next((block for block in found if block is not None), None), place)


def _required(block: Block | None, place: str) -> Block:
    if block is None:
        raise InputError(
            f"{place}: there is no plate in it; a plate is a line of column numbers 1, 2, 3, ... (at least "
            f"{LEAST_COLUMNS}) and below it at least {LEAST_ROWS} lines of a row letter and one number a column. "
            "Take a file that holds no plate away."
        )
    return block


def _split(text: str, separator: str | None) -> list[list[Cell]]:
    lines: list[list[Cell]] = []
    for line in text.splitlines():
        if not line.strip(" \t;,"):
            lines.append([])
            continue
        if separator is not None:
            line = _GLUED_LABEL.sub(lambda label: label.group(1) + separator, line, count=1)
        parts = (part.strip().strip('"') for part in line.split(separator))
        lines.append([to_cell(part if _ROW_LABEL.match(part) else part.removesuffix(":")) for part in parts])
    return lines


def _find(lines: Sequence[Sequence[Cell]], place: str) -> Block | None:
    for number, line in enumerate(lines):
        columns = _column_numbers(line)
        if columns:
            rows = list(_rows_below(lines, number + 1, len(columns)))
            if len(rows) >= LEAST_ROWS:
                return _read(columns, rows, place)
    return None


def _column_numbers(line: Sequence[Cell]) -> list[int]:
    """The column numbers of a header line; empty if it is none."""
    cells = _without_tail(line)
    if cells and not _is_number(cells[0]):
        cells = cells[1:]
    if len(cells) < LEAST_COLUMNS or not all(_is_number(cell) for cell in cells):
        return []
    numbers = [to_number(cell) or 0.0 for cell in cells]
    rising = all(a < b for a, b in pairwise(numbers))
    whole = all(number.is_integer() and 1 <= number <= MAX_COLUMNS for number in numbers)
    return [int(number) for number in numbers] if rising and whole else []


def _rows_below(
    lines: Sequence[Sequence[Cell]], start: int, width: int
) -> Iterator[tuple[int, str | None, list[Cell]]]:
    """Line number, letter (None if there is none) and cells of every row, until a line that is no row."""
    for number, line in enumerate(lines[start:], start + 1):
        label = line[0] if line else None
        if isinstance(label, str) and _ROW_LABEL.match(label):
            yield number, label.rstrip(":").upper(), _fitted(line[1:], width)
        elif _is_row_without_letter(cells := _fitted(line, width), width):
            yield number, None, cells
        else:
            return


def _read(columns: list[int], rows: list[tuple[int, str | None, list[Cell]]], place: str) -> Block:
    faults = Faults(place)
    letters: list[str] = []
    values: list[list[float | None]] = []
    lettered = any(letter is not None for _, letter, _ in rows)
    if any(has_decimal_comma(cell) for _, _, cells in rows for cell in cells):
        # One comma that must be decimal tells how to read '1,234' elsewhere in the plate.
        rows = [(number, letter, [_with_point(cell) for cell in cells]) for number, letter, cells in rows]
    if not lettered and len(rows) > MAX_ROWS:
        raise InputError(f"{place}: {len(rows)} rows below the column numbers; a plate has at most {MAX_ROWS}.")
    for order, (number, given, cells) in enumerate(rows):
        letter = given if lettered else row_label(order)
        if letter is None:
            faults.add(f"line {number} has no row letter but others have; write the letter at its start.")
            continue
        if letter in letters:
            faults.add(f"row {letter} stands in the plate twice, again in line {number}; keep one.")
        if len(cells) != len(columns):
            faults.add(
                f"row {letter} (line {number}) has {len(cells)} values for {len(columns)} columns; mend the line."
            )
            continue
        letters.append(letter)
        values.append(_numbers(letter, columns, cells, number, faults))
    faults.raise_if_any()
    return Block(letters, columns, values)


def _numbers(letter: str, columns: list[int], cells: list[Cell], number: int, faults: Faults) -> list[float | None]:
    values: list[float | None] = []
    for column, cell in zip(columns, cells, strict=True):
        try:
            values.append(to_number(cell))
        except ValueError:
            values.append(None)
            well = well_name(letter, column)
            faults.add(f"well {well} (line {number}) is {no_number(cell)}, or NA.")
    return values


def _is_row_without_letter(cells: list[Cell], width: int) -> bool:
    """Whether a line is a row of the plate: one cell a column, most of them a number, NA or nothing.

    A stray word, such as OVER, leaves it a row, so that the well can be told.
    """
    words = sum(cell is not None and not _is_number(cell) for cell in cells)
    return len(cells) == width and 2 * words < width


def _with_point(cell: Cell) -> Cell:
    return cell.replace(",", ".") if isinstance(cell, str) and cell.count(",") == 1 and "." not in cell else cell


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


def _fitted(line: Sequence[Cell], width: int) -> list[Cell]:
    """The line without empty cells beyond `width`; shorter and longer lines keep their own length."""
    cells = list(line)
    while len(cells) > width and cells[-1] is None:
        cells.pop()
    return cells
