"""`phenodose combine`: tables of two drugs in, the excess of every dose matrix out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.tables import TABLES

DOSES = (0.0, 10.0, 100.0, 1000.0, 10000.0)


def table(folder: Path, with_singles: bool = True) -> Path:
    """Two Bliss-independent drugs in SynergyFinder's form, with noise of 2 percentage points."""
    rng = np.random.default_rng(4)
    rows = [
        {"BlockID": 1, "DrugRow": "A", "DrugCol": "B", "ConcRow": a, "ConcCol": b, "ConcUnit": "nM"}
        | {"Response": 100 / (1 + a / 50) / (1 + b / 400) + rng.normal(0, 2)}
        for a in DOSES
        for b in DOSES
        if with_singles or (a and b)
    ]
    pd.DataFrame(rows).to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["combine", *map(str, words)])
    return int(ended.value.code or 0)


def test_a_table_gives_the_tables_of_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, pairs = tmp_path / "combinations.csv", tmp_path / "dose_pairs.csv"
    words = (table(tmp_path), "--response", "viability", "--draws", 50, "--out", out, "--dose-pairs", pairs)
    assert run(*words, "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    sums, cells = pd.read_csv(out), pd.read_csv(pairs)
    for name, read in (("combination_scores", sums), ("dose_pairs", cells)):
        assert set(read.columns) < set(TABLES[name].column_names)
        assert not read.duplicated([key for key in TABLES[name].key if key != "screen"]).any()
    bliss = sums.set_index("measure").loc["bliss"]
    assert abs(bliss["value"]) < 3
    assert bliss["lower"] < bliss["value"] < bliss["upper"]
    assert (told["dose_matrices"], told["samples"], told["notes"]) == (1, ["pairs"], [])
    assert [one["measure"] for one in told["combinations"]] == list(sums["measure"])
    of_bliss = cells[cells["model"] == "bliss"]
    assert len(of_bliss) == (len(DOSES) - 1) ** 2
    np.testing.assert_allclose(
        of_bliss["excess_percent"], of_bliss["inhibition_percent"] - of_bliss["expected_percent"], atol=1e-9
    )


def test_the_table_that_is_read_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = table(tmp_path)
    before = pairs.read_bytes()
    for option, other in (("--out", "--dose-pairs"), ("--dose-pairs", "--out")):
        assert run(pairs, "--response", "viability", option, pairs, other, tmp_path / "other.csv") == 2
        assert f"{option} {pairs.name}: is an input and would be lost; name another." in capsys.readouterr().err
    assert pairs.read_bytes() == before


def test_people_read_a_line_a_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(table(tmp_path), "--response", "viability", "--out", tmp_path / "out.csv") == 0
    assert "A with B: " in capsys.readouterr().out


def test_what_cannot_be_computed_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"
    assert run(table(tmp_path, with_singles=False), "--response", "viability", "--out", out) == 0
    said = capsys.readouterr()
    assert "sample pairs: A with B: " in said.err
    assert "cannot be computed (no wells with A alone" in said.err
    status = pd.read_csv(out).set_index("measure")["status"]
    assert set(status) == {"no wells with A alone and none with B alone"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "nothing says whether 'Response' is viability or inhibition"),
        (("--response", "viability", "--dose-pairs", "out.csv"), "--out and --dose-pairs name the same file"),
        (("--response", "viability", "--unit", "mg"), "--unit mg cannot be turned into nM"),
    ],
)
def test_faults_are_told_and_nothing_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(table(tmp_path), "--out", "out.csv", *words) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_the_table_that_is_read_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path)
    before = path.read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    for option, place in (("--dose-pairs", path), ("--dose-pairs", link)):
        assert run(path, "--response", "viability", "--out", tmp_path / "out.csv", option, place) == 2
        assert "is an input and would be lost" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert not (tmp_path / "out.csv").exists()


def test_too_few_draws_for_an_interval_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(table(tmp_path), "--response", "viability", "--out", tmp_path / "out.csv", "--draws", 2) == 2
    assert "need 40 draws or more" in capsys.readouterr().err


def test_a_mean_over_some_of_the_dose_pairs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path)
    rows = pd.read_csv(path)
    # B by itself was given in doses a hundred times as high as beside A
    rows.loc[rows["ConcRow"] == 0, "ConcCol"] *= 100
    rows.to_csv(path, index=False)
    assert run(path, "--response", "viability", "--draws", 0, "--out", tmp_path / "out.csv") == 0
    told = capsys.readouterr().err
    assert "A with B: the mean is over some dose pairs alone, 8 of 16 for bliss, zip, loewe, hsa" in told
    assert "B alone" in told
