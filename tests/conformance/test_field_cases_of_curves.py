"""Inputs with faults seen in the field: a failed figure or a sentence stands beside the hits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from phenodose.cli import main

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "dose_response"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the repository")


@pytest.fixture
def summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """What `phenodose score` tells machines of a case; its curves lie in curves.csv."""

    def score(case: str, *more: str) -> dict[str, Any]:
        layout = ["--layout", str(CASES / case / "layout.csv"), "--draws", "0", "--json", *more]
        written = ["--out", str(tmp_path / "s.csv"), "--curves", str(tmp_path / "curves.csv")]
        with pytest.raises(SystemExit) as done:
            main(["score", *layout, *written])
        assert done.value.code == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        return told

    return score


def test_the_plain_screen_is_as_it_was(summary: Any, tmp_path: Path) -> None:
    told = summary("00_plain", "--readouts", str(CASES / "00_plain" / "S_P1.txt"))
    assert (told["failed_quality"], told["notes"]) == ([], [])
    scores = pd.read_csv(tmp_path / "s.csv")["score"].round(2).tolist()
    assert scores == [29.66, 15.3, 6.16, 0, 11.17, 10.79]


@pytest.mark.parametrize(
    ("case", "metrics"),
    [
        ("44_qc_silent", {"zprime", "zprime_robust", "ssmd", "beyond_killing_control"}),
        ("43_swapped_single", {"effect_at_lowest_dose", "falling_curves_percent"}),
    ],
)
def test_what_fails_is_told(summary: Any, case: str, metrics: set[str]) -> None:
    assert {one["metric"] for one in summary(case)["failed_quality"]} >= metrics


def test_a_reversed_series_and_hooks_are_named(summary: Any, tmp_path: Path) -> None:
    told = summary("41_reversed")
    assert "misfit_curves_percent" in {one["metric"] for one in told["failed_quality"]}
    notes = " ".join(told["notes"])
    assert "inhibition falls with dose under reversed_series (98 % to 2 %)" in notes
    assert "bell_mid: inhibition rises from" in notes
    status = pd.read_csv(tmp_path / "curves.csv").set_index("drug")["status"]
    hooks = ["bell_mid", "hook_last_60", "hook_last_95", "one_dose_dead_low", "swap_2_doses"]
    assert status[hooks].tolist() == ["misfit"] * 5
    assert status[["ok", "reversed_series"]].tolist() == ["ok", "decreasing"]
