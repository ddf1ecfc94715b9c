"""`phenodose score` and what is wrong with its input: exit code 2, one message, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from phenodose.cli import main

Score = Callable[..., int]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",pos,", ",blank,", "layout.csv: the layout has no positive controls (viability 0): no well is 'pos'"),
        (",pos,", ",empty,", "layout.csv: there are no positive controls; set WellType to pos"),
        (",neg,", ",blank,", "layout.csv: there are no negative controls; set WellType to neg"),
        (",therapy,", ",other,", "layout.csv: there are no therapy wells"),
        ("Potent1,1.0", "Potent1,-1.0", "(plate P1, well A02): Concentration is -1"),
        ("P2,", "P3,", "plate P3 has no plate-reader file of sample 'X'; expected X_P3.xlsx"),
    ],
)
def test_a_faulty_layout_writes_nothing(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    (screen / "scores.csv").write_text("kept")
    text = (screen / "layout.csv").read_text()
    assert old in text
    (screen / "layout.csv").write_text(text.replace(old, new))
    assert score(screen, "--curves", str(screen / "curves.csv"), "--qc", str(screen / "qc.csv")) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert (screen / "scores.csv").read_text() == "kept"
    assert sorted(path.name for path in screen.iterdir()) == ["ctg", "layout.csv", "scores.csv"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scorer", "nothing"], "scorer 'nothing' is not installed; installed are:"),
        (["--amin", "x"], "'x' is neither 'auto' nor a number"),
        (["--amin", "100"], "is not from 0 up to 100"),
        (["--amin", "5", "--scorer", "auc"], "--amin 5.0: none of the scorers (auc) has it"),
        (["--normalise", "treatment"], "no viability can be computed by treatment"),
        (["--reference", "none.csv"], "there is no such reference file"),
        (["--scorer", "zdss"], "zdss compares with reference samples and there are none"),
        (["--doublings", "2"], "--doublings 2.0: none of the scorers (dss_asym) has it"),
        (["--doublings", "0"], "0 is not in the range"),
        (["--fit", "magic"], "'magic' is not one of"),
        (["--readouts", "more"], "of several readouts each needs its name; write NAME="),
    ],
)
def test_faulty_options(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert score(screen, *arguments) == 2
    assert words in capsys.readouterr().err
    assert not (screen / "scores.csv").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["a=ctg", "a=ctg"], "a is named twice (ctg before)"),
        (["a b=ctg"], "'a b' cannot name a readout"),
        (["a=none"], "none: there is no such file or folder with readouts"),
        (["a=ctg", "ctg"], "of several readouts each needs its name; write NAME=ctg"),
    ],
)
def test_faulty_names_of_readouts(
    screen: Path,
    score: Score,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(screen)
    assert score(screen, *(f"--readouts={text}" for text in given), readouts=None) == 2
    assert words in capsys.readouterr().err


def test_outputs_that_cannot_be(screen: Path, score: Score, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(screen, "--qc", str(screen / "scores.csv")) == 2
    assert "name the same file" in capsys.readouterr().err
    assert score(screen, "--qc", str(screen)) == 2
    assert "is a folder" in capsys.readouterr().err
    reading = sorted((screen / "ctg").iterdir())[0]
    for read in (reading, screen / "layout.csv"):
        assert score(screen, "--qc", str(read)) == 2
        assert f"--qc {read.name}: is an input and would be lost" in capsys.readouterr().err
    (screen / "file").touch()
    assert score(screen, "--draws", "0", "--qc", str(screen / "file" / "qc.csv")) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not (screen / "scores.csv").exists()


def test_a_layout_without_readouts_says_how_to_give_them(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(screen, readouts=None) == 2
    assert "has no readouts; fill its column Readout, or give the plate-reader files" in capsys.readouterr().err


def test_the_place_of_the_scores_must_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["score", "--layout", "layout.csv", "--readouts", "ctg"])
    assert done.value.code == 2
    assert "Missing option '--out'" in capsys.readouterr().err
