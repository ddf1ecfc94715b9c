"""`phenodose score` through the command line: files in, files out, faults."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.plugins import registry

DOSES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
#: Drug -> dose of half effect in nM.
DRUGS = {"Potent": 20.0, "Weak": 3000.0, "Inert": 1e9}
FAST = ["--bootstrap", "20"]


def plate_of(plate: int, noise: float = 0.02) -> tuple[list[dict[str, object]], np.ndarray]:
    """Layout rows and the matrix of one 96-well plate; every drug twice a dose."""
    rng = np.random.default_rng(plate)
    matrix = np.full((8, 12), 50.0)
    rows: list[dict[str, object]] = []

    def put(row: int, column: int, viability: float, well_type: str, drug: str, dose: float, replicate: int) -> None:
        matrix[row, column] = np.round(100 + 5000 * viability * rng.normal(1, noise))
        rows.append(
            {
                "Plate": f"P{plate}",
                "Row": "ABCDEFGH"[row],
                "Column": column + 1,
                "Sample": "",
                "WellType": well_type,
                "Treatment": drug,
                "Concentration": dose,
                "Replicate": replicate,
                "AddOn": "",
                "Readout": "",
            }
        )

    for row in range(8):
        put(row, 0, 1.0, "neg", "DMSO", 0, 1)
        put(row, 11, 0.0, "pos", "BzCl", 1e5, 1)
    for row, (drug, half) in enumerate(DRUGS.items()):
        for step, dose in enumerate(DOSES):
            for replicate in (1, 2):
                put(
                    row + 3 * (replicate - 1),
                    1 + step,
                    1 / (1 + dose / half),
                    "therapy",
                    f"{drug}{plate}",
                    dose,
                    replicate,
                )
    return rows, matrix


@pytest.fixture
def screen(tmp_path: Path) -> Path:
    """A folder with layout.csv (no readouts) and ctg/X_P1.csv, ctg/X_P2.csv."""
    (tmp_path / "ctg").mkdir()
    rows = []
    for plate in (1, 2):
        more, matrix = plate_of(plate)
        rows += more
        table = pd.DataFrame(matrix, index=list("ABCDEFGH"), columns=range(1, 13))
        table.to_csv(tmp_path / "ctg" / f"X_P{plate}.csv")
    pd.DataFrame(rows).to_csv(tmp_path / "layout.csv", index=False)
    return tmp_path


def score(folder: Path, *arguments: str, layout: str = "layout.csv", readouts: str | None = "ctg") -> int:
    """Run the command in this process; the exit code."""
    command = ["score", "--layout", str(folder / layout), "--out", str(folder / "scores.csv"), *FAST, *arguments]
    if readouts:
        command += ["--readouts", str(folder / readouts)]
    with pytest.raises(SystemExit) as done:
        main(command)
    return int(done.value.code or 0)


def test_three_files_with_the_promised_columns(screen: Path) -> None:
    assert score(screen, "--curves", str(screen / "curves.csv"), "--qc", str(screen / "qc.csv")) == 0
    scores = pd.read_csv(screen / "scores.csv")
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
    curves = pd.read_csv(screen / "curves.csv")
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
    qc = pd.read_csv(screen / "qc.csv")
    assert list(qc.columns) == ["sample", "plate", "metric", "value", "threshold", "verdict", "explanation"]
    zprime = qc[qc["metric"] == "zprime_robust"].set_index("plate")
    assert list(zprime.index) == ["P1", "P2", "screen"]
    assert set(zprime["verdict"]) == {"pass"}


def test_all_ways_to_bring_the_readings_give_the_same_scores(screen: Path) -> None:
    assert score(screen) == 0
    expected = (screen / "scores.csv").read_bytes()
    with zipfile.ZipFile(screen / "ctg.zip", "w") as archive:
        for file in (screen / "ctg").iterdir():
            archive.write(file, f"run/{file.name}")
    layout = pd.read_csv(screen / "layout.csv", keep_default_na=False)
    values = {
        (f"P{plate}", row, column + 1): matrix["ABCDEFGH".index(row), column]
        for plate, matrix in ((plate, plate_of(plate)[1]) for plate in (1, 2))
        for row in "ABCDEFGH"
        for column in range(12)
    }
    keys = zip(layout["Plate"], layout["Row"], layout["Column"], strict=True)
    full = layout.assign(Sample="X", Readout=[values[key] for key in keys])
    full.sample(frac=1, random_state=1).to_excel(screen / "full.xlsx", index=False)
    for arguments in ({"readouts": "ctg.zip"}, {"layout": "full.xlsx", "readouts": None}):
        assert score(screen, **arguments) == 0
        assert (screen / "scores.csv").read_bytes() == expected


def test_the_layouts_sample_counts_before_the_files_name(screen: Path) -> None:
    layout = pd.read_csv(screen / "layout.csv", keep_default_na=False).assign(Sample="patient-7")
    layout.to_csv(screen / "layout.csv", index=False)
    assert score(screen) == 0
    assert set(pd.read_csv(screen / "scores.csv")["sample"]) == {"patient-7"}


def test_several_samples_on_one_layout(screen: Path) -> None:
    for plate in (1, 2):
        (screen / "ctg" / f"Y_{plate}.csv").write_bytes((screen / "ctg" / f"X_P{plate}.csv").read_bytes())
    assert score(screen, "--qc", str(screen / "qc.csv")) == 0
    scores = pd.read_csv(screen / "scores.csv")
    first, second = (scores[scores["sample"] == name].drop(columns="sample") for name in ("X", "Y"))
    assert len(first) == 6
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True))
    assert set(pd.read_csv(screen / "qc.csv")["sample"]) == {"X", "Y"}


def test_several_scorers_and_single_replicates(screen: Path) -> None:
    assert score(screen, "--scorer", "dss_asym", "--scorer", "auc", "--per-replicate") == 0
    scores = pd.read_csv(screen / "scores.csv", dtype={"replicate": str})
    assert scores.columns[-1] == "replicate"
    assert scores.groupby(["replicate", "scorer"]).size().to_dict() == {
        (replicate, scorer): 6 for replicate in ("pooled", "1", "2") for scorer in ("dss_asym", "auc")
    }
    assert list(scores["scorer"][:2]) == ["dss_asym", "auc"]


def test_a_faulty_scorer_of_others_costs_its_own_scores_alone(
    screen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    for name, body in {"fine": "return curves.top", "ill": "raise RuntimeError('no such curve')"}.items():
        info = site / f"{name}-1.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[phenodose.scorers]\n{name} = scored_{name}:It\n")
        (site / f"scored_{name}.py").write_text(
            "from phenodose.plugins import Scorer\nclass It(Scorer):\n"
            f"    name, version, description = '{name}', '1', 'Top'\n    def score(self, curves):\n        {body}\n"
        )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(site))
    registry.cache_clear()
    assert score(screen, "--scorer", "fine", "--scorer", "ill", "--scorer", "dss_asym", "--json") == 2
    assert set(pd.read_csv(screen / "scores.csv")["scorer"]) == {"fine", "dss_asym"}
    told = capsys.readouterr()
    assert "scorer 'ill' of ill 1.5 (scored_ill:It) raised RuntimeError: no such curve" in told.err
    assert "The other scorers' scores are written." in told.err
    assert len(json.loads(told.out)["faults"]) == 1
    assert score(screen, "--scorer", "ill") == 2
    assert list(pd.read_csv(screen / "scores.csv")["scorer"]) == []
    registry.cache_clear()


def test_a_reference_gives_selective_scores(screen: Path) -> None:
    reference = pd.DataFrame({"Drug.Name": ["Potent1", "potent2"], "mean_DSS": [5.5, 1.0], "mean_DSS_adj": [5.0, 1.0]})
    reference.to_excel(screen / "reference.xlsx", index=False)
    assert score(screen, "--reference", str(screen / "reference.xlsx")) == 0
    scores = pd.read_csv(screen / "scores.csv").set_index(["drug", "scorer"])
    assert len(scores) == 18
    assert scores.index.get_level_values("scorer").unique().tolist() == ["dss_asym", "sdss_asym", "sdss_asym_adj"]
    plain, selective = scores.loc[("Potent1", "dss_asym")], scores.loc[("Potent1", "sdss_asym")]
    for column in ("score", "lower", "upper"):
        assert selective[column] == pytest.approx(plain[column] - 5.5)
    unmatched = scores.loc[("Potent2", "sdss_asym")]
    assert unmatched[["score", "lower", "upper"]].isna().all()
    assert unmatched["status"] == "no reference"
    assert scores.loc[("Potent2", "dss_asym"), "status"] == "ok"


def test_scores_of_other_samples_are_a_reference_for_all_selective_scores(screen: Path) -> None:
    rng = np.random.default_rng(4)
    for sample in ("H1", "H2", "H3"):
        for plate in (1, 2):
            table = pd.read_csv(screen / "ctg" / f"X_P{plate}.csv", index_col=0)
            (table * rng.normal(1, 0.05, table.shape)).to_csv(screen / "ctg" / f"{sample}_P{plate}.csv")
    assert score(screen, "--scorer", "dss_asym", "--scorer", "dss_asym_adj", "--per-replicate") == 0
    everything = pd.read_csv(screen / "scores.csv")
    everything[everything["sample"] != "X"].to_csv(screen / "healthy.csv", index=False)
    for sample in ("H1", "H2", "H3"):
        for plate in (1, 2):
            (screen / "ctg" / f"{sample}_P{plate}.csv").unlink()
    assert score(screen, "--reference", str(screen / "healthy.csv")) == 0
    found = pd.read_csv(screen / "scores.csv").pivot_table("score", "drug", "scorer")
    assert set(found.columns) == {"dss_asym", "sdss_asym", "sdss_asym_adj", "zdss", "rdss"}
    pooled = everything[(everything["replicate"] == "pooled") & (everything["scorer"] == "dss_asym")]
    healthy = pooled[pooled["sample"] != "X"].groupby("drug")["score"]
    np.testing.assert_allclose(found["sdss_asym"], found["dss_asym"] - healthy.mean(), atol=1e-9)
    np.testing.assert_allclose(found["zdss"], (found["dss_asym"] - healthy.mean()) / (healthy.std() + 1), atol=1e-9)


def test_what_a_reference_does_not_support_is_noted(screen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (screen / "reference.csv").write_text("Drug.Name,mean_DSS\nPotent1,5\n")
    assert score(screen, "--reference", str(screen / "reference.csv")) == 0
    assert set(pd.read_csv(screen / "scores.csv")["scorer"]) == {"dss_asym", "sdss_asym"}
    assert "note: no scores zdss: zdss needs mean and sd of dss_asym" in capsys.readouterr().err


def test_growth_rates_of_given_doublings(screen: Path) -> None:
    names = ["--scorer", "gr50", "--scorer", "gr_max", "--scorer", "abs_ic50"]
    assert score(screen, *names, "--doublings", "1") == 0
    found = pd.read_csv(screen / "scores.csv").pivot_table("score", "drug", "scorer")
    # after one doubling GR is 0.5 at viability 0.75
    assert found.loc["Potent1", "gr50"] == pytest.approx(20 / 3, rel=0.3)
    assert found.loc["Potent1", "gr_max"] == pytest.approx(-1, abs=0.1)
    assert score(screen, *names) == 0
    unknown = pd.read_csv(screen / "scores.csv").set_index("scorer").loc[["gr50", "gr_max"]]
    assert set(unknown["status"]) == {"no time-zero wells or doubling count"}


def test_growth_rates_of_time_zero_wells(screen: Path) -> None:
    layout = pd.read_csv(screen / "layout.csv", keep_default_na=False, dtype=str)
    extra = []
    for plate in (1, 2):
        matrix = pd.read_csv(screen / "ctg" / f"X_P{plate}.csv", index_col=0)
        for column in (9, 10):
            matrix.loc["H", str(column)] = 100 + 5000 / 2
            extra.append([f"P{plate}", "H", str(column), "", "Time zero", "", "", "", "", ""])
        matrix.to_csv(screen / "ctg" / f"X_P{plate}.csv")
    layout = pd.concat([layout, pd.DataFrame(extra, columns=layout.columns)])
    layout.to_csv(screen / "layout.csv", index=False)
    names = ["--scorer", "gr_aoc", "--scorer", "gr50", "--doublings", "40"]
    assert score(screen, *names) == 0
    of_wells = pd.read_csv(screen / "scores.csv")
    assert set(of_wells["status"]) == {"ok"}
    layout[layout["WellType"] != "Time zero"].to_csv(screen / "layout.csv", index=False)
    assert score(screen, *names[:-1], "1") == 0
    given = pd.read_csv(screen / "scores.csv")
    aoc = of_wells["scorer"] == "gr_aoc"
    np.testing.assert_allclose(of_wells.loc[aoc, "score"], given.loc[aoc, "score"], atol=0.03)


def test_amin_reaches_the_scorer(screen: Path) -> None:
    assert score(screen) == 0
    before = pd.read_csv(screen / "scores.csv")["score"]
    assert score(screen, "--amin", "40") == 0
    after = pd.read_csv(screen / "scores.csv")["score"]
    assert not np.allclose(before, after)
    assert score(screen, "--amin", "auto") == 0
    pd.testing.assert_series_equal(pd.read_csv(screen / "scores.csv")["score"], before)


def test_a_plate_without_controls_is_refused_by_name_unless_its_wells_may_be_left_out(
    screen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = pd.read_csv(screen / "layout.csv", keep_default_na=False)
    layout.loc[(layout["Plate"] == "P2") & (layout["WellType"] == "pos"), "WellType"] = "untreated"
    layout.to_csv(screen / "layout.csv", index=False)
    assert score(screen) == 2
    message = capsys.readouterr().err
    assert "sample X: plate P2 has no positive control with a value (30 drug wells)" in message
    assert "--mask-uncontrolled" in message
    assert not (screen / "scores.csv").exists()
    assert score(screen, "--mask-uncontrolled") == 0
    assert set(pd.read_csv(screen / "scores.csv")["drug"]) == {"Potent1", "Weak1", "Inert1"}
    assert "note: sample X: 30 therapy wells left out: plate P2 has no positive control" in capsys.readouterr().err


def test_the_controls_may_be_named_by_well_type_or_treatment(screen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(screen) == 0
    expected = (screen / "scores.csv").read_bytes()
    edited(screen, ",pos,BzCl", ",BzCl,BzCl")
    assert score(screen, "--negative", "dmso", "--positive", "STS", "--positive", "BzCl") == 0
    assert (screen / "scores.csv").read_bytes() == expected
    assert score(screen, "--positive", "STS") == 2
    assert "no well is 'STS'" in capsys.readouterr().err


def test_a_readout_of_death_is_scored_as_it_is_and_refused_where_the_controls_contradict(
    screen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(screen, "--rises-with", "viability") == 0
    expected = pd.read_csv(screen / "scores.csv")
    assert score(screen, "--rises-with", "death") == 2
    message = capsys.readouterr().err
    assert "the controls of plate P1 contradict a readout that rises with death: the median of the negative" in message
    assert "Look for swapped controls in the layout" in message
    for path in (screen / "ctg").iterdir():
        table = pd.read_csv(path, index_col=0)
        (20000 - table).to_csv(path)
    assert score(screen, "--rises-with", "death") == 0
    assert "note" not in capsys.readouterr().err
    pd.testing.assert_frame_equal(pd.read_csv(screen / "scores.csv"), expected, rtol=0, atol=1e-6)
    assert score(screen) == 0
    assert "taken to rise with cell death; say so with --rises-with death" in capsys.readouterr().err
    pd.testing.assert_frame_equal(pd.read_csv(screen / "scores.csv"), expected, rtol=0, atol=1e-6)


def test_an_add_on_is_told_as_the_difference_to_the_drug_alone(screen: Path) -> None:
    """Plate 2 as plate 1 with an add-on that halves all cells: relative to it alone the drugs do the same."""
    layout = pd.read_csv(screen / "layout.csv", keep_default_na=False)
    layout["Treatment"] = layout["Treatment"].str.replace("2", "1")
    layout.loc[(layout["Plate"] == "P2") & (layout["WellType"] != "pos"), "AddOn"] = "Temo"
    layout.to_csv(screen / "layout.csv", index=False)
    table = pd.read_csv(screen / "ctg" / "X_P1.csv", index_col=0)
    dead = table["12"].median()
    ((table - dead) / 2 + dead).to_csv(screen / "ctg" / "X_P2.csv")
    assert score(screen) == 0
    scores = pd.read_csv(screen / "scores.csv").set_index(["drug", "scorer"])
    for drug in ("Potent1", "Weak1", "Inert1"):
        alone, combined = scores.loc[(drug, "dss_asym")], scores.loc[(f"{drug} + Temo", "dss_asym")]
        difference = scores.loc[(f"{drug} + Temo", "dcdss_asym")]
        assert difference["score"] == pytest.approx(combined["score"] - alone["score"], abs=1e-12)
        assert difference["score"] == pytest.approx(0, abs=1e-6)
        assert difference["lower"] <= difference["score"] <= difference["upper"]
        assert difference["status"] == "ok"


def test_the_summary_for_machines(screen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(screen, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["drugs"] == 6
    assert {"Potent1", "Potent2"} <= set(summary["hits"])
    assert summary["written"] == [str(screen / "scores.csv")]
    assert summary["notes"] == []


def contaminate(screen: Path, wells: int = 4) -> None:
    """Half of the killing controls of plate 1 read as untreated cells do."""
    path = screen / "ctg" / "X_P1.csv"
    table = pd.read_csv(path, index_col=0)
    table.iloc[:wells, 11] = 5000.0
    table.to_csv(path)


def test_failed_quality_is_told_beside_the_hits(screen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(screen) == 0
    plain = capsys.readouterr()
    assert "quality failed" not in plain.out + plain.err
    contaminate(screen)
    assert score(screen) == 0
    told = capsys.readouterr()
    assert "phenodose: quality failed: sample X: zprime (P1 -" in told.err
    assert "fails below 0): Controls overlap: poor; 8 negative and 8 positive control wells." in told.err
    summary = next(line for line in told.out.splitlines() if "hits:" in line)
    assert "interpret with great care, quality failed: zprime, " in summary


def test_failed_quality_for_machines_names_plate_figure_and_limit(
    screen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contaminate(screen)
    assert score(screen, "--json", "--qc", str(screen / "qc.csv")) == 0
    failed = json.loads(capsys.readouterr().out)["failed_quality"]
    qc = pd.read_csv(screen / "qc.csv")
    assert len(failed) == (qc["verdict"] == "fail").sum() > 0
    (one,) = (row for row in failed if (row["metric"], row["plate"]) == ("zprime", "P1"))
    assert (one["sample"], one["limit"]) == ("X", 0)
    assert one["value"] < 0


def test_several_readouts_of_several_samples_whatever_the_number_of_processes(screen: Path) -> None:
    """Two readouts, two samples each, shared among two processes."""
    for name, noise in (("ctg", 0.02), ("cnn", 0.05)):
        for sample in "XY":
            for plate in (1, 2):
                table = pd.DataFrame(plate_of(plate, noise)[1], index=list("ABCDEFGH"), columns=range(1, 13))
                (screen / name).mkdir(exist_ok=True)
                table.to_csv(screen / name / f"{sample}_P{plate}.csv")
    named = [f"--readouts=ctg={screen / 'ctg'}", f"--readouts=cnn={screen / 'cnn'}", "--per-replicate"]
    outputs = ["--curves", str(screen / "curves.csv"), "--qc", str(screen / "qc.csv")]
    assert score(screen, *named, *outputs, "--workers", "2", readouts=None) == 0
    scores = pd.read_csv(screen / "scores.csv")
    assert list(scores.columns[:6]) == ["sample", "drug", "scorer", "score", "lower", "upper"]
    assert list(scores.columns[-2:]) == ["readout", "replicate"]
    assert scores.groupby(["sample", "readout", "replicate"]).size().tolist() == [6] * 12
    assert list(dict.fromkeys(scores["readout"])) == ["ctg", "cnn"]
    curves, qc = (pd.read_csv(screen / f"{name}.csv") for name in ("curves", "qc"))
    assert curves["identifiable"].notna().all()
    assert set(curves["readout"]) == set(qc["readout"]) == {"ctg", "cnn"}
    before = {path.name: path.read_bytes() for path in screen.glob("*.csv")}
    assert score(screen, *named, *outputs, "--workers", "1", readouts=None) == 0
    assert {path.name: path.read_bytes() for path in screen.glob("*.csv")} == before
    # one readout alone gives the same rows
    assert score(screen, "--per-replicate", readouts="cnn") == 0
    alone = pd.read_csv(screen / "scores.csv")
    same = scores[scores["readout"] == "cnn"].drop(columns="readout").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, same)


def test_intervals_of_either_kind(screen: Path) -> None:
    found = {}
    for kind in ("posterior", "bootstrap"):
        assert score(screen, "--intervals", kind, "--scorer", "abs_ic50") == 0
        found[kind] = pd.read_csv(screen / "scores.csv").set_index("drug")
    assert found["posterior"]["score"].equals(found["bootstrap"]["score"])
    assert not found["posterior"]["lower"].equals(found["bootstrap"]["lower"])
    inert = found["posterior"].loc["Inert1"]
    assert inert[["bound", "upper_bound", "score", "upper"]].tolist() == [">", ">", 10000, 10000]
    potent = found["posterior"].loc["Potent1"]
    assert potent["published_value"] == pytest.approx(potent["score"], rel=1e-9)


# --- faults: exit code 2, one message, nothing written ------------------------------------------------


def edited(folder: Path, old: str, new: str) -> None:
    path = folder / "layout.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


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
    screen: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, words: str
) -> None:
    (screen / "scores.csv").write_text("kept")
    edited(screen, old, new)
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
def test_faulty_options(screen: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
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
    screen: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: list[str], words: str
) -> None:
    monkeypatch.chdir(screen)
    assert score(screen, *(f"--readouts={text}" for text in given), readouts=None) == 2
    assert words in capsys.readouterr().err


def test_outputs_that_cannot_be(screen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(screen, "--qc", str(screen / "scores.csv")) == 2
    assert "name the same file" in capsys.readouterr().err
    assert score(screen, "--qc", str(screen)) == 2
    assert "is a folder" in capsys.readouterr().err
    (screen / "file").touch()
    assert score(screen, "--qc", str(screen / "file" / "qc.csv")) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not (screen / "scores.csv").exists()


def test_a_layout_without_readouts_says_how_to_give_them(screen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(screen, readouts=None) == 2
    assert "has no readouts; fill its column Readout, or give the plate-reader files" in capsys.readouterr().err


def test_as_a_program(screen: Path) -> None:
    command = [sys.executable, "-m", "phenodose", "score", "--layout", "layout.csv", "--readouts", "ctg"]
    done = subprocess.run(
        [*command, "--out", "out/s.csv", *FAST], cwd=screen, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "6 drugs of X; hits: " in done.stdout
    assert len(pd.read_csv(screen / "out" / "s.csv")) == 6
    again = subprocess.run(command, cwd=screen, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "Missing option '--out'" in again.stderr
