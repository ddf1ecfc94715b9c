"""How large a workbook unfolds, looked at before it is unfolded.

A workbook is a zip archive: a file of some kilobytes can hold gigabytes, and two cells in opposite corners of a sheet
span seventeen thousand million cells, all of which a reader would lay out in memory.

Does not belong here: reading cells (`spreadsheet`).
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator

from phenodose.errors import InputError

#: A layout of 1536-well plates with every column is far below either.
MOST_BYTES, MOST_CELLS = 256 << 20, 5_000_000
_CELL = re.compile(rb'<c [^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"')
_REPEATED = re.compile(rb'table:number-(?:rows|columns)-repeated="([0-9]+)"')
_BLOCK, _OVERLAP = 1 << 20, 256


def refuse_huge(content: bytes, name: str) -> None:
    """Raise InputError if a workbook unfolds to more than a table of plates can be; other files are let through."""
    if not content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            total = sum(member.file_size for member in archive.infolist())
            if total > MOST_BYTES:
                raise InputError(
                    f"{name}: unfolds to {total >> 20} MiB, more than the {MOST_BYTES >> 20} MiB that a table of "
                    "plates can be; save only the sheet with the table as a new file."
                )
            for member in archive.namelist():
                if member.startswith("xl/worksheets/") and member.endswith(".xml"):
                    _refuse_wide(archive, member, name)
                elif member == "content.xml":
                    _refuse_repeated(archive, member, name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise InputError(f"{name}: cannot be opened as a workbook ({error}); save it again as .xlsx.") from error


def _refuse_wide(archive: zipfile.ZipFile, member: str, name: str) -> None:
    """Refuse a sheet whose cells span more than `MOST_CELLS`."""
    rows = columns = 0
    for block in _blocks(archive, member):
        for letters, digits in _CELL.findall(block):
            number = 0
            for letter in letters:
                number = 26 * number + letter - 64
            rows, columns = max(rows, int(digits)), max(columns, number)
        if rows * columns > MOST_CELLS:
            raise InputError(
                f"{name}: the cells of {member} span {rows:,} rows and {columns:,} columns; delete what stands far "
                "away from the table, or save only the table as a new file."
            )


def _refuse_repeated(archive: zipfile.ZipFile, member: str, name: str) -> None:
    """Refuse an OpenDocument sheet that fills a large area by repeating; an empty rest of a sheet is usual there."""
    text = b"".join(_blocks(archive, member, overlap=0))
    for row in re.findall(rb"<table:table-row\b.*?</table:table-row>", text, re.DOTALL):
        if b"office:value" in row:
            largest = max((int(number) for number in _REPEATED.findall(row)), default=1)
            if largest > MOST_CELLS // 1000:
                raise InputError(f"{name}: a row with values is repeated {largest:,} times; save it as .xlsx.")


def _blocks(archive: zipfile.ZipFile, member: str, overlap: int = _OVERLAP) -> Iterator[bytes]:
    """The unfolded bytes of a member, block by block, each with the end of the one before."""
    read, tail = 0, b""
    with archive.open(member) as opened:
        while block := opened.read(_BLOCK):
            read += len(block)
            if read > MOST_BYTES:  # the archive's own figure was a lie
                raise InputError(f"{member} unfolds to more than {MOST_BYTES >> 20} MiB; save the table as a new file.")
            yield tail + block
            tail = block[-overlap:] if overlap else b""
