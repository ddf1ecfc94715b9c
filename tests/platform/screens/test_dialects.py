"""Plate-reader files as instruments write them: the plain values come out, whatever stands around them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pytest

from phenodose.errors import InputError
from phenodose.names import row_label, well_name
from phenodose.screens.dialects import DIALECTS, block_of_text, plate_of
from phenodose.screens.dialects.page import Page
from phenodose.screens.matrices import read_matrices, read_readings

ROWS, COLUMNS, FILLED = 8, 12, 5
#: Values of the first columns of a plate of 96 wells; the other wells were not read.
VALUES = [[1000 + 100 * row + column for column in range(FILLED)] for row in range(ROWS)]
NUMBERS = [str(column + 1) for column in range(COLUMNS)]


def cells(row: Sequence[float], width: int = COLUMNS) -> list[str]:
    return [*(f"{value:g}" for value in row), *([""] * (width - len(row)))]


def matrix(
    separator: str, before: Sequence[str] = ("",), behind: str = "", values: Sequence[Sequence[float]] = VALUES
) -> str:
    """Column numbers and lettered rows, with cells before the letter and one behind the last column."""
    lines = [separator.join([*before, *NUMBERS, *([""] if behind else [])])]
    lines += [
        separator.join([*before[:-1], row_label(row), *cells(line), *([behind] if behind else [])])
        for row, line in enumerate(values)
    ]
    return "\n".join(lines) + "\n"


def gen5() -> str:
    plan = "Layout\n\n" + "\t".join(["", *NUMBERS]) + "\n"
    plan += "".join("\t".join([row_label(row), *(["SPL1"] * COLUMNS)]) + "\n" for row in range(ROWS))
    head = "Software Version\t3.11.19\n\nPlate Number\tPlate 1\nDate\t1/2/2026\n\n"
    return f"{head}{plan}\nResults\n" + matrix("\t", behind="590")


def gen5_h1() -> str:
    return "Software Version\t3.12.08\t\t\n\nPlate Number\tPlate 1\t\n\n" + matrix("\t", ("", ""), "OD:600")


def softmax() -> str:
    lines = ["##BLOCKS= 1", "Plate:\tPlate1\t1.3\tPlateFormat\tEndpoint\tLuminescence"]
    lines += ["\t".join(["", "Temperature(°C)", *NUMBERS, ""])]
    lines += ["\t".join(["", "" if row else "24.90", *cells(line), ""]) for row, line in enumerate(VALUES)]
    return "\r\n".join([*lines, "~End", "Original Filename: x; Date Last Saved: 1/2/2026"])


def softmax_with_time() -> str:
    text = softmax().replace("\tTemperature(", "Time(hh:mm:ss)\tTemperature(")
    return text.replace("\t24.90\t", "00:00:00\t24.90\t")


def envision() -> str:
    head = "Plate information \nPlate,Repeat,Barcode,Measured height,Kinetics,\n3,1,H01,14.6,0,\n\n"
    values = "\n".join(",".join([*cells(line), ""]) for line in VALUES)
    return f"{head}{values}\n\n\nBasic assay information \nAssay ID: ,,,,4231\n"


def mars_ragged() -> str:
    lines = ["User: A,Path: C:\\x,Test run no.: 7", "", "Raw Data (No filter)", "", ",".join(["", *NUMBERS])]
    return "\n".join([*lines, *(",".join([row_label(row), *cells(line, 0)]) for row, line in enumerate(VALUES))])


def well_list(form: str, header: Sequence[str] = ()) -> str:
    lines = [";".join(header)] if header else []
    for row, line in enumerate(VALUES):
        for column, value in enumerate(line, 1):
            well = well_name(row_label(row), column)
            lines.append(form.format(row=row_label(row), column=column, well=well, value=value))
    return "\n".join(lines)


FILES: dict[str, tuple[str, Callable[[], str]]] = {
    "Gen5 with a plan of the plate and a wavelength": ("BioTek/Agilent Gen5", gen5),
    "Gen5 of the H1": ("BioTek/Agilent Gen5", gen5_h1),
    "SoftMax Pro": ("SoftMax Pro", softmax),
    "EnVision without letters and numbers": ("EnVision", envision),
    "MARS whose lines end early": ("BMG MARS", mars_ragged),
    "MARS with whole lines": ("BMG MARS", lambda: "Test name: CTG,Date: x\nRaw Data (lens)\n" + matrix(",")),
    "a list": ("list of wells", lambda: well_list("{well}\t{value}")),
    "a list with plate": ("list of wells", lambda: well_list("P1,{well},{value}")),
    "a list with a header": (
        "list of wells",
        lambda: well_list("{well};Sample X1;25.5;{value}", ["Well", "Content", "Temperature", "Raw Data (No filter)"]),
    ),
    "a list by row and column": ("list of wells", lambda: well_list("{row};{column};{value}", ["Row", "Col", "CPS"])),
    "a list with the value first": ("list of wells", lambda: well_list("{value}\t{well}")),
    "a list of a Victor": (
        "list of wells",
        lambda: well_list("1;1;{well};M;00:00:12;{value}", ["Plate", "Repeat", "Well", "Type", "Time", "CPS"]),
    ),
    "SoftMax Pro with a time": ("SoftMax Pro", softmax_with_time),
    "values alone": ("values alone", lambda: "\n".join("\t".join(cells(line)) for line in VALUES)),
    "a matrix with the read behind it": ("plain matrix", lambda: matrix("\t", behind="Lum")),
}


def read(text: str, wanted: str | None = None) -> tuple[str, list[list[float | None]]]:
    plate = plate_of([(Page("S_P1.txt", text), "", False)], "S_P1.txt", wanted)
    return plate.dialect, [line[:FILLED] for line in plate.block.values]


@pytest.mark.parametrize("form", FILES)
def test_every_form_gives_the_same_values(form: str) -> None:
    dialect, make = FILES[form]
    assert read(make()) == (dialect, VALUES)


def test_utf_16_is_read_with_its_mark_and_without(tmp_path: Path) -> None:
    (tmp_path / "S_P1.txt").write_bytes(softmax().encode("utf-16"))
    (tmp_path / "S_P2.txt").write_bytes(softmax().encode("utf-16-le"))
    frame = read_matrices(tmp_path)
    for _, rows in frame.groupby("plate"):
        assert rows["value"].dropna().tolist() == [value for line in VALUES for value in line]


def test_rows_a_to_f_below_z_are_the_rows_aa_to_af() -> None:
    numbers = [str(column + 1) for column in range(48)]
    letters = [*(chr(ord("A") + row) for row in range(26)), *"abcdef"]
    text = "\n".join([",".join(["", *numbers]), *(",".join([letter, *numbers]) for letter in letters)])
    plate = plate_of([(Page("x", text), "", False)], "x")
    assert plate.block.rows[-7:] == ["Z", "AA", "AB", "AC", "AD", "AE", "AF"]


def test_small_letters_of_a_small_plate_stay_its_rows() -> None:
    text = matrix("\t").replace("\nB\t", "\nb\t")
    assert plate_of([(Page("x", text), "", False)], "x").block.rows == list("ABCDEFGH")


def test_an_empty_row_of_a_plate_without_letters_moves_no_other() -> None:
    lines = softmax().split("\r\n")
    lines[5] = "\t" * lines[5].count("\t")
    values = read("\r\n".join(lines))[1]
    assert values[2] == [None] * FILLED
    assert values[3:] == VALUES[3:]


def test_a_line_that_ends_early_is_refused_where_no_instrument_writes_so() -> None:
    lines = matrix("\t").splitlines()
    with pytest.raises(InputError, match=r"row C \(line 4\) has 3 values for 12 columns"):
        read("\n".join([*lines[:3], "C\t1\t2\t3", *lines[4:]]))


def test_text_that_nothing_reads_says_why_by_every_dialect() -> None:
    with pytest.raises(InputError) as caught:
        read("measured on Monday\n1,2,3\n")
    message = str(caught.value)
    assert message.startswith("S_P1.txt: there is no plate in it.")
    for dialect in DIALECTS:
        assert f"\n    {dialect.name}: it has no" in message


def test_a_fault_names_the_dialect_and_the_well() -> None:
    with pytest.raises(InputError, match=r"S_P1.txt \(BMG MARS\): well B02 \(line 7\) is 'OVER'"):
        read(mars_ragged().replace(",1101,", ",OVER,"))
    with pytest.raises(InputError, match=r"well C03 \(line 13\) is 'OVER'"):
        read(well_list("{well}\t{value}").replace("\t1202", "\tOVER"))


# --- several plates in one file ------------------------------------------------------------------


def two_plates() -> str:
    parts = []
    for plate, values in ((5, [[9.0] * FILLED] * ROWS), (6, VALUES)):
        parts.append(f"Plate information \nPlate,Repeat,Barcode,\n{plate},1,,\n\nResults for lum - channel 0\n")
        parts.append(matrix(",", values=values) + "\n")
    return "".join(parts)


def raw_and_corrected() -> str:
    head = "User: A,Path: x,Test run no.: 7\n\nRaw Data (No filter)\n\n"
    return (
        head + matrix(",") + "\nBlank corrected based on Raw Data (No filter)\n\n" + matrix(",", values=[[1.0] * 5] * 8)
    )


def stacked_reads() -> str:
    lines = ["Software Version\t3.11.19", "", "Results", "\t".join(["", *NUMBERS])]
    for row, line in enumerate(VALUES):
        lines.append("\t".join([row_label(row), *cells(line), "Lum"]))
        lines.append("\t".join(["", *cells([1.0] * FILLED), "600"]))
    return "\n".join(lines)


def side_by_side() -> str:
    lines = ["##BLOCKS= 1", "Plate:\tleft\t1.3", "\t".join(["", "Temperature(°C)", *NUMBERS, "", *NUMBERS])]
    lines += ["\t".join(["", "", *cells(line), "", *cells([1.0] * FILLED)]) for line in VALUES]
    return "\n".join([*lines, "~End"])


def two_plates_in_a_list() -> str:
    other = well_list("P9,{well},{value}").replace(",1", ",2")
    return well_list("P1,{well},{value}") + "\n" + other


@pytest.mark.parametrize(
    ("make", "named", "right"),
    [
        (two_plates, ["'plate 5: Results for lum - channel 0'", "'plate 6: Results for lum - channel 0'"], "plate 6"),
        (two_plates, ["#1", "#2"], "6"),
        (two_plates, ["#1", "#2"], "#2"),
        (raw_and_corrected, ["'Raw Data (No filter)'", "'Blank corrected based on"], "raw data (no filter)"),
        (stacked_reads, ["'Results: Lum'", "'Results: 600'"], "lum"),
        (side_by_side, ["'left: read 1'", "'left: read 2'"], "read 1"),
        (two_plates_in_a_list, ["'plate P1'", "'plate P9'"], "P1"),
    ],
)
def test_of_several_plates_none_is_taken_without_a_name(make: Callable[[], str], named: list[str], right: str) -> None:
    with pytest.raises(InputError) as caught:
        read(make())
    assert "holds 2 plates" in str(caught.value)
    assert all(name in str(caught.value) for name in [*named, "--block NAME"])
    assert read(make(), right)[1] == VALUES


def test_a_name_that_fits_none_or_several_is_refused() -> None:
    with pytest.raises(InputError, match="no plate in it is called 'x'"):
        read(two_plates(), "x")
    with pytest.raises(InputError, match="several plates in it are called 'channel 0'"):
        read(two_plates(), "channel 0")


def test_what_was_chosen_is_told(tmp_path: Path) -> None:
    (tmp_path / "S_P1.csv").write_text(two_plates())
    readings = read_readings(tmp_path, "plate 6")
    assert readings.notes == [
        "S_P1.csv: of 2 plates #2 'plate 6: Results for lum - channel 0' (line 21) is read, as 'plate 6' says "
        "(--block NAME)."
    ]
    assert readings.chosen == {"S_P1.csv": "plate 6: Results for lum - channel 0"}


def test_blocks_with_the_same_values_are_one() -> None:
    assert read(matrix("\t") + "\nagain\n" + matrix("\t"))[1] == VALUES


def test_a_well_that_stands_twice_in_a_list_is_refused() -> None:
    with pytest.raises(InputError, match="well A01 stands in lines 1 and 41; keep one value a well"):
        read(well_list("{well}\t{value}") + "\nA01\t5\nA02\t6")


def book(**sheets: str) -> bytes:
    """A workbook of tab-separated texts; sheets that begin with 'hidden' are hidden."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for name, text in sheets.items():
        sheet = workbook.create_sheet(name)
        sheet.sheet_state = "hidden" if name.startswith("hidden") else "visible"
        for line in csv.reader(io.StringIO(text), delimiter="\t"):
            sheet.append([float(cell) if cell.isdigit() else cell or None for cell in line])
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def test_sheets_of_a_workbook_are_plates_like_blocks(tmp_path: Path) -> None:
    ones = matrix("\t", values=[[1.0] * FILLED] * ROWS)
    path = tmp_path / "S_P1.xlsx"
    path.write_bytes(book(Notes="read at 37\tC\n", Values=matrix("\t")))
    assert read_matrices(path)["value"].dropna().tolist()[:FILLED] == VALUES[0]
    path.write_bytes(book(hidden=ones, Values=matrix("\t")))
    (note,) = read_readings(path).notes
    assert note == "S_P1.xlsx: #2 (sheet 'Values', line 1) is read; #1 (hidden sheet 'hidden', line 1) is passed over."
    path.write_bytes(book(first=ones, second=matrix("\t")))
    with pytest.raises(InputError, match=r"#1 \(sheet 'first', line 1\), #2 \(sheet 'second', line 1\)"):
        read_matrices(path)
    assert read_matrices(path, "second")["value"].dropna().tolist()[:FILLED] == VALUES[0]
    path.write_bytes(book(hidden=ones, Notes="nothing"))
    with pytest.raises(InputError, match="its only plate stands in a hidden sheet"):
        read_matrices(path)
    assert len(read_matrices(path, "hidden")) == ROWS * COLUMNS


