"""Plugins' parameters on the command line, and the plugins of the store that `--store` names."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from phenodose.cli import main
from phenodose.cli.output import open_store, plugins_at, store_option

DOSES_NM = (1, 10, 100, 1000, 10000)


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """A layout with controls and a drug that inhibits 40 % at most, and its readouts."""
    layout = ["Plate,Row,Column,Sample,WellType,Treatment,Concentration"]
    values = ["Row," + ",".join(str(column) for column in range(1, 13))]
    for row in "ABCDEF":
        numbers = []
        for column in range(1, 13):
            kind, treatment, dose, viability = "neg", "DMSO", "", 1.0
            if column in (2, 3):
                kind, treatment, viability = "pos", "BzCl", 0.0
            elif 4 <= column < 9:
                dose = str(DOSES_NM[column - 4])
                kind, treatment, viability = "therapy", "Weak", 1 - 0.4 / (1 + 30 / float(dose))
            layout.append(f"P1,{row},{column},S1,{kind},{treatment},{dose}")
            numbers.append(f"{1000 * viability + 10 + 7 * (ord(row) % 3):.1f}")
        values.append(f"{row}," + ",".join(numbers))
    (tmp_path / "layout.csv").write_text("\n".join(layout) + "\n")
    (tmp_path / "ctg").mkdir()
    (tmp_path / "ctg" / "S1_P1.csv").write_text("\n".join(values) + "\n")
    return tmp_path


def score(folder: Path, *arguments: str) -> tuple[int, pd.DataFrame | None]:
    out = folder / "scores.csv"
    given = [
        "--layout",
        str(folder / "layout.csv"),
        "--readouts",
        str(folder / "ctg"),
        "--draws",
        "0",
        "--workers",
        "1",
    ]
    with pytest.raises(SystemExit) as ended:
        main(["score", *given, "--out", str(out), *arguments])
    code = int(ended.value.code or 0)
    return code, pd.read_csv(out) if code == 0 else None


def test_a_parameter_changes_the_scores_of_the_scorer_that_has_it(plate: Path) -> None:
    scorers = ("--scorer", "dss1", "--scorer", "auc")
    _, least = score(plate, *scorers)
    code, most = score(plate, *scorers, "-p", "amin=39")
    assert code == 0
    assert least is not None
    assert most is not None
    before, after = (frame.set_index("scorer")["score"] for frame in (least, most))
    assert after["dss1"] < before["dss1"]
    assert after["auc"] == before["auc"]


@pytest.mark.parametrize(
    ("item", "said"),
    [("amim=3", "no plugin here has a parameter 'amim'"), ("amin=200", "amin"), ("dss1.amin", "write NAME=VALUE")],
)
def test_a_wrong_parameter_is_exit_code_2(
    plate: Path, capsys: pytest.CaptureFixture[str], item: str, said: str
) -> None:
    code, _ = score(plate, "--scorer", "dss1", "-p", item)
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_command_uses_the_plugins_that_its_store_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHENODOSE_STORE", str(tmp_path / "another"))
    (tmp_path / "site.toml").write_text('[plugins]\ndisable = ["scorer:auc"]\n')

    @click.command()
    @store_option
    def told(store: str | None) -> None:
        named = os.environ["PHENODOSE_STORE"] == str(tmp_path / "another")
        click.echo(f"auc {'auc' in plugins_at(store).usable('scorer')} {open_store(store).root.name} {named}")

    assert CliRunner().invoke(told, ["--store", str(tmp_path)]).output == f"auc False {tmp_path.name} True\n"
    assert CliRunner().invoke(told, []).output == "auc True another True\n"
