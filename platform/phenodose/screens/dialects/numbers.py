"""From the cells of a block to its numbers: row letters, the number format of the whole file, and all faults at once.

Does not belong here: finding the block (`matrix`, `well_list`, `bare_grid`).
"""

from __future__ import annotations

from collections.abc import Sequence

from phenodose.errors import Faults, InputError
from phenodose.io.number_format import AmbiguousNumbersError, NumberFormat, number_format
from phenodose.io.spreadsheet import no_number
from phenodose.names import MAX_ROWS, row_index, row_label, well_name
from phenodose.screens.dialects.matrix import is_like_a_number
from phenodose.screens.dialects.page import Block, RawBlock, RawRow

_LAST_OF_384 = row_index("P")


def format_of(blocks: Sequence[RawBlock], place: str) -> NumberFormat:
    """How the numbers of all blocks of a file are written.

    Raises:
        InputError: they may be thousands as well as decimals.
    """
    try:
        return number_format(cell for block in blocks for row in block.rows for cell in row.cells)
    except AmbiguousNumbersError as error:
        raise InputError(f"{place}: {error}") from error


def read_block(block: RawBlock, written: NumberFormat, place: str) -> Block:
    """The numbers of a block.

    Raises:
        InputError: lines are too long or too short, letters are missing or stand twice, or cells are no numbers; all
            faults in one message.
    """
    faults = Faults(place)
    letters: list[str] = []
    values: list[list[float | None]] = []
    lettered = any(row.letter is not None for row in block.rows)
    if not lettered and len(block.rows) > MAX_ROWS:
        raise InputError(f"{place}: {len(block.rows)} rows below the column numbers; a plate has at most {MAX_ROWS}.")
    behind = next((row.label for row in block.rows if row.label and is_like_a_number(row.label)), "")
    for letter, row in zip(_letters(block), block.rows, strict=True):
        if letter is None:
            faults.add(f"line {row.line} has no row letter but others have; write the letter at its start.")
            continue
        if letter in letters:
            faults.add(f"row {letter} stands in the plate twice, again in line {row.line}; keep one.")
        if behind and not row.label:
            faults.add(
                f"row {letter} (line {row.line}) lacks the {behind!r} that stands behind the values of other rows, so "
                "that it may be its last value, and one before it be missing; mend the line."
            )
        if len(row.cells) != len(block.columns):
            faults.add(
                f"row {letter} (line {row.line}) has {len(row.cells)} values for {len(block.columns)} columns; mend "
                "the line."
            )
            continue
        letters.append(letter)
        values.append(_numbers(letter, block.columns, row, written, faults))
    faults.raise_if_any()
    return Block(letters, block.columns, values)


def _letters(block: RawBlock) -> list[str | None]:
    """The letter of every row in capitals; of a plate without letters A, B, C in order.

    Some programs write the rows AA to AF of a 1536-well plate as a to f, below A to Z.
    """
    given = [row.letter for row in block.rows]
    if all(letter is None for letter in given):
        return [row_label(order) for order in range(len(given))]
    single = [letter for letter in given if letter is not None and len(letter) == 1]
    capitals = [letter for letter in single if letter.isupper()]
    large = max(block.columns) > 24 or any(row_index(letter) > _LAST_OF_384 for letter in capitals)
    doubled = large and bool(capitals) and all(letter in "abcdef" for letter in single if letter.islower())
    return [
        None if letter is None else f"A{letter.upper()}" if doubled and letter in "abcdef" else letter.upper()
        for letter in given
    ]


def _numbers(letter: str, columns: list[int], row: RawRow, written: NumberFormat, faults: Faults) -> list[float | None]:
    values: list[float | None] = []
    lines = row.lines or (row.line,) * len(columns)
    for column, cell, line in zip(columns, row.cells, lines, strict=True):
        try:
            values.append(written.number(cell))
        except ValueError:
            values.append(None)
            faults.add(f"well {well_name(letter, column)} (line {line}) is {no_number(cell)}, or NA.")
    return values
