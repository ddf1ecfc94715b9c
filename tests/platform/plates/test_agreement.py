"""Plates of one screen that are not alike: refused where another dye would be measured, told where they only differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phenodose.errors import InputError
from phenodose.plates.agreement import PlateFacts, channel_number, compare_plates
from phenodose.plates.plan import Channel

P1 = PlateFacts(("Hoechst", "Cy5"), 0.65, 2.5, "uint16", "20x", (450.0, 670.0), "16", exposures_ms={0: 200.0, 1: 80.0})


def test_plates_that_are_alike_give_no_word():
    assert compare_plates({"P1": P1, "P2": P1}) == compare_plates({"P1": P1})
    assert compare_plates({"P1": P1, "P2": P1}).faults == compare_plates({"P1": P1, "P2": P1}).notes == []


@pytest.mark.parametrize("channels", [("Cy5",), ("Cy5", "Hoechst"), ("Cy5", "Hoechst", "PI")])
def test_another_dye_in_the_place_of_the_nuclei_is_a_fault_that_names_the_plates(channels):
    other = replace(P1, channels=channels, wavelengths_nm=(None,) * len(channels))
    (fault,) = compare_plates({"P1": P1, "P2": other, "P3": P1}, 0).faults
    assert "channel 0, which is measured as the nuclei" in fault
    assert "P1, P3: Hoechst; P2: Cy5" in fault
    assert 'nuclei = "Hoechst"' in fault


def test_another_emission_under_the_same_name_is_a_fault():
    one, other = (replace(P1, channels=("FITC 1",), wavelengths_nm=(nm,)) for nm in (452.0, 520.0))
    (fault,) = compare_plates({"P1": one, "P2": other}).faults
    assert "P1: FITC 1 (452 nm); P2: FITC 1 (520 nm)" in fault
    assert compare_plates({"P1": one, "P2": replace(one, wavelengths_nm=(453.0,))}).faults == []


def test_a_plate_without_that_channel_is_a_fault():
    (fault,) = compare_plates({"P1": P1, "P2": replace(P1, channels=("Hoechst",), wavelengths_nm=(450.0,))}, 1).faults
    assert "P2: (no such channel)" in fault


def test_a_named_channel_may_lie_anywhere_but_must_be_there():
    swapped = replace(P1, channels=("Cy5", "hoechst"))
    found = compare_plates({"P1": P1, "P2": swapped}, "Hoechst")
    assert found.faults == []
    assert found.notes == ["The plates do not have the same channels: P1: Hoechst, Cy5; P2: Cy5, hoechst."]
    (fault,) = compare_plates({"P1": P1, "P2": replace(P1, channels=("Cy5",))}, "Hoechst").faults
    assert "plate P2 has no such channel" in fault


def test_channels_without_names_are_not_compared():
    assert compare_plates({"P1": replace(P1, channels=(None,)), "P2": replace(P1, channels=(None,))}).notes == []
    assert compare_plates({"P1": P1, "P2": replace(P1, channels=(None, None))}).faults == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"pixel_size_um": 0.325}, "pixels at other distances: P1: 0.65 um; P2: 0.325 um"),
        ({"z_step_um": 5.0}, "planes at other distances: P1: 2.5 um; P2: 5 um"),
        ({"dtype": "uint8"}, "pixels of other types: P1: uint16; P2: uint8"),
        ({"bit_depth": "12"}, "bit depths of the camera: P1: 16; P2: 12"),
        ({"exposures_ms": {0: 50.0, 1: 80.0}}, "other times in channel 0: P1: 200 ms; P2: 50 ms"),
        ({"objective": "10x"}, "other objectives: P1: 20x; P2: 10x"),
    ],
)
def test_other_differences_are_notes(changed, told):
    found = compare_plates({"P1": P1, "P2": replace(P1, **changed)})
    assert found.faults == []
    (note,) = found.notes
    assert told in note


def test_what_is_not_known_contradicts_nothing():
    unknown = replace(P1, pixel_size_um=None, z_step_um=None, objective=None)
    assert compare_plates({"P1": P1, "P2": unknown}).notes == []


def test_a_channel_is_found_by_its_name_or_told():
    channels = (Channel("Hoechst", None), Channel("Cy5", None), Channel("cy5 ", None))
    assert channel_number(channels, "hoechst", "plate P1") == 0
    assert channel_number(channels, 2, "plate P1") == 2
    with pytest.raises(InputError, match=r"plate P1: no channel is named 'PI'; its channels are 0 'Hoechst', 1 'Cy5'"):
        channel_number(channels, "PI", "plate P1")
    with pytest.raises(InputError, match="more than one channel"):
        channel_number(channels, "Cy5", "plate P1")
