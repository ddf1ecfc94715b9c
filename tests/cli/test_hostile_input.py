"""Names and files made to do harm are refused or shown as text, are named, and nothing else is lost."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.store.store import Store

SCRIPT, CLIMBER, FORMULA = "<script>alert(1)</script>", "../../x", "=1+1"
SCREEN = "TST_V1_DS1"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site_of: Callable[..., str]
) -> Run:
    monkeypatch.setenv("PHENODOSE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        if arguments[0] == "run":
            (tmp_path / "store").mkdir(exist_ok=True)
            (tmp_path / "store" / "site.toml").write_text(site_of("readout:ctg", "scorer:dss_asym"))
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        told = capsys.readouterr()
        return int(str(ended.value.code)), told.out, told.err

    return call


def renamed(screen: Path, drugs: dict[str, str], sample: str) -> None:
    layout = pd.read_csv(screen / "layout.csv")
    layout["Treatment"] = layout["Treatment"].replace(drugs)
    layout["Sample"] = sample
    layout.to_csv(screen / "layout.csv", index=False)


@pytest.mark.usefixtures("words_alone")
def test_names_are_text_wherever_they_come_out(run: Run, small_ctg_screen: Path, tmp_path: Path) -> None:
    renamed(small_ctg_screen, {"Potent": SCRIPT, "Weak": FORMULA}, CLIMBER)
    (small_ctg_screen / "screen.toml").write_text("[parameters.curves]\nbootstrap = 10\n")
    before = {path for path in tmp_path.rglob("*") if path.name not in ("store",)}
    status, _, told = run("run", str(small_ctg_screen), "--select", "layout,viability/ctg,curves/ctg,scores/dss_asym")
    assert status == 0, told
    status, out, _ = run("sql", "SELECT DISTINCT drug, sample FROM scores ORDER BY drug", "--format", "json")
    assert {row["drug"] for row in json.loads(out)} >= {SCRIPT, FORMULA}
    assert {row["sample"] for row in json.loads(out)} == {CLIMBER}
    status, out, _ = run("sql", "SELECT drug FROM scores WHERE replicate = 'pooled'", "--format", "csv")
    cells = [row["drug"] for row in csv.DictReader(io.StringIO(out))]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert run("report", SCREEN, "--out", "report.html")[0] == 0
    page = Path("report.html").read_text(encoding="utf-8")
    assert SCRIPT not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    outside = set(tmp_path.rglob("*")) - before
    assert all(path.is_relative_to(tmp_path / "store") or path.name in ("report.html", "store") for path in outside)
    assert not (tmp_path.parent / "x").exists()


@pytest.mark.parametrize("plate", ["../P1", "P1/../../x", "P\x1b1", "P" * 300])
def test_a_plate_whose_name_is_a_path_is_refused(run: Run, small_ctg_screen: Path, plate: str) -> None:
    layout = pd.read_csv(small_ctg_screen / "layout.csv")
    layout["Plate"] = layout["Plate"].replace({"P1": plate})
    layout.to_csv(small_ctg_screen / "layout.csv", index=False)
    status, _, told = run("run", str(small_ctg_screen), "--select", "layout")
    assert status in (1, 2)
    assert "layout.csv" in told or plate.strip("./")[:20] in told
    assert not list(Path("store").rglob("x*"))


def test_formulas_of_a_workbook_are_not_run(run: Run, small_ctg_screen: Path) -> None:
    """A cell without a stored result is named; a text that only looks like a formula is text."""
    layout = pd.read_csv(small_ctg_screen / "layout.csv").astype(object)
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(list(layout.columns))
    for row in layout.where(layout.notna(), None).itertuples(index=False):
        sheet.append(list(row))
    place = list(layout.columns).index("Concentration") + 1
    last = sheet.max_row
    sheet.cell(last, place, '=HYPERLINK("http://127.0.0.1/", 1)')
    (small_ctg_screen / "layout.csv").unlink()
    book.save(small_ctg_screen / "layout.xlsx")
    status, _, told = run("run", str(small_ctg_screen), "--select", "layout")
    assert status in (1, 2)
    assert str(last) in told


@pytest.mark.parametrize(
    "sql",
    [
        "COPY scores TO 'stolen.csv'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_external_access",
        "DELETE FROM scores",
        "CREATE TABLE t AS SELECT 1",
        "SELECT getenv('HOME')",
        "EXPORT DATABASE 'x'",
        "SELECT 1; DROP TABLE scores",
        "CALL pragma_version()",
        "SELECT * FROM duckdb_secrets(); COPY scores TO 'a'",
        "WITH x AS (SELECT * FROM read_parquet('/etc/passwd')) SELECT * FROM x",
        "SELECT * FROM read_json_auto('http://127.0.0.1:1/x')",
    ],
)
def test_sql_that_writes_or_reads_files_is_refused(
    run: Run, made_up_cohort: Store, monkeypatch: pytest.MonkeyPatch, sql: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("PHENODOSE_STORE", str(made_up_cohort.root))
    before = sorted(path for path in tmp_path.rglob("*"))
    status, out, told = run("sql", sql)
    assert status == 2, out
    assert told.startswith("phenodose: ")
    assert "root:" not in out + told
    assert sorted(path for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "foreign"])
def test_a_damaged_table_file_is_named_and_the_rest_is_kept(
    run: Run, made_up_cohort: Store, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("PHENODOSE_STORE", str(made_up_cohort.root))
    path = sorted((made_up_cohort.root / "tables" / "scores" / "screen=BT-40_V1_DS1").glob("*.parquet"))[0]
    whole = path.read_bytes()
    if damage == "foreign":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    else:
        path.write_bytes({"truncated": whole[: len(whole) // 2], "garbage": b"x" * 500, "empty": b""}[damage])
    sql = "SELECT screen, count(*) AS n FROM scores GROUP BY screen ORDER BY screen"
    _, out, told = run("sql", "--rebuild", sql, "--format", "json")
    assert path.name in told
    assert {row["screen"] for row in json.loads(out)} == {"BT-40_V1_DS1", "INF_R_153_V1_DS1"}


def test_a_word_that_is_no_utf8_is_told_and_no_bug(run: Run) -> None:
    """As a terminal set to Latin-1 gives `Müller`."""
    status, _, told = run("sql", "--rebuild", "SELECT '\udcfc'")
    assert (status, "Traceback" in told) == (2, False)
    assert "no UTF-8" in told
