"""A workbook that unfolds to more than a table of plates can be is refused before it is unfolded."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile

import openpyxl
import pytest

from phenodose.errors import InputError
from phenodose.io.workbook import read_here, read_spreadsheet
from phenodose.io.workbook_apart import read_apart
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


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
NEAR = '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row>'


def relations(kind: str, target: str) -> str:
    one = f'<Relationship Id="a" Type="{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{PACKAGE}">{one}</Relationships>'


def by_hand(cells: str, part: str = "xl/worksheets/sheet1.xml", prefix: str = "", head: str = "") -> bytes:
    """A workbook of one sheet, written as programs other than the usual ones may."""
    named = f'xmlns:{prefix[:-1]}="{MAIN}"' if prefix else f'xmlns="{MAIN}"'
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("_rels/.rels", relations(f"{OFFICE}/officeDocument", "xl/workbook.xml"))
        sheets = '<sheets><sheet name="S" sheetId="1" r:id="a"/></sheets>'
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{sheets}</workbook>')
        archive.writestr("xl/_rels/workbook.xml.rels", relations(f"{OFFICE}/worksheet", part[3:]))
        sheet = f"{head}<{prefix}worksheet {named}><{prefix}sheetData>{cells}</{prefix}sheetData></{prefix}worksheet>"
        archive.writestr(part, sheet)
    return content.getvalue()


def prefixed(cells: str) -> str:
    for tag in ("row", "c", "v"):
        cells = re.sub(rf"<(/?){tag}\b", rf"<\1x:{tag}", cells)
    return cells


@pytest.mark.parametrize(
    "content",
    [
        by_hand(FAR),
        by_hand(FAR.replace('"', "'")),
        by_hand(FAR.replace("<c r", "<c\n r").replace('="XFD', '\t=\n"XFD')),
        by_hand(FAR.replace("XFD", "xfd")),
        by_hand(FAR, part="xl/tables9/s.xml"),
        by_hand(FAR, part="xl/worksheets/sheet1.txt"),
        by_hand(prefixed(FAR), prefix="x:"),
        by_hand(FAR.replace(' r="XFD1048576"', "").replace("<c>", "<c/>" * 6 + "<c>")),
    ],
    ids=["usual", "single quotes", "blanks", "small letters", "folder", "ending", "prefix", "no reference"],
)
def test_far_cells_are_seen_however_they_are_written(content: bytes) -> None:
    with pytest.raises(InputError, match="span 1,048,576 rows and"):
        read_spreadsheet(content, "far.xlsx")


@pytest.mark.parametrize(
    "content", [by_hand(NEAR), by_hand(prefixed(NEAR), prefix="x:"), by_hand(NEAR, part="xl/tables9/s.xml")]
)
def test_near_cells_are_read_however_they_are_written(content: bytes) -> None:
    assert read_spreadsheet(content, "near.xlsx").rows == [[1.0, 2.0]]


def test_what_is_no_plain_xml_is_read_by_a_process_with_limits() -> None:
    kind = "<!DOCTYPE worksheet>"
    assert read_spreadsheet(by_hand(NEAR, head=kind), "near.xlsx").rows == [[1.0, 2.0]]
    with pytest.raises(InputError, match=r"far\.xlsx: its reader ended without an answer"):
        read_spreadsheet(by_hand(FAR, head=kind), "far.xlsx")


def test_a_process_with_limits_reads_the_same() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["a", 1.5, None, dt.date(2026, 9, 2), "=1+1"])
    sheet.append(["b"])
    sheet.merge_cells("A2:A4")
    book.create_sheet("hidden").sheet_state = "hidden"
    content = saved(book)
    here, apart = read_here(content, "a.xlsx"), read_apart(content, "a.xlsx")
    assert here == apart
    assert [type(cell) for sheet in apart for row in sheet.rows for cell in row] == [
        type(cell) for sheet in here for row in sheet.rows for cell in row
    ]
    with pytest.raises(InputError, match="cannot be opened as a workbook"):
        read_apart(b"\xd0\xcf\x11\xe0 and no more", "a.xls")


def ods(row: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest:manifest xmlns:manifest='m'/>")
        archive.writestr(
            "content.xml",
            '<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body><office:spreadsheet>'
            f'<table:table table:name="S">{row}</table:table></office:spreadsheet></office:body>'
            "</office:document-content>",
        )
    return content.getvalue()


CELL = '<table:table-cell office:value-type="string"{}><text:p>x</text:p></table:table-cell>'
REPEATED = CELL.format(" table:number-columns-repeated='9000000'")


@pytest.mark.parametrize(
    "row",
    [
        f"<table:table-row table:number-rows-repeated='9000000'>{CELL.format('')}</table:table-row>",
        f"<table:table-row>{REPEATED}</table:table-row>",
        "<table:table-row table:number-rows-repeated='1048575'><table:table-cell/></table:table-row>"
        f"<table:table-row><table:table-cell table:number-columns-repeated='900'/>{CELL.format('')}</table:table-row>",
    ],
)
def test_open_document_sheets_that_repeat_are_refused(row: str) -> None:
    with pytest.raises(InputError, match=r"far\.ods: the cells of a sheet span"):
        read_spreadsheet(ods(row), "far.ods")


def test_an_open_document_sheet_with_an_empty_rest_is_read() -> None:
    rest = "<table:table-cell table:number-columns-repeated='16383'/>"
    empty = f"<table:table-row table:number-rows-repeated='1048575'>{rest}</table:table-row>"
    found = read_spreadsheet(ods(f"<table:table-row>{CELL.format('')}{rest}</table:table-row>{empty}"), "near.ods")
    assert found.rows == [["x"]]
