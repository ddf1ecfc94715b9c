"""Limits from configuration: which file wins, what is refused, and the verdicts they give."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.errors import InputError
from phenodose.quality.gates import judge
from phenodose.quality.metrics import METRICS
from phenodose.screens.screen import read_settings
from phenodose.settings.quality import QualitySetting, WellSettings, resolve_limits
from phenodose.settings.site import read_site


def test_the_screen_wins_over_the_site_and_the_site_over_the_default() -> None:
    site = {"zprime": QualitySetting(good=0.6), "ssmd": QualitySetting(good=5, poor=4)}
    screen = {"zprime": QualitySetting(block=True), "ssmd": QualitySetting(good=7)}
    limits = resolve_limits(site, screen).of
    assert (limits["zprime"].good, limits["zprime"].poor, limits["zprime"].block) == (0.6, 0.0, True)
    assert limits["zprime"].origin == "screen.toml"
    assert (limits["ssmd"].good, limits["ssmd"].poor) == (7, 4)
    only_site = resolve_limits(site).of
    assert (only_site["zprime"].origin, only_site["zprime_robust"].origin) == ("site.toml", "default")
    assert resolve_limits(site, screen).blocking == {"zprime"}


def test_wells_settings_fall_back_one_by_one() -> None:
    limits = resolve_limits(site_wells=WellSettings(mask=("empty",), most_sd=9), screen_wells=WellSettings(mask=()))
    assert (limits.mask, limits.most_sd) == ((), 9)
    assert resolve_limits().mask == ()


@pytest.mark.parametrize(
    ("metric", "said", "words"),
    [
        ("zprime", QualitySetting(good=0.1, poor=0.5), "set poor below good"),
        ("edge_effect", QualitySetting(good=0.5), "set poor above good"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(metric: str, said: QualitySetting, words: str) -> None:
    with pytest.raises(InputError, match=words):
        resolve_limits(screen={metric: said})


@given(st.sampled_from(sorted(METRICS)), st.floats(-1e3, 1e3), st.floats(0, 1e3))
def test_a_better_value_never_gets_a_worse_verdict(metric: str, value: float, better_by: float) -> None:
    order = ["fail", "warn", "pass", "none"]
    better = value + better_by if METRICS[metric].higher_is_better else max(abs(value) - better_by, 0.0)
    assert order.index(judge(metric, better).verdict) >= order.index(judge(metric, value).verdict)


def test_a_figure_without_default_limit_can_get_one() -> None:
    assert judge("signal_to_background", 3.0).verdict == "none"
    limits = resolve_limits(site={"signal_to_background": QualitySetting(good=10, poor=5)})
    judgement = judge("signal_to_background", 3.0, limits)
    assert (judgement.verdict, judgement.threshold, judgement.origin) == ("fail", 10, "site.toml")
    only_poor = resolve_limits(site={"signal_to_background": QualitySetting(poor=5)})
    assert judge("signal_to_background", 6.0, only_poor).verdict == "pass"


def test_both_files_are_read_with_the_same_words(tmp_path: Path) -> None:
    text = '[quality.zprime_robust]\ngood = 0.4\npoor = 0.1\nblock = true\n[wells]\nmask = ["empty"]\n'
    for name in ("site.toml", "screen.toml"):
        (tmp_path / name).write_text(text)
    site, screen = read_site(tmp_path), read_settings(tmp_path / "screen.toml")
    assert site.quality == screen.quality == {"zprime_robust": QualitySetting(good=0.4, poor=0.1, block=True)}
    assert site.wells == screen.wells == WellSettings(mask=("empty",))
    assert read_site(tmp_path / "nowhere").quality == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[quality.zprim]\ngood = 1\n", "no quality figure zprim; known are zprime, "),
        ("[quality.zprime]\ngood = 'high'\n", "quality.zprime.good"),
        ("[quality.zprime]\ngoood = 1\n", "goood: there is no such setting"),
        ('[wells]\nmask = ["ugly"]\n', "wells.mask"),
        ("[wells\n", "not a TOML file"),
        ("colour = 1\n", "colour: there is no such setting"),
    ],
)
def test_faults_of_both_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    for name in ("site.toml", "screen.toml"):
        (tmp_path / name).write_text(text)
    for read in (lambda: read_site(tmp_path), lambda: read_settings(tmp_path / "screen.toml")):
        with pytest.raises(InputError) as caught:
            read()
        assert words in str(caught.value)
        assert str(tmp_path) in str(caught.value)
        assert "Value error" not in str(caught.value)


def test_all_faults_of_a_site_file_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("colour = 1\n[quality.zprime]\nbest = 1\n[wells]\nmost_sd = -1\n")
    with pytest.raises(InputError) as caught:
        read_site(tmp_path)
    message = str(caught.value)
    assert "3 faults" in message
    assert "known are quality, wells" in message
    assert "known are good, poor, block" in message
