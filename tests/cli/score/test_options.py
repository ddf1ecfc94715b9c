"""`phenodose score`: what its options and the layout's controls change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.plugins import registry

Score = Callable[..., int]


def test_what_holds_by_default_may_be_said(screen: Path, plain: Path, score: Score) -> None:
    """Controls by well type or treatment, and the defaults of other options."""
    edited(screen, ",pos,BzCl", ",BzCl,BzCl")
    controls = ["--negative", "dmso", "--positive", "STS", "--positive", "BzCl"]
    assert score(screen, *controls, "--amin", "auto", "--rises-with", "viability", "--normalise", "plate") == 0
    assert (screen / "scores.csv").read_bytes() == (plain / "scores.csv").read_bytes()


def test_a_control_that_no_well_is_is_refused(screen: Path, score: Score, capsys: pytest.CaptureFixture[str]) -> None:
    assert score(screen, "--positive", "STS") == 2
    assert "no well is 'STS'" in capsys.readouterr().err


def test_amin_reaches_the_scorer(screen: Path, plain: Path, score: Score) -> None:
    assert score(screen, "--amin", "40", "--draws", "0") == 0
    before, after = (pd.read_csv(folder / "scores.csv")["score"] for folder in (plain, screen))
    assert not np.allclose(before, after)


def test_a_faulty_scorer_of_others_is_told_where_it_is_the_only_one(
    screen: Path, score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside another, whose scores are written: tests/platform/pipeline/test_one_pipeline.py."""
    site = tmp_path / "site"
    info = site / "ill-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ill\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text("[phenodose.scorers]\nill = scored_ill:It\n")
    (site / "scored_ill.py").write_text(
        "from phenodose.plugins import Scorer\nclass It(Scorer):\n    name, version, description = 'ill', '1', 'Top'\n"
        "    def score(self, curves):\n        raise RuntimeError('no such curve')\n"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(site))
    registry.cache_clear()
    assert score(screen, "--scorer", "ill", "--json") == 2
    assert list(pd.read_csv(screen / "scores.csv")["scorer"]) == []
    told = capsys.readouterr()
    assert "scorer 'ill' of ill 1.5 (scored_ill:It) raised RuntimeError: no such curve" in told.err
    assert "The other scorers' scores are written." in told.err
    assert len(json.loads(told.out)["faults"]) == 1
    registry.cache_clear()


