"""The sheet of a workbook that is meant: never the first of several without a word."""

from __future__ import annotations

import datetime as dt
import io

import openpyxl
import pytest

from phenodose.errors import InputError
from phenodose.io.spreadsheet import DateText, Sheet
from phenodose.io.workbook import read_sheets, read_spreadsheet, the_sheet


def workbook(**sheets: str) -> list[Sheet]:
    """Sheets with one cell each; names that begin with 'hidden' are hidden."""
    return read_sheets(content(**sheets), "a.xlsx")


def content(**sheets: str) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, cell in sheets.items():
        sheet = book.create_sheet(name)
        sheet.append([cell])
        sheet.sheet_state = "hidden" if name.startswith("hidden") else "visible"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def choose(sheets: list[Sheet], wanted: str | None = None) -> tuple[str, list[str]]:
    sheet, notes = the_sheet(sheets, "a.xlsx", lambda one: one.rows == [["table"]], wanted, "a table", "--sheet NAME")
    return sheet.title, notes


def test_the_only_visible_table_is_read_and_a_hidden_one_is_told() -> None:
    assert choose(workbook(Notes="x", Data="table")) == ("Data", [])
    title, notes = choose(workbook(hidden_old="table", Data="table"))
    assert title == "Data"
    assert notes == ["a.xlsx: sheet 'Data' is read; hidden 'hidden_old' holds a table too and is passed over."]


def test_several_tables_and_a_hidden_one_alone_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"2 sheets hold a table: 'One', 'Two'; say which one counts \(--sheet NAME\)"):
        choose(workbook(One="table", Two="table"))
    with pytest.raises(InputError, match="only a hidden sheet holds a table: hidden 'hidden_old'"):
        choose(workbook(hidden_old="table", Data="x"))


def test_a_sheet_is_chosen_by_name_hidden_or_not() -> None:
    sheets = workbook(One="table", Two="table", hidden_old="table")
    assert [choose(sheets, name)[0] for name in ("Two", "two ", "hidden_old")] == ["Two", "Two", "hidden_old"]
    with pytest.raises(InputError, match=r"there is no sheet 'Three'.*it has 'One', 'Two', hidden 'hidden_old'"):
        choose(sheets, "Three")


def test_where_no_sheet_fits_the_first_visible_one_says_why() -> None:
    sheet, _ = the_sheet(workbook(hidden_a="x", B="y"), "a.xlsx", lambda one: False, None, "a table", "--sheet")
    assert sheet.place == "a.xlsx, sheet 'B' (of 2 sheets none holds a table)"


def test_a_table_without_a_choice_is_the_first_visible_sheet() -> None:
    assert read_spreadsheet(content(hidden_old="old", Data="new"), "a.xlsx").rows == [["new"]]


def test_dates_are_known_as_such() -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append([dt.datetime(2026, 9, 2), dt.time(1, 30), "2026-09-02", 1.5])
    out = io.BytesIO()
    book.save(out)
    (row,) = read_sheets(out.getvalue(), "a.xlsx")[0].rows
    assert [isinstance(cell, DateText) for cell in row] == [True, True, False, False]
    assert row[0] == "2026-09-02"
