"""A plate that is read from its raw images, before and while it is ingested: the same pixels, and no others."""

from __future__ import annotations

import asyncio
import os

import numpy as np
import pyarrow as pa
import pytest
import zarr
from click.testing import CliRunner
from pyarrow import parquet

import phenodose
from phenodose.cli.ingest import command
from phenodose.errors import InputError, StoreError
from phenodose.io.seals import OPEN_SEAL, sealed
from phenodose.plates.export import export_plate
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import build_tensors
from phenodose.plates.verify import verify_plate
from phenodose.plates.virtual_index import INDEX
from phenodose.plates.virtual_plate import VirtualPlate
from phenodose.plates.virtual_store import VirtualStore
from phenodose_readers.imagexpress import ImageXpressReader

READER = ImageXpressReader()


@pytest.fixture
def both(raw_plate, tmp_path):
    """One raw folder, its virtual plate, and the plate that is ingested from it."""

    def make(**options):
        raw = raw_plate(size=(300, 260), wells=("B02", "C03"), **options)
        for name, virtual in (("virtual", "only"), ("ingested", "never")):
            ingest_plate(raw, tmp_path / f"{name}.ome.zarr", READER, "P1", virtual=virtual)
        return raw, Plate.open(tmp_path / "virtual.ome.zarr"), Plate.open(tmp_path / "ingested.ome.zarr")

    return make


@pytest.mark.parametrize(
    "options",
    [{}, {"projection": None}, {"channels": 2, "sites": 2}, {"planes": 0}, {"projection": "Best Focus"}],
    ids=["projection", "computed", "sites", "no stack", "another projection"],
)
def test_every_image_has_the_pixels_of_the_ingested_plate(both, options):
    _, virtual, ingested = both(**options)
    assert isinstance(virtual, VirtualPlate)
    assert (virtual.wells, virtual.shape, virtual.name) == (ingested.wells, ingested.shape, ingested.name)
    compared = 0
    for well in ingested.wells:
        for site in ingested.shape.sites:
            for channel in range(len(ingested.channels)):
                place = {"channel": channel, "site": site}
                assert virtual.mean_of_stack(well, **place) == ingested.mean_of_stack(well, **place)
                assert virtual.middle_z(well, **place) == ingested.middle_z(well, **place)
                for kind in ingested.shape.kinds:
                    assert virtual.has_image(well, kind, **place) == ingested.has_image(well, kind, **place)
                    if not ingested.has_image(well, kind, **place):
                        continue
                    for level in range(len(ingested.level_shapes)):
                        found = [np.asarray(p.image(well, kind, level=level, **place)) for p in (virtual, ingested)]
                        np.testing.assert_array_equal(*found)
                        compared += 1
    assert compared


def test_a_plane_that_was_never_imaged_is_missing_in_both(raw_plate, tmp_path):
    raw = raw_plate(size=(20, 30))
    next(raw.rglob("ZStep_2/*_B03_*.tif")).unlink()
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, READER, "P1", virtual="only")
    plate = Plate.open(out)
    assert plate.metadata("B03")["channels"][0]["missing_z"] == [1]
    assert [bool(plane.any()) for plane in np.asarray(plate.stack("B03"))] == [True, False, True]


def test_the_tensors_of_both_are_the_same(both, tmp_path):
    _, virtual, ingested = both()
    for name, plate in {"a": virtual, "b": ingested}.items():
        build_tensors({"P1": plate}, tmp_path / name, size_px=32)
    found = [zarr.open_group(tmp_path / name, mode="r") for name in "ab"]
    arrays = [name for name, _ in found[0].arrays()]
    assert arrays
    for name in arrays:
        np.testing.assert_array_equal(found[0][name][...], found[1][name][...])


def test_zarr_reads_it_as_an_ome_zarr(both):
    _, virtual, ingested = both(channels=2)
    there = [zarr.open_group(store, mode="r") for store in (VirtualStore(virtual), ingested.path)]
    assert there[0].attrs["ome"] == there[1].attrs["ome"]
    # A folder lists its rows in any order.
    assert sorted(there[0].keys()) == sorted(there[1].keys()) == ["B", "C"]
    for path in ("B/02", "B/02/0", "C/03/1"):
        told = [{key: value for key, value in group[path].attrs["ome"].items() if key != "omero"} for group in there]
        assert told[0] == told[1]
    np.testing.assert_array_equal(*(group["C/03/0/1"][1, 2, 5:20, 7:] for group in there))
    keys = asyncio.run(_keys(VirtualStore(virtual)))
    assert {key for key in keys if "/c/" not in key} == {
        str(path.relative_to(ingested.path)) for path in ingested.path.rglob("zarr.json")
    }


async def _keys(store):
    return [key async for key in store.list()]


@pytest.mark.parametrize("change", ["longer", "touched", "gone"])
def test_a_raw_image_that_changed_is_refused_by_name(both, change):
    raw, virtual, _ = both()
    path = next(raw.rglob("ZStep_1/*_C03_*.tif"))
    if change == "longer":
        path.write_bytes(path.read_bytes() + b" ")
    elif change == "touched":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
    with pytest.raises(StoreError, match=rf"{path.name}.*changed or is gone"):
        virtual.plane("C03", 0)
    virtual.plane("B02", 0)
    assert path.name in verify_plate(virtual.path).faults[0]


