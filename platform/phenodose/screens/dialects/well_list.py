"""Lists: one line a well, with the well's name (or row and column) and its value, perhaps the plate.

Belongs here: finding the columns of such a list, with a header or without. A list of several plates, or with several
columns of values, gives several blocks. A well that stands twice is refused: of a time series nobody knows which value
counts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from phenodose.errors import InputError
from phenodose.io.spreadsheet import Cell, to_text
from phenodose.names import parse_well, row_index, row_label, well_name
from phenodose.screens.dialects.base import Dialect, NotThisError
from phenodose.screens.dialects.matrix import is_like_a_number
from phenodose.screens.dialects.page import ROW_LABEL, Lines, Page, RawBlock, RawRow, is_blank

LEAST_WELLS = 6

_COLUMN_NUMBER = re.compile(r"0*[1-9][0-9]?(?:\.0)?\Z")
#: Columns that number something else than the measured value; compared without blanks, '_' and '-'.
_NO_VALUE = re.compile(
    r"(?:well)?(?:row|col|column)(?:id|no|number)?|(?:well)?(?:no|nr|number|index|id)|plate.*|barcode.*|repeat|replicate|"
    r"batch|time\D*|cycle\D*|temp\D*|conc.*|dose.*|sample.*|group|content|type"
)
#: What was measured, whatever else a column's name says: 'Sample RLU', 'Time-resolved fluorescence'.
_MEASURED = re.compile(
    r"rlu|lum|signal|counts?|cps|fluor|trf|rfu|absorb|value|raw|corrected|minus|od\d*\Z", re.IGNORECASE
)
_PLATE = re.compile(r"plate(?:id|name|number|no|barcode)?|barcode|filename")


class WellList(Dialect):
    """A list of wells and values."""

    name = "list of wells"

    def blocks(self, page: Page) -> list[RawBlock]:
        """The plates of the list; by the first separator that gives any."""
        for lines in page.splits():
            if tables := _tables(lines):
                return [block for table in tables for block in _blocks(table, page.place)]
        raise NotThisError(f"has no lines (at least {LEAST_WELLS}) of a well such as A01 and a number")


@dataclass(frozen=True)
class _Table:
    """A run of lines that each name a well: line number and cells, the wells, the header above ('' where empty)."""

    rows: list[tuple[int, Sequence[Cell]]]
    wells: list[tuple[str, int]]
    well_columns: set[int]
    header: list[str]


def _tables(lines: Lines) -> list[_Table]:
    """All lists of a page, in order."""
    found = []
    rest = list(lines)
    while (table := _table(rest)) is not None:
        found.append(table)
        for number, _ in table.rows:
            rest[number - 1] = []
    return sorted(found, key=lambda table: table.rows[0][0])


def _table(lines: Lines) -> _Table | None:
    """The longest run of lines with a well in one column, or with a row letter and a number in two."""
    best: _Table | None = None
    width = max((len(line) for line in lines), default=0)
    for at in range(min(width, 8)):
        for columns in ((at,), (at, at + 1)):
            for is_well, run in groupby(enumerate(lines, 1), key=lambda one: _well(one[1], columns) is not None):
                rows = list(run)
                if not is_well or len(rows) < LEAST_WELLS:
                    continue
                rows += _continued(lines, rows, columns)
                wells = [well for _, line in rows if (well := _well(line, columns)) is not None]
                table = _Table(rows, wells, set(columns), _header_above(lines, rows[0][0] - 1))
                if _value_columns(table) and (best is None or _worth(table) > _worth(best)):
                    best = table
    return best


def _continued(
    lines: Lines, rows: Sequence[tuple[int, Sequence[Cell]]], columns: tuple[int, ...]
) -> list[tuple[int, Sequence[Cell]]]:
    """The lines of further pages of a list: of the same columns, below an empty line, a page's title or the header."""
    last, width = rows[-1][0], len(rows[0][1])
    header = _header_above(lines, rows[0][0] - 1)
    found: list[tuple[int, Sequence[Cell]]] = []
    for number, line in enumerate(lines[last:], last + 1):
        if _well(line, columns) is not None and len(line) == width:
            found.append((number, line))
        elif len([cell for cell in line if cell is not None]) > 2 and [to_text(cell) or "" for cell in line] != header:
            break
    return found


def _worth(table: _Table) -> tuple[int, int]:
    """A column P1, P1, P1 names plates though it could name wells: the most different wells count."""
    return len(set(table.wells)), len(table.rows)


