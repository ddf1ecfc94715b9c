"""Rows of a table of two drugs that lack what others have, and faults of many rows told in one sentence.

Belongs here: what is looked at before single rows are read. Does not belong here: cells (`pair_table`), and which rows
make a matrix (`pair_matrices`).
"""

from __future__ import annotations

from phenodose.errors import Faults
from phenodose.io.spreadsheet import Cell, to_text
from phenodose.screens.pair_columns import PairColumns

_MOST_ROWS = 3


def refuse_gaps(columns: PairColumns, below: list[tuple[int, list[Cell]]], faults: Faults) -> None:
    """What is given in some rows and not in others, and cells to the right of the header that may be decimals."""
    for meaning, example in (("sample", "the sample"), ("background", "the background")):
        at = columns.at.get(meaning)
        empty = [number for number, row in below if at is not None and (at >= len(row) or row[at] is None)]
        if empty and len(empty) < len(below):
            faults.add(f"{_rows(empty)}: {example} is empty but given in other rows; write it in every row.")
    last = max(columns.at.values())
    if last == columns.width - 1 and last in (columns.at.get("response"), columns.at.get("raw")):
        longer = [number for number, row in below if len(row) > columns.width and _are_digits(row[columns.width])]
        if longer:
            faults.add(
                f"{_rows(longer)}: there is a number to the right of the last column, as decimal commas between commas "
                "make; separate the columns by semicolons, or write decimal points."
            )


def _are_digits(cell: Cell) -> bool:
    return cell is not None and (to_text(cell) or "").isdigit()


def gathered(messages: list[str]) -> list[str]:
    """Sentences on rows, those that say the same of several rows in one."""
    rows: dict[str, list[int]] = {}
    for message in messages:
        place, said = message.removeprefix("row ").split(": ", 1)
        rows.setdefault(said, []).append(int(place))
    return [f"{_rows(numbers)}: {said}" for said, numbers in rows.items()]


def _rows(numbers: list[int]) -> str:
    """'row 3', 'rows 3, 4, 5 and 21 more'."""
    more = f" and {len(numbers) - _MOST_ROWS} more" if len(numbers) > _MOST_ROWS else ""
    return f"row{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:_MOST_ROWS]))}{more}"
