"""`phenodose simulate`: where it writes, what it prints, how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from phenodose.cli import main

SMALL = ["--kind", "control-experiment", "--control-wells", "4", "--size-px", "48", "--planes", "1"]


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def test_out_is_the_screen_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(tmp_path / "A_CE"), *SMALL]) == 0
    assert (tmp_path / "A_CE" / "_DONE").is_file()
    assert "control-experiment A_CE" in capsys.readouterr().out


def test_with_a_screen_id_out_holds_the_screen_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(tmp_path / "inbox"), "--screen", "B_CE", "--json", *SMALL]) == 0
    made = json.loads(capsys.readouterr().out)
    assert Path(made["folder"]) == tmp_path / "inbox" / "B_CE"
    assert made["n_wells"] == 4
    assert (tmp_path / "inbox" / "B_CE" / "truth_wells.csv").is_file()


def test_a_foreign_folder_is_the_users_to_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert run(["simulate", str(tmp_path), "--screen", tmp_path.name, *SMALL]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_the_sample_can_look_different(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", str(tmp_path / "A_CE"), "--morphology", "swelling", *SMALL]) == 0
    assert "name,swelling" in (tmp_path / "A_CE" / "truth_morphology.csv").read_text(encoding="utf-8")
    assert run(["simulate", str(tmp_path / "B_CE"), "--morphology", "flat", *SMALL]) == 2
    assert "there are: rounded, detaching, fragmenting, swelling" in capsys.readouterr().err
