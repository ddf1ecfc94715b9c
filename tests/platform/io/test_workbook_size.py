"""A workbook that unfolds to more than a table of plates can be is refused before it is unfolded."""

from __future__ import annotations

import io
import zipfile

import openpyxl
import pytest

from phenodose.errors import InputError
from phenodose.io.workbook import read_spreadsheet
from phenodose.io.workbook_size import MOST_BYTES


def saved(book: openpyxl.Workbook) -> bytes:
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_two_cells_in_opposite_corners_are_refused() -> None:
    book = openpyxl.Workbook()
    book.worksheets[0]["A1"] = "Plate"
    book.worksheets[0]["XFD1048576"] = "far away"
    with pytest.raises(InputError, match=r"far\.xlsx: the cells of .* span 1,048,576 rows and 16,384 columns"):
        read_spreadsheet(saved(book), "far.xlsx")


def test_a_small_archive_of_gigabytes_is_refused() -> None:
    content = io.BytesIO(saved(openpyxl.Workbook()))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media/x", "w") as opened:
        for _ in range((MOST_BYTES >> 20) + 1):
            opened.write(bytes(1 << 20))
    assert len(content.getvalue()) < 1 << 20
    with pytest.raises(InputError, match="unfolds to 257 MiB"):
        read_spreadsheet(content.getvalue(), "bomb.xlsx")


def test_a_damaged_archive_is_told() -> None:
    with pytest.raises(InputError, match="cannot be opened as a workbook"):
        read_spreadsheet(saved(openpyxl.Workbook())[:200], "cut.xlsx")


def test_the_largest_layout_is_read() -> None:
    book = openpyxl.Workbook()
    for row in range(3000):
        book.worksheets[0].append([row, *("x" for _ in range(20))])
    assert len(read_spreadsheet(saved(book), "large.xlsx").rows) == 3000
