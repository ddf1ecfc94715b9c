"""What a layout says beside the columns that are read, and cells that only look empty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from phenodose.errors import InputError
from phenodose.screens.layout import Layout, read_layout
from phenodose.screens.layout_names import look_alike

#: What a further column holds in a row.
Value = Callable[[list[Any]], object]

HEADER = ["Plate", "Row", "Column", "Sample", "WellType", "Treatment", "Concentration", "AddOn"]
DOSES = (1, 10, 100, 1000, 10000)


def wells(plates: tuple[str, ...] = ("P1",)) -> list[list[Any]]:
    """Controls and one drug with five doses, twice a plate."""
    rows: list[list[Any]] = []
    for plate in plates:
        rows.append([plate, "A", 1, "BT-40", "neg", "DMSO", "", ""])
        rows.append([plate, "A", 2, "BT-40", "pos", "BzCl", "", ""])
        rows += [[plate, "BC"[at // 5], at % 5 + 1, "BT-40", "therapy", "Drug1", DOSES[at % 5], ""] for at in range(10)]
    return rows


def read(
    folder: Path,
    rows: list[list[Any]],
    more: str = "",
    values: Value | None = None,
    above: str = "",
) -> Layout:
    """The layout as text, perhaps with one more column: its name, and what it holds row by row."""
    header = [*HEADER, more] if more else HEADER
    rows = [[*row, values(row)] for row in rows] if values else rows
    text = above + "\n".join(",".join(str(cell) for cell in row) for row in [header, *rows])
    (folder / "layout.csv").write_text(text)
    return read_layout(folder / "layout.csv")


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("Treatment 2", lambda row: "TMZ" if row[1] == "B" else "", "wells that it sets apart are taken as replicates"),
        ("Inhibitor level", lambda row: 5 if row[1] == "B" else 50, "(Drug1 at 1 nM: 5, 50)"),
        ("Timepoint_h", lambda row: 24 if row[1] == "B" else 72, "column 'Timepoint_h' is not read"),
        ("Conc. unit", lambda row: "µM" if row[6] else "", "holds units (µM) but is not read"),
        ("Final conc [nM]", lambda row: row[6] and row[6] / 1000, "gives other concentrations"),
        ("Well", lambda row: f"D{row[2]}", "column Well contradicts them in 12 rows (D1 beside A01)"),
    ],
)
def test_a_column_that_is_not_read_and_changes_a_well_is_told(
    tmp_path: Path, name: str, values: Value, words: str
) -> None:
    (note,) = read(tmp_path, wells(), name, values).notes
    assert words in note


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Comment", lambda row: "bubble" if row[1] == "B" else ""),
        ("Source well", lambda row: f"{row[1]}{row[2]}"),
        ("Final conc [uM]", lambda row: row[6] and row[6] / 1000),
        ("Concentration_log10", lambda row: row[6] and len(str(row[6])) - 1),
        ("Stock concentration [mM]", lambda row: 10),
        ("Cell line", lambda row: "GBM"),
        ("Dispense time", lambda row: f"10:{row[2]}{row[1]}"),
        ("Well", lambda row: f"{row[1].lower()}0{row[2]}"),
    ],
)
def test_columns_that_change_nothing_are_passed_over(tmp_path: Path, name: str, values: Value) -> None:
    assert read(tmp_path, wells(), name, values).notes == ()


def test_a_unit_in_the_title_is_told_and_nanomolar_is_not(tmp_path: Path) -> None:
    (note,) = read(tmp_path, wells(), above="All concentrations in uM,,,,,,,\n").notes
    assert "'All concentrations in uM'" in note
    assert "read in nM" in note
    for title in ("Concentrations in nM", "TMZ given at 5 uM", "30 ul a well"):
        assert read(tmp_path, wells(), above=f"{title},,,,,,,\n").notes == ()


def test_names_that_look_alike_are_told(tmp_path: Path) -> None:
    rows = wells(("P1", "P2"))
    for row in rows[12:]:
        row[3] = "BT40"
    for row in rows[19:24]:
        row[5] = "Drug\u200b1"
    notes = " ".join(read(tmp_path, rows).notes)
    assert "'BT-40' and 'BT40' are taken as 2 samples" in notes
    assert "'Drug1' and 'Drug\\u200b1' are taken as 2 drugs" in notes


def test_which_names_look_alike() -> None:
    for alike in (
        ["Drug1", "Drug 1", "drug-1"],
        ["VX-970", "VX\u2011970"],
        ["TNF-\u03b1", "TNF-alpha"],
        ["\u03b2-Lapachone", "\u00df-Lapachone"],
        ["A + B", "B + A"],
    ):
        assert list(look_alike(alike)) == [alike]
    assert not list(look_alike(["(+)-JQ1", "(-)-JQ1", "JQ1", "A1-1", "A11", "BAY-1", "BAY-11", "A + B", "A", "B"]))


def test_wells_with_drugs_under_a_word_of_their_own_are_told(tmp_path: Path) -> None:
    rows = wells(("P1", "P2"))
    for row in rows[14:]:
        row[4] = "compound"
    (note,) = read(tmp_path, rows).notes
    assert "10 wells of the well type 'compound' hold doses of Drug1 and are in no curve" in note
    for row in rows[14:]:
        row[4] = row[5] = "STS"
    assert read(tmp_path, rows).notes == ()


def test_doses_of_a_plate_in_another_unit_are_told_and_a_series_on_two_plates_is_not(tmp_path: Path) -> None:
    rows = wells(("P1", "P2"))
    for row in rows[14:]:
        row[6] = float(str(row[6])) / 1000
    (note,) = read(tmp_path, rows).notes
    assert "on plate P1 the doses of Drug1 are 1000 times those on plate P2" in note
    for row in rows[2:12]:
        row[6] = {1: 1, 10: 3.162, 100: 10, 1000: 31.62, 10000: 100}[int(str(row[6]))]
    for row in rows[14:]:
        row[6] = {1: 1, 10: 3.162, 100: 10, 1000: 31.62, 10000: 100}[round(1000 * float(str(row[6])))] * 1000
    assert "1000 times" in " ".join(read(tmp_path, rows).notes)
    rows = [row for row in rows if row[6] not in (31.62, 31620, 100, 100000)]
    for plate, doses in (("P1", (0.1, 1, 10)), ("P2", (100, 1000, 10000))):
        own = [row for row in rows if row[0] == plate and row[4] == "therapy"]
        for at, row in enumerate(own):
            row[6] = doses[at % 3]
    assert "times those" not in " ".join(read(tmp_path, rows).notes)


# --- workbooks ----------------------------------------------------------------------------------


def workbook(folder: Path, change: Callable[[Any], None] | None = None) -> Path:
    """The layout as a workbook."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in [HEADER, *wells()]:
        sheet.append([None if cell == "" else cell for cell in row])
    if change:
        change(sheet)
    book.save(folder / "layout.xlsx")
    return folder / "layout.xlsx"


