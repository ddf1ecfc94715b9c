"""The readout mean of stack: the mean over every pixel of every plane, whatever the projections hold."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError, NotMade
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose_readers.imagexpress import ImageXpressReader
from phenodose_readouts.mean_of_stack import MeanOfStackReadout


@pytest.fixture
def plate(tmp_path):
    """Wells B02 (two sites of two planes), B03 (a projection only); pixels known."""
    rng = np.random.default_rng(5)
    raw, pixels = tmp_path / "raw", {}
    for site in (1, 2):
        for step in (1, 2):
            path = raw / f"ZStep_{step}" / f"x_B02_s{site}.tif"
            pixels[site, step] = rng.integers(0, 60000, (16, 24), dtype=np.uint16)
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, pixels[site, step])
    text = '<prop id="Z Projection Method" type="string" value="Maximum"/>'
    tifffile.imwrite(raw / "x_B03_s1.tif", np.full((16, 24), 60000, np.uint16), description=text, metadata=None)
    ingest_plate(raw, tmp_path / "P1.ome.zarr", ImageXpressReader(), "P1")
    return Plate.open(tmp_path / "P1.ome.zarr"), pixels


def test_it_is_the_mean_of_all_planes(plate):
    opened, pixels = plate
    frame = MeanOfStackReadout().measure(opened)
    assert list(frame.columns) == ["well", "raw"]
    assert frame["well"].tolist() == ["B02", "B03"]
    assert frame["raw"].iloc[0] == pytest.approx(np.mean(list(pixels.values())), rel=1e-12)
    assert np.isnan(frame["raw"].iloc[1])


def test_a_channel_that_is_not_there_is_told(plate):
    with pytest.raises(InputError, match="has 1 channels, counted from 0; the parameter `channel`"):
        MeanOfStackReadout({"channel": 1}).measure(plate[0])


def test_a_plate_of_projections_only_has_no_mean_of_stack(plate, tmp_path):
    for path in (tmp_path / "raw").glob("ZStep_*/*.tif"):
        path.unlink()
    ingest_plate(tmp_path / "raw", tmp_path / "P2.ome.zarr", ImageXpressReader(), "P2")
    with pytest.raises(NotMade, match="plate P2 holds only projections"):
        MeanOfStackReadout().measure(Plate.open(tmp_path / "P2.ome.zarr"))
