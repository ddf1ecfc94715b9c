"""The demo screens in every accepted form: mixed files, missing values, flat readings, older names, other sizes.

All are made from the published BT-40 screens, rewritten into a temporary folder.
"""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.names import row_index, row_label
from phenodose.screens.layout import Layout, read_layout
from phenodose.screens.matrices import match_to_layout, read_matrices

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "dose_response"
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data are not beside the repository")

DEMO = "iTReX-Demo_MRA_"
METABOLIC = REFERENCE / f"{DEMO}Layout.xlsx"
WITH_READOUTS = REFERENCE / f"{DEMO}LayoutAndReadouts_BT-40_ST04.xlsx"
TWO_SCREENS = REFERENCE / f"{DEMO}2ReadoutsXlsx.zip"
MISSING_VALUES = REFERENCE / f"{DEMO}1ReadoutTxt_NA.zip"

OLDER_NAMES = {
    "Plate": "fileName",
    "Row": "rowID",
    "Column": "colID",
    "Sample": "sampleID",
    "WellType": "wellType",
    "Treatment": "name",
    "Concentration": "concentration",
    "Replicate": "batch",
    "AddOn": "add_on",
    "Readout": "value",
}


def score(tmp_path: Path, *arguments: str) -> int:
    """Run `phenodose score` without intervals; the exit code. Scores go to scores.csv."""
    with pytest.raises(SystemExit) as done:
        main(["score", f"--out={tmp_path / 'scores.csv'}", "--bootstrap=0", *arguments])
    return int(done.value.code or 0)


@pytest.fixture(scope="module")
def layout_rows() -> pd.DataFrame:
    """The layout with readouts as its cells stand in the workbook."""
    return pd.read_excel(WITH_READOUTS, engine="calamine", dtype={"Plate": str}, keep_default_na=False)


@pytest.fixture(scope="module")
def expected() -> pd.DataFrame:
    """Readings of the first demo screen as published: a zip of workbooks. Scores follow from readings and layout."""
    matrices = read_matrices(TWO_SCREENS)
    return matrices[matrices["sample"] == "BT-40_V1_DS1"]


@pytest.fixture(scope="module")
def plates(expected: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """These numbers: rows by columns, by plate."""
    return {
        str(plate): rows.pivot_table(index="row", columns="column", values="value")
        for plate, rows in expected.groupby("plate")
    }


def _sorted(readings: pd.DataFrame) -> pd.DataFrame:
    wells = ["sample", "plate", "row", "column"]
    return readings[[*wells, "value"]].sort_values(wells, ignore_index=True)


# --- forms of the matrices -----------------------------------------------------------------------


def _lines(table: pd.DataFrame, separator: str, corner: str = "", colon: str = "", tail: str = "") -> str:
    lines = [separator.join([corner, *(f"{column:02d}" for column in table.columns)]) + tail]
    lines += [separator.join([f"{row}{colon}", *(f"{v:g}" for v in values)]) + tail for row, values in table.iterrows()]
    return "\n".join(lines) + "\n"


def _without_labels(table: pd.DataFrame) -> str:
    lines = [" ".join(str(column) for column in table.columns)]
    return "\n".join([*lines, *(" ".join(f"{value:g}" for value in values) for values in table.to_numpy())])


def _workbook(path: Path, table: pd.DataFrame) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["", *(f"{column:02d}" for column in table.columns)])
    for row, values in table.iterrows():
        sheet.append([row, *(float(value) for value in values)])
    book.create_sheet("notes").append(["read at 37 C"])
    book.save(path)


TEXTS: dict[str, Callable[[pd.DataFrame], str]] = {
    "tabs": lambda table: _lines(table, "\t"),
    "semicolons with <> and colons": lambda table: _lines(table, ";", "<>", ":", ";"),
    "commas": lambda table: _lines(table, ","),
    "blanks without labels": _without_labels,
    "a report around it": lambda table: f"Reader 5\nGain 100\n\n{_lines(table, chr(9))}\nMean\t900\n",
}


@pytest.mark.parametrize("form", TEXTS)
def test_every_form_of_a_text_holds_the_same_readings(
    tmp_path: Path, plates: dict[str, pd.DataFrame], form: str
) -> None:
    """Scores follow from the readings."""
    path = tmp_path / "BT-40_V1_DS1_1.txt"
    path.write_text(TEXTS[form](plates["1"]))
    found = read_matrices(path)
    assert set(found["sample"]) == {"BT-40_V1_DS1"}
    assert set(found["plate"]) == {"1"}
    table = found.pivot_table(index="row", columns="column", values="value")
    pd.testing.assert_frame_equal(table, plates["1"], rtol=0, atol=1e-9)


