"""Cells of a spreadsheet or text table, as layouts and plate-reader files are read from.

Belongs here: csv, tsv and txt from memory, decoding text, and what counts as an empty cell and as a number. Does not
belong here: workbooks (`workbook`), thousands (`number_format`), and what the cells mean (`phenodose.screens`).
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import io
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phenodose.errors import InputError
from phenodose.io.spreadsheet_text import meant

#: One cell: text, a number, or None where it is empty or says NA / NaN.
Cell = str | float | None


class DateText(str):
    """The text of a cell that a spreadsheet program holds as a date, time or duration.

    Seldom is it one: SEPT-2 and 1.10 become dates as they are typed or pasted.
    """


SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods")
TEXT_TABLES = (".csv", ".tsv", ".txt")
ACCEPTED = (*SPREADSHEETS, *TEXT_TABLES)

_EMPTY = {"", "na", "nan", "n/a", "#n/a"}
_SEPARATOR_LINE = re.compile(r"\A\"?sep=.\"?(?=\r|\n)", re.IGNORECASE)
#: A number as Python writes it.
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\Z")
#: '1,234' may be one thousand or one point two: it is refused rather than guessed.
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}\Z")


@dataclass(frozen=True)
class Sheet:
    """The cells of one table.

    Attributes:
        place: how messages name it: the file, and the sheet if it has any.
        rows: cells by row, the first row of the file first.
        title: name of the sheet; '' for a text.
        hidden: whether the workbook hides it.
        merged: cells merged down one column: column, first and last row, from 0; the value stands in the first.
        broken: cells that hold an error or a formula without a stored result, by row and column from 0: what they
            hold. In `rows` they are empty.
    """

    place: str
    rows: list[list[Cell]]
    title: str = ""
    hidden: bool = False
    merged: Sequence[tuple[int, int, int]] = ()
    broken: Mapping[tuple[int, int], str] = field(default_factory=dict)


def read_text(content: bytes, name: str) -> str:
    """The text of a file in UTF-8, UTF-16 (with its mark, or plainly so) or Windows-1252.

    Raises:
        InputError: the bytes are not text.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif len(content) >= 8 and not any(content[1:200:2]) and all(content[:200:2]):
        encodings = ["utf-16-le"]  # every other byte of the start is empty: Latin letters without a mark
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(f"{name}: is not a text file; save it as UTF-8 text, or as .xlsx.")


def read_delimited(content: bytes, name: str) -> Sheet:
    """A text table with one header line, separated by tab, semicolon or comma (whichever the header uses).

    A first line such as `sep=;`, as spreadsheet programs write it, is left empty. Of titles above the header the
    separator is not taken.
    """
    text = _SEPARATOR_LINE.sub("", read_text(content, name), count=1)
    lines_with_text = [line for line in text.splitlines() if line.strip()] or [""]
    header = next((line for line in lines_with_text[:20] if max(map(line.count, "\t;,")) >= 3), lines_with_text[0])
    delimiter = max("\t;,", key=header.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{name}: cannot be read as a table ({error}); check the quotes in the file.") from error
    if not text.endswith(("\n", "\r")) and len(lines) > 2 and 1 < len(lines[-1]) < min(map(len, lines[:-1])):
        raise InputError(
            f"{name}: the last line ends after {len(lines[-1])} of {len(lines[0])} cells: the file is cut off; copy it "
            "again, or complete the line."
        )
    return Sheet(name, [[to_cell(value) for value in line] for line in lines])


def to_cell(value: object) -> Cell:
    """A value as a cell: text stripped and without an apostrophe before a formula, numbers as float, empty as None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return None if value != value else float(value)
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return DateText(str(value).removesuffix(" 00:00:00"))
    text = meant(str(value).strip())
    return None if text.lower() in _EMPTY else text


def to_number(cell: Cell) -> float | None:
    """The number a cell holds, decimal comma accepted; None if it is empty.

    Raises:
        ValueError: the cell holds something else, a number too large to keep, or '1,234', which may be a
            thousand or a decimal.
    """
    if cell is None:
        return None
    if isinstance(cell, str):
        text = cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell
        if _AMBIGUOUS.match(cell) or not NUMBER.match(text):
            raise ValueError(cell)
        cell = float(text)
    if not math.isfinite(cell):
        raise ValueError(cell)
    return cell


def no_number(cell: Cell) -> str:
    """What is wrong with a cell that `to_number` refuses, and what to write instead."""
    if isinstance(cell, DateText):
        return f"the date {cell}, made by the spreadsheet program; format the cell as a number and write it again"
    if isinstance(cell, str) and _AMBIGUOUS.match(cell):
        return f"{cell!r}, which may be {cell.replace(',', '')} or {cell.replace(',', '.')}; write it without comma"
    return f"{cell!r}; write a number like 1000 or 0.5"


def to_text(cell: Cell) -> str | None:
    """The text of a cell; a whole number is written without decimals: 1.0 and '1.0' give '1'."""
    if cell is None:
        return None
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return cell[:-2] if re.fullmatch(r"\d+\.0", cell) else cell


def to_name(cell: Cell) -> str | None:
    """The text of a cell that names something: what looks alike is made alike.

    An accent is part of its letter (some computers write it as a character of its own), and one blank stands
    between words.
    """
    text = to_text(cell)
    return None if text is None else one_spelling(text)


def one_spelling(text: str) -> str:
    """A name with composed accents (Unicode NFC) and one blank between words."""
    return unicodedata.normalize("NFC", " ".join(text.split()))
