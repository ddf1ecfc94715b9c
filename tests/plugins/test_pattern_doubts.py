"""Expressions that fit and are a little wrong: other wells or planes are refused or told, never just taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose_readers.pattern import PatternReader

WELL = r"(?P<well>[A-P]\d\d)"


def write(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / name, np.random.default_rng(number).integers(0, 999, (8, 8), np.uint16))
    return folder


def notes(folder: Path, expression: str, **parameters: object) -> str:
    reader = PatternReader({"expression": expression, **parameters})
    return " ".join(reader.plate_metadata(folder, reader.index(folder))["notes"])


@pytest.mark.parametrize(
    ("names", "expression", "told"),
    [
        (("B10.tif", "C11.tif"), r"(?P<well>[A-P]\d)", r"`well` takes 'B1' of 'B10' in B10\.tif"),
        (("B02_z10.tif", "B02_z20.tif"), WELL + r"_z(?P<z>\d)", "`z` takes '1' of '10'"),
        (("B02_f12.tif",), WELL + r"_f(?P<site>\d)", "`site` takes '1' of '12'"),
    ],
)
def test_a_group_that_ends_within_a_number_is_a_fault(tmp_path, names, expression, told):
    with pytest.raises(InputError, match=told):
        PatternReader({"expression": expression}).index(write(tmp_path, *names))


def test_numbers_of_a_fixed_length_side_by_side_are_read(tmp_path):
    raw = write(tmp_path, "002003001.tif", "002004001.tif")
    expression = r"(?P<row>\d{3})(?P<column>\d{3})(?P<site>\d{3})"
    assert PatternReader({"expression": expression}).index(raw)["well"].tolist() == ["B03", "B04"]
    assert notes(raw, expression) == ""


@pytest.mark.parametrize(
    ("names", "expression", "told"),
    [
        (("DATA01_B02.tif",), WELL, "begins within a word, in DATA01_B02.tif: 'A01'"),
        (("P1_B02.tif", "P1_B03.tif", "P2_C02.tif"), WELL, "The names are of 2 kinds ('P1_*.tif', 'P2_*.tif')"),
        (("P1/B02.tif", "P1/B03.tif", "P2/C02.tif"), WELL, "The names are of 2 kinds ('P1/*.tif', 'P2/*.tif')"),
        (("B02_z1.tif", "B02_z2.tif", "B02_z5.tif"), WELL + r"_z(?P<z>\d)", "The planes have the numbers 1, 2, 5;"),
        (("B02_z1.tif", "B02_MIP.tif"), WELL + r"(?:_z(?P<z>\d))?", "1 files are called projections (B02_MIP.tif)"),
    ],
)
def test_what_perhaps_is_not_meant_is_a_note(tmp_path, names, expression, told):
    assert told in notes(write(tmp_path, *names), expression)


@pytest.mark.parametrize(
    ("names", "expression"),
    [
        (("B02/B02_z1.tif", "B02/B02_z2.tif", "C03/C03_z1.tif", "C03/C03_z2.tif"), WELL + r"_z(?P<z>\d)"),
        (("B02_z000.tif", "B02_z005.tif", "B02_z010.tif"), WELL + r"_z(?P<z>\d+)"),
        (("r02c03_MIP.tif", "r02c04_MIP.tif"), r"r(?P<row>\d+)c(?P<column>\d+)"),
    ],
)
def test_usual_names_give_no_note(tmp_path, names, expression):
    assert notes(write(tmp_path, *names), expression) == ""


def test_names_of_channels_that_no_file_has_are_told_and_zeros_do_not_count(tmp_path):
    raw = write(tmp_path, "B02_c01.tif", "B02_c02.tif")
    expression = WELL + r"_c(?P<channel>\d+)"
    reader = PatternReader({"expression": expression, "channel_names": {"1": "Hoechst", "2": "PI"}})
    assert reader.index(raw)["channel_name"].tolist() == ["Hoechst", "PI"]
    assert "`channel_names` names '0', of which there is no image; the channels are called '1', '2'." in notes(
        raw, expression, channel_names={"0": "Hoechst", "1": "PI"}
    )


def test_a_parameter_that_says_another_thing_than_the_file_is_told(tmp_path):
    stack = np.random.default_rng(1).integers(0, 999, (4, 8, 8), np.uint16)
    tifffile.imwrite(tmp_path / "B02.tif", stack, imagej=True, metadata={"axes": "TYX"})
    assert "B02.tif says of its pages that they are time" in notes(tmp_path, WELL, pages="z")
    (tmp_path / "B02.tif").unlink()
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.65, "PhysicalSizeXUnit": "µm"}
    tifffile.imwrite(tmp_path / "B02.ome.tif", stack, ome=True, metadata=metadata)
    assert "its pixels are 0.65 um wide" in notes(tmp_path, WELL, pixel_size_um=0.1)
    assert notes(tmp_path, WELL, pixel_size_um=0.65) == ""


def test_a_well_whose_channels_have_another_order_is_refused(tmp_path):
    for well, channels in (("B02", ["DAPI", "Cy5"]), ("C02", ["Cy5", "DAPI"])):
        metadata = {"axes": "CYX", "Channel": {"Name": channels}}
        tifffile.imwrite(tmp_path / f"{well}.ome.tif", np.ones((2, 8, 8), np.uint16), ome=True, metadata=metadata)
    with pytest.raises(
        InputError, match=r"well C02: C02\.ome\.tif is of 'Cy5' as channel 0, in most images that is 'DAPI'"
    ):
        PatternReader({"expression": WELL}).index(tmp_path)