def test_american_thousands_between_quotes_are_one_cell_each() -> None:
    lines = [",".join(["", *NUMBERS])]
    for row, line in enumerate(VALUES):
        lines.append(",".join([row_label(row), *(f'"{value:,}"' for value in line), "784", *([""] * 6)]))
    assert read("\n".join(lines))[1] == VALUES


def test_thousands_of_a_plate_are_told_with_the_file(tmp_path: Path) -> None:
    german = [[f"{value:,}".replace(",", ".") for value in line] for line in VALUES]
    lines = [";".join(["", *NUMBERS])]
    lines += [";".join([row_label(row), *line, "784"] + [""] * 6) for row, line in enumerate(german)]
    (tmp_path / "S_P1.csv").write_text("\n".join(lines))
    readings = read_readings(tmp_path / "S_P1.csv")
    assert readings.notes == ["S_P1.csv: numbers are written with a point between thousands: 1.000 is read as 1000."]
    assert readings.frame["value"].dropna().tolist()[:6] == [*VALUES[0], 784]


# --- what would shift values or choose without a word ------------------------------------------------


def lines_of(values: int, separator: str, head: str, behind: str = "") -> str:
    """A plate of 96 wells under a head, of whose row C one value is missing between others."""
    rows = [[str(100 * row + column) for column in range(1, 13)] for row in range(8)]
    rows[2] = rows[2][: values - 1] + rows[2][values:]
    told = [separator.join([letter, *row]) + behind for letter, row in zip("ABCDEFGH", rows, strict=True)]
    return "\n".join([head, " " + separator.join(map(str, range(1, 13))), *told])


