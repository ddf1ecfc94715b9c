"""Areas of real organoids agree with those that their authors measured with a pipeline of their own (CellProfiler)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose_readers.pattern import PatternReader
from phenodose_readouts.spheroids import SpheroidAreaReadout

ORGANOIDS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "real_images" / "fis_organoids"
pytestmark = pytest.mark.skipif(not ORGANOIDS.is_dir(), reason="the images of organoids are not on this machine")


#: Rows of the plate; in `make test` every third one, of the same thresholds.
ROWS = [pytest.param("ABCDEFGH", marks=pytest.mark.slow), "ADG"]


@pytest.fixture(scope="module", params=ROWS)
def objects_and_plate(request, tmp_path_factory):
    """What is found in wells of calcein-stained organoids, of which many lie in a well, and their plate."""
    expression = r"(?P<well>[A-H][0-9]{2})_z(?P<z>[0-9]+)\.tif"
    folder = tmp_path_factory.mktemp("plate")
    raw, out = folder / "P1", folder / "P1.ome.zarr"
    raw.mkdir()
    for image in (ORGANOIDS / "FIS_V1_DS1" / "P1").glob("*.tif"):
        if image.name[0] in request.param:
            shutil.copyfile(image, raw / image.name)
    reader = PatternReader({"expression": expression, "pixel_size_um": 4.991})
    ingest_plate(raw, out, reader, "P1")
    plate = Plate.open(out)
    return SpheroidAreaReadout().find_objects(plate), plate


def truth_of(plate):
    """What the authors measured of the wells of a plate."""
    truth = pd.read_csv(ORGANOIDS / "truth_wells.csv").set_index("well")
    assert len(truth) == 64
    return truth.loc[plate.wells]


def test_organoids_that_swelled_are_larger(objects_and_plate):
    """Their area is known as percent of each well's own area an hour before, which no single image tells."""
    objects, plate = objects_and_plate
    swelling = truth_of(plate)["area_60min_percent_of_start"]
    assert len(swelling) in (24, 64)

    def pearson(of_well):
        numbers = SpheroidAreaReadout({"of_well": of_well}).of_objects(plate, objects).set_index("well")["raw"]
        assert len(numbers) == len(swelling)
        return swelling.corr(numbers)

    assert pearson("mean") > 0.88
    assert pearson("sum") > 0.7


def test_about_as_many_are_counted(objects_and_plate):
    objects, plate = objects_and_plate
    assert truth_of(plate)["organoids"].corr(objects.groupby("well").size()) > 0.75
