"""Raw readout to viability: the scaling, its groups, and masked wells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phenodose.errors import InputError
from phenodose.viability.controls import Controls, choose_controls
from phenodose.viability.normalise import (
    NOT_MEASURED,
    VIABILITY_COLUMNS,
    RisesWith,
    falls_with_viability,
    refuse_lost_drugs,
    to_viability,
)

KINDS = ("neg", "neg", "neg", "pos", "pos", "pos", "therapy", "therapy", "empty")


def layout(plates: tuple[str, ...] = ("1", "2"), **columns: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "plate": [plate for plate in plates for _ in KINDS],
            "row": "A",
            "column": [i + 1 for _ in plates for i in range(len(KINDS))],
            "well": [f"A{i + 1:02d}" for _ in plates for i in range(len(KINDS))],
            "well_type": list(KINDS) * len(plates),
            "treatment": ["DMSO"] * 3 + ["BzCl"] * 3 + ["X", "X", None] if len(plates) == 1 else None,
            "add_on": None,
        }
    )
    return frame.assign(**columns)


def raw_of(frame: pd.DataFrame, values: list[float]) -> pd.DataFrame:
    return frame[["plate", "row", "column"]].assign(raw=values)


def controls_of(frame: pd.DataFrame) -> Controls:
    return choose_controls(frame, ("neg",), ("pos",), "layout")


PLATE = [90.0, 100.0, 130.0, 0.0, 10.0, 12.0, 55.0, 190.0, 3.0]


def test_controls_are_one_and_zero_on_their_own_plate_and_nothing_is_clamped() -> None:
    frame = layout()
    raw = raw_of(frame, [*PLATE, *[10 * value for value in PLATE]])
    result = to_viability(raw, frame, controls_of(frame))
    assert list(result.columns) == list(VIABILITY_COLUMNS)
    assert result["viability_fraction"].iloc[6] == 0.5
    assert result["viability_fraction"].iloc[7] == 2.0
    assert result["viability_fraction"].iloc[3] == pytest.approx(-1 / 9)
    np.testing.assert_allclose(result["viability_fraction"][:9], result["viability_fraction"][9:])
    assert result["control"].fillna("-").tolist() == [*["negative"] * 3, *["positive"] * 3, "-", "-", "-"] * 2
    assert not result["masked"].any()


@settings(max_examples=25)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=9, max_size=9),
    scale=st.floats(0.01, 100),
    shift=st.floats(-1e4, 1e4),
    sign=st.sampled_from([-1, 1]),
)
def test_viability_does_not_depend_on_scale_shift_or_sign(
    values: list[float], scale: float, shift: float, sign: int
) -> None:
    """A readout that grows with cell death needs no switch: the controls say which way is up."""
    assume(abs(np.median(values[:3]) - np.median(values[3:6])) > 1)
    frame = layout(("1",))
    first = to_viability(raw_of(frame, values), frame, controls_of(frame))["viability_fraction"]
    turned = [sign * scale * value + shift for value in values]
    second = to_viability(raw_of(frame, turned), frame, controls_of(frame))["viability_fraction"]
    np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-4)
    assert np.median(first[:3]) == pytest.approx(1)
    assert np.median(first[3:6]) == pytest.approx(0)


@settings(max_examples=25)
@given(st.permutations(range(18)))
def test_the_order_of_the_readings_does_not_matter(order: list[int]) -> None:
    frame = layout()
    raw = raw_of(frame, [*PLATE, *[value + 7 for value in PLATE]])
    shuffled = raw.iloc[order].assign(plate=lambda f: "P0" + f["plate"], row="a")
    pd.testing.assert_frame_equal(
        to_viability(shuffled, frame, controls_of(frame)), to_viability(raw, frame, controls_of(frame))
    )


def test_wells_without_value_are_masked_and_serve_as_no_control() -> None:
    frame = layout(("1",))
    raw = raw_of(frame, PLATE).drop(index=[2, 6])
    raw.loc[3, "raw"] = np.nan
    raw.loc[7, "raw"] = np.inf
    result = to_viability(raw, frame, controls_of(frame))
    assert result.index[result["masked"]].tolist() == [2, 3, 6, 7]
    assert set(result.loc[result["masked"], "mask_reason"]) == {NOT_MEASURED}
    assert result["viability_fraction"].isna().tolist() == result["masked"].tolist()
    assert result["viability_fraction"].iloc[8] == (3 - 11) / (95 - 11)


def test_a_plate_without_controls_is_masked_and_the_others_go_on() -> None:
    frame = layout()
    frame.loc[(frame["plate"] == "2") & (frame["well_type"] == "pos"), "well_type"] = "untreated"
    result = to_viability(raw_of(frame, PLATE * 2), frame, controls_of(frame))
    assert result.groupby("plate")["masked"].sum().to_dict() == {"1": 0, "2": 9}
    assert set(result["mask_reason"].dropna()) == {"plate 2 has no positive control with a value"}


def test_equal_controls_give_no_viability() -> None:
    frame = layout()
    same = [5.0] * 9
    result = to_viability(raw_of(frame, [*PLATE, *same]), frame, controls_of(frame))
    assert set(result["mask_reason"].dropna()) == {"negative and positive controls of plate 2 have the same median"}
    with pytest.raises(InputError, match=r"plate 1 have the same median.*Give every plate its own negative"):
        to_viability(raw_of(frame, same * 2), frame, controls_of(frame))


def test_a_plate_whose_controls_are_swapped_is_masked() -> None:
    frame = layout(("1", "2", "3"))
    swapped = [130 - value for value in PLATE]
    raw = raw_of(frame, [*PLATE, *swapped, *PLATE])
    result = to_viability(raw, frame, controls_of(frame))
    assert result.groupby("plate")["masked"].sum().to_dict() == {"1": 0, "2": 9, "3": 0}
    assert set(result["mask_reason"].dropna()) == {
        "the controls of plate 2 contradict the controls of the other groups: the median of the negative ones is 30, "
        "that of the positive ones 120"
    }
    assert not falls_with_viability(result)


@pytest.mark.parametrize("rises_with", ["viability", "death"])
def test_what_a_readout_rises_with_is_compared_and_never_turns_the_numbers(rises_with: RisesWith) -> None:
    frame = layout(("1",))
    fitting = PLATE if rises_with == "viability" else [-value for value in PLATE]
    expected = to_viability(raw_of(frame, PLATE), frame, controls_of(frame))["viability_fraction"]
    result = to_viability(raw_of(frame, fitting), frame, controls_of(frame), rises_with=rises_with)
    np.testing.assert_array_equal(result["viability_fraction"], expected)
    assert falls_with_viability(result) == (rises_with == "death")
    other = [-value for value in fitting]
    with pytest.raises(InputError) as caught:
        to_viability(raw_of(frame, other), frame, controls_of(frame), rises_with=rises_with)
    assert f"the controls of plate 1 contradict a readout that rises with {rises_with}" in str(caught.value)
    assert "Look for swapped controls" in str(caught.value)


def test_drugs_that_would_be_lost_are_refused_and_other_wells_are_not() -> None:
    frame = layout()
    frame.loc[(frame["plate"] == "2") & (frame["well_type"] == "pos"), "well_type"] = "untreated"
    controls = controls_of(frame)
    with pytest.raises(InputError, match=r"plate 2 has no positive control with a value \(2 drug wells\)\. Give every"):
        refuse_lost_drugs(to_viability(raw_of(frame, PLATE * 2), frame, controls), frame, controls)
    other = frame.assign(well_type=frame["well_type"].mask((frame["plate"] == "2") & frame["well"].ge("A07"), "empty"))
    refuse_lost_drugs(to_viability(raw_of(other, PLATE * 2), other, controls), other, controls)
    unread = raw_of(frame, [*PLATE, *[np.nan] * 9])
    refuse_lost_drugs(to_viability(unread, frame, controls), frame, controls)


def test_a_layout_of_which_nothing_is_measured() -> None:
    frame = layout(("1",))
    with pytest.raises(InputError, match="no well has a value"):
        to_viability(raw_of(frame, [np.nan] * 9), frame, controls_of(frame))


def test_by_treatment_and_by_both() -> None:
    """One cell line a treatment: its own neg and pos wells carry its name."""
    frame = layout(treatment=["X", "X", "Y", "X", "Y", "Y", "X", "Y", "Y"] * 2)
    values = [100.0, 100.0, 50.0, 0.0, 10.0, 10.0, 50.0, 30.0, 10.0]
    raw = raw_of(frame, [*values, *[2 * value for value in values]])
    both = to_viability(raw, frame, controls_of(frame), by="both")
    np.testing.assert_allclose(both["viability_fraction"], [1, 1, 1, 0, 0, 0, 0.5, 0.5, 0] * 2)
    pooled = to_viability(raw, frame, controls_of(frame), by="treatment")
    assert pooled["viability_fraction"].iloc[6] == 50 / 150  # the median of 100, 100, 200, 200
    one = layout(("1",))
    with pytest.raises(InputError, match="by treatment: treatment X has no negative and no positive control"):
        to_viability(raw_of(one, PLATE), one, controls_of(one), by="treatment")
    with pytest.raises(InputError, match="choose one of plate, treatment, both"):
        to_viability(raw, frame, controls_of(frame), by="row")  # type: ignore[arg-type]


def test_a_combination_is_relative_to_the_add_on_alone() -> None:
    frame = layout(("1",), add_on=[None, None, "T", None, None, "T", None, "T", "U"])
    result = to_viability(raw_of(frame, PLATE), frame, controls_of(frame))
    mono, combination = result["viability_fraction"].iloc[6], result["viability_fraction"].iloc[7]
    assert mono == (55 - 5) / (95 - 5)  # without the control wells that hold the add-on
    assert combination == (190 - 10) / (130 - 10)  # its own negative, all positive controls
    assert result["mask_reason"].iloc[8] == "plate 1 with U has no negative control with a value"


def test_every_concentration_of_an_add_on_has_its_own_negative_control() -> None:
    """A concentration without one takes those whose concentration nobody says, and none takes that of another."""
    add_on = [None, "T", "T", None, None, "T", "T", "T", "U"]
    dose = [np.nan, 5.0, 50.0, np.nan, np.nan, 5.0, 5.0, 50.0, 5.0]
    frame = layout(("1",), add_on=add_on, add_on_concentration_nM=dose)
    result = to_viability(raw_of(frame, PLATE), frame, controls_of(frame))
    low, high = result["viability_fraction"].iloc[6], result["viability_fraction"].iloc[7]
    top, bottom = PLATE[:3], np.median(PLATE[3:6])
    assert low == (PLATE[6] - bottom) / (top[1] - bottom)
    assert high == (PLATE[7] - bottom) / (top[2] - bottom)
    frame.loc[2, "add_on_concentration_nM"] = np.nan
    unsaid = to_viability(raw_of(frame, PLATE), frame, controls_of(frame))
    assert unsaid["viability_fraction"].iloc[6:8].tolist() == [low, high]
    frame.loc[2, "add_on_concentration_nM"] = 500.0
    other = to_viability(raw_of(frame, PLATE), frame, controls_of(frame))
    assert other["mask_reason"].iloc[7] == "plate 1 with T 50 nM has no negative control with a value"


def test_faulty_readings_are_told_together() -> None:
    frame = layout(("1",))
    raw = raw_of(frame, PLATE)
    double = pd.concat([raw, raw.iloc[[0]], raw.iloc[[1]].assign(plate="7")])
    with pytest.raises(InputError) as caught:
        to_viability(double, frame, controls_of(frame))
    assert "plate 1, well A01 has two values" in str(caught.value)
    assert "plate 7 is not in the layout (it has 1)" in str(caught.value)


def test_the_uncertainty_of_a_reading_is_scaled_like_the_reading() -> None:
    frame = layout()
    raw = raw_of(frame, [*PLATE, *[-10 * value for value in PLATE]]).assign(raw_sd=[1.0] * 9 + [10.0] * 9)
    result = to_viability(raw, frame, controls_of(frame))
    np.testing.assert_allclose(result["raw_sd"], raw["raw_sd"])
    alive = result[~result["masked"]]
    # 90 counts lie between the medians of the controls of the first plate
    np.testing.assert_allclose(
        alive["viability_sd_fraction"], alive["raw_sd"] / 90 / np.where(alive["plate"] == "1", 1, 10)
    )
    without = to_viability(raw.drop(columns="raw_sd"), frame, controls_of(frame))
    assert without[["raw_sd", "viability_sd_fraction"]].isna().all().all()
    np.testing.assert_array_equal(without["viability_fraction"], result["viability_fraction"])