@pytest.mark.parametrize(
    ("head", "behind", "words"),
    [
        ("User: A, Path: x", "", "row C .* has 11 values for 12 columns"),
        ("Software Version 3.12", " 600", "row C .* lacks the '600' that stands behind"),
    ],
)
def test_between_blanks_a_missing_value_moves_no_other(head: str, behind: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        block_of_text(lines_of(4, " ", head, behind), "S_P1.txt")


def test_times_below_the_names_of_wells_are_no_plate() -> None:
    times = ["\t".join(str(1000 * row + column) for column in range(12)) for row in range(8)]
    with pytest.raises(InputError, match="there is no plate in it"):
        block_of_text("\n".join(["\t".join(f"A{column}" for column in range(1, 13)), *times]), "S_P1.txt")


def test_a_list_goes_on_below_the_header_of_its_next_page() -> None:
    wells = [f"{row}{column:02d}\t{column}" for column in range(1, 13) for row in "ABCDEFGH"]
    header = "Well\tRLU"
    text = "\n".join([header, *wells[:50], "", "Page 2", header, *wells[50:]])
    assert sum(value is not None for row in block_of_text(text, "S_P1.txt").values for value in row) == 96


@pytest.mark.parametrize("names", [("Sample RLU", "Background RLU"), ("Time 0 h", "Time 72 h"), ("RLU", "Reference")])
def test_every_column_that_can_hold_values_is_one(names: tuple[str, str]) -> None:
    lines = [f"{row}{column:02d}\t{column}\t{column + 1}" for column in range(1, 13) for row in "ABCDEFGH"]
    with pytest.raises(InputError, match=f"holds 2 plates, #1 '{names[0]}' .*, #2 '{names[1]}'"):
        block_of_text("\n".join(["\t".join(["Well", *names]), *lines]), "S_P1.txt")


def test_lists_of_other_columns_below_each_other_are_several() -> None:
    wells = [f"{row}{column:02d}" for column in range(1, 13) for row in "ABCDEFGH"]
    first = ["Well,Lum", *(f"{well},{at}" for at, well in enumerate(wells))]
    second = ["Well,Content,Lum", *(f"{well},X,{at + 5}" for at, well in enumerate(wells))]
    with pytest.raises(InputError, match="holds 2 plates"):
        block_of_text("\n".join([*first, "", *second]), "S_P1.csv")


def test_a_line_of_words_below_a_sheet_is_no_row(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Plate:", "Plate1"])
    sheet.append([None, "Temperature", *range(1, 13)])
    for row in range(8):
        sheet.append([None, 24.1 if not row else None, *range(100 * row + 1, 100 * row + 13)])
    sheet.append(["~End"])
    book.save(tmp_path / "S_P1.xlsx")
    assert len(read_readings(tmp_path / "S_P1.xlsx").frame) == 96
