"""OME-Zarr plates made elsewhere are used where they lie: both NGFF versions, axes in any number."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from phenodose.cli import cli
from phenodose.errors import InputError, StoreError
from phenodose.plates.external_plate import ExternalPlate
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.pyramid import area_average, halve
from phenodose.plates.tensors import build_tensors, open_tensors
from phenodose.plates.verify import verify_plate
from phenodose.plugins import PLANES, choose_reader, registry
from phenodose_readers.imagexpress import ImageXpressReader
from phenodose_readers.ome_zarr import OmeZarrReader
from phenodose_readouts.mean_of_stack import MeanOfStackReadout

SIZES = {"t": 2, "c": 2, "z": 3, "y": 40, "x": 48}
WELLS = {"B/2": "B02", "C/11": "C11"}


def stack(well: str, site: int, axes: str) -> np.ndarray:
    """The pixels of one image, dims as in `axes`."""
    shape = [SIZES[axis] for axis in axes]
    return np.random.default_rng([site, *well.encode()]).poisson(500, shape).astype(np.uint16)


def coarser(pixels: np.ndarray) -> np.ndarray:
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    return np.stack([halve(plane) for plane in planes]).reshape(*pixels.shape[:-2], SIZES["y"] // 2, SIZES["x"] // 2)


def write_attributes(group: zarr.Group, attributes: dict, version: str) -> None:
    group.attrs.update({"ome": {"version": version, **attributes}} if version == "0.5" else attributes)


def write_plate(
    folder: Path, version: str = "0.5", axes: str = "tczyx", sites: int = 1, absent: str = "", omero: bool = True
) -> Path:
    """A plate written with zarr alone, as other programs do."""
    zarr_format = 3 if version == "0.5" else 2
    root = zarr.create_group(folder, zarr_format=zarr_format)
    listed = [*WELLS, *([absent] if absent else [])]
    plate = {
        "name": "elsewhere",
        "version": version,
        "rows": [{"name": row} for row in "ABCDEFGH"],
        "columns": [{"name": str(column)} for column in range(1, 13)],
        "wells": [
            {"path": path, "rowIndex": ord(path[0]) - 65, "columnIndex": int(path[2:]) - 1} for path in sorted(listed)
        ],
        "field_count": sites,
    }
    write_attributes(root, {"plate": plate}, version)
    for path in WELLS:
        well = root.create_group(path)
        images = [{"path": str(site)} for site in range(sites)]
        write_attributes(well, {"well": {"images": images, "version": version}}, version)
        for site in range(sites):
            image = well.create_group(str(site))
            pixels = stack(path, site, axes)
            for level, values in enumerate((pixels, coarser(pixels))):
                chunks = (1,) * (values.ndim - 2) + (32, 32)
                options = {"dimension_names": list(axes)} if zarr_format == 3 else {}
                array = image.create_array(str(level), shape=values.shape, chunks=chunks, dtype="uint16", **options)
                array[...] = values
            units = {axis: {"type": "space", "unit": "micrometer"} for axis in "zyx"}
            units |= {"t": {"type": "time"}, "c": {"type": "channel"}}
            scale = {"t": 1.0, "c": 1.0, "z": 2.5, "y": 0.343, "x": 0.343}
            multiscale = {
                "version": version,
                "axes": [{"name": axis, **units[axis]} for axis in axes],
                "datasets": [
                    {
                        "path": str(level),
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [scale[a] * (2**level if a in "yx" else 1) for a in axes]}
                        ],
                    }
                    for level in (0, 1)
                ],
            }
            attributes: dict = {"multiscales": [multiscale]}
            if omero:
                attributes["omero"] = {
                    "channels": [
                        {"label": "Hoechst", "window": {"start": 400, "end": 600, "min": 0, "max": 65535}},
                        {"label": "PI"},
                    ]
                }
            write_attributes(image, attributes, version)
    return folder


def as_tczyx(pixels: np.ndarray, axes: str) -> np.ndarray:
    for place, axis in enumerate("tczyx"):
        if axis not in axes:
            pixels = np.expand_dims(pixels, place)
    return pixels


@pytest.mark.parametrize(
    ("version", "axes"),
    [
        *(("0.5", axes) for axes in ("tczyx", "zyx", "cyx")),
        *(("0.4", axes) for axes in ("czyx", "yx")),
        *(pytest.param("0.5", axes, marks=pytest.mark.slow) for axes in ("czyx", "yx")),
        *(pytest.param("0.4", axes, marks=pytest.mark.slow) for axes in ("tczyx", "zyx", "cyx")),
    ],
)
def test_a_plate_is_used_in_place_whatever_its_version_and_axes(tmp_path, version, axes):
    folder = write_plate(tmp_path / "raw" / "P1" / "elsewhere.zarr", version, axes)
    reader = choose_reader(tmp_path / "raw" / "P1", registry())
    assert reader.name == "ome_zarr"
    out = tmp_path / "store" / "P1.ome.zarr"
    record = ingest_plate(tmp_path / "raw" / "P1", out, reader, "P1")
    assert [path.name for path in out.iterdir()] == ["zarr.json"]
    plate = Plate.open(out)
    assert (plate.name, plate.wells, plate.n_rows, plate.n_columns) == ("P1", ["B02", "C11"], 8, 12)
    assert plate.pixel_size_um == record.pixel_size_um == 0.343
    assert plate.shape.z_step_um == (2.5 if "z" in axes else None)
    assert plate.shape.n_planes == (3 if "z" in axes else 1)
    assert record.n_planes == np.prod([SIZES[axis] for axis in axes if axis in "tcz"], dtype=int) * 2
    for path, well in WELLS.items():
        whole = as_tczyx(stack(path, 0, axes), axes)
        for time in range(whole.shape[0]):
            for channel in range(whole.shape[1]):
                expected = whole[time, channel]
                view = plate.stack(well, channel, time=time)
                np.testing.assert_array_equal(np.asarray(view), expected)
                np.testing.assert_array_equal(view[-1, 5:9, 7], expected[-1, 5:9, 7])
                np.testing.assert_array_equal(plate.mip(well, channel, time=time), expected.max(axis=0))
                np.testing.assert_array_equal(
                    plate.middle(well, channel, time=time), expected[(len(expected) - 1) // 2]
                )
                assert plate.mean_of_stack(well, channel, time=time) == pytest.approx(expected.mean(), rel=1e-12)
    assert verify_plate(out).faults == []
    assert folder.is_dir()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_index_has_every_plane_and_reads_it(tmp_path, version):
    write_plate(tmp_path, version, "tczyx", sites=2)
    reader = OmeZarrReader()
    index = reader.index(tmp_path)
    assert PLANES.faults(index) == []
    assert len(index) == 2 * 2 * 2 * 2 * 3
    assert set(index["plate"]) == {"elsewhere"}
    assert index.groupby("channel")["channel_name"].first().tolist() == ["Hoechst", "PI"]
    paths = {well: path for path, well in WELLS.items()}
    for row in index.sample(10, random_state=1).itertuples():
        expected = stack(paths[row.well], row.site - 1, "tczyx")[row.time, row.channel, row.z]
        np.testing.assert_array_equal(reader.read_plane(tmp_path, row), expected)


def test_tensors_readout_and_mosaic_come_from_it_without_conversion(tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(write_plate(tmp_path / "raw", sites=2), out, OmeZarrReader(), "P1")
    plate = Plate.open(out)
    build_tensors({"P1": plate}, tmp_path / "tensors.zarr", 16)
    tensors = open_tensors(tmp_path / "tensors.zarr")
    measured = MeanOfStackReadout().measure(plate).set_index("well")["raw"]
    for path, well in WELLS.items():
        pixels = stack(path, 0, "tczyx")[0, 0]
        tensor = tensors.sel(well=f"P1/{well}").to_numpy()
        at_level = area_average(pixels.max(axis=0), 20, 24)
        np.testing.assert_array_equal(tensor[..., 0], area_average(at_level, 16, 16))
        np.testing.assert_array_equal(tensor[..., 1], area_average(halve(pixels[1]), 16, 16))
        means = [stack(path, site, "tczyx")[0, 0].mean() for site in (0, 1)]
        assert measured[well] == pytest.approx(np.mean(means), rel=1e-12)
    mosaic = plate.mosaic(8)
    assert mosaic.shape == (64, 96)
    assert mosaic[8:16, 8:16].any()
    assert not mosaic[:8].any()


def test_wells_that_are_listed_and_absent_are_left_out_and_told(tmp_path):
    raw = write_plate(tmp_path / "raw", absent="D/4", omero=False)
    record = ingest_plate(raw, tmp_path / "P1.ome.zarr", OmeZarrReader(), "P1")
    assert record.wells == ["B02", "C11"]
    assert "1 wells are listed and have no image: D04." in record.notes
    plate = Plate.open(tmp_path / "P1.ome.zarr")
    assert [channel.name for channel in plate.channels] == ["channel 1", "channel 2"]
    start, end = plate.windows[0]
    assert 400 < start < end < 700


def test_verify_says_that_it_is_foreign_and_finds_what_cannot_be_read(tmp_path):
    raw, out = write_plate(tmp_path / "raw"), tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, OmeZarrReader(), "P1")
    told = CliRunner().invoke(cli, ["verify", str(out)])
    assert told.exit_code == 0, told.output
    assert f"made elsewhere and used in place ({raw})" in told.output
    # 2 times x 2 channels x 3 planes x (2 x 2 + 1 x 1 chunks) in each of 2 wells.
    assert verify_plate(out).n_files == 2 * 2 * 3 * (4 + 1) * 2
    chunk = raw / "B" / "2" / "0" / "0" / "c" / "1" / "1" / "2" / "0" / "1"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    (fault,) = verify_plate(out).faults
    assert f"{raw}/B/2/0/0: well B02: the chunk at (1, 1, 2, 0, 32) cannot be read" in fault
    with pytest.raises(StoreError, match="well B02: the pixels cannot be read"):
        Plate.open(out).stack("B02", 1, time=1)[2]


def test_changed_metadata_and_a_plate_that_is_gone_are_told(tmp_path):
    raw, out = write_plate(tmp_path / "raw"), tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, OmeZarrReader(), "P1")
    document = raw / "C" / "11" / "0" / "zarr.json"
    document.write_text(document.read_text().replace("0.343", "0.344"))
    (fault,) = verify_plate(out).faults
    assert "the metadata have changed since the plate was taken up; run `phenodose ingest` again" in fault
    second = ingest_plate(raw, out, OmeZarrReader(), "P1")
    assert second.wells_written == ["B02", "C11"]
    assert verify_plate(out).faults == []
    assert ingest_plate(raw, out, OmeZarrReader(), "P1").wells_written == []
    raw.rename(tmp_path / "moved")
    with pytest.raises(StoreError, match=r"used in place and .*raw is gone; put it back"):
        Plate.open(out)


def test_a_damaged_reference_is_told(tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(write_plate(tmp_path / "raw"), out, OmeZarrReader(), "P1")
    document = json.loads((out / "zarr.json").read_text())
    document["attributes"]["phenodose"]["windows"][0][1] += 1
    (out / "zarr.json").write_text(json.dumps(document))
    (fault,) = verify_plate(out).faults
    assert "the reference is damaged; run `phenodose ingest` again" in fault


def test_the_plates_own_folder_opens_too(tmp_path):
    plate = Plate.open(write_plate(tmp_path / "raw"))
    assert isinstance(plate, ExternalPlate)
    assert (plate.name, plate.wells) == ("elsewhere", ["B02", "C11"])
    np.testing.assert_array_equal(plate.plane("B02", 2, 1), stack("B/2", 0, "tczyx")[0, 1, 2])
    assert plate.nearest_z("B02", 100.0) is None
    assert plate.has_image("B02", "stack")
    assert plate.has_image("B02", "maximum")
    assert not plate.has_image("B02", "best-focus")


def test_a_plate_of_this_project_whose_root_is_damaged_is_not_taken_for_a_foreign_one(raw_xpress, tmp_path):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(raw_xpress, out, ImageXpressReader(), "P1")
    root = out / "zarr.json"
    root.write_text(root.read_text().replace('"phenodose"', '"phenodosf"'))
    with pytest.raises(StoreError, match="no plate that phenodose made, or its attributes are damaged"):
        Plate.open(out)


def test_a_plate_of_this_project_from_another_store_is_used_with_all_that_it_knows(raw_xpress, tmp_path):
    first, out = tmp_path / "other" / "P1.ome.zarr", tmp_path / "P7.ome.zarr"
    ingest_plate(raw_xpress, first, ImageXpressReader(), "P1")
    record = ingest_plate(first, out, choose_reader(first, registry()), "P7")
    plate = Plate.open(out)
    assert (plate.name, plate.raw_hash) == ("P7", record.raw_hash)
    assert plate.shape.kinds == ("stack", "maximum")
    result = verify_plate(out, raw_xpress, ImageXpressReader())
    assert (result.faults, result.n_raw, result.in_place) == ([], 1, "")


def test_a_raw_folder_that_holds_its_own_plate_is_still_the_instruments(raw_xpress):
    ingest_plate(raw_xpress, raw_xpress / "P1.ome.zarr", ImageXpressReader(), "P1")
    assert choose_reader(raw_xpress, registry()).name == "imagexpress"


@pytest.fixture
def raw_xpress(tmp_path) -> Path:
    import tifffile

    folder = tmp_path / "xpress"
    folder.mkdir()
    text = '<MetaData><prop id="wavelength" type="float" value="447"/></MetaData>'
    tifffile.imwrite(folder / "x_B02.tif", stack("x", 0, "yx"), description=text, metadata=None, software="MetaSeries")
    return folder


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_plate_of_ome_zarr_py(tmp_path, version):
    import warnings

    with warnings.catch_warnings():
        # The package calls what it has deprecated itself.
        warnings.simplefilter("ignore")
        from ome_zarr import writer
        from ome_zarr.format import FormatV04, FormatV05

        fmt = FormatV05() if version == "0.5" else FormatV04()
        root = zarr.create_group(tmp_path / "raw", zarr_format=3 if version == "0.5" else 2)
        writer.write_plate_metadata(root, ["A", "B", "C"], ["2", "11"], list(WELLS), fmt=fmt)
        for path in WELLS:
            well = root.require_group(path)
            writer.write_well_metadata(well, ["0"], fmt=fmt)
            writer.write_image(stack(path, 0, "czyx"), well.require_group("0"), axes="czyx", fmt=fmt)
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(tmp_path / "raw", out, OmeZarrReader(), "P1")
    plate = Plate.open(out)
    assert (plate.wells, plate.pixel_size_um) == (["B02", "C11"], None)
    for path, well in WELLS.items():
        np.testing.assert_array_equal(np.asarray(plate.stack(well, 1)), stack(path, 0, "czyx")[1])
    assert verify_plate(out).faults == []


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda raw: (raw / "B/2/0/zarr.json").write_text("{"), "B/2/0: the image's metadata are damaged or missing"),
        (lambda raw: shutil.rmtree(raw / "B/2/0/1"), "B/2/0: the image's metadata are damaged or missing"),
        (lambda raw: [shutil.rmtree(raw / row) for row in "BC"], "none of the wells that are listed has an image"),
        (
            lambda raw: (raw / "zarr.json").write_text((raw / "zarr.json").read_text().replace('"C/11"', '"C/eleven"')),
            "well 'C/eleven': wells lie in <row>/<column>",
        ),
        (
            lambda raw: [
                shutil.rmtree(raw / "C/11/0/0"),
                zarr.create_array(raw / "C/11/0/0", shape=(2, 2, 3, 41, 48), chunks=(1, 1, 1, 32, 32), dtype="uint16"),
            ],
            '"y": 41',
        ),
    ],
)
def test_plates_that_cannot_be_used_teach_and_nothing_is_written(tmp_path, spoil, told):
    raw, out = write_plate(tmp_path / "raw"), tmp_path / "P1.ome.zarr"
    spoil(raw)
    with pytest.raises(InputError) as fault:
        ingest_plate(raw, out, OmeZarrReader(), "P1")
    assert told in str(fault.value)
    assert not out.exists()


def edit(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document["attributes"]["ome"])
    path.write_text(json.dumps(document))


def test_documents_that_a_strict_reader_refuses_are_used(tmp_path):
    """None of these is needed to find and read a pixel, and some program leaves each of them out."""
    raw = write_plate(tmp_path / "raw", axes="zyx", omero=False)

    def loosely(plate: dict) -> None:
        del plate["plate"]["rows"], plate["plate"]["version"], plate["version"]
        plate["plate"] |= {"field_count": 0, "acquisitions": [{"name": "no id"}]}
        plate["plate"]["wells"] = [{"path": each["path"]} for each in plate["plate"]["wells"]]

    def bare(image: dict) -> None:
        image["multiscales"] = [{"axes": ["z", "y", "x"], "datasets": [{"path": "0"}, {"path": "1"}]}]
        image["omero"] = {"channels": [{"label": "Hoechst", "window": {"start": 400, "end": 600}}]}

    edit(raw / "zarr.json", loosely)
    for path in WELLS:
        edit(raw / path / "0" / "zarr.json", bare)
    ingest_plate(raw, tmp_path / "P1.ome.zarr", OmeZarrReader(), "P1")
    plate = Plate.open(tmp_path / "P1.ome.zarr")
    assert (plate.wells, plate.pixel_size_um, plate.windows) == (["B02", "C11"], None, [(400, 600)])
    assert [channel.name for channel in plate.channels] == ["Hoechst"]
    np.testing.assert_array_equal(np.asarray(plate.stack("B02")), stack("B/2", 0, "zyx"))


def test_pixels_that_are_no_camera_counts_are_refused(tmp_path):
    raw = write_plate(tmp_path / "raw", axes="yx")
    for level in (raw / "B/2/0/0", raw / "B/2/0/1"):
        shape = zarr.open_array(level, mode="r").shape
        shutil.rmtree(level)
        zarr.create_array(level, shape=shape, chunks=(32, 32), dtype="float32")
    with pytest.raises(InputError, match=r"the pixels are float32; convert the plate to uint8 or uint16"):
        OmeZarrReader().index(raw)


def test_two_plates_in_one_folder_and_none(tmp_path):
    for name in ("a.zarr", "b.zarr"):
        write_plate(tmp_path / "raw" / name, axes="yx")
    with pytest.raises(InputError, match=r"2 OME-Zarr plates \(a\.zarr, b\.zarr\); give the folder of one"):
        OmeZarrReader().index(tmp_path / "raw")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="there is no OME-Zarr plate"):
        OmeZarrReader().in_place(tmp_path / "empty")


def test_a_reference_never_replaces_pixels_and_does_not_lie_in_the_plate(raw_xpress, tmp_path):
    raw, out = write_plate(tmp_path / "raw"), tmp_path / "P1.ome.zarr"
    ingest_plate(raw_xpress, out, ImageXpressReader(), "P1")
    with pytest.raises(InputError, match="already there and is no reference"):
        ingest_plate(raw, out, OmeZarrReader(), "P1")
    assert verify_plate(out).faults == []
    for folder in (raw, out):
        reference = tmp_path / f"{folder.name}.reference"
        ingest_plate(folder, reference, OmeZarrReader(), "P1")
        with pytest.raises(InputError, match="refers to a plate that is used in place"):
            ingest_plate(raw_xpress, reference, ImageXpressReader(), "P1")
    with pytest.raises(InputError, match="lies in the plate itself"):
        ingest_plate(raw, raw / "P2.ome.zarr", OmeZarrReader(), "P2")
