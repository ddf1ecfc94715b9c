"""Plates in an object store, on a real S3 server on the loopback."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from phenodose.cli import main
from phenodose.errors import BusyError, InputError, MissingInputError, StoreError
from phenodose.io import leases
from phenodose.io.files import written_aside
from phenodose.io.places import place, remove_tree, sizes
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import build_tensors, open_tensors
from phenodose.plates.verify import verify_plate
from phenodose_readers.imagexpress import ImageXpressReader

OUT = "s3://bucket/screens/P1.ome.zarr"


def ingest(raw, out=OUT, **options):
    return ingest_plate(raw, out, ImageXpressReader(), "P1", **options)


def test_a_plate_in_a_bucket_is_the_plate_in_a_folder(s3, raw_plate, tmp_path, contents):
    raw = raw_plate(wells=["B02", "B03"], planes=2, size=(300, 260))
    here, there = ingest(raw, tmp_path / "P1.ome.zarr"), ingest(raw)
    assert here == there
    assert contents(OUT) == contents(tmp_path / "P1.ome.zarr")
    plate = Plate.open(OUT)
    np.testing.assert_array_equal(plate.stack("B03")[1], raw_plate.pixels("B03", 0, 1, (300, 260), 100))
    result = verify_plate(OUT, raw, ImageXpressReader())
    assert (result.faults, result.n_wells, result.n_raw) == ([], 2, 6)
    assert ingest(raw).wells_written == []


def test_tensors_of_a_plate_in_a_bucket_may_lie_there_too(s3, raw_plate, tmp_path):
    ingest(raw_plate(wells=["B02"], planes=2, size=(300, 260)))
    plates = {"P1": Plate.open(OUT)}
    build_tensors(plates, tmp_path / "t.zarr", 32)
    build_tensors(plates, place("s3://bucket/t.zarr"), 32)
    np.testing.assert_array_equal(open_tensors(place("s3://bucket/t.zarr")).values, open_tensors(tmp_path / "t.zarr"))
    with pytest.raises(MissingInputError, match="materialize `pseudo_rgb`"):
        open_tensors(place("s3://bucket/nothing.zarr"))


def test_a_changed_well_is_replaced_alone(s3, raw_plate, tmp_path, contents):
    raw = raw_plate(planes=2)
    ingest(raw)
    path = next(raw.rglob("ZStep_2/*_B03_*"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert ingest(raw).wells_written == ["B03"]
    for gone in list(raw.rglob("*_C02_*")):
        gone.unlink()
    ingest(raw)
    ingest(raw, tmp_path / "P1.ome.zarr")
    assert contents(OUT) == contents(tmp_path / "P1.ome.zarr")


def test_damage_in_a_bucket_is_found_and_mended(s3, raw_plate, contents):
    """A bit of one well is another one, the end of the second is cut off, and the third is gone."""
    raw = raw_plate(planes=1)
    ingest(raw)
    whole = contents(OUT)
    bit, cut, gone = (place(OUT) / f"{well}/0/0/c/0/0/0/0" for well in ("B/02", "B/03", "C/02"))
    content = bytearray(bit.read_bytes())
    content[50] ^= 8
    bit.write_bytes(bytes(content))
    cut.write_bytes(cut.read_bytes()[:-7])
    gone.unlink()
    faults = verify_plate(OUT).faults
    for well in ("B02", "B03", "C02"):
        said = f"{OUT}/{well[0]}/{well[1:]}/0/0/c/0/0/0/0: well {well}: the file"
        assert len([fault for fault in faults if said in fault]) == 1, faults
    assert len(faults) == 3
    # To ingest again sees what is cut or gone by its size.
    remove_tree(place(OUT) / "B/02")
    assert ingest(raw).wells_written == ["B02", "B03", "C02"]
    assert contents(OUT) == whole


def test_a_server_that_fails_every_tenth_request_delays_only(s3, raw_plate, tmp_path, contents):
    raw = raw_plate(wells=["B02", "B03"], planes=2)
    ingest(raw, tmp_path / "P1.ome.zarr")
    s3.fail_every = 10
    ingest(raw)
    assert verify_plate(OUT, raw, ImageXpressReader()).faults == []
    assert s3.failed >= 5
    s3.fail_every = 0
    assert contents(OUT) == contents(tmp_path / "P1.ome.zarr")


def test_a_server_that_always_fails_is_told_and_the_plate_goes_on_later(s3, raw_plate, tmp_path, contents):
    raw = raw_plate(planes=1)

    def broken(done, total, message):
        s3.fail_every = 1

    with pytest.raises(StoreError, match=r"s3://bucket/screens/P1.ome.zarr: .*finished wells are kept"):
        ingest(raw, progress=broken, workers=1)
    s3.fail_every = 0
    with pytest.raises((StoreError, MissingInputError)):
        Plate.open(OUT)
    assert 1 <= len(ingest(raw).wells_written) < 3
    ingest(raw, tmp_path / "P1.ome.zarr")
    assert contents(OUT) == contents(tmp_path / "P1.ome.zarr")


def lock(**holder):
    content = {"host": "elsewhere", "pid": 1, "token": "x"} | holder
    (place(OUT).with_name(".P1.ome.zarr.lock")).write_bytes(json.dumps(content).encode())


def test_a_second_ingest_from_elsewhere_is_refused_by_name(s3, raw_plate):
    raw = raw_plate()
    lock(pid=77)
    with pytest.raises(BusyError, match="plate P1: process 77 on elsewhere is ingesting it into s3://bucket"):
        ingest(raw)
    assert not sizes(place(OUT))


def test_a_lock_that_is_left_over_does_not_block(s3, raw_plate, monkeypatch):
    raw = raw_plate(wells=["B02"], planes=1)
    lock(count=1)
    with pytest.raises(BusyError, match="A lock that is left over gives way after 60 s"):
        ingest(raw)
    # It has not changed since it was looked at, for longer than is waited for.
    monkeypatch.setattr(leases, "STALE_S", 0.0)
    assert ingest(raw).wells_written == ["B02"]
    assert [name for name in sizes(place("s3://bucket")) if "lock" in name] == []


def test_something_else_in_the_bucket_is_left_alone(s3, raw_plate):
    (place(OUT) / "thesis.txt").write_bytes(b"mine")
    with pytest.raises(InputError, match="no plate that phenodose made"):
        ingest(raw_plate())
    assert sizes(place(OUT)) == {"thesis.txt": 4}


def test_the_commands_take_addresses(s3, raw_plate, capsys):
    raw = raw_plate(wells=["B02"], planes=1)
    for arguments in (["ingest", str(raw), OUT], ["verify", OUT, "--raw", str(raw)]):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
    assert f"{OUT}: 1 wells" in capsys.readouterr().out


def test_a_folder_written_aside_arrives_whole_or_not_at_all(s3):
    target = place("s3://bucket/group.zarr")

    def write(text, fails=False):
        with written_aside(target) as aside:
            aside.mkdir()
            (aside / "zarr.json").write_text(text)
            (aside / text).write_text(text)
            if fails:
                raise RuntimeError(text)

    write("one")
    with pytest.raises(RuntimeError):
        write("two", fails=True)
    assert sizes(target) == {"one": 3, "zarr.json": 3}
    write("three")
    assert sizes(target) == {"three": 5, "zarr.json": 5}


def test_an_address_of_no_known_kind_is_told():
    with pytest.raises(StoreError, match="nosuch://x: such addresses cannot be used"):
        place("nosuch://x")
    assert os.fspath(place("somewhere/else")) == "somewhere/else"


def test_the_plates_of_a_store_may_lie_in_a_bucket(s3, raw_plate, tmp_path):
    from phenodose.store.store import Store

    store = Store.open(tmp_path / "store", plates="s3://bucket/images")
    out = store.plate_path("S1", "P1")
    ingest(raw_plate(wells=["B02"], planes=1), out)
    text = store.plate_text(out)
    assert text == "s3://bucket/images/screens/S1/plates/P1.ome.zarr"
    assert [path.name for path in store.plates("S1")] == ["P1.ome.zarr"]
    store = Store.open(tmp_path / "store")
    # What the table says is enough to find it again.
    assert Plate.open(store.plate_at(text)).wells == ["B02"]
    assert store.plates("S1") == []
    inside = store.plate_path("S1", "P2")
    assert store.plate_at(store.plate_text(inside)) == inside
    assert store.plate_text(inside) == "screens/S1/plates/P2.ome.zarr"
