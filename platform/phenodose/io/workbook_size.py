"""How large a workbook unfolds, looked at before it is unfolded.

A workbook is a zip archive: a file of some kilobytes can hold gigabytes, and two cells in opposite corners of a sheet
span seventeen thousand million cells, all of which a reader would lay out in memory.

The XML is parsed, and not searched for words: prefixes, quotes, line breaks and names of parts may be any, and a cell
need not say where it stands. What cannot be parsed so, or is no XML, is read by a process with limits
(`workbook_apart`).

Does not belong here: reading cells (`spreadsheet`).
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from phenodose.errors import InputError

#: A layout of 1536-well plates with every column is far below either.
MOST_BYTES, MOST_CELLS = 256 << 20, 5_000_000
_PLACE = re.compile(r"\$?([A-Za-z]{1,7})\$?([0-9]{1,10})")
_BLOCK = 1 << 20
#: Without it no reader finds cells in a part.
_OF_SHEETS = b"sheetData"
_OLE = b"\xd0\xcf\x11\xe0"


def refuse_huge(content: bytes, name: str) -> bool:
    """Raise InputError if a workbook unfolds to more than a table of plates can be.

    Returns:
        Whether that is known; if not, the workbook is for a process with limits.
    """
    if not content.startswith(b"PK"):
        return not content.startswith(_OLE)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            total = sum(member.file_size for member in archive.infolist())
            if total > MOST_BYTES:
                raise InputError(
                    f"{name}: unfolds to {total >> 20} MiB, more than the {MOST_BYTES >> 20} MiB that a table of "
                    "plates can be; save only the sheet with the table as a new file."
                )
            known = [_is_small(archive, member, name) for member in dict.fromkeys(archive.namelist())]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as error:
        raise InputError(f"{name}: cannot be opened as a workbook ({error}); save it again as .xlsx.") from error
    return all(known)


def _is_small(archive: zipfile.ZipFile, member: str, name: str) -> bool:
    """Whether a part is no large sheet; False if that cannot be told.

    Raises:
        InputError: it is one.
    """
    if member == "content.xml":
        return _parsed(archive, member, _OpenDocument(member, name))
    if member.lower().endswith(".bin"):  # sheets of xlsb
        return "sheet" not in member.lower()
    tail = b""
    for block in _blocks(archive, member):
        if _OF_SHEETS in tail + block:
            return _parsed(archive, member, _Sheet(member, name))
        tail = block[-len(_OF_SHEETS) :]
    return True


class _Sheet:
    """Counts the rows and columns that the cells of an xlsx sheet span, as readers do."""

    def __init__(self, member: str, name: str) -> None:
        self._where, self._name = member, name
        self._row = self._column = self._rows = self._columns = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        kind = _local(tag)
        if kind == "row":
            said = next((value for name, value in attributes.items() if _local(name) == "r"), "")
            self._row = int(said) if said.isascii() and said.isdigit() and len(said) < 11 else self._row + 1
            self._column = 0
        elif kind == "c":
            self._column += 1
            said = next((value for name, value in attributes.items() if _local(name) == "r"), "")
            if place := _PLACE.fullmatch(said.strip()):
                number = 0
                for letter in place[1].upper():
                    number = 26 * number + ord(letter) - 64
                self._column, self._row = number, int(place[2])
            self._rows, self._columns = max(self._rows, self._row), max(self._columns, self._column)
            if self._rows * self._columns > MOST_CELLS:
                raise InputError(
                    f"{self._name}: the cells of {self._where} span {self._rows:,} rows and {self._columns:,} columns; "
                    "delete what stands far away from the table, or save only the table as a new file."
                )

    def end(self, tag: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Text between elements."""


class _OpenDocument(_Sheet):
    """Counts the cells of an OpenDocument sheet; the empty rest of a row or a sheet, repeated often, is usual there."""

    _width = _repeated = 0
    _filled = _in_cell = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        kind = _local(tag)
        if kind == "table":
            self._row = self._rows = self._columns = 0
        elif kind == "table-row":
            self._column = self._width = 0
            self._filled, self._repeated = False, _times(attributes, "number-rows-repeated")
        elif kind in ("table-cell", "covered-table-cell"):
            self._column += _times(attributes, "number-columns-repeated")
            self._in_cell = True
            if any(_local(name) in ("value", "value-type", "formula", "string-value") for name in attributes):
                self._fill()

    def end(self, tag: str) -> None:
        """An element ends."""
        kind = _local(tag)
        if kind in ("table-cell", "covered-table-cell"):
            self._in_cell = False
        elif kind == "table-row":
            self._row += self._repeated
            if self._filled:
                self._rows, self._columns = self._row, max(self._columns, self._width)
            if self._rows * self._columns > MOST_CELLS:
                raise InputError(
                    f"{self._name}: the cells of a sheet span {self._rows:,} rows and {self._columns:,} columns; a row "
                    "or cell with values is repeated often, or stands far away from the table; save it as .xlsx."
                )

    def text(self, text: str) -> None:
        """Text between elements."""
        if self._in_cell and not text.isspace():
            self._fill()

    def _fill(self) -> None:
        self._filled, self._width = True, self._column


def _times(attributes: dict[str, str], wanted: str) -> int:
    said = next((value for name, value in attributes.items() if _local(name) == wanted), "1")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 11 else MOST_CELLS + 1


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _parsed(archive: zipfile.ZipFile, member: str, heard: _Sheet) -> bool:
    """Let `heard` hear a part; False if it is no plain XML in UTF-8, which readers may understand in another way."""
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = heard.start, heard.end
    parser.CharacterDataHandler = heard.text
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        for block in _blocks(archive, member):
            parser.Parse(block, False)
        parser.Parse(b"", True)
    except (expat.ExpatError, _Doctype):
        return False
    return True


class _Doctype(Exception):
    pass


def _no_doctype(*_: Any) -> None:
    raise _Doctype


def _blocks(archive: zipfile.ZipFile, member: str) -> Iterator[bytes]:
    """The unfolded bytes of a member, block by block."""
    read = 0
    with archive.open(member) as opened:
        while block := opened.read(_BLOCK):
            read += len(block)
            if read > MOST_BYTES:  # the archive's own figure was a lie
                raise InputError(f"{member} unfolds to more than {MOST_BYTES >> 20} MiB; save the table as a new file.")
            yield block