def test_a_zip_of_workbooks_and_texts_holds_the_same_readings(
    tmp_path: Path, plates: dict[str, pd.DataFrame], expected: pd.DataFrame, published: Layout
) -> None:
    """The mixed demo: one plate as text, one as workbook, one as csv, in one archive with hidden files."""
    texts = tmp_path / "files"
    texts.mkdir()
    (texts / "BT-40_V1_DS1_1.txt").write_text(TEXTS["a report around it"](plates["1"]))
    _workbook(texts / "BT-40_V1_DS1_2.xlsx", plates["2"])
    (texts / "BT-40_V1_DS1_N3.csv").write_text(_lines(plates["3"], ","))
    (texts / ".BT-40_V1_DS1_3.txt").write_text("hidden")
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w") as archive:
        for file in texts.iterdir():
            archive.write(file, f"export/{file.name}")
        archive.writestr("__MACOSX/export/._BT-40_V1_DS1_1.txt", "hidden")
    found, before = (
        match_to_layout(readings, published) for readings in (read_matrices(tmp_path / "mixed.zip"), expected)
    )
    pd.testing.assert_frame_equal(_sorted(found), _sorted(before), rtol=0, atol=1e-9)


# --- forms of the layout -------------------------------------------------------------------------


def _as_csv(path: Path, table: pd.DataFrame, delimiter: str = ",", first: str = "") -> Path:
    with path.open("w", newline="", encoding="utf-8") as handle:
        handle.write(first)
        csv.writer(handle, delimiter=delimiter).writerows([table.columns, *table.itertuples(index=False)])
    return path


def _older(table: pd.DataFrame) -> pd.DataFrame:
    """The same wells in the older spelling: names, well types, suffixes and prefixes."""
    types = {"therapy": "sample", "TRC": "TRcontrol", "trc": "TRcontrol"}
    treated = table["WellType"].isin(["therapy", "pos", "neg"])
    suffix = table["WellType"].map({"therapy": "_drug"}).fillna("_control")
    return table.assign(
        Plate="sample_p" + table["Plate"],
        WellType=table["WellType"].replace(types),
        Treatment=table["Treatment"].where(~treated, table["Treatment"] + suffix),
        wellID=[f"{row}{int(column):02d}" for row, column in zip(table["Row"], table["Column"], strict=True)],
    ).rename(columns=OLDER_NAMES)


LAYOUTS: dict[str, Callable[[Path, pd.DataFrame], Path]] = {
    "csv": lambda folder, table: _as_csv(folder / "l.csv", table),
    "tsv": lambda folder, table: _as_csv(folder / "l.tsv", table, "\t"),
    "txt with semicolons and a separator line": lambda folder, table: _as_csv(
        folder / "l.txt", table, ";", "sep=;\r\n"
    ),
    "older spelling": lambda folder, table: _as_csv(folder / "l.csv", _older(table)),
    "plates named after the sample": lambda folder, table: _as_csv(
        folder / "l.csv", table.assign(Plate="BT-40_p" + table["Plate"])
    ),
    "shuffled": lambda folder, table: _as_csv(folder / "l.csv", table.sample(frac=1, random_state=3)),
    "micromolar": lambda folder, table: _as_csv(
        folder / "l.csv",
        table.assign(
            Concentration=[value if value == "" else float(value) / 1000 for value in table["Concentration"]]
        ).rename(columns={"Concentration": "Concentration [µM]"}),
    ),
}


@pytest.fixture(scope="module")
def published() -> Layout:
    """The published layout that holds its readings."""
    return read_layout(WITH_READOUTS)


@pytest.mark.parametrize("form", LAYOUTS)
def test_every_form_of_the_layout_is_the_same_layout(
    tmp_path: Path, layout_rows: pd.DataFrame, published: Layout, form: str
) -> None:
    """Wells, doses and readings, from which the scores follow."""
    assert published.frame["readout"].notna().sum() > 1000
    pd.testing.assert_frame_equal(read_layout(LAYOUTS[form](tmp_path, layout_rows)).frame, published.frame, rtol=1e-12)


@pytest.mark.slow  # the test before compares all that a score is made of, also in this form
def test_the_older_spelling_gives_the_same_scores(tmp_path: Path, layout_rows: pd.DataFrame) -> None:
    found = []
    for path in (WITH_READOUTS, LAYOUTS["older spelling"](tmp_path, layout_rows)):
        assert score(tmp_path, f"--layout={path}") == 0
        found.append(pd.read_csv(tmp_path / "scores.csv").set_index(["sample", "drug"])["score"])
    pd.testing.assert_series_equal(*found, rtol=0, atol=1e-9)


