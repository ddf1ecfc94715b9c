"""A plate of a backup, exchanged wells and exchanged plates: found by who reads them, and mended by the next ingest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from phenodose.errors import StoreError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.verify import verify_plate
from phenodose_readers.imagexpress import ImageXpressReader


def ingest(raw: Path, out: Path) -> list[str]:
    return ingest_plate(raw, out, ImageXpressReader(), out.name.split(".")[0]).wells_written


def faults(raw: Path, out: Path) -> list[str]:
    return verify_plate(out, raw, ImageXpressReader()).faults


def exchange(one: Path, two: Path) -> None:
    aside = one.with_name(one.name + ".aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


def test_a_plate_of_a_backup_older_than_the_raw_images_is_made_again(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    shutil.copytree(out, tmp_path / "backup")
    image = next(raw.rglob("ZStep_2/*_B03_*"))
    content = bytearray(image.read_bytes())
    content[-100:-1] = bytes(99)
    image.write_bytes(content)
    assert ingest(raw, out) == ["B03"]
    shutil.rmtree(out)
    (tmp_path / "backup").rename(out)
    assert ingest(raw, out) == ["B03"]
    assert faults(raw, out) == []
    assert ingest(raw, out) == []


def test_a_well_of_a_backup_is_made_again(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    shutil.copytree(out / "B/03", tmp_path / "backup")
    image = next(raw.rglob("ZStep_2/*_B03_*"))
    content = bytearray(image.read_bytes())
    content[-100:-1] = bytes(99)
    image.write_bytes(content)
    ingest(raw, out)
    shutil.rmtree(out / "B/03")
    (tmp_path / "backup").rename(out / "B/03")
    with pytest.raises(StoreError, match=r"well B03 is not the one that the plate was made with.*phenodose ingest"):
        Plate.open(out).mip("B03")
    assert ingest(raw, out) == ["B03"]
    assert faults(raw, out) == []


def test_exchanged_wells_are_told_and_made_again(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    exchange(out / "B/02", out / "B/03")
    for well in ("B02", "B03"):
        with pytest.raises(StoreError, match=f"well {well} is not the one"):
            Plate.open(out).metadata(well)
    assert ingest(raw, out) == ["B02", "B03"]
    assert faults(raw, out) == []


def test_exchanged_plates_are_made_again(raw_plate, tmp_path):
    raws = [raw_plate(name, seed=seed) for seed, name in enumerate(("P1", "P2"))]
    outs = [tmp_path / f"{raw.name}.ome.zarr" for raw in raws]
    for raw, out in zip(raws, outs, strict=True):
        ingest(raw, out)
    before = [Plate.open(out).raw_hash for out in outs]
    exchange(*outs)
    for raw, out in zip(raws, outs, strict=True):
        assert ingest(raw, out) == ["B02", "B03", "C02"]
        assert faults(raw, out) == []
    assert [Plate.open(out).raw_hash for out in outs] == before


def test_what_an_older_version_knew_of_raw_files_is_looked_up_again(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    known = tmp_path / ".P1.ome.zarr.ingest" / "sources.jsonl"
    known.write_text(known.read_text().replace('"made"', '"of before"'))
    assert ingest(raw, out) == []
    assert '"made"' in known.read_text()


def test_changed_attributes_of_a_plate_are_told_where_it_is_opened(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    root = out / "zarr.json"
    root.write_text(root.read_text().replace('"pixel_size_um":1.372', '"pixel_size_um":1.373'))
    with pytest.raises(StoreError, match=r"attributes have changed since it was made; run `phenodose ingest` again"):
        Plate.open(out)
    ingest(raw, out)
    assert Plate.open(out).pixel_size_um == 1.372


def test_pixels_of_another_well_are_told_by_who_reads_them(raw_plate, tmp_path):
    raw, out = raw_plate(), tmp_path / "P1.ome.zarr"
    ingest(raw, out)
    shard = "0/0/c/0/0/0/0"
    content = (out / "B/02" / shard).read_bytes(), (out / "B/03" / shard).read_bytes()
    (out / "B/02" / shard).write_bytes(content[1])
    (out / "B/03" / shard).write_bytes(content[0])
    plate = Plate.open(out)
    for well in ("B02", "B03"):
        with pytest.raises(StoreError, match=rf"well {well}: .*the file is not the one that was written"):
            plate.stack(well)
    for well, others in (("B/02", content[0]), ("B/03", content[1])):
        (out / well / shard).write_bytes(others)
    assert plate.stack("B02").shape == plate.stack("B03").shape
