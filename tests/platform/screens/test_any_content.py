"""Whatever a file holds: it is read, or an `InputError` says why not; no other exception ever comes out."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.errors import InputError
from phenodose.screens.dialects import block_of_text
from phenodose.screens.layout import read_layout
from phenodose.screens.matrices import match_to_layout, read_matrices

HEADER = ["Plate", "Row", "Column", "Sample", "WellType", "Treatment", "Concentration", "Replicate", "AddOn", "Readout"]
WELLS = [
    ["1", "A", "1", "", "neg", "DMSO", "0", "1", "", "9"],
    ["1", "A", "2", "", "pos", "BzCl", "1", "1", "", "1"],
    ["1", "A", "3", "", "therapy", "X", "1", "1", "", "5"],
    ["1", "A", "4", "", "therapy", "X", "10", "1", "", "5"],
]
#: Contents that have broken readers before: digits of other scripts, numbers too large, separators, formulas.
ODD = ["", "NA", "²", "٣", "1e999", "-1e999", "nan", "inf", "1,5", "1,234", "AG", "sample_p", "_control", "\u2028", '"']
ODD += ["9" * 5000, "9" * 30, "1_000", "=1/0", "#DIV/0!", "10 nM", "１２", "ſ", "İ", "\x1c", ";", "\t", "1.0", "-0"]
CELL = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))
EDITS = st.lists(st.tuples(st.integers(0, len(WELLS)), st.integers(0, 9), CELL), max_size=4)


def edited(edits: list[tuple[int, int, str]]) -> list[list[str]]:
    table = [list(HEADER), *(list(row) for row in WELLS)]
    for row, column, text in edits:
        table[row][column] = text
    return table


def fault_of(read: Callable[[], object]) -> str | None:
    """The message of the InputError that reading ends with; None if it is read."""
    try:
        read()
    except InputError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@settings(max_examples=100)
@given(edits=EDITS, delimiter=st.sampled_from(",;\t"))
def test_any_cells_of_a_text_layout(folder: Path, edits: list[tuple[int, int, str]], delimiter: str) -> None:
    path = folder / "layout.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, delimiter=delimiter).writerows(edited(edits))
    fault = fault_of(lambda: read_layout(path))
    assert fault is None or fault.startswith(str(path))


@pytest.mark.parametrize(("value", "style"), [(-1e16, "yyyy-mm-dd"), (1e13, "[h]:mm:ss")])
def test_a_number_that_is_no_date_in_a_date_cell_is_named(folder: Path, value: float, style: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [HEADER, *WELLS]:
        sheet.append(row)
    sheet.cell(2, 10).value = value
    sheet.cell(2, 10).number_format = style
    path = folder / "date.xlsx"
    book.save(path)
    fault = fault_of(lambda: read_layout(path))
    assert fault is not None
    assert fault.startswith(f"{path}: a cell of the first sheet cannot be read")


@settings(max_examples=60)
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, len(WELLS)),
            st.integers(0, 9),
            st.one_of(
                st.sampled_from([text for text in ODD if text.isprintable()]),
                st.floats(),
                st.booleans(),
                st.dates(),
                st.none(),
            ),
        ),
        max_size=4,
    )
)
def test_any_cells_of_a_workbook(folder: Path, edits: list[tuple[int, int, object]]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [HEADER, *WELLS]:
        sheet.append(row)
    for at, column, value in edits:
        sheet.cell(at + 1, column + 1).value = value  # type: ignore[assignment]
    path = folder / "layout.xlsx"
    book.save(path)
    fault = fault_of(lambda: read_layout(path))
    assert fault is None or fault.startswith(str(path))


TOKEN = st.one_of(
    st.sampled_from([*"1234567ABC", "<>", "A:", "AA", "NA", "NaN", "1:", "1,5", "1,234", ".5", "1.", "OVER", "AG"]),
    CELL,
)


@settings(max_examples=80)
@given(
    lines=st.lists(st.lists(TOKEN, max_size=7), max_size=5),
    separator=st.sampled_from(["\t", " ", ",", ";", ", "]),
    header=st.booleans(),
)
def test_any_text_of_a_plate_reader(lines: list[list[str]], separator: str, header: bool) -> None:
    text = "\n".join(separator.join(line) for line in ([["<>", *"123456"]] if header else []) + lines)
    fault = fault_of(lambda: block_of_text(text, "file.txt"))
    assert fault is None or fault.startswith("file.txt")


@settings(max_examples=60)
@given(
    files=st.dictionaries(
        st.from_regex(r"[A-C]_(N?[1-3]|x)\.(txt|csv|xlsx)", fullmatch=True),
        st.one_of(st.binary(max_size=30), st.integers(5, 17)),
        max_size=4,
    ),
    damage=st.binary(max_size=3),
    at=st.integers(0, 400),
)
def test_any_archive(folder: Path, files: dict[str, bytes | int], damage: bytes, at: int) -> None:
    """Plates of any size, bytes that are no plate, and an archive that is damaged anywhere."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, what in files.items():
            archive.writestr(name, _plate(what) if isinstance(what, int) else what)
    damaged = bytearray(content.getvalue())
    damaged[at : at + len(damage)] = damage
    (folder / "z.zip").write_bytes(bytes(damaged))
    with (folder / "two.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([HEADER, *WELLS, *(["2", *row[1:]] for row in WELLS)])
    fault = fault_of(lambda: match_to_layout(read_matrices(folder / "z.zip"), read_layout(folder / "two.csv")))
    assert fault is None or fault.startswith(str(folder))


def _plate(columns: int) -> str:
    numbers = "\t".join(str(column + 1) for column in range(columns))
    return "\n".join(["\t" + numbers, *(f"{letter}\t{numbers}" for letter in "ABCD")])
