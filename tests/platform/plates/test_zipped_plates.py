"""Plates in one file (`.ozx`, RFC-9): written whole, read where they lie, and told if they are damaged."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from phenodose.cli import main
from phenodose.errors import InputError, StoreError
from phenodose.io.places import place
from phenodose.io.zipped import entry_order
from phenodose.plates.export import export_plate
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.verify import verify_plate
from phenodose.plugins import choose_reader, registry
from phenodose_readers.pattern import PatternReader

READER = PatternReader({"expression": r"(?P<well>[A-P]\d\d)_z(?P<z>\d)", "pixel_size_um": 0.5})


@pytest.fixture
def plate(tmp_path) -> Plate:
    raw = tmp_path / "raw"
    raw.mkdir()
    for well in ("B02", "C11"):
        for z in (1, 2, 3):
            pixels = np.random.default_rng([z, *well.encode()]).integers(100, 900, (48, 40), np.uint16)
            tifffile.imwrite(raw / f"{well}_z{z}.tif", pixels, metadata=None)
    ingest_plate(raw, tmp_path / "P1.ome.zarr", READER, "P1")
    return Plate.open(tmp_path / "P1.ome.zarr")


def test_the_archive_is_as_the_recommendation_says(plate, tmp_path):
    export_plate(plate.path, tmp_path / "P1.ozx")
    with zipfile.ZipFile(tmp_path / "P1.ozx") as archive:
        names = archive.namelist()
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        said = json.loads(archive.comment)
    assert said == {"ome": {"version": "0.5", "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
    assert names[0] == "zarr.json"
    documents = [name.endswith("zarr.json") for name in names]
    assert documents == sorted(documents, reverse=True)
    depths = [name.count("/") for name in names if name.endswith("zarr.json")]
    assert depths == sorted(depths)
    assert sorted(names) == sorted(
        path.relative_to(plate.path).as_posix() for path in plate.path.rglob("*") if path.is_file()
    )
    assert entry_order(["b/zarr.json", "a/c/0", "zarr.json", "a/zarr.json"])[:2] == ["zarr.json", "a/zarr.json"]


def test_a_zipped_plate_is_the_plate(plate, tmp_path):
    export_plate(plate.path, tmp_path / "P1.ozx")
    opened = Plate.open(tmp_path / "P1.ozx")
    assert (opened.wells, opened.raw_hash, opened.pixel_size_um) == (plate.wells, plate.raw_hash, 0.5)
    for well in plate.wells:
        assert opened.mean_of_stack(well) == plate.mean_of_stack(well)
        np.testing.assert_array_equal(np.asarray(opened.stack(well)), np.asarray(plate.stack(well)))
    assert verify_plate(tmp_path / "P1.ozx", tmp_path / "raw", READER).faults == []
    array = zarr.open_array(zarr.storage.ZipStore(tmp_path / "P1.ozx", mode="r"), path="B/02/0/0", mode="r")
    np.testing.assert_array_equal(array[0], np.asarray(plate.stack("B02")))


def test_it_is_taken_as_input_alone_or_from_a_folder(plate, tmp_path):
    (tmp_path / "P7").mkdir()
    export_plate(plate.path, tmp_path / "P7" / "P1.ozx")
    for raw in (tmp_path / "P7", tmp_path / "P7" / "P1.ozx"):
        out = tmp_path / f"{raw.stem}_again.ome.zarr"
        reader = choose_reader(raw, registry())
        assert reader.name == "ome_zarr"
        ingest_plate(raw, out, reader, "P7")
        again = Plate.open(out)
        assert (again.name, again.raw_hash) == ("P7", plate.raw_hash)
        np.testing.assert_array_equal(again.plane("C11", 2), plate.plane("C11", 2))
    (tmp_path / "P7" / "P1.ozx").unlink()
    with pytest.raises(StoreError, match=r"P1\.ozx is gone"):
        Plate.open(out)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_plate_that_others_zipped_is_used_where_it_lies(plate, tmp_path, compression):
    export_plate(plate.path, tmp_path / "old.ome.zarr")
    for own in (tmp_path / "old.ome.zarr").rglob(".zattrs"):
        own.write_text(
            json.dumps({key: value for key, value in json.loads(own.read_text()).items() if key != "phenodose"})
        )
    for well in (tmp_path / "old.ome.zarr").glob("*/*/.zattrs"):
        well.write_text(json.dumps({"well": {"images": [{"path": "0"}]}}))
    with zipfile.ZipFile(tmp_path / "theirs.ozx", "w", compression) as archive:
        for path in sorted((tmp_path / "old.ome.zarr").rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "old.ome.zarr"))
    shutil.rmtree(tmp_path / "old.ome.zarr")
    out = tmp_path / "theirs.ome.zarr"
    ingest_plate(tmp_path / "theirs.ozx", out, choose_reader(tmp_path / "theirs.ozx", registry()), "P1")
    opened = Plate.open(out)
    assert opened.mean_of_stack("B02") == pytest.approx(plate.mean_of_stack("B02"))
    np.testing.assert_array_equal(opened.plane("C11", 1), plate.plane("C11", 1))
    assert verify_plate(out).faults == []


def test_a_damaged_archive_is_told(plate, tmp_path):
    export_plate(plate.path, tmp_path / "P1.ozx")
    payload = (tmp_path / "P1.ozx").read_bytes()
    (tmp_path / "cut.ozx").write_bytes(payload[: len(payload) // 2])
    with pytest.raises(InputError, match=r"cut\.ozx: the archive cannot be read .*copy it again"):
        Plate.open(tmp_path / "cut.ozx")
    with zipfile.ZipFile(tmp_path / "P1.ozx") as archive:
        info = archive.getinfo("B/02/0/0/c/0/0/0/0")
    start = info.header_offset + 30 + len(info.filename) + 20
    (tmp_path / "flip.ozx").write_bytes(
        payload[: start + 60] + bytes([payload[start + 60] ^ 1]) + payload[start + 61 :]
    )
    with pytest.raises(InputError, match=r"flip\.ozx/B/02/0/0/c/0/0/0/0: the file in the archive is damaged"):
        verify_plate(tmp_path / "flip.ozx")


def test_what_cannot_be_written_is_told_and_leaves_nothing(plate, tmp_path, capsys):
    with pytest.raises(InputError, match=r"a zipped plate \(\.ozx\) is of NGFF 0\.5"):
        export_plate(plate.path, tmp_path / "P1.ozx", "0.4")
    (plate.path / "C/11/0/0/c/0/0/0/0").unlink()
    with pytest.raises(StoreError, match="well C11: the pixels are missing"):
        export_plate(plate.path, tmp_path / "new" / "P1.ozx")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "there.ozx").write_text("mine")
    with pytest.raises(SystemExit) as left:
        main(["export", str(plate.path), str(tmp_path / "there.ozx")])
    assert left.value.code == 2
    assert "cannot be read" in capsys.readouterr().err or (tmp_path / "there.ozx").read_text() == "mine"


def test_an_ingest_does_not_write_into_an_archive(plate, tmp_path):
    export_plate(plate.path, tmp_path / "P1.ozx")
    before = (tmp_path / "P1.ozx").read_bytes()
    for name in ("P1.ozx", "P2.ozx"):
        with pytest.raises(InputError, match="ingest to a folder, then `phenodose export`"):
            ingest_plate(tmp_path / "raw", tmp_path / name, READER, "P1")
    assert (tmp_path / "P1.ozx").read_bytes() == before
    assert not (tmp_path / "P2.ozx").exists()


def test_paths_into_an_archive_are_like_paths_into_a_folder(plate, tmp_path):
    export_plate(plate.path, tmp_path / "P1.ozx")
    root = place(str(tmp_path / "P1.ozx"))
    assert isinstance(root, Path)
    assert [path.name for path in root.iterdir()] == ["B", "C", "zarr.json"]
    assert (root / "B").is_dir()
    assert not (root / "B").is_file()
    assert not (root / "D").exists()
    assert (root / "B" / "02" / "zarr.json").read_bytes() == (plate.path / "B/02/zarr.json").read_bytes()
    with pytest.raises(OSError, match="read only"):
        (root / "x").open("w")
    assert place(str(tmp_path / "P2.ozx")) == tmp_path / "P2.ozx"