def test_an_ingest_takes_the_place_of_the_index(both, tmp_path, contents):
    raw, virtual, ingested = both()
    assert not verify_plate(virtual.path).faults
    ingest_plate(raw, virtual.path, READER, "P1")
    assert contents(virtual.path) == contents(ingested.path)


def test_while_a_plate_is_ingested_it_is_read_from_its_raw_images(raw_plate, tmp_path):
    raw, out = raw_plate(size=(20, 30)), tmp_path / "P1.ome.zarr"
    seen = []

    def look(done: int, total: int, message: str) -> None:
        plate = Plate.open(out)
        seen.append((type(plate), done, int(plate.plane(plate.wells[-1], 0).sum())))

    ingest_plate(raw, out, READER, "P1", progress=look, workers=1, virtual="first")
    assert [kind for kind, _, _ in seen] == [VirtualPlate] * 3
    plate = Plate.open(out)
    assert type(plate) is Plate
    assert {total for _, _, total in seen} == {int(plate.plane("C02", 0).sum())}
    assert not (out / INDEX).exists()


def test_what_needs_files_of_pixels_says_so(both, tmp_path):
    raw, virtual, ingested = both()
    with pytest.raises(InputError, match="ingest it"):
        export_plate(virtual.path, tmp_path / "out.zarr")
    with pytest.raises(InputError, match="ingested already"):
        ingest_plate(raw, ingested.path, READER, "P1", virtual="only")


def test_every_flipped_bit_of_an_index_is_told(raw_plate, tmp_path):
    raw, out = raw_plate(size=(20, 30), wells=("B02",)), tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, READER, "P1", virtual="only")
    whole = (out / INDEX).read_bytes()
    rng = np.random.default_rng(1)
    for at in [*rng.integers(0, len(whole), 150), len(whole) - 6]:
        payload = bytearray(whole)
        payload[at] ^= 1 << int(rng.integers(8))
        (out / INDEX).write_bytes(payload)
        with pytest.raises(StoreError, match=r"planes\.parquet.* --virtual"):
            Plate.open(out).plane("B02", 0)
    (out / INDEX).write_bytes(whole[:-40])
    with pytest.raises(StoreError, match=r"planes\.parquet: .*damaged"):
        Plate.open(out)


def test_an_index_that_leads_out_of_the_raw_folder_is_not_followed(raw_plate, tmp_path):
    raw, out = raw_plate(size=(20, 30), wells=("B02",)), tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, READER, "P1", virtual="only")
    about = {**parquet.read_metadata(out / INDEX).metadata, b"phenodose_seal": OPEN_SEAL.encode()}
    table = parquet.read_table(out / INDEX).replace_schema_metadata(about)
    for path in ("../other/P1.tif", str(tmp_path / "other.tif")):
        paths = pa.array([path] * table.num_rows, table.schema.field("path").type)
        forged = table.set_column(table.schema.get_field_index("path"), table.schema.field("path"), paths)
        parquet.write_table(forged, out / INDEX)
        (out / INDEX).write_bytes(sealed((out / INDEX).read_bytes()))
        with pytest.raises(StoreError, match="lies outside of the raw folder"):
            Plate.open(out).plane("B02", 0)


class _Mirrored(ImageXpressReader):
    """Makes other pixels of a file than the file holds."""

    def read_plane(self, folder, plane):
        return super().read_plane(folder, plane)[::-1]


def test_a_reader_with_pixels_of_its_own_cannot_be_read_in_place_and_is_ingested(raw_plate, tmp_path):
    raw, out = raw_plate(size=(20, 30)), tmp_path / "P1.ome.zarr"
    with pytest.raises(InputError, match="cannot be read in place"):
        ingest_plate(raw, out, _Mirrored(), "P1", virtual="only")
    assert len(ingest_plate(raw, out, _Mirrored(), "P1", virtual="first").wells_written) == 3


def test_the_command_indexes_a_plate_and_python_opens_it(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    result = CliRunner().invoke(command, [str(raw), str(out), "--virtual"], catch_exceptions=False)
    assert (result.exit_code, "keep" in result.output) == (0, True)
    assert {path.name for path in out.iterdir()} == {"zarr.json", INDEX}
    assert phenodose.open_plate(out).mosaic(8).any()


def test_a_plate_of_which_no_well_can_be_made_leaves_no_index(raw_plate, tmp_path):
    raw, out = raw_plate(size=(20, 30), wells=("B02",), planes=2), tmp_path / "P1.ome.zarr"

    class Damaged(ImageXpressReader):
        def read_plane(self, folder, plane):
            if plane.projection:
                return super().read_plane(folder, plane)
            raise InputError(f"{plane.path}: damaged")

    with pytest.raises(InputError, match="damaged"):
        ingest_plate(raw, out, Damaged(), "P1", virtual="first")
    assert not out.exists()
