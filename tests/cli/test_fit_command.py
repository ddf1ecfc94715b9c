"""`phenodose fit` from the shell's side."""

import json

import numpy as np
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import points_from_long
from phenodose.dose_response.scoring import score_curves
from phenodose.plugins import registry


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code


@pytest.fixture
def curves_csv(tmp_path):
    doses = np.repeat([1.0, 10, 100, 1000, 10000], 2)
    parts = [
        pd.DataFrame(
            {
                "curve_id": name,
                "dose": doses,
                "inhibition": inhibition(np.log10(doses), 0.0, top, 2.0, 1.0, 1.0),
                "replicate": [1, 2] * 5,
                "note": "kept",
            }
        )
        for name, top in (("z", 0.9), ("a", 0.5), ("007", 0.0))
    ]
    path = tmp_path / "curves.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


def test_one_row_a_curve_in_order_of_appearance(curves_csv, tmp_path, capsys):
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv") == 0
    fits = pd.read_csv(tmp_path / "fits.csv", dtype={"curve_id": str})
    assert fits["curve_id"].tolist() == ["z", "a", "007"]
    columns = ["curve_id", "replicate", "note", "model", "bottom", "top", "log10_mid", "slope", "asymmetry", "gof"]
    assert fits.columns.tolist()[:12] == [*columns, "objective", "status"]
    assert fits["status"].tolist() == ["ok", "ok", "flat"]
    assert fits["replicate"].tolist() == ["1;2"] * 3
    np.testing.assert_allclose(fits["top"][:2], [0.9, 0.5], atol=0.02)
    assert "3 curves: 2 ok, 1 flat" in capsys.readouterr().out


def test_json_summary_and_the_published_fit(curves_csv, tmp_path, capsys):
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv", "--fit", "nplr", "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == {"ok": 2, "failed": 1}
    assert pd.read_csv(tmp_path / "fits.csv")["fit"].unique().tolist() == ["nplr"]


def test_a_column_that_says_its_unit_needs_no_option(curves_csv, tmp_path, capsys):
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv") == 0
    fraction = pd.read_csv(tmp_path / "fits.csv")
    table = pd.read_csv(curves_csv, dtype={"curve_id": str})
    weak = table.assign(inhibition_percent=100 * table["inhibition"]).drop(columns="inhibition")
    weak.to_csv(curves_csv, index=False)
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv") == 0
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "fits.csv"), fraction, rtol=1e-9)
    weak.assign(inhibition_fraction=0.1).to_csv(curves_csv, index=False)
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv") == 2
    assert "inhibition_fraction and inhibition_percent both hold inhibitions" in capsys.readouterr().err
    weak.rename(columns={"inhibition_percent": "inhibition_fraction"}).to_csv(curves_csv, index=False)
    assert run("fit", curves_csv, "--percent", "--out", tmp_path / "fits.csv") == 2
    assert "--percent contradicts the column inhibition_fraction" in capsys.readouterr().err


def test_percent_is_refused_with_its_remedy_and_taken_when_told(curves_csv, tmp_path, capsys):
    table = pd.read_csv(curves_csv, dtype={"curve_id": str})
    table.assign(inhibition=100 * table["inhibition"]).to_csv(curves_csv, index=False)
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv") == 2
    told = capsys.readouterr().err
    assert "looks like percent" in told
    assert "--percent" in told
    assert not (tmp_path / "fits.csv").exists()
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv", "--percent") == 0
    assert pd.read_csv(tmp_path / "fits.csv")["top"].max() == pytest.approx(0.9, abs=0.02)


