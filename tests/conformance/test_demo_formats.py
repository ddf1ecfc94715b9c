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
IMAGING = REFERENCE / f"{DEMO}Layout-Imaging-3Plates.xlsx"
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


def scores_of(tmp_path: Path) -> pd.Series:
    return pd.read_csv(tmp_path / "scores.csv").set_index(["sample", "drug"])["score"]


@pytest.fixture(scope="module")
def layout_rows() -> pd.DataFrame:
    """The layout with readouts as its cells stand in the workbook."""
    return pd.read_excel(WITH_READOUTS, engine="calamine", dtype={"Plate": str}, keep_default_na=False)


@pytest.fixture(scope="module")
def plates() -> dict[str, pd.DataFrame]:
    """The numbers of the first demo screen: rows by columns, by plate."""
    matrices = read_matrices(TWO_SCREENS)
    one = matrices[matrices["sample"] == "BT-40_V1_DS1"]
    return {
        str(plate): rows.pivot_table(index="row", columns="column", values="value")
        for plate, rows in one.groupby("plate")
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> pd.Series:
    """Scores of the first demo screen as published: a layout and a zip of workbooks."""
    folder = tmp_path_factory.mktemp("expected")
    assert score(folder, f"--layout={METABOLIC}", f"--readouts={TWO_SCREENS}") == 0
    return scores_of(folder).loc["BT-40_V1_DS1"]


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
    """Scores follow from the readings; the next test scores those of the form with the most around it."""
    path = tmp_path / "BT-40_V1_DS1_1.txt"
    path.write_text(TEXTS[form](plates["1"]))
    found = read_matrices(path)
    assert set(found["sample"]) == {"BT-40_V1_DS1"}
    assert set(found["plate"]) == {"1"}
    table = found.pivot_table(index="row", columns="column", values="value")
    pd.testing.assert_frame_equal(table, plates["1"], rtol=0, atol=1e-9)


def test_a_zip_of_workbooks_and_texts_gives_the_same_scores(
    tmp_path: Path, plates: dict[str, pd.DataFrame], expected: pd.Series
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
    assert score(tmp_path, f"--layout={METABOLIC}", f"--readouts={tmp_path / 'mixed.zip'}") == 0
    pd.testing.assert_series_equal(scores_of(tmp_path).loc["BT-40_V1_DS1"], expected, rtol=0, atol=1e-9)


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


def test_the_older_spelling_gives_the_same_scores(tmp_path: Path, layout_rows: pd.DataFrame) -> None:
    assert score(tmp_path, f"--layout={WITH_READOUTS}") == 0
    before = scores_of(tmp_path)
    path = LAYOUTS["older spelling"](tmp_path, layout_rows)
    assert score(tmp_path, f"--layout={path}") == 0
    pd.testing.assert_series_equal(scores_of(tmp_path), before, rtol=0, atol=1e-9)


@pytest.mark.parametrize("ending", ["xlsx", "txt"])
def test_rows_beyond_z_are_joined_by_their_letters(
    tmp_path: Path, layout_rows: pd.DataFrame, plates: dict[str, pd.DataFrame], expected: pd.Series, ending: str
) -> None:
    """The demo screen moved to the lower right of 1536-well plates: row AA comes after Z, not after A."""
    down, right = 16, 24
    moved = layout_rows.assign(
        Row=[row_label(row_index(row) + down) for row in layout_rows["Row"]],
        Column=layout_rows["Column"].astype(int) + right,
        Sample="",
        Readout="",
    )
    layout = _as_csv(tmp_path / "layout.csv", moved.sample(frac=1, random_state=1))
    (tmp_path / "ctg").mkdir()
    for plate, table in plates.items():
        large = pd.DataFrame(
            7.0 * np.arange(32 * 48).reshape(32, 48), index=[row_label(i) for i in range(32)], columns=range(1, 49)
        )
        large.iloc[down:, right:] = table.loc[[row_label(i) for i in range(16)]].to_numpy()
        path = tmp_path / "ctg" / f"BT-40_V1_DS1_{plate}.{ending}"
        if ending == "xlsx":
            _workbook(path, large)
        else:
            path.write_text(_lines(large, "\t"))
    assert score(tmp_path, f"--layout={layout}", f"--readouts={tmp_path / 'ctg'}") == 0
    pd.testing.assert_series_equal(scores_of(tmp_path).loc["BT-40_V1_DS1"], expected, rtol=0, atol=1e-9)


# --- missing and flat readings -------------------------------------------------------------------


def test_missing_values_cost_only_their_drugs(tmp_path: Path) -> None:
    assert score(tmp_path, f"--layout={IMAGING}", f"--readouts={MISSING_VALUES}") == 0
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == 73
    failed = scores[scores["status"] != "ok"]
    assert len(failed) == 1
    assert failed["status"].iloc[0].startswith("failed: 1 different dose")


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


def _flat(layout: Layout, plates: dict[str, pd.DataFrame], folder: Path, value: float) -> Path:
    """The demo screen with one number in all drug wells; controls as they are."""
    folder.mkdir()
    therapy = layout.frame[layout.frame["well_type"] == "therapy"]
    for plate, table in plates.items():
        flat = table.copy()
        for row, column in therapy.loc[therapy["plate"] == plate, ["row", "column"]].itertuples(index=False):
            flat.loc[row, column] = value
        (folder / f"Flat_{plate}.txt").write_text(_lines(flat, "\t"))
    return folder


@pytest.mark.parametrize("level", ["no effect", "half", "all dead"])
def test_flat_readings_score_what_they_show(tmp_path: Path, plates: dict[str, pd.DataFrame], level: str) -> None:
    """Drugs that do the same at every dose: nothing for no effect, and no exception for exactly equal values."""
    layout = read_layout(METABOLIC)
    frame = match_to_layout(read_matrices(TWO_SCREENS), layout).merge(layout.frame, on=["plate", "row", "column"])
    medians = frame[frame["sample_x"] == "BT-40_V1_DS1"].groupby("well_type")["value"].median()
    value = {"no effect": medians["neg"], "half": medians[["neg", "pos"]].mean(), "all dead": medians["pos"]}[level]
    folder = _flat(layout, plates, tmp_path / "flat", float(value))
    assert score(tmp_path, f"--layout={METABOLIC}", f"--readouts={folder}") == 0
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == 75
    assert set(scores["status"]) == {"ok"}
    middle = {"no effect": 0.0, "half": 100 * (0.5 - 0.1) / 0.9 / 2, "all dead": 50.0}[level]
    # The medians of the plates differ from those of all plates by a few percent.
    assert (scores["score"] - middle).abs().max() < 5


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
