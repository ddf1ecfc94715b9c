"""Any microscope's file names, explained by a regular expression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose import names
from phenodose.cli import cli
from phenodose.errors import InputError, PluginError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.verify import verify_plate
from phenodose.plugins import PLANES
from phenodose_readers.pattern import PatternReader

OPERETTA = r"r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)"
YOKOGAWA = (
    r"(?P<plate>[^/]+)_(?P<well>[A-P]\d\d)_T(?P<time>\d+)F(?P<site>\d+)L\d+A\d+Z(?P<z>\d+)C(?P<channel>\d+)\.tif$"
)
SIZE = (20, 28)


def image(path: Path, *seed: int, pages: int = 0, dtype=np.uint16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels(*seed, pages=pages).astype(dtype), photometric="minisblack", metadata=None)
    return path


def pixels(*seed: int, pages: int = 0) -> np.ndarray:
    shape = (pages, *SIZE) if pages else SIZE
    return np.random.default_rng(seed).poisson(300, shape).astype(np.uint16)


def reader(expression: str, **parameters: object) -> PatternReader:
    return PatternReader({"expression": expression, **parameters})


def index(folder: Path, expression: str, **parameters: object):
    found = reader(expression, **parameters).index(folder)
    assert PLANES.faults(found) == []
    return found


def rows(frame, *columns: str) -> list[tuple]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


@pytest.fixture
def operetta(tmp_path) -> Path:
    for row, column in ((2, 3), (2, 10)):
        for site in (1, 2):
            for z in (1, 2, 3):
                for channel in (1, 2):
                    name = f"r{row:02d}c{column:02d}f{site:02d}p{z:02d}-ch{channel}sk1fk1fl1.tiff"
                    image(tmp_path / "raw" / "Images" / name, row, column, site, z, channel)
    (tmp_path / "raw" / "Images" / "Index.idx.xml").write_text("<xml/>")
    return tmp_path / "raw"


def test_an_operetta_plate_from_the_command_line(operetta, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    arguments = ["--reader", "pattern", "--param", f"expression={OPERETTA}", "--param", "pixel_size_um=0.299"]
    arguments += ["--param", "z_step_um=2.0", "--param", 'channel_names={"1": "Hoechst", "2": "PI"}']
    result = CliRunner().invoke(cli, ["ingest", str(operetta), str(out), *arguments])
    assert result.exit_code == 0, result.output
    plate = Plate.open(out)
    assert plate.wells == ["B03", "B10"]
    assert plate.shape.sites == (1, 2)
    assert (plate.pixel_size_um, plate.shape.z_step_um, plate.shape.n_planes) == (0.299, 2.0, 3)
    assert [channel.name for channel in plate.channels] == ["Hoechst", "PI"]
    for well, column in (("B03", 3), ("B10", 10)):
        for z in (1, 2, 3):
            np.testing.assert_array_equal(plate.stack(well, 1, site=2)[z - 1], pixels(2, column, 2, z, 2))
    verified = CliRunner().invoke(cli, ["verify", str(out), "--raw", str(operetta), *arguments])
    assert verified.exit_code == 0, verified.output


def test_a_yokogawa_plate(tmp_path):
    for well in ("A01", "P24"):
        for z in (1, 2):
            image(tmp_path / f"AssayPlate_#1_{well}_T0001F001L01A01Z{z:02d}C01.tif", z)
    image(tmp_path / "AssayPlate_#1_A01_T0003F001L01A01Z01C02.tif", 9)
    image(tmp_path / "SC_BP445-45_40x_M10_CH01.tif", 1)
    found = index(tmp_path, YOKOGAWA)
    assert rows(found, "plate", "well", "time", "channel", "z") == [
        ("AssayPlate_#1", "A01", 0, 0, 0),
        ("AssayPlate_#1", "A01", 0, 0, 1),
        ("AssayPlate_#1", "A01", 1, 1, 0),
        ("AssayPlate_#1", "P24", 0, 0, 0),
        ("AssayPlate_#1", "P24", 0, 0, 1),
    ]
    first, second = reader(YOKOGAWA).plate_metadata(tmp_path, found)["notes"]
    assert first == "1 TIFF files do not match the expression; passed over: SC_BP445-45_40x_M10_CH01.tif."
    assert second.startswith(
        "1 of 2 wells lack images that others have: P24 lacks 1 (site 1, time 1, channel 1, plane 0"
    )


def test_projections_and_named_channels(tmp_path):
    expression = r"(?P<well>[A-Z]\d+)_(?P<channel>DAPI|Cy5)(?:_z(?P<z>\d+)|_(?P<projection>MIP|EDF))"
    for channel in ("DAPI", "Cy5"):
        for end in ("z4", "z5", "MIP", "EDF"):
            image(tmp_path / f"B2_{channel}_{end}.tif", len(end), len(channel), ord(end[-1]))
    found = index(tmp_path, expression)
    assert rows(found[found["channel"] == 0], "well", "channel_name", "projection", "z") == [
        ("B02", "Cy5", "", 0),
        ("B02", "Cy5", "", 1),
        ("B02", "Cy5", "edf", 0),
        ("B02", "Cy5", "maximum", 0),
    ]


@pytest.mark.parametrize(("pages", "axis"), [("z", "z"), ("channel", "channel"), ("time", "time")])
def test_pages_of_a_file(tmp_path, pages, axis):
    image(tmp_path / "raw" / "B02.tif", 1, pages=3)
    given = reader(r"(?P<well>[A-Z]\d\d)", pages=pages)
    found = given.index(tmp_path / "raw")
    assert rows(found, axis, "page") == [(0, 0), (1, 1), (2, 2)]
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(tmp_path / "raw", out, given, "P1")
    plate = Plate.open(out)
    for page in range(3):
        view = plate.stack("B02", **({axis: page} if axis != "z" else {}))[page if axis == "z" else 0]
        np.testing.assert_array_equal(view, pixels(1, pages=3)[page])
    assert verify_plate(out, tmp_path / "raw", given).faults == []


def test_several_pages_need_to_be_explained(tmp_path):
    image(tmp_path / "B02.tif", 1, pages=2)
    with pytest.raises(
        InputError, match=r"B02\.tif: well B02: the file has 2 pages; say what they are .* z, channel or"
    ):
        index(tmp_path, r"(?P<well>[A-Z]\d\d)")


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("(?P<well>", "is no regular expression: "),
        (r"(?P<pit>\d)", r"there is no group pit; the groups are: well \(the well, such as B07"),
        (r"s(?P<site>\d)", r"the group `well`, or `row` and `column`, is missing"),
        (r"(?P<row>[A-P])", r"the group `well`, or `row` and `column`, is missing"),
        (r"(?P<well>..)(?P<row>.)(?P<column>.)", "give either the group `well`"),
    ],
)
def test_a_wrong_expression_teaches(expression, told):
    with pytest.raises(PluginError, match=told):
        reader(expression)


def test_without_an_expression_the_groups_are_told(operetta):
    assert PatternReader().sniff(operetta) == 0
    with pytest.raises(PluginError, match=r"needs the parameter `expression`: .*well, row, column, site, time"):
        PatternReader().index(operetta)


def test_an_expression_that_is_found_nowhere_shows_names(operetta, tmp_path):
    (tmp_path / "nothing").mkdir()
    assert reader("(?P<well>xyz)").sniff(operetta) == 0
    with pytest.raises(
        InputError, match=r"in none of the 24 TIFF files; they are named like 'Images/r02c03f01p01-ch1sk"
    ):
        index(operetta, "(?P<well>xyz)")
    with pytest.raises(InputError, match="there is no TIFF file"):
        index(tmp_path / "nothing", OPERETTA)


def test_what_the_expression_takes_for_a_well_or_a_number_must_be_one(tmp_path):
    image(tmp_path / "B99_z1.tif", 1)
    image(tmp_path / "B02_zx.tif", 1)
    image(tmp_path / "B03_z1.tif", 1)
    with pytest.raises(InputError, match="2 faults") as told:
        index(tmp_path, r"(?P<well>[A-Z]\d\d)_z(?P<z>.)")
    assert "B99_z1.tif: well 'B99': columns run from 1 to 48" in str(told.value)
    assert "B02_zx.tif: the group `z` matches 'x', which is no number" in str(told.value)


def test_two_files_for_one_place_are_a_fault_naming_both(tmp_path):
    for channel in (1, 2):
        image(tmp_path / f"B02_c{channel}.tif", channel)
    with pytest.raises(
        InputError, match=r"B02_c1\.tif and B02_c2\.tif both claim site 1.* give the expression a group"
    ):
        index(tmp_path, r"(?P<well>[A-Z]\d\d)")


def test_one_plate_of_several(tmp_path):
    for plate in ("left", "right"):
        image(tmp_path / f"{plate}_B02.tif", len(plate))
    expression = r"(?P<plate>\w+)_(?P<well>[A-Z]\d\d)"
    with pytest.raises(InputError, match=r"2 plates \('left', 'right'\); say which .*--param plate=right"):
        index(tmp_path, expression)
    with pytest.raises(InputError, match=r"there is no plate 'up'; the file names tell 'left', 'right'"):
        index(tmp_path, expression, plate="up")
    found = index(tmp_path, expression, plate="right")
    assert rows(found, "plate", "path") == [("right", "right_B02.tif")]
    notes = reader(expression, plate="right").plate_metadata(tmp_path, found)["notes"]
    assert notes == ["1 TIFF files are of another plate; passed over: left_B02.tif."]


def test_mixed_and_damaged_files_are_told_together(tmp_path):
    for number in (2, 3, 4):
        image(tmp_path / f"B{number:02d}.tif", number)
    image(tmp_path / "B05.tif", 5, dtype=np.uint8)
    damaged = image(tmp_path / "B06.tif", 6)
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"B06\.tif: well B06: the file is truncated"):
        index(tmp_path, r"(?P<well>[A-Z]\d\d)")
    damaged.unlink()
    with pytest.raises(InputError, match=r"B05\.tif is 20 x 28 px uint8, most images are 20 x 28 px uint16"):
        index(tmp_path, r"(?P<well>[A-Z]\d\d)")


def test_parameters_on_the_command_line_teach(operetta, tmp_path):
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["ingest", str(operetta), str(tmp_path / "x.ome.zarr"), *arguments])
        assert result.exit_code != 0
        return str(result.exception)

    assert "say which reader takes it" in run("--param", "expression=x")
    assert "write NAME=VALUE" in run("--reader", "pattern", "--param", "expression")
    assert "its parameters are: expression, plate" in run("--reader", "pattern", "--param", "pixel=1")
    assert "greater than 0" in run("--reader", "pattern", "--param", "z_step_um=-1")


@settings(max_examples=30)
@given(
    row=st.integers(0, 31),
    column=st.integers(1, 48),
    numbers=st.tuples(*[st.integers(0, 999)] * 3),
    letters=st.booleans(),
)
def test_rows_as_letters_and_as_numbers(tmp_path_factory, row, column, numbers, letters):
    folder = tmp_path_factory.mktemp("plate")
    site, z, time = numbers
    label = names.row_label(row) if letters else str(row + 1)
    image(folder / f"{label}-{column}-{site}-{z}-{time}.tif", 1)
    (found,) = index(folder, r"^(?P<row>\w+)-(?P<column>\d+)-(?P<site>\d+)-(?P<z>\d+)-(?P<time>\d+)\.tif$").itertuples()
    assert found.well == names.well_name(names.row_label(row), column)
    assert (found.z, found.time, found.site) == (0, 0, max(site, 1))


def test_an_expression_without_an_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("phenodose_readers.pattern._MOST_SECONDS", 0.1)  # what has no end has none after 2 s either
    (tmp_path / "P1").mkdir()
    tifffile.imwrite(tmp_path / "P1" / ("a" * 60 + ".tif"), np.zeros((4, 4), np.uint16))
    reader = PatternReader({"expression": r"(?P<well>(a|aa)+)(?<!a)\.tif"})
    for ask in (reader.sniff, reader.index):
        with pytest.raises(PluginError, match="does not come to an end"):
            ask(tmp_path / "P1")


def test_many_names_that_each_take_a_little_less_are_refused_too(tmp_path, monkeypatch):
    (tmp_path / "P1").mkdir()
    for well in ("A01", "B01"):
        tifffile.imwrite(tmp_path / "P1" / f"{well}.tif", np.zeros((4, 4), np.uint16))
    reader = PatternReader({"expression": r"(?P<well>[AB]01)"})
    assert reader.sniff(tmp_path / "P1") == 1.0
    monkeypatch.setattr("phenodose_readers.pattern._MOST_SECONDS_IN_ALL", 0.0)
    with pytest.raises(PluginError, match=r"does not come to an end for A01\.tif"):
        reader.index(tmp_path / "P1")
