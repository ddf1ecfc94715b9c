"""`phenodose score --reachable`: the effect of each drug at the concentration that patients' plasma reaches."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

Score = Callable[..., int]


def test_effects_at_c_max_are_written_by_the_named_library(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    table = screen / "ours.csv"
    table.write_text("drug,c_max_nM,fraction_unbound\nPotent1,10,0.5\nPotent2,1000,\nWeak1,100000,\nInert1,none,\n")
    out = screen / "reachable.csv"
    assert score(screen, "--reachable", str(out), "--drug-library", str(table), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    rows = pd.read_csv(out).set_index("drug")
    assert list(rows.index) == ["Potent1", "Potent2", "Weak1"]
    assert rows.loc["Potent1", "effect_at_c_max_fraction"] == pytest.approx(1 / 3, abs=0.05)
    assert rows.loc["Potent2", "effect_at_c_max_fraction"] == pytest.approx(0.98, abs=0.04)
    assert rows.loc["Weak1", "bound"] == ">"
    assert rows["needs_more_than_c_max"].tolist() == [True, False, False]
    assert said["needs_more_than_c_max"] == ["Potent1"], "a hit whose half effect is at 20 nM"
    assert any("not in the drug library: 2 of 6 drugs: Inert2, Weak2" in note for note in said["notes"])
    assert str(out) in said["written"]


def test_a_hit_beyond_c_max_is_told_on_the_terminal_and_scores_are_the_same(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(screen) == 0
    before = (screen / "scores.csv").read_bytes()
    assert "C max" not in capsys.readouterr().out
    (screen / "ours.csv").write_text("drug,c_max_nM\nPotent1,10\n")
    named = ("--reachable", str(screen / "r.csv"), "--drug-library", str(screen / "ours.csv"))
    assert score(screen, *named) == 0
    assert "hits that need more than patients' plasma reaches (C max): Potent1" in capsys.readouterr().out
    assert (screen / "scores.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("reachable", "content", "fault"),
    [
        (False, "drug,c_max_nM\nPotent1,10\n", "name a file with --reachable too"),
        (True, None, "there is no such file"),
        (True, "drug,c_max_nM\nPotent1,many\n", "C max is 'many'"),
    ],
)
def test_a_library_that_cannot_be_used_ends_the_command_before_anything_is_written(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str], reachable: bool, content: str | None, fault: str
) -> None:
    table = screen / "ours.csv"
    if content is not None:
        table.write_text(content)
    arguments = ("--drug-library", str(table), *(("--reachable", str(screen / "r.csv")) if reachable else ()))
    assert score(screen, *arguments) == 2
    assert fault in capsys.readouterr().err
    assert not (screen / "scores.csv").exists()