def test_rows_beyond_z_are_joined_by_their_letters(
    tmp_path: Path, layout_rows: pd.DataFrame, plates: dict[str, pd.DataFrame], published: Layout
) -> None:
    """The demo screen moved to the lower right of 1536-well plates: row AA comes after Z, not after A.

    Every well of the layout gets the reading that stands in the published layout.
    """
    down, right = 16, 24
    moved = layout_rows.assign(
        Row=[row_label(row_index(row) + down) for row in layout_rows["Row"]],
        Column=layout_rows["Column"].astype(int) + right,
        Sample="",
    )
    layout = _as_csv(tmp_path / "layout.csv", moved.sample(frac=1, random_state=1))
    (tmp_path / "ctg").mkdir()
    for plate, table in plates.items():
        large = pd.DataFrame(
            7.0 * np.arange(32 * 48).reshape(32, 48), index=[row_label(i) for i in range(32)], columns=range(1, 49)
        )
        large.iloc[down:, right:] = table.loc[[row_label(i) for i in range(16)]].to_numpy()
        path = tmp_path / "ctg" / f"BT-40_V1_DS1_{plate}"
        if plate == "1":
            _workbook(path.with_suffix(".xlsx"), large)
        else:
            path.with_suffix(".txt").write_text(_lines(large, "\t"))
    read = read_layout(layout)
    matched = match_to_layout(read_matrices(tmp_path / "ctg"), read)
    both = read.frame.merge(matched, on=["plate", "row", "column"])
    assert len(both) == len(published.frame)
    assert {"AA", "AF"} <= set(both["row"])
    np.testing.assert_allclose(both["value"], both["readout"], rtol=1e-6)
    assert read.frame["treatment"].tolist() == published.frame["treatment"].tolist()


# --- missing and flat readings -------------------------------------------------------------------


def test_a_plate_without_positive_controls_stops_the_sample_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(tmp_path, f"--layout={METABOLIC}", f"--readouts={MISSING_VALUES}") == 2
    message = capsys.readouterr().err
    assert "sample BT-40_V1_DS1_NA: plate 3 has no positive control with a value" in message
    assert "plate 1" not in message
    assert not (tmp_path / "scores.csv").exists()
    assert score(tmp_path, f"--layout={METABOLIC}", f"--readouts={MISSING_VALUES}", "--mask-uncontrolled") == 0
    assert "plate 3 has no positive control with a value" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 52


def test_flat_readings_score_what_they_show(tmp_path: Path, plates: dict[str, pd.DataFrame]) -> None:
    """Drugs that do the same at every dose: nothing for no effect, and no exception for exactly equal values.

    A third of the drugs kills nothing, a third half of the cells, a third all; controls are as they were.
    """
    frame = read_layout(METABOLIC).frame
    value = [
        plates[p].loc[row, column] for p, row, column in zip(frame["plate"], frame["row"], frame["column"], strict=True)
    ]
    medians = frame.assign(value=value).groupby("well_type")["value"].median()
    levels = [medians["neg"], medians[["neg", "pos"]].mean(), medians["pos"]]
    therapy = frame[frame["well_type"] == "therapy"]
    level = {drug: number % 3 for number, drug in enumerate(therapy["treatment"].unique())}
    flat = {plate: table.copy() for plate, table in plates.items()}
    for well in therapy.itertuples():
        flat[well.plate].loc[well.row, well.column] = levels[level[well.treatment]]
    folder = tmp_path / "flat"
    folder.mkdir()
    for plate, table in flat.items():
        (folder / f"Flat_{plate}.txt").write_text(_lines(table, "\t"))
    assert score(tmp_path, f"--layout={METABOLIC}", f"--readouts={folder}") == 0
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == 75
    assert set(scores["status"]) == {"ok"}
    shown = scores["drug"].map(level).map({0: 0.0, 1: 100 * (0.5 - 0.1) / 0.9 / 2, 2: 50.0})
    # The medians of the plates differ from those of all plates by a few percent.
    assert (scores["score"] - shown).abs().max() < 5


def test_faults_of_several_files_are_told_at_once(
    tmp_path: Path, plates: dict[str, pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "ctg"
    folder.mkdir()
    _workbook(folder / "S_1.xlsx", plates["1"])
    (folder / "S_2.txt").write_text(_lines(plates["2"], "\t").replace("\nC\t", "\nC\tOVER", 1))
    (folder / "S_3.txt").write_text("the reader was switched off\n")
    shutil.copy(folder / "S_1.xlsx", folder / "S_P1.xlsx")
    assert score(tmp_path, f"--layout={METABOLIC}", f"--readouts={folder}") == 2
    message = capsys.readouterr().err
    for words in (
        "S_1.xlsx and S_P1.xlsx are both plate",
        "S_2.txt: well C01 (line 4) is 'OVER",
        "S_3.txt: there is no",
    ):
        assert words in message
