"""What is doubtful about layout and files stands in the quality table and at the head of the report."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.reports import build_report
from phenodose.store.store import Store

HEADER = "Plate,Row,Column,Sample,WellType,Treatment,Concentration"
SCREEN = "BT-40_V1_DS1"


def score(folder: Path, sample: str) -> pd.DataFrame:
    """The quality table of one plate whose file is named after INF-R-153."""
    wells = [("neg", "DMSO", ""), ("neg", "DMSO", ""), ("pos", "BzCl", ""), ("pos", "BzCl", ""), ("therapy", "X", "10")]
    rows = [f"P1,A,{column},{sample},{','.join(well)}" for column, well in enumerate(wells, start=1)]
    (folder / "layout.csv").write_text("\n".join([HEADER, *rows]))
    numbers = "\t1\t2\t3\t4\t5\t6\n" + "".join(f"{row}\t99\t98\t3\t2\t50\t6\n" for row in "ABC")
    (folder / "INF-R-153_P1.txt").write_text(numbers)
    given = [f"--layout={folder / 'layout.csv'}", f"--readouts={folder / 'INF-R-153_P1.txt'}", "--draws=0", "--json"]
    with pytest.raises(SystemExit) as done:
        main(["score", *given, f"--out={folder / 's.csv'}", f"--qc={folder / 'q.csv'}"])
    assert not done.value.code
    return pd.read_csv(folder / "q.csv").set_index("metric")


def test_a_note_on_the_files_is_a_warning_in_the_quality_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    qc = score(tmp_path, "BT-40")
    (note,) = (one for one in json.loads(capsys.readouterr().out)["notes"] if "the sample is" in one)
    row = qc.loc["input_notes"]
    assert (row["value"], row["verdict"]) == (1, "warn")
    assert note in row["explanation"]


def test_files_that_agree_have_no_such_row(tmp_path: Path) -> None:
    qc = score(tmp_path, "INF-R-153")
    assert "input_notes" not in qc.index


def test_the_head_of_the_report_tells_the_notes(made_up_store: Store) -> None:
    runs = made_up_store.read_table("runs", SCREEN)
    without = build_report(made_up_store, SCREEN).read_text(encoding="utf-8")
    assert "on files and wells</summary>" not in without
    told = runs.iloc[:1].assign(asset="layout", notes=json.dumps(["by layout.csv the sample is <b>'A'</b>"]))
    made_up_store.write_table("runs", SCREEN, "layout", told)
    page = build_report(made_up_store, SCREEN).read_text(encoding="utf-8")
    head = page[: page.index('<nav aria-label="Sections">')]
    assert "1 note on files and wells</summary>" in head
    assert "the sample is &lt;b&gt;" in head