def test_a_value_merged_over_several_wells_is_of_each_of_them(tmp_path: Path) -> None:
    def merge(sheet: Any) -> None:
        sheet["H9"] = "TMZ"
        sheet.merge_cells("H9:H13")

    frame = read_layout(workbook(tmp_path, merge)).frame
    assert frame.loc[frame["row"] == "C", "add_on"].tolist() == ["TMZ"] * 5
    assert frame.loc[frame["row"] == "B", "add_on"].isna().all()


@pytest.mark.parametrize(("value", "kind"), [("#REF!", "e"), ('=IF(TRUE,"TMZ","")', "f")])
def test_errors_and_formulas_without_result_are_refused_with_their_cells(tmp_path: Path, value: str, kind: str) -> None:
    def spoil(sheet: Any) -> None:
        for row in range(9, 14):
            sheet.cell(row, 8, value).data_type = kind

    held = "#REF!" if kind == "e" else "a formula without a stored result"
    with pytest.raises(InputError, match="cells H9, H10, H11 and 2 more: AddOn is " + held):
        read_layout(workbook(tmp_path, spoil))


def test_a_missing_value_of_a_spreadsheet_is_empty_and_formulas_elsewhere_do_not_matter(tmp_path: Path) -> None:
    def look_up(sheet: Any) -> None:
        sheet.cell(9, 8, "#N/A").data_type = "e"
        sheet.cell(9, 12, "=A9&B9")

    layout = read_layout(workbook(tmp_path, look_up))
    assert layout.frame["add_on"].isna().all()
    assert layout.notes == ()
