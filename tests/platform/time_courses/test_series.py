"""Readings over time: growth and GR by hand, what they are compared with, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from phenodose.errors import InputError
from phenodose.time_courses.course_classes import CLASSES, Noise, classify
from phenodose.time_courses.series import COURSE_COLUMNS, course_classes, course_rows, noise_of

HOURS = (0.0, 24.0, 48.0, 72.0)
#: Cells over those at the start; untreated ones double every day.
COURSES = {
    "Kill": (1.0, 0.5, 0.2, 0.08),
    "Slow": (1.0, 1.4, 2.0, 2.8),
    "Still": (1.0, 1.0, 1.0, 1.0),
    "Regrow": (1.0, 0.5, 0.6, 1.2),
    "None": (1.0, 2.0, 4.0, 8.0),
}
UNTREATED = (1.0, 2.0, 4.0, 8.0)


def made(
    courses: dict[str, tuple[float, ...]] = COURSES,
    sd: float = 0.0,
    sign: float = 1.0,
    of_well_sd: float = 0.0,
    seed: int = 1,
    hours: tuple[float, ...] = HOURS,
) -> tuple[pd.DataFrame, dict[float, np.ndarray]]:
    """Wells and readings: duplicates of each drug, eight untreated and four killed wells; an empty well reads 100."""
    rng = np.random.default_rng(seed)
    rows = [(drug, 1000.0, None, course) for drug, course in courses.items() for _ in range(2)]
    rows += [(None, np.nan, "negative", UNTREATED)] * 8 + [(None, np.nan, "positive", (1.0, 0.3, 0.0, 0.0))] * 4
    wells = pd.DataFrame(
        {
            "plate": "1",
            "well": [f"A{i + 1:02d}" for i in range(len(rows))],
            "sample": "S",
            "drug": [row[0] for row in rows],
            "concentration_nM": [row[1] for row in rows],
            "control": [row[2] for row in rows],
            "zero": 100.0,
        }
    )
    of_well = rng.normal(0, of_well_sd, len(rows))
    readings = {
        hour: 100 + sign * 1000 * np.array([row[3][t] for row in rows]) * np.exp(of_well + rng.normal(0, sd, len(rows)))
        for t, hour in enumerate(hours)
    }
    return wells, readings


@pytest.mark.parametrize("second", [0.02, 0.0, -0.03, -0.6])
def test_cells_that_rest_like_untreated_ones_do_not_regrow(second):
    """Cells that have just been seeded rest, or some do not attach; a drug without effect changes nothing in that."""
    growth = np.array([0.0, second, 1.0, 2.0])
    series = np.array([growth, [0.0, second - 1.5, second - 1.5, second - 0.6], 0.4 * growth])
    said = classify(series, np.full(series.shape, 3), np.array(HOURS), growth, Noise(0.1))
    assert said.best.tolist() == ["none", "regrow", "slow"]
    assert said.probability[0, CLASSES.index("none")] > 0.8


def test_growth_and_gr_by_hand():
    rows = course_rows(*made())
    assert set(COURSE_COLUMNS) <= set(rows.columns)
    slow = rows[rows["drug"] == "Slow"].drop_duplicates("time_h").set_index("time_h")
    np.testing.assert_allclose(slow["cells"], [1, 1.4, 2, 2.8])
    np.testing.assert_allclose(slow["viability_fraction"], [1, 0.7, 0.5, 0.35])
    np.testing.assert_allclose(slow["growth_per_hour"][1:], np.log2([1.4, 2 / 1.4, 1.4]) / 24)
    np.testing.assert_allclose(slow["untreated_growth_per_hour"][1:], 1 / 24)
    # the formula as published, the start being x0
    np.testing.assert_allclose(slow["gr"][1:], [2 ** (np.log2(c) / n) - 1 for c, n in ((1.4, 1), (2, 2), (2.8, 3))])
    assert np.isnan([slow["gr"].iloc[0], slow["growth_per_hour"].iloc[0]]).all()
    still = rows[(rows["drug"] == "Still") & (rows["time_h"] == 72)]
    np.testing.assert_allclose(still["gr"], 0)


def test_a_readout_that_falls_with_life_gives_the_same():
    first, other = course_rows(*made()), course_rows(*made(sign=-0.05))
    for name in COURSE_COLUMNS[2:]:
        np.testing.assert_allclose(first[name], other[name], atol=1e-12)


def test_each_course_is_told():
    for sd in (0.0, 0.1):
        table = course_classes(course_rows(*made(sd=sd))).set_index("drug")
        told = {"Kill": "kill", "Slow": "slow", "Still": "slow", "Regrow": "regrow", "None": "none"}
        assert table["course_class"].to_dict() == told
        assert (table["probability"] > 0.8).all()
        np.testing.assert_allclose(table[[f"p_{name}" for name in CLASSES]].sum(axis=1), 1)
        assert table["change_doublings"]["Kill"] == pytest.approx(np.log2(0.08), abs=0.5)
        assert table["is_highest_dose"].all()


def test_a_series_with_missing_readings_is_still_told_and_one_without_any_is_not():
    wells, readings = made(sd=0.05)
    killed, slowed = (wells["drug"] == name for name in ("Kill", "Slow"))
    readings[24.0][killed.to_numpy().nonzero()[0]] = np.nan
    for hour in HOURS[1:]:
        readings[hour][slowed.to_numpy().nonzero()[0]] = np.nan
    table = course_classes(course_rows(wells, readings)).set_index("drug")
    assert table["course_class"]["Kill"] == "kill"
    assert table["n_times"]["Kill"] == 3
    assert pd.isna(table["course_class"]["Slow"])
    assert np.isnan(table["probability"]["Slow"])


def test_the_screen_tells_its_noise_and_whether_readings_share_it():
    many = {f"D{i}": UNTREATED for i in range(60)}
    apart = noise_of(course_rows(*made(many, sd=0.15)))
    assert apart.sd == pytest.approx(0.15 / np.log(2), rel=0.2)
    assert apart.shared == 0
    again = noise_of(course_rows(*made(many, sd=0.05, of_well_sd=0.2)))
    assert again.shared > 0.5


def test_cells_that_do_not_grow_cannot_be_slowed():
    hours, flat = np.array(HOURS), np.zeros(4)
    said = classify(np.array([[0, -1.0, -2, -3], [0, 0, 0, 0]]), np.full((2, 4), 2), hours, flat, Noise(0.15))
    assert said.best.tolist() == ["kill", "none"]
    assert said.probability[:, [1, 2]].max() == 0


def test_two_readings_tell_kill_from_slow_but_never_regrowth():
    said = classify(
        np.array([[0, -3.0], [0, 1.0]]), np.full((2, 2), 2), np.array([0, 72.0]), np.array([0, 3.0]), Noise(0.15)
    )
    assert said.best.tolist() == ["kill", "slow"]
    assert said.probability[:, 2].tolist() == [0, 0]


def test_a_drug_with_an_add_on_is_compared_with_the_add_on_alone():
    wells, readings = made({"Slow": (1.0, 1.4, 2.0, 2.8)})
    more = wells[wells["control"].eq("negative") | wells["drug"].eq("Slow")].assign(compared_with="Helper")
    more["well"] = [f"B{i + 1:02d}" for i in range(len(more))]
    both = pd.concat([wells.assign(compared_with=""), more.assign(drug=more["drug"] + " + Helper")], ignore_index=True)
    halved = {
        hour: np.concatenate([values, 100 + 1000 * (1.4 ** (hour / 24)) * np.ones(len(more))])
        for hour, values in readings.items()
    }
    rows = course_rows(both, halved)
    combined = rows[(rows["drug"] == "Slow + Helper") & (rows["time_h"] == 72)]
    np.testing.assert_allclose(combined["gr"], 1)
    classes = course_classes(rows).set_index("drug")["course_class"]
    assert classes.to_dict() == {"Slow": "slow", "Slow + Helper": "none"}


@pytest.mark.parametrize(
    ("hours", "words"), [((24.0, 72.0), "read at 24 h and 72 h but not at time zero"), ((0.0,), "at the start alone")]
)
def test_readings_without_a_start_or_an_end_are_refused_in_one_sentence(hours, words):
    wells, readings = made()
    with pytest.raises(InputError, match=words) as error:
        course_rows(wells, {hour: readings[hour] for hour in hours})
    assert "\n" not in str(error.value)
