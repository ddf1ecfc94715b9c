"""`phenodose score`: the files it writes, whatever way the readings come, and what it says of them."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Score = Callable[..., int]
DRUGS = ("Potent", "Weak", "Inert")


def test_three_files_with_the_promised_columns(plain: Path) -> None:
    scores: Any = pd.read_csv(plain / "scores.csv")
    assert list(scores.columns) == [
        "sample",
        "drug",
        "scorer",
        "score",
        "lower",
        "upper",
        "bound",
        "unit",
        "hit",
        "p_hit_fraction",
        "call",
        "status",
        "lower_bound",
        "upper_bound",
        "published_value",
    ]
    assert list(scores["drug"]) == sorted(f"{drug}{plate}" for drug in DRUGS for plate in (1, 2))
    assert set(scores["sample"]) == {"X"}
    assert set(scores["scorer"]) == {"dss_asym"}
    by_drug = scores.set_index("drug")
    for plate in (1, 2):
        potent, weak, inert = (by_drug.loc[f"{drug}{plate}"] for drug in DRUGS)
        assert potent["score"] > weak["score"] > inert["score"]
        assert potent["score"] > 20
        assert inert["score"] < 2
        assert potent["hit"]
        assert not inert["hit"]
        assert potent["lower"] <= potent["score"] <= potent["upper"]
    curves = pd.read_csv(plain / "curves.csv")
    assert list(curves.columns)[:11] == [
        "sample",
        "drug",
        "model",
        "bottom",
        "top",
        "log10_mid",
        "slope",
        "asymmetry",
        "gof",
        "objective",
        "status",
    ]
    assert list(curves["drug"]) == list(scores["drug"])
    assert set(curves["n_points"]) == {10}
    qc = pd.read_csv(plain / "qc.csv")
    assert list(qc.columns) == ["sample", "plate", "metric", "value", "threshold", "verdict", "explanation"]
    zprime = qc[qc["metric"] == "zprime_robust"].set_index("plate")
    assert list(zprime.index) == ["P1", "P2", "screen"]
    assert set(zprime["verdict"]) == {"pass"}


def test_the_summary_for_machines(plain: Path) -> None:
    summary = json.loads((plain / "told.json").read_text(encoding="utf-8"))
    assert summary["drugs"] == 6
    assert {"Potent1", "Potent2"} <= set(summary["hits"])
    assert [Path(place).name for place in summary["written"]] == ["scores.csv", "curves.csv", "qc.csv"]
    assert summary["notes"] == []
    assert summary["failed_quality"] == []
    assert (plain / "err.txt").read_text(encoding="utf-8") == ""


def test_all_ways_to_bring_the_readings_give_the_same_scores(screen: Path, plain: Path, score: Score) -> None:
    """A zip of files, where the layout's sample counts before the files' names, and a layout that holds readouts."""
    expected = (plain / "scores.csv").read_text()
    with zipfile.ZipFile(screen / "ctg.zip", "w") as archive:
        for file in (screen / "ctg").iterdir():
            archive.write(file, f"run/{file.name}")
    layout = pd.read_csv(screen / "layout.csv", keep_default_na=False)
    layout.assign(Sample="patient-7").to_csv(screen / "named.csv", index=False)
    assert score(screen, layout="named.csv", readouts="ctg.zip") == 0
    assert (screen / "scores.csv").read_text() == expected.replace("\nX,", "\npatient-7,")
    values = {
        (f"P{plate}", str(row), int(str(column))): value
        for plate in (1, 2)
        for row, cells in pd.read_csv(screen / "ctg" / f"X_P{plate}.csv", index_col=0).iterrows()
        for column, value in cells.items()
    }
    keys = zip(layout["Plate"], layout["Row"], layout["Column"], strict=True)
    full = layout.assign(Sample="X", Readout=[values[key] for key in keys])
    full.sample(frac=1, random_state=1).to_excel(screen / "full.xlsx", index=False)
    assert score(screen, layout="full.xlsx", readouts=None) == 0
    assert (screen / "scores.csv").read_text() == expected


def test_several_samples_on_one_layout(several: Path) -> None:
    scores = pd.read_csv(several / "scores.csv")
    first, second, third = (scores[scores["sample"] == name].drop(columns="sample") for name in "XYZ")
    assert len(first) == 36
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))
    assert not first.reset_index(drop=True).equals(third.reset_index(drop=True))
    assert set(pd.read_csv(several / "qc.csv")["sample"]) == {"X", "Y", "Z"}


def test_several_scorers_and_single_replicates(several: Path, plain: Path) -> None:
    scores = pd.read_csv(several / "scores.csv", dtype={"replicate": str})
    assert scores.columns[-1] == "replicate"
    scores = scores[scores["sample"] == "X"]
    assert scores.groupby(["replicate", "scorer"]).size().to_dict() == {
        (replicate, scorer): 6 for replicate in ("pooled", "1", "2") for scorer in ("dss_asym", "dss_asym_adj")
    }
    assert list(scores["scorer"][:2]) == ["dss_asym", "dss_asym_adj"]
    pooled = scores[(scores["replicate"] == "pooled") & (scores["scorer"] == "dss_asym")].drop(columns="replicate")
    pd.testing.assert_frame_equal(pooled.reset_index(drop=True).infer_objects(), pd.read_csv(plain / "scores.csv"))


def test_several_readouts_whatever_the_number_of_processes(screen: Path, plain: Path, score: Score) -> None:
    """Two readouts shared among two processes; one of them alone in one process gives the same rows."""
    (screen / "cnn").mkdir()
    for file in (screen / "ctg").iterdir():
        pd.read_csv(file, index_col=0).pow(1.1).round().to_csv(screen / "cnn" / file.name)
    named = [f"--readouts=ctg={screen / 'ctg'}", f"--readouts=cnn={screen / 'cnn'}"]
    outputs = ["--curves", str(screen / "curves.csv"), "--qc", str(screen / "qc.csv")]
    assert score(screen, *named, *outputs, "--workers", "2", readouts=None) == 0
    scores, curves, qc = (pd.read_csv(screen / f"{name}.csv") for name in ("scores", "curves", "qc"))
    assert list(scores.columns[:6]) == ["sample", "drug", "scorer", "score", "lower", "upper"]
    assert scores.columns[-1] == "readout"
    assert scores.groupby(["sample", "readout"]).size().tolist() == [6] * 2
    assert list(dict.fromkeys(scores["readout"])) == ["ctg", "cnn"]
    assert curves["identifiable"].notna().all()
    for name, table in {"scores": scores, "curves": curves, "qc": qc}.items():
        of_readout = {key: some.drop(columns="readout") for key, some in table.groupby("readout")}
        assert set(of_readout) == {"ctg", "cnn"}
        alone = pd.read_csv(plain / f"{name}.csv")
        pd.testing.assert_frame_equal(of_readout["ctg"].reset_index(drop=True), alone)
        assert not of_readout["cnn"].reset_index(drop=True).equals(alone)


def test_intervals_of_either_kind(screen: Path, score: Score) -> None:
    found: dict[str, Any] = {}
    for kind in ("posterior", "bootstrap"):
        assert score(screen, "--intervals", kind, "--scorer", "abs_ic50", "--draws", "8") == 0
        found[kind] = pd.read_csv(screen / "scores.csv").set_index("drug")
    assert found["posterior"]["score"].equals(found["bootstrap"]["score"])
    assert not found["posterior"]["lower"].equals(found["bootstrap"]["lower"])
    inert = found["posterior"].loc["Inert1"]
    assert inert[["bound", "upper_bound", "score", "upper"]].tolist() == [">", ">", 10000, 10000]
    potent = found["posterior"].loc["Potent1"]
    assert potent["published_value"] == pytest.approx(potent["score"], rel=1e-9)


def contaminate(screen: Path, wells: int = 4) -> None:
    """Half of the killing controls of plate 1 read as untreated cells do."""
    path = screen / "ctg" / "X_P1.csv"
    table = pd.read_csv(path, index_col=0)
    table.iloc[:wells, 11] = 5000.0
    table.to_csv(path)


def test_failed_quality_is_told_beside_the_hits(screen: Path, score: Score, capsys: pytest.CaptureFixture[str]) -> None:
    contaminate(screen)
    assert score(screen) == 0
    told = capsys.readouterr()
    assert "phenodose: quality failed: sample X: zprime (P1 -" in told.err
    assert "fails below 0): Controls overlap: poor; 8 negative and 8 positive control wells." in told.err
    summary = next(line for line in told.out.splitlines() if "hits:" in line)
    assert "interpret with great care, quality failed: zprime, " in summary


def test_failed_quality_for_machines_names_plate_figure_and_limit(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    contaminate(screen)
    assert score(screen, "--json", "--qc", str(screen / "qc.csv")) == 0
    failed = json.loads(capsys.readouterr().out)["failed_quality"]
    qc = pd.read_csv(screen / "qc.csv")
    assert len(failed) == (qc["verdict"] == "fail").sum() > 0
    (one,) = (row for row in failed if (row["metric"], row["plate"]) == ("zprime", "P1"))
    assert (one["sample"], one["limit"]) == ("X", 0)
    assert one["value"] < 0


def test_as_a_program(screen: Path) -> None:
    command = [sys.executable, "-m", "phenodose", "score", "--layout", "layout.csv", "--readouts", "ctg"]
    done = subprocess.run(
        [*command, "--out", "out/s.csv", "--draws", "0"], cwd=screen, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "6 drugs of X; hits: " in done.stdout
    assert len(pd.read_csv(screen / "out" / "s.csv")) == 6
