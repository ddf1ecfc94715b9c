"""`phenodose targets`: the targets of a screen on the terminal, as JSON, and as files."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.store.store import Store

SCREEN = "BT-40_V1_DS1"


@pytest.fixture
def targets(made_up_store: Store, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["targets", *arguments, "--store", str(made_up_store.root)])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_the_best_targets_of_the_ranking_readout_are_printed(targets) -> None:
    code, said, _ = targets(SCREEN, "--most", "3")
    assert code == 0
    lines = said.strip().splitlines()
    assert lines[0].startswith("BT-40, dss_asym of ")
    assert len(lines) == 5
    assert "MAP2K1" in said


def test_tables_and_the_picture_are_written(targets, tmp_path: Path) -> None:
    code, said, _ = targets(SCREEN, "--readout", "ctg", "--out", str(tmp_path / "out"), "--json")
    assert code == 0
    answer = json.loads(said)
    names = [Path(file).name for file in answer["files"]]
    assert names == ["targets.csv", "target_interactions.csv", "network_BT-40_ctg.svg"]
    assert {row["readout"] for row in answer["targets"]} == {"ctg"}
    assert set(pd.read_csv(answer["files"][0])["readout"]) > {"ctg"}, "the table has all readouts"
    assert b"Trametinib aims at MAP2K1" in Path(answer["files"][2]).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["NOPE"], "is not in the store"),
        (["NOPE"], "it holds: BT-40_V1_DS1, INF_R_153_V1_DS1"),
        ([SCREEN, "--readout", "nope"], "no targets by the readout 'nope'; name cnn_phase2 or"),
        ([SCREEN, "--scorer", "zdss"], "no targets by the scorer 'zdss'; name dss_asym"),
    ],
)
def test_what_is_not_there_is_told_in_one_sentence(targets, arguments, says) -> None:
    code, _, said = targets(*arguments)
    assert code == 2
    assert says in said
    assert said.count("\n") == 1
