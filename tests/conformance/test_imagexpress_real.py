"""Real ImageXpress acquisitions, from the microscope's files to a plate that others' validators accept."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.plate_index import index_of
from phenodose.plates.verify import verify_plate
from phenodose.plugins import choose_reader, registry
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


BOTH = pytest.mark.parametrize("raw", [SINGLE, EXPORT], ids=lambda raw: raw.name)


def images_of(raw: Path) -> list[Path]:
    return sorted(path for path in raw.rglob("*") if path.suffix.lower() == ".tif" and "_thumb" not in path.name)


def tags_of(path: Path) -> dict[str, tuple[str, str]]:
    """Type and text of every tag of a file, by a parser of its own."""
    with tifffile.TiffFile(path) as tiff:
        tree = ET.fromstring(tiff.pages[0].description)
    return {
        each.attrib["id"]: (each.attrib["type"], each.attrib["value"]) for each in tree.iter() if "id" in each.attrib
    }


def stored(plate: Plate, row) -> np.ndarray:
    """The pixels of a row of the index as an image of the plate holds them."""
    if row.projection == "":
        return plate.stack(row.well, row.channel, site=row.site, time=row.time)[row.z]
    assert row.projection == "maximum"
    return plate.mip(row.well, row.channel, site=row.site, time=row.time)


@BOTH
def test_every_file_is_in_the_plate_with_its_pixels_and_all_its_tags(ingested, raw):
    _, plate = ingested[raw]
    rows = {row.path: row for row in index_of(plate).itertuples()}
    files = images_of(raw)
    assert sorted(rows) == [path.relative_to(raw).as_posix() for path in files]
    for path in files:
        row, tags = rows[path.relative_to(raw).as_posix()], tags_of(path)
        np.testing.assert_array_equal(stored(plate, row), tifffile.imread(path))
        kept = json.loads(row.metadata)
        assert kept.keys() == tags.keys()
        for name, (kind, text) in tags.items():
            assert kept[name] == (float(text) if kind == "float" else int(text) if kind == "int" else text), name
        well, site = tags["stage-label"][1].split(" : Site ")
        assert (row.well, row.site) == (well, int(site))
        assert row.pixel_size_um == float(tags["spatial-calibration-x"][1])
        assert row.wavelength_nm == float(tags["wavelength"][1])
        assert f"{row.exposure_ms:g} ms" == tags["Exposure Time"][1]
        assert (row.stage_x_um, row.stage_y_um) == tuple(float(tags[f"stage-position-{axis}"][1]) for axis in "xy")
        assert row.acquired_at == tags["acquisition-time-local"][1]
        assert row.channel_name == tags["_IllumSetting_"][1]
        if row.projection:
            assert tags["Z Projection Method"][1] == "Maximum"
            assert row.z_step_um == float(tags["Z Projection Step Size"][1])
            assert np.isnan(row.z_um)
        else:
            assert row.z_um == float(tags["ImageXpress Micro Z"][1])
            assert row.z + 1 == float(tags.get("Z Step", ("float", "1"))[1])


@BOTH
def test_the_index_of_the_plate_is_the_readers_with_checksums(ingested, raw):
    _, plate = ingested[raw]
    read, kept = ImageXpressReader().index(raw), index_of(plate)
    assert read["checksum"].isna().all()
    assert kept["checksum"].str.fullmatch("[0-9a-f]{32}").all()
    read["metadata"], kept["metadata"] = read["metadata"].map(json.loads), kept["metadata"].map(json.loads)
    assert kept.drop(columns="checksum").equals(read.drop(columns="checksum"))


def arrays_of(plate: Plate) -> list[tuple[Path, np.ndarray]]:
    """The full-size array of every image of a plate, and what it must hold."""
    found = []
    for well in plate.wells:
        for image in plate.shape.fields:
            folder = plate.path / well[:-2] / well[-2:] / image.path
            site = image.site
            pixels = np.asarray(plate.stack(well, site=site)) if image.kind == "stack" else plate.mip(well, site=site)
            found.append((folder, pixels.reshape(1, -1, *pixels.shape[-2:])))
    return found


@BOTH
def test_dask_opens_every_image(ingested, raw):
    import dask.array

    for folder, pixels in arrays_of(ingested[raw][1]):
        np.testing.assert_array_equal(dask.array.from_zarr(str(folder), component="0").compute(), pixels)


@BOTH
def test_xarray_opens_every_image_with_named_dimensions(ingested, raw):
    import xarray

    for folder, pixels in arrays_of(ingested[raw][1]):
        # The levels of a pyramid share the names of their dimensions, so one is opened at a time.
        others = [path.name for path in folder.iterdir() if path.is_dir() and path.name != "0"]
        opened = xarray.open_zarr(folder, drop_variables=others, consolidated=False)["0"]
        assert opened.dims == ("c", "z", "y", "x")
        np.testing.assert_array_equal(opened.to_numpy(), pixels)


@BOTH
def test_tensorstore_opens_every_image(ingested, raw):
    tensorstore = pytest.importorskip("tensorstore", reason="tensorstore is not installed")
    for folder, pixels in arrays_of(ingested[raw][1]):
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder / "0")}}
        np.testing.assert_array_equal(tensorstore.open(spec).result().read().result(), pixels)


@BOTH
def test_ngff_zarr_accepts_plate_wells_and_images(ingested, raw):
    ngff_zarr = pytest.importorskip("ngff_zarr", reason="ngff-zarr is not installed")
    record, plate = ingested[raw]
    opened = ngff_zarr.from_hcs_zarr(str(plate.path), validate=True)
    assert [well.path for well in opened.wells] == [f"{well[:-2]}/{well[-2:]}" for well in record.wells]
    for well in record.wells:
        for number, image in enumerate(plate.shape.fields):
            (level, *_) = opened.get_well(well[:-2], well[-2:]).get_image(number).images
            assert level.scale == {
                "c": 1,
                "z": record.z_step_um or 1,
                "y": plate.pixel_size_um,
                "x": plate.pixel_size_um,
            }
            assert level.data.shape[1] == plate.shape.planes_of(image.kind)
    for folder, pixels in arrays_of(plate):
        multiscales = ngff_zarr.from_ngff_zarr(str(folder), validate=True)
        np.testing.assert_array_equal(np.asarray(multiscales.images[0].data), pixels)


# napari itself uses what pydantic and others have deprecated, also in its plugins of pytest: where it is installed, run
# this test with PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 and `-p pytest_timeout`.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@BOTH
def test_the_reader_of_napari_shows_the_plate(ingested, raw):
    napari_ome_zarr = pytest.importorskip("napari_ome_zarr", reason="napari-ome-zarr is not installed")
    record, plate = ingested[raw]
    read = napari_ome_zarr.napari_get_reader(str(plate.path))
    assert read is not None
    ((levels, settings, kind),) = read(str(plate.path))
    assert kind == "image"
    assert settings["scale"] == [record.z_step_um or 1, plate.pixel_size_um, plate.pixel_size_um]
    rows = sorted({well[:-2] for well in record.wells})
    columns = sorted({well[-2:] for well in record.wells})
    picture = np.asarray(levels[0])
    picture = picture.reshape(-1, *picture.shape[-2:])  # one channel and time; versions differ in which axes they keep
    height, width = record.size_y_px, record.size_x_px
    n_rows, n_columns = picture.shape[-2] // height, picture.shape[-1] // width
    for well in record.wells:
        # The mosaic shows the whole microplate, or only the rows and columns that have wells.
        row = "ABCDEFGH".index(well[0]) if n_rows > len(rows) else rows.index(well[:-2])
        column = int(well[-2:]) - 1 if n_columns > len(columns) else columns.index(well[-2:])
        tile = picture[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
        np.testing.assert_array_equal(tile, np.asarray(plate.stack(well)).reshape(tile.shape))


@pytest.mark.parametrize("raw", [SINGLE, EXPORT], ids=lambda raw: raw.name)
def test_plates_verify_against_the_files(ingested, raw):
    result = verify_plate(ingested[raw][1].path, raw, ImageXpressReader())
    assert result.faults == []
    assert result.n_raw == ingested[raw][0].n_planes
