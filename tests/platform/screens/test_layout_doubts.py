"""Layouts that can be read and should be looked at, and cells that a spreadsheet program changed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import openpyxl
import pytest

from phenodose.errors import InputError
from phenodose.screens.layout import Layout, read_layout

HEADER = ["Plate", "Row", "Column", "WellType", "Treatment", "Concentration", "Replicate", "AddOn"]
DOSES = (1.0, 10.0, 100.0, 1000.0, 10000.0)


class Plate:
    """A layout that grows well by well."""

    def __init__(self) -> None:
        self.rows: list[list[object]] = []
        self.add("neg", "DMSO")
        self.add("pos", "BzCl")

    def add(self, kind: str, treatment: object, dose: object = "", replicate: object = "", add_on: object = "") -> None:
        """One more well."""
        row, column = divmod(len(self.rows), 24)
        self.rows.append(["P1", chr(ord("A") + row), column + 1, kind, treatment, dose, replicate, add_on])

    def drug(self, name: object, doses: object = DOSES, replicates: int = 2, numbered: bool = True) -> Plate:
        """A drug with the same doses in every replicate."""
        for number in range(1, replicates + 1):
            for dose in doses:  # type: ignore[attr-defined]
                self.add("therapy", name, dose, number if numbered else "")
        return self

    def read(self, folder: Path, header: list[str] = HEADER) -> Layout:
        """The layout as text."""
        path = folder / "layout.csv"
        path.write_text("\n".join(",".join(str(cell) for cell in row) for row in [header, *self.rows]))
        return read_layout(path)

    def workbook(self, folder: Path) -> Path:
        """The layout as a workbook."""
        book = openpyxl.Workbook()
        for row in [HEADER, *self.rows]:
            book.worksheets[0].append([None if cell == "" else cell for cell in row])
        book.save(folder / "layout.xlsx")
        return folder / "layout.xlsx"


def test_a_usual_layout_has_no_notes(tmp_path: Path) -> None:
    plate = Plate().drug("A").drug("B", DOSES[:-1]).drug("C", (0.03, 0.3, 3, 30, 300), 3)
    plate.rows[12][3] = "exclude"
    assert plate.read(tmp_path).notes == ()


# --- doses ---------------------------------------------------------------------------------------


def test_replicates_with_other_doses_are_told_with_drug_replicate_and_doses(tmp_path: Path) -> None:
    plate = Plate().drug("A").drug("B")
    plate.rows[2 + 5 + 2][5] = 100000
    (note,) = plate.read(tmp_path).notes
    assert note == (
        "layout.csv: the doses of replicates differ: A (replicate 2 has 100000 nM where replicate 1 has 100 nM); look "
        "for a slip in the doses."
    )


def test_the_replicate_that_is_unlike_two_others_is_the_one_named(tmp_path: Path) -> None:
    plate = Plate().drug("A", replicates=3)
    plate.rows[3][5] = 1000
    assert "replicate 1 has 1000 nM where replicate 2 has 10 nM" in plate.read(tmp_path).notes[0]


def test_wells_without_numbers_of_replicates_tell_doses_of_uneven_count(tmp_path: Path) -> None:
    plate = Plate().drug("A", numbered=False)
    plate.rows[2 + 5 + 2][5] = 100000
    (note,) = plate.read(tmp_path).notes
    assert "A (100 nM in 1, 100000 nM in 1, the others in 2 wells each)" in note


def test_missing_wells_dispensed_doses_and_uneven_designs_are_no_slips(tmp_path: Path) -> None:
    plate = Plate().drug("A").drug("B", (1, 10, 100), 1)
    for dose in (0.98, 10.1, 99, 1013, 9950):
        plate.add("therapy", "C", dose, 1)
    for dose in (1, 10, 100, 1000, 10000):
        plate.add("therapy", "C", dose, 2)
    del plate.rows[5]
    assert plate.read(tmp_path).notes == ()
    uneven = Plate().drug("A", (1, 10, 100), 3, numbered=False).drug("A", (1000,), 2, numbered=False)
    assert uneven.read(tmp_path).notes == ()


@pytest.mark.parametrize(("factor", "word"), [(1e-9, "below 0.1 nM"), (1e-6, "below 0.1 nM"), (1e6, "above 1e+07 nM")])
def test_doses_of_another_unit_than_the_column_says_are_questioned(tmp_path: Path, factor: float, word: str) -> None:
    plate = Plate().drug("A", [dose * factor for dose in DOSES])
    (note,) = plate.read(tmp_path).notes
    assert f"the largest dose is {word} for A" in note
    assert "Concentration_M" in note


@pytest.mark.parametrize("doses", [(1, 2, 3, 4, 5), (0.5, 1, 1.5, 2), (1, 1.477, 1.954, 2.431, 2.908)])
def test_doses_that_look_like_logarithms_are_questioned(tmp_path: Path, doses: tuple[float, ...]) -> None:
    plate = Plate().drug("A", doses).drug("B", doses)
    (note,) = plate.read(tmp_path).notes
    assert "evenly spaced" in note
    named = ["Concentration_nM" if name == "Concentration" else name for name in HEADER]
    assert plate.read(tmp_path, named).notes == ()
    assert Plate().drug("A", doses).drug("B").drug("C").read(tmp_path).notes == ()


def test_german_thousands_in_doses_are_refused_and_in_readings_read(tmp_path: Path) -> None:
    plate = Plate().drug("A", ["1", "10", "100", "1.000", "10.000"])
    with pytest.raises(InputError, match=r"layout.csv: the concentration '1.000' may be 1000 or 1"):
        plate.read(tmp_path)
    plate = Plate().drug("A", [1, 10, 100, 1000, 10000], replicates=6)
    for number, row in enumerate(plate.rows):
        row.append(f"{39 - number % 7}.{100 + 10 * number}" if number % 4 else str(700 + number))
    layout = plate.read(tmp_path, [*HEADER, "Readout"])
    assert layout.frame["readout"].iloc[1] == 38110
    assert layout.frame["readout"].iloc[4] == 704
    assert "a point between thousands" in layout.notes[0]
    plate.rows[5][5] = "0.5"
    with pytest.raises(InputError, match=r"'38.110' beside 700 may be 38110 or 38.110"):
        plate.read(tmp_path, [*HEADER, "Readout"])


# --- cells that a spreadsheet program changed ----------------------------------------------------


def test_dates_in_names_and_doses_are_refused_by_cell(tmp_path: Path) -> None:
    plate = Plate().drug(dt.datetime(2026, 9, 2), replicates=1).drug("B")
    plate.rows[8][5] = dt.date(2026, 10, 1)
    plate.rows[9][7] = dt.date(2026, 3, 1)
    with pytest.raises(InputError) as caught:
        read_layout(plate.workbook(tmp_path))
    message = str(caught.value)
    assert "cells E4, E5, E6 and 2 more: Treatment is the date 2026-09-02, which a spreadsheet program makes" in message
    assert "cell F10: Concentration is the date 2026-10-01" in message
    assert "cell H11: AddOn is the date 2026-03-01" in message


@pytest.mark.parametrize("name", ["2-Sep", "02. Sep", "1-Mrz", "2026-09-02", "4-Oct-04"])
def test_a_date_that_a_spreadsheet_wrote_into_a_text_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="row 4, row 5, row 6 and 7 more: Treatment is the date"):
        Plate().drug(name).read(tmp_path)


@pytest.mark.parametrize("name", ["SEPT-2", "5-FU", "2-DG", "MARCH1", "Sep-02", "4-OHT"])
def test_names_with_numbers_are_no_dates(tmp_path: Path, name: str) -> None:
    assert Plate().drug(name).read(tmp_path).drugs == [name]


# --- add-ons -------------------------------------------------------------------------------------

NO_ADD_ON = ["none", "None", "-", "--", "DMSO", "dmso 0.1%", "DMSO (0.1 %)", "vehicle", "Vehicle control", "n/a", "no"]
NO_ADD_ON += [
    "0",
    "keine",
    "ohne",
    "solvent",
    "mono",
    "PBS",
    "NA",
    "without",
    "untreated",
    "(none)",
    "No add-on",
    "no drug",
    "EtOH 0.1% v/v",
]


@pytest.mark.parametrize("word", NO_ADD_ON)
def test_words_for_no_add_on_are_none(tmp_path: Path, word: str) -> None:
    plate = Plate()
    plate.add("therapy", "A", 10, "", word)
    plate.add("therapy", "A", 10, "", "Temozolomide")
    assert [None if value != value else value for value in plate.read(tmp_path).frame["add_on"]][2:] == [
        None,
        "Temozolomide",
    ]


@pytest.mark.parametrize("word", ["Noscapine", "Nonoxynol", "DMSO2", "Vehiclin", "0.5 µM A"])
def test_names_that_begin_like_these_words_are_add_ons(tmp_path: Path, word: str) -> None:
    plate = Plate()
    plate.add("therapy", "A", 10, "", word)
    assert plate.read(tmp_path).frame["add_on"].iloc[2] == word


def test_a_combination_with_the_name_of_another_drug_is_told_apart(tmp_path: Path) -> None:
    plate = Plate().drug("A + B").drug("A")
    for dose in DOSES:
        plate.add("therapy", "A", dose, 1, "B")
    (note,) = plate.read(tmp_path).notes
    assert note == "layout.csv: 'A' with the add-on 'B' has the name of another drug; it stands as 'A with add-on B'."


def test_empty_wells_called_blank_are_blank_wells(tmp_path: Path) -> None:
    plate = Plate().drug("A")
    plate.add("empty", "Blank")
    plate.add("empty", "")
    assert plate.read(tmp_path).frame["well_type"].tolist()[-2:] == ["blank", "empty"]
