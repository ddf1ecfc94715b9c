"""`phenodose score` of readings over time: the last is scored, and drugs are told by their course."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Score = Callable[..., int]
HOURS = (0, 24, 48, 72)


def read_several_times(screen: Path, hours: tuple[int, ...] = HOURS) -> None:
    """Untreated cells double every day; the others come to their viability step by step."""
    files = sorted((screen / "ctg").iterdir())
    for hour in hours:
        place = screen / "ctg" / f"{hour}h"
        place.mkdir()
        for path in files:
            end = pd.read_csv(path, index_col=0)
            viability = ((end - 100) / 5000).clip(lower=1e-4)
            (100 + 5000 / 8 * 8 ** (hour / 72) * viability ** (hour / 72)).to_csv(place / path.name)
    for path in files:
        path.unlink()


def test_the_last_time_is_scored_and_the_classes_are_written(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    once = shutil.copytree(screen, screen.parent / "once")
    read_several_times(screen)
    assert score(screen, "--courses", str(screen / "courses.csv")) == 0
    assert (
        "ctg was read at 0, 24, 48 and 72 h; viability, curves and scores are those of 72 h" in capsys.readouterr().err
    )
    assert score(once) == 0
    both = [pd.read_csv(folder / "scores.csv").set_index(["drug", "scorer"])["score"] for folder in (screen, once)]
    pd.testing.assert_series_equal(*both, atol=0.3)
    courses = pd.read_csv(screen / "courses.csv")
    told = courses[courses["is_highest_dose"]].set_index("drug")["course_class"].to_dict()
    assert {name[:-1] for name, kind in told.items() if kind == "kill"} == {"Potent"}
    assert {name[:-1] for name, kind in told.items() if kind == "none"} == {"Inert"}
    assert courses[["p_kill", "p_slow", "p_regrow", "p_none"]].sum(axis=1).sub(1).abs().max() < 1e-9


def test_the_reading_at_the_start_tells_how_often_cells_doubled(screen: Path, score: Score) -> None:
    read_several_times(screen)
    names = ["--scorer", "gr50", "--scorer", "gr_max"]
    assert score(screen, *names) == 0
    of_start = pd.read_csv(screen / "scores.csv").set_index(["drug", "scorer"])
    assert set(of_start["status"]) == {"ok"}
    assert score(screen, *names, "--doublings", "40") == 0
    pd.testing.assert_frame_equal(of_start, pd.read_csv(screen / "scores.csv").set_index(["drug", "scorer"]))
    # three doublings: GR is 0.5 at viability 0.75^3, where 1 / (1 + c / 20) is at 27.4 nM
    assert of_start["score"]["Potent1", "gr50"] == pytest.approx(27.4, rel=0.2)


def test_readings_without_time_zero_and_classes_without_times_are_refused(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(screen, "--courses", str(screen / "courses.csv")) == 2
    assert "--courses: no readout was read several times" in capsys.readouterr().err
    assert not (screen / "courses.csv").exists()
    assert not (screen / "scores.csv").exists()
    read_several_times(screen, (24, 72))
    assert score(screen) == 2
    said = capsys.readouterr().err
    assert "ctg: was read at 24 h and 72 h but not at time zero, when the treatment began" in said
    assert said.count("\n") == 1


def test_a_plate_that_was_not_read_at_one_time_is_told_with_the_time(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    read_several_times(screen)
    (screen / "ctg" / "24h" / "X_P2.csv").unlink()
    assert score(screen) == 2
    assert "at 24 h: plate P2 has no plate-reader file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("of_start", "sentence"),
    [
        (
            lambda table: table * float("nan"),
            "sample X: time course: the reading of 0 h shows no cells above killed ones",
        ),
        (lambda table: table * 20, "untreated cells went through -1.5 doublings from 0 to 72 h"),
    ],
)
def test_a_start_that_tells_nothing_is_told(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str], of_start: Any, sentence: str
) -> None:
    read_several_times(screen, (0, 72))
    for path in (screen / "ctg" / "0h").iterdir():
        of_start(pd.read_csv(path, index_col=0)).to_csv(path)
    assert score(screen, "--draws", "0") == 0
    assert sentence in capsys.readouterr().err


def test_a_plate_without_a_start_and_copied_files_are_told(
    screen: Path, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    read_several_times(screen, (0, 72))
    times = screen / "ctg"
    shutil.copy(times / "72h" / "X_P1.csv", times / "0h" / "X_P1.csv")
    start = times / "0h" / "X_P2.csv"
    (pd.read_csv(start, index_col=0) * float("nan")).to_csv(start)
    assert score(screen, "--draws", "0") == 0
    told = capsys.readouterr().err
    assert "the reading of 0 h has no value of plate P2" in told
    assert "plate P1 has the same numbers at 0 and 72 h" in told


def test_a_corrected_readout_has_the_growth_rates_of_the_reading_at_the_start(screen: Path, score: Score) -> None:
    read_several_times(screen)
    assert score(screen, "--scorer", "gr50", "--correction", "residuals", "--draws", "0") == 0
    found = pd.read_csv(screen / "scores.csv")
    both = [some.set_index("drug")["score"] for _, some in found.groupby("readout")]
    assert len(both) == 2
    pd.testing.assert_series_equal(*both, rtol=0.05)
