"""The readout spheroid_area: areas of drawn objects are those of geometry, whatever the light and the staining."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose_readers.pattern import PatternReader
from phenodose_readouts.segmentation import bright_objects, describe
from phenodose_readouts.spheroids import SpheroidAreaReadout

SIDE, RADIUS, PIXEL_UM = 256, 50, 2.0
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE / 2
DISC_UM2 = math.pi * RADIUS**2 * PIXEL_UM**2


def disc(x=0.0, y=0.0, radius=RADIUS):
    return (X - x) ** 2 + (Y - y) ** 2 < radius**2


def image(light=0.0, seed=1):
    """Counts of light on an uneven background: brighter in the middle, tilted to one side, and noise."""
    uneven = 1.1 - 0.15 * (X**2 + Y**2) / (SIDE / 2) ** 2 + 0.15 * X / (SIDE / 2)
    return (np.random.default_rng(seed).normal(500, 15, (SIDE, SIDE)) * uneven + light).clip(0, 65535)


def bright(light):
    return bright_objects(image(light).astype(np.float32), 1.0, 10.0, 50)


def ingested(folder, images, **more):
    for name, pixels in images.items():
        path = folder / "raw" / f"{name}_MIP.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, pixels.astype(np.uint16))
    expression = r"(?P<well>[A-H][0-9]{2})_s(?P<site>[0-9])_(?P<projection>MIP)\.tif"
    out = folder / "P1.ome.zarr"
    ingest_plate(folder / "raw", out, PatternReader({"expression": expression, **more}), "P1")
    return Plate.open(out)


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """A disc; the same beside debris; three discs, one of them dim; nothing; discs of two sizes in two sites."""
    small = disc(60, 0, 20), disc(-60, 60, 20), disc(-60, -60, 20)
    images = {
        "A01_s1": image(8000 * disc()),
        "A02_s1": image(8000 * (disc() | disc(100, 100, 6))),
        "A03_s1": image(9000 * small[0] + 9000 * small[1] + 500 * small[2]),
        "A04_s1": image(),
        "A05_s1": image(8000 * disc()),
        "A05_s2": image(8000 * disc(0, 0, 20), seed=2),
    }
    return ingested(tmp_path_factory.mktemp("plate"), images, pixel_size_um=PIXEL_UM)


def measured(plate, **parameters):
    return SpheroidAreaReadout(parameters).measure(plate).set_index("well")["raw"]


def test_the_area_is_that_of_geometry(plate):
    found = measured(plate)
    small = math.pi * 20**2 * PIXEL_UM**2
    assert list(found.index) == ["A01", "A02", "A03", "A04", "A05"]
    assert found["A01"] == pytest.approx(DISC_UM2, rel=0.05)
    assert found["A02"] == pytest.approx(DISC_UM2, rel=0.05), "debris is no object"
    assert found["A03"] == pytest.approx(small, rel=0.12), "the mean of three, the dim one among them"
    assert found["A04"] == 0.0, "an image without an object has an area of 0"
    assert found["A05"] == pytest.approx((DISC_UM2 + small) / 2, rel=0.05), "the mean of the sites"


def test_the_number_of_a_well_is_chosen_by_name(plate):
    one = measured(plate)["A03"]
    assert measured(plate, of_well="sum")["A03"] == pytest.approx(3 * one)
    assert measured(plate, of_well="largest")["A03"] >= one


def test_every_object_is_described(plate):
    objects = SpheroidAreaReadout().find_objects(plate)
    assert objects.groupby("well").size().to_dict() == {"A01": 1, "A02": 1, "A03": 3, "A05": 2}
    first = objects[objects["well"] == "A01"].iloc[0]
    assert (first["site"], first["object"]) == (1, 1)
    assert first["area_um2"] == first["area_px"] * PIXEL_UM**2
    assert first["roundness"] == pytest.approx(1, abs=0.05)
    assert first["mean_intensity"] == pytest.approx(8500, rel=0.05)
    assert (first["x_um"], first["y_um"]) == pytest.approx((SIDE / 2 * PIXEL_UM, SIDE / 2 * PIXEL_UM), abs=4)
    assert objects.loc[objects["well"] == "A03", "area_px"].is_monotonic_decreasing


def test_an_ellipse_is_less_round_than_a_disc():
    ellipse = (X / 2) ** 2 + (Y * 2) ** 2 < RADIUS**2
    found = describe(bright(6000 * ellipse), image(6000 * ellipse))
    a, b = 2 * RADIUS, RADIUS / 2
    h = ((a - b) / (a + b)) ** 2
    perimeter = math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))  # Ramanujan
    assert found["roundness"] == pytest.approx([4 * math.pi * math.pi * a * b / perimeter**2], abs=0.05)


def test_a_ring_is_filled():
    ring = disc() & ~disc(0, 0, RADIUS - 8)
    assert describe(bright(6000 * ring), image())["area"] == pytest.approx([math.pi * RADIUS**2], rel=0.06)


@pytest.mark.parametrize("factor", [0.05, 1.0, 5.0])
def test_staining_does_not_change_the_area(factor):
    pixels = (image(6000 * disc()) * factor).round().astype(np.float32)
    areas = describe(bright_objects(pixels, 1.0, 10.0, 50), pixels)["area"]
    assert areas == pytest.approx([math.pi * RADIUS**2], rel=0.05)


def test_a_flat_image_has_no_object():
    assert not bright_objects(np.full((64, 64), 7, np.float32), 1.0, 10.0, 1).any()


def test_without_a_pixel_size_areas_are_in_pixels(tmp_path):
    plate = ingested(tmp_path, {"A01_s1": image(8000 * disc())})
    objects = SpheroidAreaReadout().find_objects(plate)
    assert objects[["area_um2", "x_um", "y_um"]].isna().all(axis=None)
    assert measured(plate)["A01"] == objects["area_px"].iloc[0] == pytest.approx(math.pi * RADIUS**2, rel=0.05)


def test_a_channel_that_is_not_there_is_told(plate):
    with pytest.raises(InputError, match="has 1 channels, counted from 0"):
        SpheroidAreaReadout({"channel": 1}).measure(plate)


def test_gaps_between_nuclei_make_no_spheroid_ragged():
    spongy = disc() & ((np.hypot(X % 12 - 6, Y % 12 - 6) < 5.5) | disc(0, 0, 30))
    labels, pixels = bright(6000 * spongy), image(6000 * spongy)
    assert describe(labels, pixels)["roundness"][0] < 0.75
    closed = describe(labels, pixels, gap_px=5.0)
    assert closed["roundness"][0] > 0.8
    assert closed["area"][0] == describe(labels, pixels)["area"][0], "the area is that of the light"
