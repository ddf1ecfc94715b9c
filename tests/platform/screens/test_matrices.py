"""Plate-reader matrices: every file form, names, archives, and matching to a layout."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.errors import InputError, MissingInputError
from phenodose.names import PLATE_FORMATS, plate_key, row_label
from phenodose.screens import readout_files as module
from phenodose.screens.dialects import block_of_text
from phenodose.screens.layout import Layout, read_layout
from phenodose.screens.matrices import (
    MATRIX_COLUMNS,
    match_readings,
    match_to_layout,
    read_matrices,
    read_readings,
    readings_of_screen,
)


def numbers(wells: int) -> np.ndarray:
    """A plate whose value tells its place: 100 * row + column."""
    n_rows, n_columns = PLATE_FORMATS[wells]
    return np.array([[100 * row + column + 1 for column in range(n_columns)] for row in range(n_rows)], dtype=float)


def as_text(values: np.ndarray, separator: str = "\t", labels: bool = True) -> str:
    header = [f"{i + 1:02d}" for i in range(values.shape[1])]
    lines = [separator.join(["", *header] if labels else header)]
    for row, line in enumerate(values):
        cells = ["NA" if np.isnan(value) else f"{value:g}" for value in line]
        lines.append(separator.join([row_label(row), *cells] if labels else cells))
    return "\n".join(lines) + "\n"


def as_workbook(values: np.ndarray) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append([None, *range(1, values.shape[1] + 1)])
    for row, line in enumerate(values):
        sheet.append([row_label(row), *(None if np.isnan(value) else value for value in line)])
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def write_layout(path: Path, plates: list[str], wells: int) -> Layout:
    n_rows, n_columns = PLATE_FORMATS[wells]
    lines = ["Plate,Row,Column,WellType,Treatment,Concentration"]
    for plate in plates:
        for row in range(n_rows):
            for column in range(1, n_columns + 1):
                kind = "neg,DMSO,0" if column == 1 else "pos,BzCl,1" if column == 2 else f"therapy,D{row},{column}"
                lines.append(f"{plate},{row_label(row)},{column},{kind}")
    path.write_text("\n".join(lines))
    return read_layout(path)


@pytest.mark.parametrize("wells", [24, 96, 384, 1536])
def test_workbooks_and_texts_of_all_plate_formats_read_alike(tmp_path: Path, wells: int) -> None:
    values = numbers(wells)
    (tmp_path / "S_1.xlsx").write_bytes(as_workbook(values))
    (tmp_path / "S_2.txt").write_text(as_text(values))
    (tmp_path / "S_3.csv").write_text(as_text(values, ","))
    (tmp_path / "S_4.txt").write_text(as_text(values, " ").lstrip())
    frame = read_matrices(tmp_path)
    assert list(frame.columns) == list(MATRIX_COLUMNS)
    assert list(frame["plate"].unique()) == ["1", "2", "3", "4"]
    for _, plate in frame.groupby("plate"):
        assert len(plate) == wells
        # The value tells the place, so that AA..AF can never be taken for the rows after A.
        index = {row_label(i): i for i in range(values.shape[0])}
        assert [100 * index[row] + column for row, column in zip(plate["row"], plate["column"], strict=True)] == list(
            plate["value"]
        )


@pytest.mark.parametrize(
    "text",
    [
        "<> 1 2 3 4 5 6\nA 1 2 3 4 5 6\nB 7 8 9 10 11 12\nC 13 14 15 16 17 18\n",
        "1,2,3,4,5,6\n1,2,3,4,5,6\n7,8,9,10,11,12\n13,14,15,16,17,18\n",
        "<>;1;2;3;4;5;6;\nA:;1;2;3;4;5;6;\nB:;7;8;9;10;11;12;\nC:;13;14;15;16;17;18;\n",
        " ,1,2,3,4,5,6\nA: 1,2,3,4,5,6\nB: 7,8,9,10,11,12\nC: 13,14,15,16,17,18\n",
        "Reader: X\nDate\t2026-01-01\n\n\t1\t2\t3\t4\t5\t6\na\t1\t2\t3\t4\t5\t6\nb\t7\t8\t9\t10\t11\t12\n"
        "c\t13\t14\t15\t16\t17\t18\n\nMean\t9\n",
        "<> 1: 2: 3: 4: 5: 6:\nA 1: 2: 3: 4: 5: 6:\nB 7 8 9 10 11 12\nC 13 14 15 16 17 18",
        "<>,1,2,3,4,5,6\nA:1,2,3,4,5,6\nB: 7,8,9,10,11,12\nC,13,14,15,16,17,18\n",
        "\t1\t2\t3\t4\t5\t6\nA\t1,0\t2\t3\t4\t5\t6\nB\t7\t8\t9\t10\t11\t12\nC\t13\t14\t15\t16\t17\t1.8e1\n",
    ],
)
def test_spellings_of_a_text_block(text: str) -> None:
    block = block_of_text(text, "x.txt")
    assert block.rows == ["A", "B", "C"]
    assert block.columns == [1, 2, 3, 4, 5, 6]
    assert [value for row in block.values for value in row] == list(range(1, 19))


def test_missing_values_stay_in_their_wells() -> None:
    block = block_of_text("\t1\t2\t3\t4\t5\t6\nA\tNA\t2\t\t4\t5\t\nB\t1\tNaN\t3\t4\t5\t6\nC\t1\t2\t3\t4\t5\t6\n", "x")
    assert block.values[0] == [None, 2, None, 4, 5, None]
    assert block.values[1] == [1, None, 3, 4, 5, 6]


def test_rows_without_letters_that_are_all_missing_are_rows() -> None:
    block = block_of_text("1 2 3 4 5 6\nNA NA NA NA NA NA\n1 2 3 4 5 6\n1 NaN 3 4 5 6\n", "x")
    assert block.rows == ["A", "B", "C"]
    assert block.values[0] == [None] * 6
    assert block.values[2] == [1, None, 3, 4, 5, 6]


def test_a_comma_that_must_be_decimal_tells_how_to_read_the_others() -> None:
    block = block_of_text("1;2;3;4;5;6\n0,123;1,234;3;4;5;6\n1;2;3;4;5;6\n1;2;3;4;5;6\n", "x")
    assert block.values[0][:2] == [0.123, 1.234]


def test_part_of_a_plate_keeps_its_column_numbers() -> None:
    block = block_of_text("\t3\t4\t5\t6\t7\t8\nB\t1\t2\t3\t4\t5\t6\nC\t1\t2\t3\t4\t5\t6\nD\t1\t2\t3\t4\t5\t6\n", "x")
    assert (block.rows, block.columns) == (["B", "C", "D"], [3, 4, 5, 6, 7, 8])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing here\n", "there is no plate in it"),
        ("\t1\t2\t3\t4\t5\t6\nA\t1\t2\t3\t4\t5\t6\n", "there is no plate in it"),
        (
            "\t1\t2\t3\t4\t5\t6\nA\t1\t2\t3\t4\t5\t6\nB\t1\tOVER\t3\t4\t5\t6\nC\t1\t2\t3\t4\t5\t6\n",
            "well B02 (line 3) is",
        ),
        (
            "\t1\t2\t3\t4\t5\t6\nA\t1\t2\t3\t4\t5\t6\nB\t1\t2\t3\t4\t5\nC\t1\t2\t3\t4\t5\t6\n",
            "row B (line 3) has 5 values",
        ),
        (
            "\t1\t2\t3\t4\t5\t6\nA\t1\t2\t3\t4\t5\t6\nA\t1\t2\t3\t4\t5\t6\nC\t1\t2\t3\t4\t5\t6\n",
            "row A stands in the plate",
        ),
        (
            "\t1\t2\t3\t4\t5\t6\nA\t1\t2\t3\t4\t5\t1,234\nB\t1\t2\t3\t4\t5\t6\nC\t1\t2\t3\t4\t5\t6\n",
            "'1,234', which may be 1234 or 1.234; write it without comma",
        ),
        ("1 2 3 4 5 6\n1 2 3 4 5 6\n1 OVER 3 4 5 6\n1 2 3 4 5 6\n", "well B02 (line 3) is 'OVER'"),
    ],
)
def test_a_faulty_text_is_told_with_its_place(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        block_of_text(text, "S_1.txt")
    assert str(caught.value).startswith("S_1.txt")
    assert words in str(caught.value)


def test_the_file_name_tells_sample_and_plate(tmp_path: Path) -> None:
    text = as_text(numbers(96))
    for name in ("BT-40_V1_DS1_P2.txt", "plain.txt", ".hidden_1.txt", "notes.md"):
        (tmp_path / name).write_text(text)
    frame = read_matrices(tmp_path)
    assert frame.groupby("file", sort=False)[["sample", "plate"]].first().to_dict("index") == {
        "BT-40_V1_DS1_P2.txt": {"sample": "BT-40_V1_DS1", "plate": "P2"},
        "plain.txt": {"sample": "plain", "plate": ""},
    }
    one = read_matrices(tmp_path / "BT-40_V1_DS1_P2.txt")
    assert len(one) == 96


def test_two_files_of_one_plate_and_faults_of_several_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "S_1.txt").write_text(as_text(numbers(96)))
    (tmp_path / "S_P01.csv").write_text(as_text(numbers(96), ","))
    (tmp_path / "S_2.txt").write_text("no plate\n")
    (tmp_path / "S_3.xlsx").write_bytes(b"no workbook")
    with pytest.raises(InputError) as caught:
        read_matrices(tmp_path)
    message = str(caught.value)
    assert "S_1.txt and S_P01.csv are both plate 'P01' of 'S'" in message
    assert "S_2.txt: there is no plate in it" in message
    assert "S_3.xlsx: cannot be opened" in message


def test_sources_without_files(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="there is no such file or folder"):
        read_matrices(tmp_path / "none")
    with pytest.raises(InputError, match="there is no plate-reader file in it; name the files <sample>_<plate>"):
        read_matrices(tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"x")
    with pytest.raises(InputError, match="readouts are one of"):
        read_matrices(tmp_path / "a.pdf")


# --- archives ------------------------------------------------------------------------------------


def write_zip(path: Path, entries: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return path


def test_a_zip_is_read_without_unpacking(tmp_path: Path) -> None:
    text = as_text(numbers(96))
    path = write_zip(
        tmp_path / "z.zip",
        {
            "run/S_2.txt": text,
            "run/S_1.txt": text,
            "__MACOSX/run/._S_1.txt": "x",
            "run/.S_3.txt": "x",
            "readme.md": "x",
        },
    )
    frame = read_matrices(path)
    assert list(frame["file"].unique()) == ["run/S_1.txt", "run/S_2.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["z.zip"]


@pytest.mark.parametrize("name", ["../S_1.txt", "/etc/S_1.txt", "a/../../S_1.txt", "..\\S_1.txt", "C:\\S_1.txt"])
def test_entries_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="points outside the archive"):
        read_matrices(write_zip(tmp_path / "z.zip", {name: as_text(numbers(96))}))


def test_limits_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "z.zip", {"S_1.txt": as_text(numbers(96)), "S_2.txt": as_text(numbers(96))})
    monkeypatch.setattr(module, "MOST_FILES", 1)
    with pytest.raises(InputError, match="holds 2 files"):
        read_matrices(path)
    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_FILE_BYTES", 100)
    with pytest.raises(InputError, match=r"S_1\.txt unpacks to more"):
        read_matrices(path)
    (tmp_path / "S_1.txt").write_text(as_text(numbers(96)))
    with pytest.raises(InputError, match="too large for a plate-reader file"):
        read_matrices(tmp_path / "S_1.txt")
    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_TOTAL_BYTES", len(as_text(numbers(96))) + 1)
    with pytest.raises(InputError, match=r"S_2\.txt unpacks to more"):
        read_matrices(path)


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "z.zip", {"S_1.txt": as_text(numbers(384))})
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="cannot be opened as a zip"):
        read_matrices(path)
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match="cannot be opened as a zip"):
        read_matrices(path)


# --- matching ------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [["1", "2"], ["P1", "P2"], ["P01", "Platte 2"], ["N1", "N2"]])
def test_plates_are_matched_whatever_their_spelling(tmp_path: Path, labels: list[str]) -> None:
    layout = write_layout(tmp_path / "layout.csv", ["1", "2"], 96)
    (tmp_path / "ctg").mkdir()
    for label in labels:
        (tmp_path / "ctg" / f"S_{label}.txt").write_text(as_text(numbers(96)))
    matched = match_to_layout(read_matrices(tmp_path / "ctg"), layout)
    assert list(matched["plate"].unique()) == ["1", "2"]
    assert len(matched) == 192


def test_a_screen_takes_no_files_of_a_second_sample(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout.csv", ["1", "2"], 96)
    (tmp_path / "ctg").mkdir()
    for name in ("S_1.txt", "S_2.txt"):
        (tmp_path / "ctg" / name).write_text(as_text(numbers(96)))
    assert len(readings_of_screen(tmp_path / "ctg", layout).frame) == 192
    (tmp_path / "ctg" / "T_1.txt").write_text(as_text(numbers(96)))
    with pytest.raises(InputError, match=r"2 samples, 'S' \(S_1.txt\) and 'T' \(T_1.txt\)"):
        readings_of_screen(tmp_path / "ctg", layout)


def test_missing_and_foreign_plates_are_told_together(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout.csv", ["1", "2", "3"], 96)
    (tmp_path / "ctg").mkdir()
    for name in ("S_1.txt", "S_7.txt"):
        (tmp_path / "ctg" / name).write_text(as_text(numbers(96)))
    with pytest.raises(InputError) as caught:
        match_to_layout(read_matrices(tmp_path / "ctg"), layout)
    message = str(caught.value)
    assert "plate 2 has no plate-reader file of sample 'S'; expected S_2.xlsx" in message
    assert "plate 3 has no plate-reader file of sample 'S'; expected S_3.xlsx" in message
    assert "file S_7.txt is plate '7', which the layout does not have (it has 1, 2, 3)" in message


def test_one_file_fits_a_layout_of_one_plate_whatever_its_name(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout.csv", ["1"], 96)
    for name in ("S_ST05.txt", "plain.txt"):
        (tmp_path / name).write_text(as_text(numbers(96)))
        assert set(match_to_layout(read_matrices(tmp_path / name), layout)["plate"]) == {"1"}


def test_a_single_file_of_another_plate_is_read_and_told(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout.csv", ["P1"], 96)
    for name, told in (("S_P2.txt", True), ("S_P1.txt", False), ("S_N1.txt", False), ("S_72.txt", False)):
        (tmp_path / name).write_text(as_text(numbers(96)))
        notes = match_readings(read_readings(tmp_path / name), layout).notes
        assert bool(notes) == told
        assert not told or "S_P2.txt is read for plate 'P1'" in notes[0]


def test_two_files_with_the_same_numbers_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "ctg"
    folder.mkdir()
    for name, values in (("S_P1", numbers(96)), ("S_P2", numbers(96)), ("S_P3", numbers(96) + 1)):
        (folder / f"{name}.txt").write_text(as_text(values))
    (note,) = read_readings(folder).notes
    assert note.startswith("S_P1.txt and S_P2.txt hold the same numbers in all wells")
    for name in ("S_P1", "S_P2"):
        (folder / f"{name}.txt").write_text(as_text(np.zeros((8, 12))))
    assert read_readings(folder).notes == []


@pytest.mark.parametrize("label", ["BT-40_Plate1", "BT-40_P1", "sample_plate 01", "sample_p1"])
def test_a_plate_may_bear_the_name_of_the_sample(tmp_path: Path, label: str) -> None:
    lines = ["Plate,Row,Column,Sample,WellType,Treatment,Concentration", f"{label},A,1,BT-40,neg,DMSO,"]
    (tmp_path / "layout.csv").write_text("\n".join([*lines, f"{label},A,2,BT-40,pos,BzCl,"]))
    assert [plate_key(plate) for plate in read_layout(tmp_path / "layout.csv").plates] == ["1"]


@pytest.mark.parametrize(("file_wells", "layout_wells"), [(96, 384), (384, 96), (384, 1536), (1536, 384)])
def test_plates_of_different_size_are_refused(tmp_path: Path, file_wells: int, layout_wells: int) -> None:
    layout = write_layout(tmp_path / "layout.csv", ["1"], layout_wells)
    (tmp_path / "S_1.txt").write_text(as_text(numbers(file_wells)))
    with pytest.raises(InputError, match="the plates differ in size"):
        match_to_layout(read_matrices(tmp_path / "S_1.txt"), layout)


def test_a_plate_filled_by_half_takes_no_file_of_a_larger_plate(tmp_path: Path) -> None:
    """96 wells read by position on a 384-well plate would be other wells: told, not guessed."""
    rows = ["Plate,Row,Column,WellType,Treatment,Concentration"]
    rows += [f"1,{row},{column},{'neg' if row == 'A' else 'pos'},X,1" for row in "ABCDEF" for column in range(1, 10)]
    (tmp_path / "layout.csv").write_text("\n".join(rows))
    (tmp_path / "S_1.txt").write_text(as_text(numbers(384)))
    with pytest.raises(InputError, match="the plates differ in size"):
        match_to_layout(read_matrices(tmp_path / "S_1.txt"), read_layout(tmp_path / "layout.csv"))
    (tmp_path / "layout.csv").write_text("\n".join([*rows[:10], *rows[-3:]]))
    assert len(match_to_layout(read_matrices(tmp_path / "S_1.txt"), read_layout(tmp_path / "layout.csv"))) == 384


def test_a_reader_may_skip_a_rim_of_empty_wells(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout.csv", ["1"], 96)
    text = (tmp_path / "layout.csv").read_text().splitlines()
    kept = [",".join([*line.split(",")[:3], "empty,,"]) if line.startswith("1,H") else line for line in text]
    (tmp_path / "layout.csv").write_text("\n".join(kept))
    (tmp_path / "S_1.txt").write_text(as_text(numbers(96)[:7]))
    assert len(match_to_layout(read_matrices(tmp_path / "S_1.txt"), read_layout(tmp_path / "layout.csv"))) == 84
    with pytest.raises(InputError, match="goes to well G12 but plate 1 of the layout to H12"):
        match_to_layout(read_matrices(tmp_path / "S_1.txt"), layout)


def test_two_names_of_one_plate_and_a_name_without_plate(tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout.csv", ["1", "2"], 96)
    (tmp_path / "ctg").mkdir()
    for name in ("S_1.txt", "S_N1.txt", "S_2.txt", "plain.txt"):
        (tmp_path / "ctg" / name).write_text(as_text(numbers(96)))
    with pytest.raises(InputError) as caught:
        match_to_layout(read_matrices(tmp_path / "ctg"), layout)
    message = str(caught.value)
    assert "files S_1.txt and S_N1.txt are both plate 1 of sample 'S'; keep one" in message
    assert "file plain.txt does not say which plate it is (the layout has 1, 2)" in message


def test_a_layout_of_the_inner_wells_takes_the_file_of_the_whole_plate(tmp_path: Path) -> None:
    lines = ["Plate,Row,Column,WellType,Treatment,Concentration", "1,B,2,neg,DMSO,0", "1,O,23,pos,STS,250"]
    (tmp_path / "layout.csv").write_text("\n".join(lines))
    (tmp_path / "S_1.txt").write_text(as_text(numbers(384)))
    layout = read_layout(tmp_path / "layout.csv")
    assert len(match_to_layout(read_matrices(tmp_path / "S_1.txt"), layout)) == 384


@given(
    st.sampled_from([96, 384, 1536]),
    st.sampled_from(["\t", ",", ";", " "]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_any_numbers_come_back_from_any_text(wells: int, separator: str, labels: bool, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 1000, PLATE_FORMATS[wells]).round(3)
    values[0, 0] = values[1, -1] = np.nan
    block = block_of_text(as_text(values, separator, labels), "x.txt")
    read = np.array([[np.nan if cell is None else cell for cell in row] for row in block.values])
    np.testing.assert_allclose(read, values, rtol=1e-5)