def _well(line: Sequence[Cell], columns: tuple[int, ...]) -> tuple[str, int] | None:
    if len(line) <= columns[-1] or is_blank(line):
        return None
    first = line[columns[0]]
    if not isinstance(first, str):
        return None
    try:
        if len(columns) == 1:
            return parse_well(first)
        number = to_text(line[columns[1]]) or ""
        if not ROW_LABEL.match(first) or not _COLUMN_NUMBER.match(number):
            return None
        return parse_well(f"{first.rstrip(':')}{int(float(number))}")
    except InputError:
        return None


def _header_above(lines: Lines, start: int) -> list[str]:
    """The names above a list, compared without blanks; empty if the line above holds numbers or nothing."""
    above = lines[start - 1] if start else []
    if is_blank(above) or any(cell is not None and is_like_a_number(cell) for cell in above):
        return []
    return [to_text(cell) or "" for cell in above]


def _name(table: _Table, column: int) -> str:
    return table.header[column] if column < len(table.header) else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-:()\[\]#.]", "", name.casefold())


def _cells(table: _Table, column: int) -> list[Cell]:
    return [line[column] if column < len(line) else None for _, line in table.rows]


def _value_columns(table: _Table) -> list[int]:
    """The columns that can hold the measured value."""
    found = []
    for column in range(max(len(line) for _, line in table.rows)):
        cells = [cell for cell in _cells(table, column) if cell is not None]
        numbers = sum(is_like_a_number(cell) for cell in cells)
        is_value = cells and 2 * numbers > len(cells) and _may_be_value(_name(table, column))
        if column not in table.well_columns and is_value:
            found.append(column)
    behind = [column for column in found if column > max(table.well_columns)]
    # Without names, numbers before the well are of plates or lines, unless there are no others.
    return found if table.header else behind or found


def _may_be_value(name: str) -> bool:
    return bool(_MEASURED.search(name)) or not _NO_VALUE.fullmatch(_plain(name))


def _plates(table: _Table) -> list[str]:
    """The plate of every line; '' where the list does not say."""
    others = [at for at in range(len(table.rows[0][1])) if at not in table.well_columns]
    named = [at for at in others if _PLATE.fullmatch(_plain(_name(table, at)))]
    if not named and not table.header:
        values = _value_columns(table)
        before = [at for at in others if at < min(table.well_columns) and at not in values]
        named = [at for at in before if None not in _cells(table, at)][:1]
    return [to_text(cell) or "" for cell in _cells(table, named[0])] if named else [""] * len(table.rows)


def _blocks(table: _Table, place: str) -> list[RawBlock]:
    plates = _plates(table)
    values = _value_columns(table)
    blocks = []
    for plate in dict.fromkeys(plates):
        for column in values:
            cells = _cells(table, column)
            lines: dict[tuple[str, int], list[int]] = defaultdict(list)
            found: dict[tuple[str, int], Cell] = {}
            for (number, _), well, own, cell in zip(table.rows, table.wells, plates, cells, strict=True):
                if own == plate:
                    lines[well].append(number)
                    found[well] = cell
            _refuse_twice(lines, plate, place)
            name = _name(table, column) or f"column {column + 1}"
            title = [f"plate {plate}"] if plate else []
            title += [name] if len(values) > 1 or not plate else []
            blocks.append(_block(found, {well: at[0] for well, at in lines.items()}, ": ".join(title), plate))
    return blocks


def _refuse_twice(lines: dict[tuple[str, int], list[int]], plate: str, place: str) -> None:
    for (row, column), numbers in lines.items():
        if len(numbers) > 1:
            where = f" of plate {plate}" if plate else ""
            raise InputError(
                f"{place}: well {well_name(row, column)}{where} stands in lines {numbers[0]} and {numbers[1]}; keep "
                "one value a well."
            )


def _block(cells: dict[tuple[str, int], Cell], lines: dict[tuple[str, int], int], title: str, plate: str) -> RawBlock:
    columns = sorted({column for _, column in cells})
    letters = sorted({row_index(row) for row, _ in cells})
    first = min(lines.values())
    rows = []
    for index in letters:
        wells = [(row_label(index), column) for column in columns]
        at = tuple(lines.get(well, first) for well in wells)
        rows.append(RawRow(min(at), row_label(index), [cells.get(well) for well in wells], lines=at))
    return RawBlock(title, first, columns, rows, plate)
