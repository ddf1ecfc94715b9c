"""A plate exported to NGFF 0.4 is the same plate for other programs, and is whole or not there."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr

from phenodose.cli import main
from phenodose.errors import InputError, StoreError
from phenodose.plates.export import export_plate
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.verify import verify_plate
from phenodose.plugins import choose_reader, registry
from phenodose_readers.imagexpress import ImageXpressReader


@pytest.fixture
def made(made_once, raw_plate):
    """A folder with a plate of two levels and its export; for reading only."""

    def make(folder):
        raw = raw_plate(size=(300, 260), channels=2, planes=2, sites=2)
        next(raw.rglob("ZStep_1/*_B03_s1_w1*")).unlink()
        ingest_plate(raw, folder / "P1.ome.zarr", ImageXpressReader(), "P1")
        done = export_plate(folder / "P1.ome.zarr", folder / "old.ome.zarr")
        assert (done.n_wells, done.n_images) == (3, 12)

    return made_once("exported_plate", make)


@pytest.fixture
def plate(made):
    return Plate.open(made / "P1.ome.zarr")


@pytest.fixture
def old(made):
    return made / "old.ome.zarr"


def test_every_pixel_of_every_level_is_in_the_export(plate, old):
    assert len(plate.level_shapes) == 2
    for well in plate.wells:
        for field in plate.shape.fields:
            for level in range(len(plate.level_shapes)):
                array = zarr.open_array(old / f"{well[0]}/{well[1:]}/{field.path}/{level}", mode="r")
                assert array.metadata.zarr_format == 2
                for channel in range(2):
                    image = plate.image(well, field.kind, channel, level, field.site)
                    np.testing.assert_array_equal(array[channel], np.asarray(image))
    assert not (old / "B/03/0/0/0/0/0/0").exists()
    assert (old / "B/03/0/0/0/1/0/0").is_file()


def test_ome_zarr_models_accepts_the_export(plate, old):
    from ome_zarr_models.v04.hcs import HCS
    from ome_zarr_models.v04.image import Image

    hcs = HCS.from_zarr(zarr.open_group(old, mode="r", zarr_format=2))
    assert [well.path for well in hcs.attributes.plate.wells] == ["B/02", "B/03", "C/02"]
    for well in ("B/02", "B/03", "C/02"):
        for field in plate.shape.fields:
            image = Image.from_zarr(zarr.open_group(old / well / field.path, mode="r", zarr_format=2))
            (multiscale,) = image.attributes.multiscales
            assert [axis.name for axis in multiscale.axes] == ["c", "z", "y", "x"]
            assert multiscale.datasets[0].coordinateTransformations[0].scale == [1.0, 2.5, 1.372, 1.372]
            assert [channel.label for channel in image.attributes.omero.channels] == ["Hoechst 1", "Hoechst 2"]


def test_ome_zarr_reads_the_export(plate, old):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    nodes = list(Reader(parse_url(old / "B/02/0"))())
    np.testing.assert_array_equal(np.asarray(nodes[0].data[0][0, 1]), plate.stack("B02")[1])


def test_an_export_is_taken_as_input_with_all_that_the_plate_knew(plate, old, tmp_path):
    shutil.copytree(old, tmp_path / "old" / "P1_v04.ome.zarr")
    reader = choose_reader(tmp_path / "old", registry())
    ingest_plate(tmp_path / "old", tmp_path / "P9.ome.zarr", reader, "P9")
    again = Plate.open(tmp_path / "P9.ome.zarr")
    assert (again.wells, again.shape.sites) == (plate.wells, plate.shape.sites)
    assert [channel.name for channel in again.channels] == [channel.name for channel in plate.channels]
    assert (again.pixel_size_um, again.shape.z_step_um) == (plate.pixel_size_um, plate.shape.z_step_um)
    assert again.shape.kinds == plate.shape.kinds
    for well in plate.wells:
        for site in plate.shape.sites:
            assert again.planes(well, 1, site) == plate.planes(well, 1, site)
            assert again.mean_of_stack(well, 0, site) == plate.mean_of_stack(well, 0, site)
            np.testing.assert_array_equal(again.middle(well, 0, 0, site), plate.middle(well, 0, 0, site))
            np.testing.assert_array_equal(again.mip(well, 0, 0, site), plate.mip(well, 0, 0, site))
    assert [each["z"] for each in again.planes("B03")] == [each["z"] for each in plate.planes("B03")] == [1]
    assert verify_plate(tmp_path / "P9.ome.zarr").faults == []


def test_nothing_is_left_of_an_export_that_fails(plate, tmp_path):
    broken = shutil.copytree(plate.path, tmp_path / "P1.ome.zarr")
    (broken / "C/02/3/0/c/1/0/0/0").unlink()
    with pytest.raises(StoreError, match="well C02: the pixels are missing"):
        export_plate(broken, tmp_path / "new" / "old.ome.zarr")
    assert list((tmp_path / "new").iterdir()) == []


def test_what_is_there_is_not_overwritten(plate, tmp_path):
    (tmp_path / "old.ome.zarr").mkdir()
    (tmp_path / "old.ome.zarr/thesis").write_text("mine")
    with pytest.raises(InputError, match="already there"):
        export_plate(plate.path, tmp_path / "old.ome.zarr")
    with pytest.raises(InputError, match=r"--ngff 0.3: a plate can be exported to 0.4"):
        export_plate(plate.path, tmp_path / "new.ome.zarr", "0.3")


def test_the_command(plate, tmp_path, capsys):
    for more in ([], ["--json"]):
        out = str(tmp_path / f"old{len(more)}.ome.zarr")
        with pytest.raises(SystemExit) as left:
            main(["export", str(plate.path), out, "--ngff", "0.4", *more])
        assert left.value.code == 0
        said = capsys.readouterr().out
        if more:
            assert json.loads(said) == {"n_wells": 3, "n_images": 12, "out": out, "ngff": "0.4"}
        else:
            assert "3 wells, 12 images as NGFF 0.4" in said
