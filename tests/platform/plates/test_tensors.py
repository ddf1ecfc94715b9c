"""Pseudo-RGB tensors hold the MIP and the middle plane of every well, and open with xarray."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from phenodose.errors import InputError, MissingInputError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.pyramid import area_average
from phenodose.plates.tensors import build_tensors, open_tensors
from phenodose_readers.imagexpress import ImageXpressReader


@pytest.fixture
def plates(raw_plate, tmp_path):
    found = {}
    for name, wells in (("P2", ["B02"]), ("P10", ["C03"]), ("P1", ["B10", "B02"])):
        raw = raw_plate(name, wells=wells, size=(300, 300), seed=int(name[1:]))
        if name == "P10":
            for path in list(raw.rglob("ZStep_*/*.tif")):
                path.unlink()
        out = tmp_path / "plates" / f"{name}.ome.zarr"
        ingest_plate(raw, out, ImageXpressReader(), name)
        found[name] = Plate.open(out)
    return found


def test_tensors_hold_projection_and_middle_plane(plates, tmp_path):
    told = []
    build_tensors(plates, tmp_path / "t.zarr", 64, progress=lambda *what: told.append(what))
    tensors = open_tensors(tmp_path / "t.zarr")
    assert tensors.dims == ("well", "y", "x", "channel")
    assert (tensors.shape, tensors.dtype) == ((4, 64, 64, 3), np.uint16)
    assert tensors["well"].values.tolist() == ["P1/B02", "P1/B10", "P2/B02", "P10/C03"]
    assert tensors["plate"].values.tolist() == ["P1", "P1", "P2", "P10"]
    assert tensors["well_name"].values.tolist() == ["B02", "B10", "B02", "C03"]
    assert tensors["channel"].values.tolist() == ["MIP", "MID", "MIP"]
    plate = plates["P1"]
    tensor = tensors.sel(well="P1/B10").values
    np.testing.assert_array_equal(tensor[..., 0], area_average(plate.mip("B10", level=1), 64, 64))
    np.testing.assert_array_equal(tensor[..., 1], area_average(plate.stack("B10", level=1)[1], 64, 64))
    np.testing.assert_array_equal(tensor[..., 2], tensor[..., 0])
    assert [done for done, _, _ in told] == [1, 2, 3, 4]


def test_a_projection_stands_for_a_missing_stack_and_this_is_recorded(plates, tmp_path):
    build_tensors(plates, tmp_path / "t.zarr", 16)
    tensors = open_tensors(tmp_path / "t.zarr")
    assert tensors.attrs["mid_from_mip"] == ["P10/C03"]
    only = tensors.sel(well="P10/C03").values
    np.testing.assert_array_equal(only[..., 1], only[..., 0])
    assert tensors.attrs["source_raw_hash"]["P1"] == plates["P1"].raw_hash


def test_tensors_open_with_plain_xarray(plates, tmp_path):
    build_tensors(plates, tmp_path / "t.zarr", 16)
    opened = xr.open_zarr(tmp_path / "t.zarr", chunks=None, consolidated=False)
    assert set(opened.coords) == {"well", "plate", "well_name", "channel"}
    np.testing.assert_array_equal(opened["pseudo_rgb"].values, open_tensors(tmp_path / "t.zarr").values)


def test_the_same_plates_give_the_same_bytes(plates, tmp_path, contents):
    build_tensors(plates, tmp_path / "a.zarr", 16)
    build_tensors(plates, tmp_path / "b.zarr", 16)
    build_tensors(plates, tmp_path / "b.zarr", 16)
    assert contents(tmp_path / "a.zarr") == contents(tmp_path / "b.zarr")


def test_more_wells_than_a_chunk(plates, tmp_path, monkeypatch):
    build_tensors(plates, tmp_path / "a.zarr", 16)
    monkeypatch.setattr("phenodose.plates.tensors._WELLS_A_CHUNK", 3)
    build_tensors(plates, tmp_path / "b.zarr", 16)
    np.testing.assert_array_equal(open_tensors(tmp_path / "a.zarr"), open_tensors(tmp_path / "b.zarr"))


def test_eight_bit_images_keep_their_brightness(raw_plate, tmp_path):
    raw = raw_plate(wells=["B02"], planes=1)
    for path in list(raw.rglob("*.tif")):
        tags = {} if "ZStep" in path.parent.name else {"Z Projection Method": "Maximum"}
        raw_plate.image(path, np.full((20, 20), 255, np.uint8), **{"image-name": "x"}, **tags)
    ingest_plate(raw, tmp_path / "P1.ome.zarr", ImageXpressReader(), "P1")
    build_tensors({"P1": Plate.open(tmp_path / "P1.ome.zarr")}, tmp_path / "t.zarr", 8)
    assert (open_tensors(tmp_path / "t.zarr").values == 65535).all()


def test_what_cannot_be_made_is_told(plates, tmp_path):
    with pytest.raises(InputError, match="no channel 4"):
        build_tensors(plates, tmp_path / "t.zarr", 16, channel=4)
    with pytest.raises(InputError, match="size_px 0"):
        build_tensors(plates, tmp_path / "t.zarr", 0)
    with pytest.raises(InputError, match="no well has an image"):
        build_tensors({}, tmp_path / "t.zarr", 16)
    assert not (tmp_path / "t.zarr").exists()
    with pytest.raises(MissingInputError, match="materialize `pseudo_rgb`"):
        open_tensors(tmp_path / "t.zarr")


def test_the_middle_is_by_height_and_the_average_is_by_area(raw_plate, tmp_path):
    raw, out = raw_plate(wells=["B02"], planes=4, size=(300, 260)), tmp_path / "P1.ome.zarr"
    flat = {z: 1000 * (z + 1) for z in range(4)}
    heights = {0: 100.0, 1: 101.0, 2: 102.0, 3: 112.0}
    for path in list(raw.rglob("*.tif")):
        if not path.parent.name.startswith("ZStep"):
            path.unlink()
            continue
        z = int(path.parent.name[-1]) - 1
        tags = {"stage-label": "B02 : Site 1", "ImageXpress Micro Z": heights[z]}
        raw_plate.image(path, np.full((300, 260), flat[z], np.uint16), **tags)
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    build_tensors({"P1": Plate.open(out)}, tmp_path / "t.zarr", 64)
    tensor = open_tensors(tmp_path / "t.zarr").values[0]
    # The middle of 100 to 112 um is 106: the third plane, at 102, is nearest, not the second by number.
    assert set(tensor[..., 1].ravel()) == {3000}
    assert set(tensor[..., 0].ravel()) == {4000}


def test_tensors_of_other_planes(plates, tmp_path):
    build_tensors(plates, tmp_path / "t.zarr", 64, pictures=("Z0", "MID", "Z2"))
    tensors = open_tensors(tmp_path / "t.zarr")
    assert tensors["channel"].values.tolist() == ["Z0", "MID", "Z2"]
    tensor = tensors.sel(well="P1/B10").values
    for number, z in enumerate((0, 1, 2)):
        expected = area_average(plates["P1"].plane("B10", z, level=1), 64, 64)
        np.testing.assert_array_equal(tensor[..., number], expected)
    # A well that has only a projection stands in with it, as for MID.
    only = tensors.sel(well="P10/C03").values
    np.testing.assert_array_equal(only[..., 0], only[..., 1])
    with pytest.raises(InputError, match="input 'TOP': write one of MIP, MID"):
        build_tensors(plates, tmp_path / "t.zarr", 64, pictures=("TOP",))
    with pytest.raises(InputError, match="has no plane 7"):
        build_tensors(plates, tmp_path / "t.zarr", 64, pictures=("Z7",))
