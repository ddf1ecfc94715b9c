"""`phenodose report`: where the file lies and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.store.store import Store

SCREEN = "INF_R_153_V1_DS1"


@pytest.fixture
def report(made_up_store: Store, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["report", *arguments, "--store", str(made_up_store.root)])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_the_report_lies_in_the_store(report, made_up_store: Store) -> None:
    path = made_up_store.report_path(SCREEN)
    assert report(SCREEN) == (0, f"{path}\n", "")
    assert "<title>INF_R_153 – INF_R_153_V1_DS1</title>" in path.read_text(encoding="utf-8")


def test_the_report_lies_where_told(report, tmp_path: Path) -> None:
    out = tmp_path / "mine.html"
    code, said, _ = report(SCREEN, "--out", str(out), "--json")
    assert code == 0
    assert json.loads(said) == {"screen": SCREEN, "report": str(out), "bytes": out.stat().st_size, "files": []}


@pytest.mark.usefixtures("words_alone")
def test_the_cohort_has_a_report_too(report, made_up_store: Store) -> None:
    code, said, _ = report("--cohort")
    assert code == 0
    assert Path(said.strip()).parent == made_up_store.root / "reports"
    assert "Cohort of 2 screens" in Path(said.strip()).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["NOPE"], "it holds: BT-40_V1_DS1, INF_R_153_V1_DS1"),
        ([], "name one screen, or give --cohort"),
        ([SCREEN, "--cohort"], "name one screen, or give --cohort"),
        (["../evil"], "screen id"),
    ],
)
def test_what_cannot_be_reported_is_exit_code_2(report, arguments: list[str], said: str) -> None:
    code, out, err = report(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_no_file_where_none_can_be_and_none_in_the_store(report, made_up_store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for out, told in (
        (made_up_store.root / "tables" / "mine.html", "which keeps its own files; name a place elsewhere"),
        (made_up_store.cohort_path, "which keeps its own files"),
        (tmp_path / "file" / "mine.html", "cannot be written (File exists); name a file in a folder that takes one"),
    ):
        code, said, err = report(SCREEN, "--no-maps", "--out", str(out))
        assert (code, said) == (2, "")
        assert told in err
        assert err.count("\n") == 1, "a sentence, and no trace"
