"""Reading a plate back: levels, the middle plane, the mosaic, and damage that is told."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from phenodose.errors import InputError, MissingInputError, NotMade, StoreError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.pyramid import area_average, halve
from phenodose_readers.imagexpress import ImageXpressReader


@pytest.fixture
def plate_path(made_once, raw_plate, tmp_path):
    """A copy of a plate of its own."""

    def make(folder):
        ingest_plate(raw_plate(size=(300, 260)), folder / "P1.ome.zarr", ImageXpressReader(), "P1")

    return shutil.copytree(made_once("plain_plate", make) / "P1.ome.zarr", tmp_path / "P1.ome.zarr")


def test_what_a_plate_tells(plate_path):
    plate = Plate.open(plate_path)
    assert (plate.name, plate.wells, plate.pixel_size_um) == ("P1", ["B02", "B03", "C02"], 1.372)
    assert [(channel.name, channel.wavelength_nm) for channel in plate.channels] == [("Hoechst", 447.0)]
    assert plate.level_shapes == [(300, 260), (150, 130)]
    assert (plate.n_rows, plate.n_columns) == (8, 12)
    assert plate.instrument["acquisition"] == "77"


def test_the_pyramid_is_the_rounded_mean_of_the_full_image(plate_path):
    plate = Plate.open(plate_path)
    np.testing.assert_array_equal(plate.mip("B02", level=1), halve(plate.mip("B02")))
    np.testing.assert_array_equal(plate.stack("B02", level=1)[2], halve(plate.stack("B02")[2]))
    assert [plate.level_for(size) for size in (1, 130, 131, 260, 261)] == [1, 1, 0, 0, 0]


def test_a_stack_is_read_where_it_is_indexed(plate_path):
    stack = Plate.open(plate_path).stack("B02")
    assert (stack.shape, stack.ndim, len(stack), stack.dtype) == ((3, 300, 260), 3, 3, np.uint16)
    np.testing.assert_array_equal(stack[1, 10:20, 5], np.asarray(stack)[1, 10:20, 5])


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ([0.0, 1.0, 2.0], 1),
        ([0.0, 1.0, 2.0, 3.0], 1),  # two as near: the lower
        ([0.0, 1.0, 2.1, 3.0], 1),
        ([0.0, 0.9, 1.6, 3.0], 2),
        ([0.0, 1.0, 2.0, 30.0], 2),
        ([None, 1.0, 2.0], 1),
        ([5.0], 0),
    ],
)
def test_the_middle_plane_is_the_one_nearest_to_the_middle_height(plate_path, heights, expected):
    plate = Plate.open(plate_path)
    planes = [
        {"site": 1, "time": 0, "channel": 0, "projection": "", "z": z, "z_um": z_um} for z, z_um in enumerate(heights)
    ]
    plate.metadata("B02")["planes"] = planes
    assert plate.middle_z("B02") == expected


def test_the_middle_plane_is_a_plane_of_the_stack(plate_path):
    plate = Plate.open(plate_path)
    assert plate.middle_z("B02") == 1
    np.testing.assert_array_equal(plate.middle("B02", level=1), plate.stack("B02", level=1)[1])


def test_the_mosaic_shows_every_well_in_its_place(plate_path):
    plate = Plate.open(plate_path)
    picture = plate.mosaic(tile_px=10)
    assert (picture.shape, picture.dtype) == ((80, 120), np.uint8)
    tiles = picture.reshape(8, 10, 12, 10).swapaxes(1, 2)
    shown = {(row, column) for row in range(8) for column in range(12) if tiles[row, column].any()}
    assert shown == {(1, 1), (1, 2), (2, 1)}
    start, end = plate.windows[0]
    expected = (area_average(plate.mip("B03", level=1), 10, 10).astype(float) - start) / (end - start) * 255
    np.testing.assert_allclose(tiles[1, 2], np.clip(expected, 0, 255), atol=1)


def test_wrong_questions_are_answered_with_what_there_is(plate_path):
    plate = Plate.open(plate_path)
    with pytest.raises(InputError, match="no well 'H12'; its wells are B02, B03, C02"):
        plate.mip("H12")
    with pytest.raises(InputError, match="no channel 3; it has 1"):
        plate.mip("B02", channel=3)
    with pytest.raises(InputError, match="no pyramid level 9; it has 2"):
        plate.mip("B02", level=9)
    with pytest.raises(InputError, match="no site 5; its sites are 1"):
        plate.stack("B02", site=5)


def test_lost_pixels_are_refused_and_not_read_as_zero(plate_path):
    plate = Plate.open(plate_path)
    (plate_path / "B/02/1/0/c/0/0/0/0").unlink()
    with pytest.raises(StoreError, match=r"well B02: the pixels are missing; run `phenodose ingest`"):
        plate.mip("B02")


@pytest.mark.parametrize("damage", ["bit", "cut"])
def test_damaged_pixels_are_refused(plate_path, damage):
    shard = plate_path / "B/02/1/0/c/0/0/0/0"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 4
    shard.write_bytes(content if damage == "bit" else content[:-3])
    with pytest.raises(StoreError, match=r"well B02: the pixels are damaged"):
        Plate.open(plate_path).mip("B02")


def test_only_complete_plates_of_this_version_open(plate_path, tmp_path):
    with pytest.raises(MissingInputError, match="no such plate"):
        Plate.open(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="no plate that phenodose made"):
        Plate.open(tmp_path / "folder")
    document = json.loads((plate_path / "zarr.json").read_text())
    for change, message in (({"status": "ingesting"}, "not complete"), ({"format": 99}, "plate format 99")):
        own = document["attributes"]["phenodose"] | change
        text = json.dumps(document | {"attributes": document["attributes"] | {"phenodose": own}})
        (plate_path / "zarr.json").write_text(text)
        with pytest.raises(StoreError, match=message):
            Plate.open(plate_path)


def test_a_missing_well_is_told(plate_path):
    shutil.rmtree(plate_path / "B/02")
    with pytest.raises(StoreError, match="well B02 is missing or damaged"):
        Plate.open(plate_path).mip("B02")


def test_a_channel_without_any_image_is_no_damage(raw_plate, tmp_path):
    raw, out = raw_plate(channels=2), tmp_path / "P1.ome.zarr"
    for path in list(raw.rglob("*_B02_s1_w2*")):
        path.unlink()
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    plate = Plate.open(out)
    assert [plate.has_mip(well, channel=1) for well in plate.wells] == [False, True, True]
    with pytest.raises(NotMade, match="well B02 has no stack and no maximum projection in channel 1"):
        plate.mip("B02", channel=1)
    with pytest.raises(NotMade, match="well B02 has no stack in channel 1"):
        plate.stack("B02", channel=1)
    assert [channel.name for channel in plate.channels] == ["Hoechst 1", "Hoechst 2"]


def test_eight_bit_images_stay_eight_bit(raw_plate, tmp_path):
    raw, out = raw_plate(wells=["B02"]), tmp_path / "P1.ome.zarr"
    rng = np.random.default_rng(3)
    pixels = {}
    for path in sorted(raw.rglob("*.tif")):
        z = {"ImageXpress Micro Z": float(path.parent.name[-1])}
        tags = z if "ZStep" in path.parent.name else {"Z Projection Method": "Maximum"}
        pixels[path] = rng.integers(0, 255, (20, 30), dtype=np.uint8)
        raw_plate.image(path, pixels[path], **tags)
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    plate = Plate.open(out)
    assert plate.mip("B02").dtype == np.uint8
    np.testing.assert_array_equal(plate.stack("B02")[0], pixels[next(raw.rglob("ZStep_1/*.tif"))])


def test_time_points_are_an_axis_of_their_own(raw_plate, tmp_path):
    raw, out = raw_plate(wells=["B02"]), tmp_path / "P1.ome.zarr"
    place = next(raw.rglob("77"))
    (place / "TimePoint_1").mkdir()
    for child in [child for child in place.iterdir() if child.name != "TimePoint_1"]:
        child.rename(place / "TimePoint_1" / child.name)
    rng = np.random.default_rng(3)
    later = rng.integers(0, 999, (40, 48), dtype=np.uint16)
    source = next(place.rglob("ZStep_2/*.tif"))
    raw_plate.image(place / "TimePoint_4" / "ZStep_2" / source.name, later, **{"ImageXpress Micro Z": 102.5})
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    plate = Plate.open(out)
    assert plate.shape.n_times == 2
    np.testing.assert_array_equal(plate.stack("B02")[1], raw_plate.pixels("B02", 0, 1, (40, 48), 100))
    np.testing.assert_array_equal(plate.stack("B02", time=1)[1], later)
    np.testing.assert_array_equal(plate.mip("B02", time=1), later)
    assert not plate.stack("B02", time=1)[0].any()


def test_any_focus_plane_by_number_or_height(raw_plate, tmp_path):
    raw, out = raw_plate(wells=["B02"], planes=4, size=(300, 260)), tmp_path / "P1.ome.zarr"
    next(raw.rglob("ZStep_3/*")).unlink()
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    plate = Plate.open(out)
    np.testing.assert_array_equal(plate.plane("B02", 3), raw_plate.pixels("B02", 0, 3, (300, 260), 100))
    np.testing.assert_array_equal(plate.plane("B02", 1, level=1), halve(plate.plane("B02", 1)))
    # Planes lie at 100, 102.5 and 107.5 um; the one at 105 is missing.
    found = [plate.nearest_z("B02", z_um) for z_um in (0.0, 101.2, 101.3, 104.9, 105.1, 999.0)]
    assert found == [0, 0, 1, 1, 3, 3]
    assert plate.middle_z("B02") == 1
    with pytest.raises(InputError, match="well B02 has no plane 2 in channel 0; it has 0, 1, 3 of 0 to 3"):
        plate.plane("B02", 2)


def test_images_of_every_kind(raw_plate, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(raw_plate(projection="Best Focus"), out, ImageXpressReader(), "P1")
    plate = Plate.open(out)
    assert [plate.image("B02", kind).shape[0] for kind in plate.shape.kinds] == [3, 1, 1]
    np.testing.assert_array_equal(plate.image("B02", "maximum")[0], plate.mip("B02"))
    np.testing.assert_array_equal(plate.image("B02", "best-focus")[0], raw_plate.pixels("B02", 0, 999, (40, 48), 100))
    with pytest.raises(NotMade, match="no image 'minimum'"):
        plate.image("B02", "minimum")


def test_the_mean_of_stack_is_that_of_the_pixels_and_needs_no_pixels(raw_plate, tmp_path):
    raw, out = raw_plate(wells=["B02"], channels=2, planes=5), tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    wanted = [np.mean([raw_plate.pixels("B02", c, z, (40, 48), 100) for z in range(5)]) for c in range(2)]
    shutil.rmtree(out / "B/02/0")
    assert [Plate.open(out).mean_of_stack("B02", channel) for channel in range(2)] == pytest.approx(wanted, rel=1e-12)
