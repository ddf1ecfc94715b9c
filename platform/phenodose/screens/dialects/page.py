"""What a dialect is given and gives back: the page of a plate-reader file, and the blocks that stand in it.

Belongs here: splitting a text into cells, and the two shapes of a block: as its cells stand in the file (`RawBlock`),
and as numbers (`Block`). Does not belong here: finding blocks (`matrix`, and the file of each dialect).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from phenodose.io.spreadsheet import Cell, to_cell
from phenodose.names import row_index, row_label

#: What separates values, in the order in which it is tried; blanks are tried last.
SEPARATORS = ("\t", ";", ",")
ROW_LABEL = re.compile(r"([A-Za-z]|[Aa][A-Fa-f]):?\Z")

_GLUED_LABEL = re.compile(r"\A *(<>|[A-Za-z]|[Aa][A-Fa-f])(?::[ ]*|[ ]+)(?=[\d+.-]|NA)", re.IGNORECASE)

Lines = Sequence[Sequence[Cell]]


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


@dataclass(frozen=True)
class RawRow:
    """One row of a block as it stands in the file.

    Attributes:
        line: number of its line, from 1.
        letter: its row letter as written; None if there is none.
        cells: its values, as many as there are columns, or fewer or more where the line is faulty.
        label: what stands behind the last column, such as the name of the read; '' for nothing.
        lines: number of the line of every value, where these are not all in `line`.
    """

    line: int
    letter: str | None
    cells: list[Cell]
    label: str = ""
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class RawBlock:
    """One plate as it stands in the file.

    Attributes:
        title: what the file calls it: the line above it, the plate's number, the read; '' if it says nothing.
        line: number of its first line, from 1.
        columns: column numbers, rising.
        rows: its rows in file order.
        plate: name of the plate that the file itself writes beside every well; '' if it does not.
    """

    title: str
    line: int
    columns: list[int]
    rows: list[RawRow] = field(default_factory=list)
    plate: str = ""


@dataclass(frozen=True)
class Page:
    """A text, or one sheet of a workbook.

    Attributes:
        place: the file (and sheet), as messages name it.
        text: its text; of a sheet the cells, separated by tabs.
        sheet: the cells of a sheet; None for a text.
    """

    place: str
    text: str
    sheet: Lines | None = None

    @classmethod
    def of_sheet(cls, rows: Lines, place: str) -> Page:
        """The page of a sheet, without empty columns on its left."""
        first = min((i for row in rows for i, cell in enumerate(row) if cell is not None), default=0)
        cells = [list(row[first:]) if any(cell is not None for cell in row) else [] for row in rows]
        text = "\n".join("\t".join("" if cell is None else str(cell) for cell in row) for row in cells)
        return cls(place, text, cells)

    def splits(self, keep_empty: bool = False) -> Iterator[Lines]:
        """The lines as cells, by every way to separate them, blanks last.

        Args:
            keep_empty: whether a line of separators alone is as many empty cells, and not an empty line.
        """
        yield from self.splits_that_keep_places(keep_empty)
        if self.sheet is None:
            yield self.split_at_blanks(keep_empty)

    def splits_that_keep_places(self, keep_empty: bool = False) -> Iterator[Lines]:
        """The lines by the separators that leave an empty cell where a value is missing; of a sheet its cells."""
        if self.sheet is not None:
            yield self.sheet
            return
        for separator in SEPARATORS:
            yield split_text(self.text, separator, keep_empty)

    def split_at_blanks(self, keep_empty: bool = False) -> Lines:
        """The lines cut at blanks; a missing value leaves no trace there."""
        return split_text(self.text, None, keep_empty)


def split_text(text: str, separator: str | None, keep_empty: bool = False) -> Lines:
    """The cells of every line; of a line of separators alone none, or as many empty ones (`Page.splits`)."""
    lines: list[list[Cell]] = []
    for line in text.splitlines():
        if not line.strip(" \t;,"):
            empty = line.count(separator) if separator and keep_empty else 0
            lines.append([None] * (empty + 1) if empty else [])
            continue
        if separator is not None:
            line = _GLUED_LABEL.sub(lambda label: label.group(1) + separator, line, count=1)
        parts = (part.strip().strip('"') for part in _parts(line, separator))
        lines.append([to_cell(part if ROW_LABEL.match(part) else part.removesuffix(":")) for part in parts])
    return lines


def _parts(line: str, separator: str | None) -> list[str]:
    """The line cut at its separators, those between quotes left alone."""
    if separator is None or '"' not in line or separator not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def is_blank(line: Sequence[Cell]) -> bool:
    """Whether a line holds nothing."""
    return all(cell is None for cell in line)


def words_of(line: Sequence[Cell]) -> str:
    """What stands in a line, without its empty cells."""
    return " ".join(str(cell) for cell in line if cell is not None)
