"""The roundness of drawn objects is that of geometry."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.testing import ImageReadoutConformance
from phenodose_readers.pattern import PatternReader
from phenodose_spheroid_shape import SpheroidRoundnessReadout


class TestRoundness(ImageReadoutConformance):
    """Every rule of the contract for image readouts."""

    plugin = SpheroidRoundnessReadout


SIDE, RADIUS = 256, 60
Y, X = np.mgrid[:SIDE, :SIDE] - SIDE / 2


def drawn(inside):
    noise = np.random.default_rng(1).normal(500, 20, (SIDE, SIDE))
    return (noise + 8000 * inside).astype(np.uint16)


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    """A disc in A01, a flat ellipse of the same area in A02, debris beside a disc in A03, nothing in A04."""
    raw = tmp_path_factory.mktemp("raw")
    disc = X**2 + Y**2 < RADIUS**2
    images = {
        "A01": drawn(disc),
        "A02": drawn((X / 2) ** 2 + (Y * 2) ** 2 < RADIUS**2),
        "A03": drawn(disc | ((X - 100) ** 2 + (Y - 100) ** 2 < 8**2)),
        "A04": np.full((SIDE, SIDE), 500, np.uint16),
    }
    for well, image in images.items():
        tifffile.imwrite(raw / f"{well}_MIP.tif", image)
    expression = r"(?P<well>[A-H][0-9]{2})_(?P<projection>MIP)\.tif"
    reader = PatternReader({"expression": expression, "pixel_size_um": 2.0})
    out = raw.parent / "P1.ome.zarr"
    ingest_plate(raw, out, reader, "P1")
    return Plate.open(out)


def test_a_disc_is_round_and_an_ellipse_is_not(plate):
    measured = SpheroidRoundnessReadout({"smoothing_um": 2.0}).measure(plate).set_index("well")["raw"]
    assert measured["A01"] == pytest.approx(1.0, abs=0.05)
    assert measured["A03"] == pytest.approx(1.0, abs=0.05)
    assert math.isnan(measured["A04"])
    # Ramanujan's perimeter of an ellipse with half axes 2 r and r / 2
    a, b = 2 * RADIUS, RADIUS / 2
    h = ((a - b) / (a + b)) ** 2
    perimeter = math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))
    assert measured["A02"] == pytest.approx(4 * math.pi * math.pi * a * b / perimeter**2, abs=0.05)


def test_a_channel_that_is_not_there_is_told(plate):
    with pytest.raises(InputError, match="has 1 channels, counted from 0"):
        SpheroidRoundnessReadout({"channel": 1}).measure(plate)
