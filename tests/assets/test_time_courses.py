"""A screen that was read several times: its last reading is scored, and what drugs do over time is in the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from phenodose.errors import InputError
from phenodose.plugins import registry
from phenodose.screens.registration import check_screen
from phenodose.screens.screen import Screen

CURVES = "layout,viability/ctg,curves/ctg"
PLUGINS = ("readout:ctg", "scorer:dss_asym")
HOURS = (0, 24, 48, 72)


def read_several_times(folder: Path, hours: tuple[int, ...] = HOURS) -> None:
    """Make a time course of the readings: wells come to their viability step by step, and untreated cells grow."""
    files = sorted((folder / "ctg").iterdir())
    for hour in hours:
        place = folder / "ctg" / f"{hour}h"
        place.mkdir()
        for path in files:
            end = pd.read_excel(path, index_col=0, engine="calamine")
            share = hour / HOURS[-1]
            viability = ((end - 500) / 20000).clip(lower=1e-4)
            read = 500 + 20000 / 8 * 8**share * viability**share
            read.to_excel(place / path.name, index_label="")
    for path in files:
        path.unlink()


def test_the_last_reading_is_scored_and_drugs_are_told_by_their_course(workshop: Any) -> None:
    store, folder = workshop.store, workshop.screen("TIM_V1_DS1")
    read_several_times(folder)
    outcome = workshop.make("TIM_V1_DS1", f"{CURVES},scores/dss_asym")
    outcome.raise_if_failed()
    said = store.read_table("runs", "TIM_V1_DS1").set_index("asset")
    assert (
        "read at 0, 24, 48 and 72 h; viability, curves and scores are those of 72 h" in said["notes"]["viability/ctg"]
    )
    inputs = json.loads(said["inputs"]["viability/ctg"])
    assert inputs["time_points_h"] == [0, 24, 48, 72]
    assert any(name.startswith("24 h/") for name in inputs)
    rows = store.read_table("time_courses", "TIM_V1_DS1")
    viability = store.read_table("viability", "TIM_V1_DS1")
    last = rows[rows["time_h"] == 72].merge(viability, on=["plate", "well"])
    np.testing.assert_allclose(last["raw_x"], last["raw_y"])
    np.testing.assert_allclose(last["viability_fraction_x"], last["viability_fraction_y"], atol=1e-9)
    # untreated cells doubled three times in three days
    growth = rows[rows["control"].eq("negative") & rows["time_h"].gt(0)]["growth_per_hour"]
    assert growth.median() == pytest.approx(1 / 24, rel=0.05)
    classes = store.read_table("course_classes", "TIM_V1_DS1")
    highest = classes[classes["is_highest_dose"]].set_index("drug")["course_class"].to_dict()
    assert highest == {"Potent": "kill", "Weak": "slow", "Inert": "none"}
    lowest = classes.sort_values("concentration_nM").drop_duplicates("drug").set_index("drug")["course_class"]
    assert lowest["Weak"] == "none"
    curves = store.read_table("course_curves", "TIM_V1_DS1")
    assert set(curves["time_h"]) == {24, 48, 72}
    assert curves[curves["drug"] == "Potent"]["gr50_nM"].between(5, 50).all()


def test_a_screen_that_was_read_once_has_no_course(workshop: Any) -> None:
    store, _ = workshop.store, workshop.screen("ONE_V1_DS1")
    workshop.make("ONE_V1_DS1", CURVES).raise_if_failed()
    for table in ("time_courses", "course_classes", "course_curves"):
        assert store.read_table(table, "ONE_V1_DS1").empty


def test_readings_without_time_zero_are_refused_in_a_sentence(workshop: Any) -> None:
    folder = workshop.screen("NOZ_V1_DS1")
    read_several_times(folder, (24, 72))
    with pytest.raises(
        InputError, match="NOZ_V1_DS1, readout ctg: was read at 24 h and 72 h but not at time zero"
    ) as e:
        check_screen(folder, registry())
    assert "\n" not in str(e.value)


def test_two_folders_of_one_time_are_refused_and_other_folders_are_none_of_a_time(workshop: Any) -> None:
    folder = workshop.screen("TWO_V1_DS1")
    read_several_times(folder)
    (folder / "ctg" / "old").mkdir()
    screen = Screen.load(folder)
    assert list(screen.course_folders["ctg"]) == [0, 24, 48, 72]
    assert screen.readout_folders["ctg"] == folder / "ctg" / "72h"
    assert screen.other_image_folders() == []
    (folder / "ctg" / "72h").rename(folder / "ctg" / "day 3")
    (folder / "ctg" / "0h").rename(folder / "ctg" / "t0")
    assert list(Screen.load(folder).course_folders["ctg"]) == [0, 24, 48, 72]
    (folder / "ctg" / "24h").rename(folder / "ctg" / "3d")
    with pytest.raises(InputError, match="folders 3d and day 3 are both of 72 h; keep one"):
        Screen.load(folder)