def test_a_reference_gives_the_selective_scores_that_it_supports(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = pd.DataFrame({"Drug.Name": ["Potent1", "potent2"], "mean_DSS": [5.5, 1.0], "mean_DSS_adj": [5.0, 1.0]})
    reference.to_excel(screen / "reference.xlsx", index=False)
    assert score(screen, "--reference", str(screen / "reference.xlsx")) == 0
    assert "note: no scores zdss: zdss needs mean and sd of dss_asym" in capsys.readouterr().err
    scores: Any = pd.read_csv(screen / "scores.csv").set_index(["drug", "scorer"])
    assert len(scores) == 18
    assert scores.index.get_level_values("scorer").unique().tolist() == ["dss_asym", "sdss_asym", "sdss_asym_adj"]
    plain, selective = scores.loc[("Potent1", "dss_asym")], scores.loc[("Potent1", "sdss_asym")]
    for column in ("score", "lower", "upper"):
        assert selective[column] == pytest.approx(plain[column] - 5.5)
    unmatched = scores.loc[("Potent2", "sdss_asym")]
    assert unmatched[["score", "lower", "upper"]].isna().all()
    assert unmatched["status"] == "no reference"
    assert scores.loc[("Potent2", "dss_asym"), "status"] == "ok"


def test_scores_of_other_samples_are_a_reference_for_all_selective_scores(
    screen: Path, several: Path, score: Score
) -> None:
    everything = pd.read_csv(several / "scores.csv")
    everything[everything["sample"] != "X"].to_csv(screen / "healthy.csv", index=False)
    assert score(screen, "--reference", str(screen / "healthy.csv")) == 0
    found = pd.read_csv(screen / "scores.csv").pivot_table("score", "drug", "scorer")
    assert set(found.columns) == {"dss_asym", "sdss_asym", "sdss_asym_adj", "zdss", "rdss"}
    pooled = everything[(everything["replicate"] == "pooled") & (everything["scorer"] == "dss_asym")]
    healthy = pooled[pooled["sample"] != "X"].groupby("drug")["score"]
    np.testing.assert_allclose(found["sdss_asym"], found["dss_asym"] - healthy.mean(), atol=1e-9)
    np.testing.assert_allclose(found["zdss"], (found["dss_asym"] - healthy.mean()) / (healthy.std() + 1), atol=1e-9)


def test_growth_rates_need_doublings_or_time_zero_wells(screen: Path, score: Score) -> None:
    """Both give the same rates; the wells count before what is given."""
    layout = pd.read_csv(screen / "layout.csv", keep_default_na=False, dtype=str)
    extra = []
    for plate in (1, 2):
        matrix = pd.read_csv(screen / "ctg" / f"X_P{plate}.csv", index_col=0)
        for column in (9, 10):
            matrix.loc["H", str(column)] = 100 + 5000 / 2
            extra.append([f"P{plate}", "H", str(column), "", "Time zero", "", "", "", "", ""])
        matrix.to_csv(screen / "ctg" / f"X_P{plate}.csv")
    pd.concat([layout, pd.DataFrame(extra, columns=layout.columns)]).to_csv(screen / "with_t0.csv", index=False)
    names = ["--scorer", "gr_aoc", "--scorer", "gr50", "--scorer", "gr_max", "--scorer", "abs_ic50"]
    found: dict[str, Any] = {}
    for told, given in {"wells": ["--doublings", "40"], "given": ["--doublings", "1"], "nothing": []}.items():
        from_layout = "with_t0.csv" if told == "wells" else "layout.csv"
        assert score(screen, *names, *given, layout=from_layout) == 0
        found[told] = pd.read_csv(screen / "scores.csv").set_index(["scorer", "drug"])
    assert set(found["wells"].loc[["gr_aoc", "gr50"], "status"]) == {"ok"}
    of_wells, given_one = (found[told].loc["gr_aoc", "score"] for told in ("wells", "given"))
    np.testing.assert_allclose(of_wells, given_one, atol=0.03)
    # after one doubling GR is 0.5 at viability 0.75
    assert found["given"].loc[("gr50", "Potent1"), "score"] == pytest.approx(20 / 3, rel=0.3)
    assert found["given"].loc[("gr_max", "Potent1"), "score"] == pytest.approx(-1, abs=0.1)
    unknown = found["nothing"].loc[["gr50", "gr_max"]]
    assert set(unknown["status"]) == {"no time-zero wells or doubling count"}


def test_a_plate_without_controls_is_refused_by_name_unless_its_wells_may_be_left_out(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
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


def test_a_readout_of_death_is_scored_as_it_is_and_refused_where_the_controls_contradict(
    screen: Path, plain: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = pd.read_csv(plain / "scores.csv")
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


def test_an_add_on_is_told_as_the_difference_to_the_drug_alone(screen: Path, score: Score) -> None:
    """Plate 2 as plate 1 with an add-on that halves all cells: relative to it alone the drugs do the same."""
    layout = pd.read_csv(screen / "layout.csv", keep_default_na=False)
    layout["Treatment"] = layout["Treatment"].str.replace("2", "1")
    layout.loc[(layout["Plate"] == "P2") & (layout["WellType"] != "pos"), "AddOn"] = "Temo"
    layout.to_csv(screen / "layout.csv", index=False)
    table = pd.read_csv(screen / "ctg" / "X_P1.csv", index_col=0)
    dead = table["12"].median()
    ((table - dead) / 2 + dead).to_csv(screen / "ctg" / "X_P2.csv")
    assert score(screen) == 0
    scores: Any = pd.read_csv(screen / "scores.csv").set_index(["drug", "scorer"])
    for drug in ("Potent1", "Weak1", "Inert1"):
        alone, combined = scores.loc[(drug, "dss_asym")], scores.loc[(f"{drug} + Temo", "dss_asym")]
        difference = scores.loc[(f"{drug} + Temo", "dcdss_asym")]
        assert difference["score"] == pytest.approx(combined["score"] - alone["score"], abs=1e-12)
        assert difference["score"] == pytest.approx(0, abs=1e-6)
        assert difference["lower"] <= difference["score"] <= difference["upper"]
        assert difference["status"] == "ok"


# --- faults: exit code 2, one message, nothing written ------------------------------------------------


def edited(folder: Path, old: str, new: str) -> None:
    path = folder / "layout.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
