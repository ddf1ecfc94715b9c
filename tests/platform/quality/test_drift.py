"""Drift of the controls over the plates of a screen."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.quality.drift import PlateDrift, plate_drift
from phenodose.quality.gates import judge


def controls(
    levels: list[tuple[float, float]], sd: float | list[float] = 0.03, n: int = 10, seed: int = 0
) -> pd.DataFrame:
    """Control wells of plates with these levels (negative, positive); spread in windows of each plate."""
    rng = np.random.default_rng(seed)
    spreads = sd if isinstance(sd, list) else [sd] * len(levels)
    rows = []
    for number, ((top, bottom), spread) in enumerate(zip(levels, spreads, strict=True), 1):
        for control, level in (("negative", top), ("positive", bottom)):
            values = level + rng.normal(0, spread * abs(top - bottom), n)
            rows += [{"plate": f"P{number}", "control": control, "raw": value} for value in values]
    return pd.DataFrame(rows)


def of(found: list[PlateDrift], control: str) -> dict[str, PlateDrift]:
    return {one.plate: one for one in found if one.control == control}


def test_a_step_is_found_on_its_plate_and_in_its_size() -> None:
    negative = of(plate_drift(controls([(1000, 100), (1000, 100), (1450, 100)])), "negative")
    assert negative["P3"].shift == pytest.approx(0.5, abs=0.05)
    assert abs(negative["P1"].shift) < 0.05
    positive = of(plate_drift(controls([(1000, 100), (1000, 400), (1000, 100)])), "positive")
    assert positive["P2"].shift == pytest.approx(300 / 900, abs=0.05)


def test_a_trend_is_told_from_a_step() -> None:
    rising = of(plate_drift(controls([(1000, 0), (1200, 0), (1400, 0), (1600, 0)], sd=0.01)), "negative")
    assert rising["P1"].trend == "rises steadily from P1 to P4"
    step = of(plate_drift(controls([(1000, 0), (1600, 0), (1000, 0)], sd=0.01)), "negative")
    assert step["P1"].trend == "no steady trend from P1 to P3"


def test_a_plate_of_uneven_controls_is_found() -> None:
    negative = of(plate_drift(controls([(1000, 0)] * 3, sd=[0.03, 0.03, 0.2])), "negative")
    assert negative["P3"].spread_ratio > 4
    assert negative["P1"].spread_ratio < 1
    tiny = of(plate_drift(controls([(1000, 0)] * 3, sd=[0.0001, 0.0001, 0.002])), "negative")
    assert tiny["P3"].spread_ratio < 0.2  # twenty times as wide, and still nothing


@pytest.mark.parametrize("seed", range(20))
def test_good_plates_are_quiet(seed: int) -> None:
    for one in plate_drift(controls([(1000, 100), (1030, 90), (980, 105)], sd=0.06, n=8, seed=seed)):
        assert judge(f"{one.control}_drift", one.shift).verdict == "pass"
        assert judge(f"{one.control}_spread_ratio", one.spread_ratio).verdict in ("pass", "warn")


@settings(max_examples=30)
@given(st.floats(0.01, 100), st.floats(-1e3, 1e3), st.booleans())
def test_figures_do_not_depend_on_the_readouts_unit_and_sign(scale: float, shift: float, flip: bool) -> None:
    wells = controls([(1000, 100), (1200, 90), (900, 150)])
    factor = -scale if flip else scale
    other = wells.assign(raw=factor * wells["raw"] + shift)
    for one, two in zip(plate_drift(wells), plate_drift(other), strict=True):
        assert abs(two.shift) == pytest.approx(abs(one.shift), rel=1e-6, abs=1e-9)
        assert two.spread_ratio == pytest.approx(one.spread_ratio, rel=1e-6)


def test_without_two_plates_of_controls_there_is_no_drift() -> None:
    one = controls([(1000, 100)])
    assert plate_drift(one) == []
    assert plate_drift(one.iloc[:0]) == []
    assert plate_drift(one[one["control"] == "negative"]) == []
    lacking = pd.concat([one, controls([(0, 0), (900, 100)])[lambda rows: rows["control"] == "negative"]])
    assert plate_drift(lacking[lacking["raw"].notna()].drop_duplicates()) == []
    few = plate_drift(controls([(1000, 100)] * 2, n=3))
    assert len(few) == 4
    assert all(math.isnan(entry.spread_ratio) for entry in few)
