"""Real ImageXpress acquisitions, from the microscope's files to a plate that others' validators accept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from phenodose.plugins import registry
from phenodose.storage.ingest import choose_reader, ingest_plate
from phenodose.storage.plate import Plate
from phenodose.storage.verify import verify_plate
from phenodose_readers.imagexpress import ImageXpressReader

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "imagexpress"
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference acquisitions are not on this machine")
SINGLE, EXPORT = REFERENCE / "SingleChannel", REFERENCE / "9987_Plate_3420"


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """Both acquisitions as plates: raw folder -> (record, plate)."""
    folder = tmp_path_factory.mktemp("plates")
    found = {}
    for raw in (SINGLE, EXPORT):
        out = folder / f"{raw.name}.ome.zarr"
        found[raw] = (ingest_plate(raw, out, choose_reader(raw, registry()), raw.name), Plate.open(out))
    return found


def test_the_single_channel_acquisition(ingested):
    record, plate = ingested[SINGLE]
    assert (record.wells, record.n_planes, record.n_z) == (["E07", "E08"], 12, 2)
    assert (record.size_y_px, record.size_x_px) == (512, 512)
    assert (record.pixel_size_um, record.z_step_um) == (1.3668, 5.0)
    assert plate.shape.sites == (1, 2)
    assert [(channel.name, channel.wavelength_nm) for channel in plate.channels] == [("FITC_05", 536.0)]
    plane = plate.planes("E07")[0]
    assert (plane["exposure_ms"], plane["wavelength_nm"], plane["z_um"]) == (15.0, 536.0, 9318.24)
    assert (plane["stage_x_um"], plane["stage_y_um"]) == (79813.4, 41385.4)
    assert plate.metadata("E07")["tags"]["_MagSetting_"] == "20X Plan Apo Lambda"
    assert plate.metadata("E07")["tags"]["_MagNA_"] == 0.75
    assert plate.instrument["acquisition"] == "1334"


def test_every_single_channel_plane_is_identical_to_its_file(ingested):
    _, plate = ingested[SINGLE]
    files = sorted(path for path in SINGLE.rglob("*.tif") if "_thumb" not in path.name)
    assert len(files) == 12
    for path in files:
        well, site = path.name.split("_")[1], int(path.name.split("_s")[1][0])
        if path.parent.name.startswith("ZStep"):
            stored = plate.stack(well, site=site)[int(path.parent.name[-1]) - 1]
        else:
            stored = plate.mip(well, site=site)
        np.testing.assert_array_equal(stored, tifffile.imread(path))


def test_the_mean_of_stack_is_that_of_the_files(ingested):
    _, plate = ingested[SINGLE]
    for well in ("E07", "E08"):
        planes = [tifffile.imread(path) for path in sorted(SINGLE.rglob(f"ZStep_*/*_{well}_s1[!_]*.tif"))]
        assert len(planes) == 2
        assert plate.mean_of_stack(well) == pytest.approx(np.mean(planes, dtype=np.float64), rel=1e-12)


def test_the_export_of_one_plane(ingested):
    record, plate = ingested[EXPORT]
    assert (record.wells, record.n_planes, record.n_z, record.pixel_size_um) == (["B02"], 1, 1, 1.3672)
    assert (plate.n_rows, plate.n_columns) == (8, 12)
    pixels = tifffile.imread(EXPORT / "TimePoint_1" / "9987_B02.TIF")
    np.testing.assert_array_equal(plate.stack("B02")[0], pixels)
    np.testing.assert_array_equal(plate.mip("B02"), pixels)
    assert plate.instrument["htd"]["UniquePlateIdentifier"] == "af67a541-a074-4ed4-a516-912d0171b177"
    assert plate.instrument["wells_without_images"] == []
    assert (plate.planes("B02")[0]["exposure_ms"], plate.planes("B02")[0]["wavelength_nm"]) == (100.0, 452.0)


@pytest.mark.parametrize("raw", [SINGLE, EXPORT], ids=lambda raw: raw.name)
def test_ome_zarr_models_accepts_plate_wells_and_images(ingested, raw):
    from ome_zarr_models.common.omero import Omero
    from ome_zarr_models.v05.hcs import HCS
    from ome_zarr_models.v05.image import Image

    record, plate = ingested[raw]
    hcs = HCS.from_zarr(zarr.open_group(plate.path, mode="r"))
    assert hcs.n_wells == record.n_wells
    wells = list(hcs.well_groups)
    assert len(wells) == record.n_wells
    for well_name, well in zip(record.wells, wells, strict=True):
        images = well.ome_attributes.well.images
        assert len(images) == 2 * len(plate.shape.sites)
        for entry in images:
            path = plate.path / well_name[0] / well_name[1:] / entry.path
            image = Image.from_zarr(zarr.open_group(path, mode="r"))
            (multiscale,) = image.ome_attributes.multiscales
            assert [axis.name for axis in multiscale.axes] == ["c", "z", "y", "x"]
            scale = multiscale.datasets[0].coordinateTransformations[0].scale
            assert scale == [1.0, record.z_step_um or 1.0, record.pixel_size_um, record.pixel_size_um]
            omero = Omero.model_validate(image.ome_attributes.omero)
            assert [channel.label for channel in omero.channels] == [plate.channels[0].name]
            assert 0 <= omero.channels[0].window.start < omero.channels[0].window.end <= 65535


def test_the_reader_of_ome_zarr_opens_the_images(ingested):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    _, plate = ingested[SINGLE]
    nodes = list(Reader(parse_url(plate.path / "E" / "07" / "0"))())
    level = nodes[0].data[0]
    assert level.shape == (1, 2, 512, 512)
    np.testing.assert_array_equal(np.asarray(level[0, 1]), plate.stack("E07")[1])
    assert nodes[0].metadata["channel_names"] == ["FITC_05"]


@pytest.mark.parametrize("raw", [SINGLE, EXPORT], ids=lambda raw: raw.name)
def test_plates_verify_against_the_files(ingested, raw):
    result = verify_plate(ingested[raw][1].path, raw, ImageXpressReader())
    assert result.faults == []
    assert result.n_raw == ingested[raw][0].n_planes