def test_all_faults_of_a_file_are_told_at_once(tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text("set_id,dose,inhibition\nA,1,0.1\n,10,0.2\nA,-3,0.3\nA,ten,0.4\nA,,0.4\nA,5,high\n")
    assert run("fit", path, "--out", tmp_path / "fits.csv") == 2
    told = capsys.readouterr().err
    for sentence in ("row 3: set_id is empty", "row 4: dose is -3", "row 5: dose is 'ten'", "row 6: dose is empty"):
        assert sentence in told
    assert "row 7: inhibition is 'high'" in told


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("dose,inhibition\n1,0.5\n", "column curve_id (or set_id) is missing"),
        ("curve_id,dose,inhibition\n", "no points"),
        ("", "column dose is missing"),
        ("curve_id,dose,inhibition,status\nA,1,0.5,x\n", "column status is also a column of the result"),
        ("curve_id,dose,dose,inhibition\nA,1,1,0.5\n", "column dose stands in the header twice"),
    ],
)
def test_unusable_tables_are_refused(content, sentence, tmp_path, capsys):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    assert run("fit", path, "--out", tmp_path / "fits.csv") == 2
    assert sentence in capsys.readouterr().err


def test_missing_file_and_folder_as_output(curves_csv, tmp_path, capsys):
    assert run("fit", tmp_path / "none.csv", "--out", tmp_path / "fits.csv") == 2
    assert "there is no such file" in capsys.readouterr().err
    assert run("fit", curves_csv, "--out", tmp_path) == 2
    assert "is a folder" in capsys.readouterr().err


def test_the_table_that_is_read_is_not_written_over(curves_csv, capsys):
    before = curves_csv.read_bytes()
    assert run("fit", curves_csv, "--out", curves_csv) == 2
    assert "is an input and would be lost" in capsys.readouterr().err
    assert curves_csv.read_bytes() == before


def test_points_at_dose_zero_are_left_out_and_told(tmp_path, capsys):
    path = tmp_path / "zero.csv"
    path.write_text("curve_id;dose;inhibition\nA;0;0,0\nA;1;0,1\nA;10;0,5\nA;100;0,9\n")
    assert run("fit", path, "--out", tmp_path / "fits.csv") == 0
    assert "1 points at dose 0 are left out" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "fits.csv")["n_points"].tolist() == [3]


def test_ic50_and_intervals_are_those_of_the_scorers(curves_csv, tmp_path):
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv", "--draws", 50, "--seed", 3) == 0
    fits = pd.read_csv(tmp_path / "fits.csv", dtype={"curve_id": str})
    points = pd.read_csv(curves_csv, dtype={"curve_id": str})
    gathered = points_from_long(points, ["curve_id"], "dose", "inhibition", sort=False)
    curves = fit_curves(gathered, bootstrap=50, seed=3, noise="batch")
    for name in ("abs_ic50", "rel_ic50"):
        scores = score_curves(curves, registry().get("scorer", name)())
        for column, of_score in (("nM", "score"), ("lower_nM", "lower"), ("upper_nM", "upper")):
            np.testing.assert_allclose(fits[f"{name}_{column}"], scores[of_score], rtol=1e-9)
        for column in ("lower_bound", "upper_bound"):
            assert fits[f"{name}_{column}"].fillna("").tolist() == scores[column].fillna("").tolist()
    assert fits["abs_ic50_nM"][0] == pytest.approx(125, rel=0.05)  # 90 % at most: 50 % lies above the mid dose
    assert fits["abs_ic50_lower_nM"][0] < fits["abs_ic50_nM"][0] < fits["abs_ic50_upper_nM"][0]
    assert (fits["abs_ic50_nM"][2], fits["abs_ic50_bound"][2]) == (10000, ">")
    assert np.isnan(fits["rel_ic50_nM"][2])


def test_without_draws_there_are_doses_and_no_intervals(curves_csv, tmp_path):
    assert run("fit", curves_csv, "--out", tmp_path / "fits.csv", "--draws", 0) == 0
    fits = pd.read_csv(tmp_path / "fits.csv")
    assert fits["abs_ic50_nM"].notna().all()
    assert fits[["abs_ic50_lower_nM", "abs_ic50_upper_nM", "identifiable"]].isna().all(axis=None)


def test_the_points_that_are_read_are_never_written_over(curves_csv, tmp_path, capsys):
    before = curves_csv.read_bytes()
    assert run("fit", curves_csv, "--out", curves_csv) == 2
    assert "is an input and would be lost" in capsys.readouterr().err
    assert curves_csv.read_bytes() == before
