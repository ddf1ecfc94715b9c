"""Reading layouts: spellings, cleaning, units, and faults told all at once."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.errors import InputError, MissingInputError
from phenodose.names import PLATE_FORMATS, parse_well, row_label, well_name
from phenodose.screens.layout import LAYOUT_COLUMNS, Layout, read_layout

HEADER = ["Plate", "Row", "Column", "Sample", "WellType", "Treatment", "Concentration", "Replicate", "AddOn", "Readout"]
NEG = ["1", "A", 1, "", "neg", "DMSO", 0, 1, "", ""]
POS = ["1", "A", 2, "", "pos", "BzCl", 100000, 1, "", ""]
DRUG = ["1", "B", 7, "", "therapy", "Olaparib", 100, 1, "", ""]


def write_csv(path: Path, rows: list[list[Any]], header: list[str] = HEADER, delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, delimiter=delimiter).writerows([header, *rows])
    return path


def write_xlsx(path: Path, rows: list[list[Any]], header: list[str] = HEADER) -> Path:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = "Data"
    for row in [header, *rows]:
        sheet.append([None if value == "" else value for value in row])
    workbook.create_sheet("Instructions").append(["Column", "Details"])
    workbook.save(path)
    return path


def read(tmp_path: Path, rows: list[list[Any]], header: list[str] = HEADER) -> Layout:
    return read_layout(write_csv(tmp_path / "layout.csv", rows, header))


def faults_of(tmp_path: Path, rows: list[list[Any]], header: list[str] = HEADER) -> str:
    with pytest.raises(InputError) as caught:
        read(tmp_path, rows, header)
    return str(caught.value)


def changed(row: list[Any], **values: Any) -> list[Any]:
    new = list(row)
    for name, value in values.items():
        new[HEADER.index(name)] = value
    return new


def test_a_workbook_and_text_tables_give_the_same_layout(tmp_path: Path) -> None:
    rows = [NEG, POS, DRUG]
    layouts = [
        read_layout(write_xlsx(tmp_path / "a.xlsx", rows)),
        read_layout(write_csv(tmp_path / "b.csv", rows)),
        read_layout(write_csv(tmp_path / "c.tsv", rows, delimiter="\t")),
        read_layout(write_csv(tmp_path / "d.txt", rows, delimiter=";")),
    ]
    first = layouts[0].frame
    assert list(first.columns) == list(LAYOUT_COLUMNS)
    assert list(first["well"]) == ["A01", "A02", "B07"]
    assert list(first["concentration_nM"]) == [0.0, 100000.0, 100.0]
    for layout in layouts[1:]:
        assert layout.frame.to_csv() == first.to_csv()
        assert list(layout.frame.dtypes.astype(str)) == list(first.dtypes.astype(str))


def test_older_column_names_are_read(tmp_path: Path) -> None:
    header = ["fileName", "rowID", "colID", "sampleID", "wellType", "name", "concentration", "batch", "add_on", "value"]
    frame = read(tmp_path, [changed(NEG, Sample="S", Readout=5), POS, DRUG], header).frame
    assert list(frame["treatment"]) == ["DMSO", "BzCl", "Olaparib"]
    assert frame["readout"].iloc[0] == 5
    assert set(frame["sample"]) == {"S"}


def test_a_well_column_stands_for_row_and_column(tmp_path: Path) -> None:
    header = ["Plate", "Well", "WellType", "Treatment", "Concentration"]
    rows = [["P1", "a1", "neg", "DMSO", 0], ["P1", "AF48", "pos", "BzCl", 1], ["P1", "b07", "therapy", "X", 1]]
    assert list(read(tmp_path, rows, header).frame["well"]) == ["A01", "B07", "AF48"]


@pytest.mark.parametrize(
    ("name", "nanomolar"),
    [
        ("Concentration", 0.3),
        ("concentration_nM", 0.3),
        ("Concentration (nM)", 0.3),
        ("Concentration_uM", 300.0),
        ("Concentration [µM]", 300.0),
        ("Concentration_mM", 300000.0),
        ("Concentration_M", 3e8),
        ("conc_pM", 0.0003),
        ("Dose (nmol/L)", 0.3),
        ("dose in µM", 300.0),
    ],
)
def test_the_columns_name_tells_the_unit(tmp_path: Path, name: str, nanomolar: float) -> None:
    header = [name if column == "Concentration" else column for column in HEADER]
    frame = read(tmp_path, [NEG, POS, changed(DRUG, Concentration="0.3")], header).frame
    assert frame["concentration_nM"].iloc[2] == nanomolar


@pytest.mark.parametrize("name", ["Concentration (ug/ml)", "dose [%]", "Conc_mg_per_L", "Concentration uM or nM"])
def test_a_unit_that_is_not_molar_is_refused(tmp_path: Path, name: str) -> None:
    header = [name if column == "Concentration" else column for column in HEADER]
    message = faults_of(tmp_path, [NEG, POS, DRUG], header)
    assert f"column {name!r} is in a unit that cannot be turned into nM" in message
    assert "Concentration_pM, _nM, _uM, _mM or _M" in message


def test_a_title_may_stand_above_the_header_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    text = "Layout of the screen, plates 1 and 2\n\n"
    path = write_csv(tmp_path / "layout.csv", [NEG, POS, changed(DRUG, Column=99)])
    path.write_text(text + path.read_text())
    with pytest.raises(InputError, match=r"row 6: Column is '99'"):
        read_layout(path)


def test_a_line_that_names_the_separator_is_passed_over(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "layout.csv", [NEG, POS, DRUG], delimiter=";")
    path.write_text("sep=;\n" + path.read_text())
    assert len(read_layout(path).frame) == 3


def test_the_one_sheet_that_is_a_layout_is_read_wherever_it_stands(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["Read me first"])
    sheet = book.create_sheet("Layout")
    for row in [HEADER, NEG, POS, DRUG]:
        sheet.append(row)
    book.save(tmp_path / "two.xlsx")
    assert read_layout(tmp_path / "two.xlsx").drugs == ["Olaparib"]
    assert not read_layout(tmp_path / "two.xlsx").notes


@pytest.mark.parametrize("cut", [1, 8, 12, 20])
def test_a_file_that_is_cut_off_in_its_last_line_is_refused(tmp_path: Path, cut: int) -> None:
    path = write_csv(tmp_path / "layout.csv", [NEG, POS, DRUG])
    whole = path.read_text(encoding="utf-8").rstrip("\r\n")
    path.write_text(whole, encoding="utf-8")
    assert len(read_layout(path).frame) == 3, "a last line without an end, but whole"
    path.write_text(whole[:-cut], encoding="utf-8")
    with pytest.raises(InputError, match="of 10 cells: the file is cut off; copy it again"):
        read_layout(path)


@pytest.mark.parametrize(("column", "text"), [("Column", "²"), ("Column", "9" * 5000), ("Replicate", "9" * 5000)])
def test_odd_digits_are_no_numbers(tmp_path: Path, column: str, text: str) -> None:
    assert f"{column} is {text!r}" in faults_of(tmp_path, [NEG, POS, changed(DRUG, **{column: text})])


def test_a_number_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    assert "Concentration is '1e999'" in faults_of(tmp_path, [NEG, POS, changed(DRUG, Concentration="1e999")])


def test_doses_that_differ_by_arithmetic_alone_are_one_dose(tmp_path: Path) -> None:
    rows = [NEG, POS, changed(DRUG, Concentration="0.3", Replicate=""), changed(DRUG, Column=8, Replicate="")]
    rows[-1] = changed(rows[-1], Concentration=repr(0.1 * 3))
    frame = read(tmp_path, rows).frame.iloc[2:]
    assert frame["concentration_nM"].tolist() == [0.3, 0.3]
    assert frame["replicate"].tolist() == [1, 2]


WITH_UNIT = [*HEADER, "Unit"]


def test_a_column_tells_the_unit_of_each_dose(tmp_path: Path) -> None:
    rows = [
        [*changed(NEG, Concentration="0.5"), "%"],
        [*POS, "nM"],
        [*DRUG, "µM"],
        [*changed(DRUG, Column=8, Concentration="0,5"), "mM"],
        [*changed(DRUG, Column=9), "nM"],
    ]
    frame = read(tmp_path, rows, WITH_UNIT).frame.set_index("well")
    assert frame.loc[["B07", "B08", "B09"], "concentration_nM"].tolist() == [1e5, 5e5, 100.0]
    assert frame.loc["A02", "concentration_nM"] == 1e5
    empty = read(tmp_path, [[*row, ""] for row in (NEG, POS, DRUG)], WITH_UNIT).frame.set_index("well")
    assert empty.loc["B07", "concentration_nM"] == 100


def test_a_unit_that_says_too_little_or_too_much_is_refused(tmp_path: Path) -> None:
    drugs = [[*changed(DRUG, Column=column), unit] for column, unit in ((7, "uM"), (8, ""), (9, "ug/ml"))]
    message = faults_of(tmp_path, [[*NEG, ""], [*POS, "uM"], *drugs], WITH_UNIT)
    assert "row 5 (plate 1, well B08): Unit is empty but given in other rows" in message
    assert "row 6 (plate 1, well B09): Unit 'ug/ml' cannot be turned into nM" in message
    header = ["Concentration_nM" if name == "Concentration" else name for name in WITH_UNIT]
    assert "'uM' contradicts the name" in faults_of(tmp_path, [[*NEG, ""], [*POS, "nM"], drugs[0]], header)


def test_names_that_look_alike_are_one_drug_and_other_case_is_refused(tmp_path: Path) -> None:
    spellings = ("Wirkstoff ä", "Wirkstoff a\N{COMBINING DIAERESIS}", " Wirkstoff \N{NO-BREAK SPACE} ä ")
    rows = [changed(DRUG, Column=column, Treatment=name) for column, name in enumerate(spellings, 3)]
    assert read(tmp_path, [NEG, POS, *rows]).drugs == ["Wirkstoff ä"]
    message = faults_of(tmp_path, [NEG, POS, DRUG, changed(DRUG, Column=8, Treatment="OLAPARIB")])
    assert "'Olaparib' (row 4) and 'OLAPARIB' (row 5) differ in upper and lower case alone" in message


def test_two_concentration_columns_are_refused(tmp_path: Path) -> None:
    rows = [[*NEG, 0], [*POS, 1], [*DRUG, 1]]
    message = faults_of(tmp_path, rows, [*HEADER, "Concentration_uM"])
    assert "'Concentration' and 'Concentration_uM' both give the concentration" in message


def test_the_recommended_name_counts_before_an_older_one(tmp_path: Path) -> None:
    for header in (["name", *HEADER], [*HEADER, "name"]):
        first = header[0] == "name"
        rows = [["operator", *row] if first else [*row, "operator"] for row in (NEG, POS, DRUG)]
        assert list(read(tmp_path, rows, header).frame["treatment"]) == ["DMSO", "BzCl", "Olaparib"]


@pytest.mark.parametrize("spelling", ["t0", "T0", "Time zero", "time_zero", "Time-0", "T-zero", "day 0"])
def test_time_zero_wells_have_many_spellings(tmp_path: Path, spelling: str) -> None:
    start = changed(DRUG, Column=9, WellType=spelling, Treatment="", Concentration="", Replicate="")
    frame = read(tmp_path, [NEG, POS, DRUG, start]).frame
    assert frame.loc[frame["column"] == 9, "well_type"].tolist() == ["t0"]


def test_well_types_and_treatments_are_cleaned(tmp_path: Path) -> None:
    rows = [
        NEG,
        POS,
        changed(DRUG, Column=1, WellType="sample", Treatment="Olaparib_drug"),
        changed(DRUG, Column=2, WellType="treatment"),
        changed(DRUG, Column=3, WellType="TRcontrol", Treatment="STS_control"),
        changed(DRUG, Column=4, WellType="Untreated", Treatment="medium", Concentration=3),
        changed(DRUG, Column=5, WellType="STS", Treatment="Staurosporine", Concentration=250),
        changed(DRUG, Column=6, WellType="", Treatment="", Concentration=""),
        changed(DRUG, Column=7, WellType="Neg", Treatment="DMSO", Concentration="NA"),
    ]
    frame = read(tmp_path, rows).frame.iloc[2:]
    assert list(frame["well_type"]) == ["therapy", "therapy", "trc", "untreated", "STS", "empty", "neg"]
    assert list(frame["treatment"].fillna("-")) == ["Olaparib", "Olaparib", "STS", "-", "Staurosporine", "-", "DMSO"]
    assert frame["concentration_nM"].isna().tolist() == [False, False, False, True, False, True, True]


@pytest.mark.parametrize(
    ("label", "sample", "plate"),
    [
        ("sample_p1", "S", "1"),
        ("BT-40_p2A", "BT-40", "2A"),
        ("BT-40_P3", "BT-40", "3"),
        ("1.0", "", "1"),
        ("P1", "", "P1"),
    ],
)
def test_plate_names_are_cleaned(tmp_path: Path, label: str, sample: str, plate: str) -> None:
    rows = [changed(row, Plate=label, Sample=sample) for row in (NEG, POS, DRUG)]
    assert read(tmp_path, rows).plates == [plate]


def test_plates_rows_and_columns_are_sorted_as_on_the_bench(tmp_path: Path) -> None:
    wells = ["A01", "B10", "B02", "Z01", "AA01", "AF48"]
    rows = [
        changed(NEG if well == "A01" else POS, Plate=plate, Row=parse_well(well)[0], Column=parse_well(well)[1])
        for plate in ("10", "2", "1B", "P1")
        for well in wells
    ]
    layout = read(tmp_path, rows)
    assert layout.plates == ["P1", "2", "10", "1B"]
    assert list(layout.frame["well"][:6]) == ["A01", "B02", "B10", "Z01", "AA01", "AF48"]


def test_two_spellings_of_a_plate_are_one_plate(tmp_path: Path) -> None:
    assert read(tmp_path, [NEG, POS, changed(DRUG, Plate="P1")]).plates == ["1"]
    message = faults_of(tmp_path, [NEG, POS, DRUG, changed(DRUG, Plate="P01")])
    assert "plate 1, well B07 stands in rows 4 and 5" in message


def test_one_sample_is_filled_in_everywhere_and_several_must_be_complete(tmp_path: Path) -> None:
    assert set(read(tmp_path, [NEG, POS, changed(DRUG, Sample="S")]).frame["sample"]) == {"S"}
    message = faults_of(tmp_path, [changed(NEG, Sample="S"), changed(POS, Sample="T"), DRUG])
    assert "Sample is empty in row 4" in message


def test_replicates_are_numbered_if_the_file_does_not_number_them(tmp_path: Path) -> None:
    header = ["Plate", "Row", "Column", "WellType", "Treatment", "Concentration"]
    rows = [
        ["1", "A", 1, "neg", "DMSO", 0],
        ["1", "A", 2, "pos", "STS", 250],
        ["2", "B", 2, "therapy", "X", 10],
        ["1", "C", 3, "therapy", "X", 10],
        ["1", "C", 4, "therapy", "X", 100],
    ]
    frame = read(tmp_path, rows, header).frame
    assert frame["replicate"].dtype.name == "Int64"
    assert frame["replicate"].fillna(0).tolist() == [0, 0, 1, 1, 2]


def test_some_replicates_without_number_are_refused(tmp_path: Path) -> None:
    rows = [NEG, POS, DRUG, changed(DRUG, Column=8, Replicate="")]
    assert "Replicate is empty for therapy wells in row 5" in faults_of(tmp_path, rows)


def test_missing_columns_are_all_named_with_the_accepted_spellings(tmp_path: Path) -> None:
    message = faults_of(tmp_path, [["1", "A", "DMSO"]], ["Plate", "Row", "Drug"])
    assert "layout.csv" in message
    for column in ("Column", "WellType", "Treatment", "Concentration"):
        assert f"column {column} is missing (accepted: {column}" in message
    assert "'Plate', 'Row', 'Drug'" in message


def test_all_faults_of_the_wells_come_in_one_message(tmp_path: Path) -> None:
    rows = [
        NEG,
        POS,
        changed(DRUG, Row="ZZ"),
        changed(DRUG, Column="x"),
        changed(DRUG, Column=49),
        changed(DRUG, Column=1, Treatment=""),
        changed(DRUG, Column=2, Concentration=""),
        changed(DRUG, Column=3, Concentration=0),
        changed(DRUG, Column=4, Concentration=-5),
        changed(DRUG, Column=5, Concentration="10 nM"),
        changed(DRUG, Column=6, Readout="OVER"),
        changed(DRUG, Column=8, Replicate="b"),
        changed(NEG, Column=9, Concentration=-1),
        changed(DRUG, Column=10, Plate=""),
        changed(DRUG, Column=11, WellType=""),
    ]
    message = faults_of(tmp_path, rows)
    for part in (
        "row 4: row 'ZZ'",
        "row 5: Column is 'x'; write a whole number from 1 to 48",
        "row 6: Column is '49'",
        "row 7 (plate 1, well B01): a therapy well without Treatment",
        "row 8 (plate 1, well B02): a therapy well without Concentration",
        "row 9 (plate 1, well B03): Concentration is 0; a therapy well needs one above 0",
        "row 10 (plate 1, well B04): Concentration is -5",
        "row 11 (plate 1, well B05): Concentration is '10 nM'",
        "row 12 (plate 1, well B06): Readout is 'OVER'",
        "row 13 (plate 1, well B08): Replicate is 'b'",
        "row 14 (plate 1, well A09): Concentration is -1",
        "row 15: Plate is empty",
        "row 16 (plate 1, well B11): WellType is empty but the well holds 'Olaparib'",
    ):
        assert part in message
    assert message.count("\n  - ") == 13  # the unreadable "10 nM" is told once


@pytest.mark.parametrize("text", ["1,234", "12,000"])
def test_a_number_that_may_be_thousands_or_decimals_is_refused(tmp_path: Path, text: str) -> None:
    assert f"Concentration is {text!r}" in faults_of(tmp_path, [NEG, POS, changed(DRUG, Concentration=text)])


def test_a_decimal_comma_is_read(tmp_path: Path) -> None:
    frame = read(tmp_path, [NEG, POS, changed(DRUG, Concentration="0,05")]).frame
    assert frame["concentration_nM"].iloc[2] == 0.05


def test_a_layout_without_controls_says_what_to_do(tmp_path: Path) -> None:
    message = faults_of(tmp_path, [NEG, DRUG])
    assert message.endswith(
        "layout.csv: there are no positive controls; set WellType to pos for the wells with the killing control, "
        "or say what stands for viability 0 (--lower-anchor 0, blank or a treatment; lower_anchor below "
        "[controls.<readout>] in screen.toml; found: neg, therapy)."
    )
    assert "\n" not in message
    assert "there are no negative controls; set WellType to neg" in faults_of(tmp_path, [POS, DRUG])


def test_a_free_well_type_may_be_the_positive_control(tmp_path: Path) -> None:
    assert len(read(tmp_path, [NEG, changed(POS, WellType="STS"), DRUG]).frame) == 3


def test_files_that_are_no_layout(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="there is no such layout file"):
        read_layout(tmp_path / "none.xlsx")
    for name, content, words in (
        ("a.pdf", b"x", "a layout is one of"),
        ("b.xlsx", b"not a workbook", "cannot be opened as a workbook"),
        ("c.csv", b"\x00\x01\x02", "is not a text file"),
        ("d.csv", b"\n\n", "is empty"),
        ("e.csv", ",".join(HEADER).encode(), "a header but no well"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_layout(tmp_path / name)


def test_text_encodings(tmp_path: Path) -> None:
    rows = "\n".join(
        ",".join(str(cell) for cell in row) for row in [HEADER, NEG, changed(POS, Treatment="Säure"), DRUG]
    )
    for name, encoding in (("a.csv", "utf-8"), ("b.csv", "utf-8-sig"), ("c.csv", "cp1252"), ("d.csv", "utf-16")):
        (tmp_path / name).write_bytes(rows.encode(encoding))
        assert read_layout(tmp_path / name).frame["treatment"].iloc[1] == "Säure"


@given(
    wells=st.integers(0, 3).flatmap(
        lambda i: st.lists(
            st.tuples(
                st.integers(0, list(PLATE_FORMATS.values())[3 + i][0] - 1),
                st.integers(1, list(PLATE_FORMATS.values())[3 + i][1]),
            ),
            min_size=2,
            max_size=30,
            unique=True,
        )
    )
)
def test_every_well_is_found_again_in_order(
    tmp_path_factory: pytest.TempPathFactory, wells: list[tuple[int, int]]
) -> None:
    rows = [
        changed(NEG if number == 0 else POS, Row=row_label(row), Column=f"{column:02d}")
        for number, (row, column) in enumerate(wells)
    ]
    frame = read(tmp_path_factory.mktemp("layout"), rows).frame
    assert list(frame["well"]) == [well_name(row_label(row), column) for row, column in sorted(wells)]
    first = wells[0]
    assert list(frame.loc[frame["well_type"] == "neg", "well"]) == [well_name(row_label(first[0]), first[1])]
