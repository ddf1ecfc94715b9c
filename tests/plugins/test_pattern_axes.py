"""Places along the axes where names tell them for some images only, and the order of channels."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from phenodose_readers.pattern import PatternReader
from phenodose_readers.pattern_axes import Places, channel_order

INCELL = r"(?P<row>[A-P]) - (?P<column>\d+)\(fld (?P<site>\d+) wv (?P<channel>[^)]+?)(?: z (?P<z>\d+))?\)"


def write(folder, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        tifffile.imwrite(folder / name, np.random.default_rng(number).integers(0, 999, (8, 8), np.uint16))


def index(folder, expression=INCELL, **parameters):
    return PatternReader({"expression": expression, **parameters}).index(folder)


@pytest.fixture
def mixed(tmp_path):
    names = [f"B - {column}(fld 1 wv DAPI - DAPI z {z}).tif" for column in ("02", "03") for z in (1, 2, 3)]
    write(tmp_path / "raw", *names, *(f"B - {column}(fld 1 wv Cy3 - Cy3).tif" for column in ("02", "03")))
    return tmp_path / "raw"


def test_a_stack_beside_single_planes_has_its_own_planes_only(mixed):
    found = index(mixed, channel_names={"DAPI - DAPI": "DAPI", "Cy3 - Cy3": "Cy3"})
    assert found.groupby(["channel", "channel_name"])["z"].unique().map(list).to_dict() == {
        (0, "DAPI"): [0, 1, 2],
        (1, "Cy3"): [0],
    }


def test_channels_come_in_the_order_given_and_else_their_order_is_told(mixed):
    reader = PatternReader({"expression": INCELL})
    notes = reader.plate_metadata(mixed, reader.index(mixed))["notes"]
    assert notes == [
        "The channels are numbered in the order of their names: 0 is Cy3 - Cy3, 1 is DAPI - DAPI. Another order is "
        "that of the parameter `channel_names`."
    ]
    assert channel_order(["Cy3", "DAPI", "A"], {"DAPI": "nuclei", "Cy3": "dead"}) == ["DAPI", "Cy3", "A"]
    assert channel_order(["10", "2", "x"], {"2": "b", "10": "a"}) == ["2", "10", "x"]


def test_a_first_file_without_a_number_in_a_numbered_stack_comes_first(tmp_path):
    write(tmp_path / "raw", "B02.tif", "B02-1.tif", "B02-2.tif")
    found = index(tmp_path / "raw", r"(?P<well>[A-P]\d\d)(?:-(?P<z>\d))?\.tif")
    assert dict(zip(found["path"], found["z"], strict=True)) == {"B02.tif": 0, "B02-1.tif": 1, "B02-2.tif": 2}


def test_time_points_of_some_channels_only(tmp_path):
    write(tmp_path / "raw", "B02_a_t1.tif", "B02_a_t2.tif", "B02_b.tif")
    found = index(tmp_path / "raw", r"(?P<well>[A-P]\d\d)_(?P<channel>\w)(?:_t(?P<time>\d))?\.tif")
    assert found.groupby("channel")["time"].unique().map(list).to_dict() == {0: [0, 1], 1: [0]}


def test_a_lone_second_channel_keeps_its_number_as_a_name(tmp_path):
    write(tmp_path / "raw", "B02_c2.tif", "B03_c2.tif")
    assert set(index(tmp_path / "raw", r"(?P<well>[A-P]\d\d)_c(?P<channel>\d)")["channel_name"]) == {"channel 2"}
    write(tmp_path / "raw", "B02_c1.tif", "B03_c1.tif")
    assert index(tmp_path / "raw", r"(?P<well>[A-P]\d\d)_c(?P<channel>\d)")["channel_name"].isna().all()


def test_places_of_numbers():
    places = Places([("s", 4), ("s", 7), ("t", None)])
    assert [places.of(number) for number in (4, 7, None)] == [0, 1, 0]
    places = Places([("s", 4), ("s", None)])
    assert [places.of(number) for number in (None, 4)] == [0, 1]
