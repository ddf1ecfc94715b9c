"""Raw files that were copied again, cut off, or are of another measurement of the plate."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import tifffile

from phenodose.errors import InputError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.verify import verify_plate
from phenodose_readers.pattern import PatternReader

READER = PatternReader({"expression": r"(?P<well>[A-P]\d\d)_z(?P<z>\d)"})


def write(folder, seed: int = 1, wells=("B02", "B03")) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for well in wells:
        pixels = np.random.default_rng([seed, *well.encode()]).integers(100, 400, (64, 48), np.uint16)
        tifffile.imwrite(folder / f"{well}_z1.tif", pixels, metadata=None, rowsperstrip=8)
        os.utime(folder / f"{well}_z1.tif", (1_700_000_000, 1_700_000_000))


def cut(path) -> None:
    payload = path.read_bytes()
    half = len(payload) // 2
    path.write_bytes(payload[:half] + bytes(len(payload) - half))
    os.utime(path, (1_700_000_000, 1_700_000_000))


def test_a_file_that_is_copied_again_with_its_size_and_time_is_read_again(tmp_path):
    raw, out = tmp_path / "P1", tmp_path / "P1.ome.zarr"
    write(raw)
    cut(raw / "B03_z1.tif")
    record = ingest_plate(raw, out, READER, "P1")
    assert any(note.startswith("1 images end in rows of zeros") and "B03_z1.tif" in note for note in record.notes)
    assert ingest_plate(raw, out, READER, "P1").notes == record.notes
    write(raw)
    (fault,) = verify_plate(out, raw, READER).faults
    assert "`phenodose ingest --reread`" in fault
    again = ingest_plate(raw, out, READER, "P1")
    assert (again.wells_written, again.notes) == (["B03"], [])
    assert verify_plate(out, raw, READER).faults == []


def test_where_no_time_tells_it_all_files_are_read_again_on_demand(tmp_path, monkeypatch):
    from phenodose.plates.raw_file_stats import RawFileStats

    raw, out = tmp_path / "P1", tmp_path / "P1.ome.zarr"
    write(raw)
    monkeypatch.setattr(RawFileStats, "stats", lambda self, well: {"always": [1, 2, 3]})
    ingest_plate(raw, out, READER, "P1")
    write(raw, seed=2)
    assert ingest_plate(raw, out, READER, "P1").wells_written == []
    assert ingest_plate(raw, out, READER, "P1", reread=True).wells_written == ["B02", "B03"]


def test_a_dark_corner_or_a_black_image_is_no_cut_off_copy(tmp_path):
    raw = tmp_path / "P1"
    write(raw)
    tifffile.imwrite(raw / "B02_z1.tif", np.zeros((64, 48), np.uint16), metadata=None)
    dark = tifffile.imread(raw / "B03_z1.tif")
    dark[-20:, :40] = 0
    tifffile.imwrite(raw / "B03_z1.tif", dark, metadata=None)
    assert ingest_plate(raw, tmp_path / "P1.ome.zarr", READER, "P1").notes == []


def test_a_moved_folder_goes_on_and_one_with_other_images_is_refused(tmp_path):
    raw, out = tmp_path / "first" / "P1", tmp_path / "P1.ome.zarr"
    write(raw)
    ingest_plate(raw, out, READER, "P1")
    before = Plate.open(out).raw_hash
    moved = tmp_path / "archive" / "P1"
    shutil.copytree(raw, moved)
    assert ingest_plate(moved, out, READER, "P1").wells_written == []
    other = tmp_path / "second" / "P1"
    write(other, seed=2)
    with pytest.raises(
        InputError, match=r"holds the images of .*archive/P1, .*and .*second/P1 holds others of the same"
    ):
        ingest_plate(other, out, READER, "P1")
    assert Plate.open(out).raw_hash == before
    write(moved, seed=2)
    assert ingest_plate(moved, out, READER, "P1").wells_written == ["B02", "B03"]


@pytest.mark.parametrize("name", ["Plate 7__2024-05-0{}T10_00_00-Measurement {}", "Meas_0{}(2024-05-01_10-0{})"])
def test_another_measurement_is_refused_with_both_named(tmp_path, name):
    for number in (1, 2):
        write(tmp_path / "export" / name.format(number, number) / "Images", seed=number)
    first, second = (name.format(number, number) for number in (1, 2))
    with pytest.raises(InputError, match="of 2 measurements") as told:
        READER.index(tmp_path / "export")
    assert first in str(told.value)
    assert second in str(told.value)
    out = tmp_path / "P7.ome.zarr"
    ingest_plate(tmp_path / "export" / first, out, READER, "P7")
    with pytest.raises(InputError, match="holds the acquisition") as told:
        ingest_plate(tmp_path / "export" / second / "Images", out, READER, "P7")
    assert first in str(told.value)
    assert second in str(told.value)


def test_measurements_of_other_wells_are_not_put_together(tmp_path):
    write(tmp_path / "export" / "P-Measurement 1", wells=("B02",))
    write(tmp_path / "export" / "P-Measurement 2", wells=("B03",))
    with pytest.raises(InputError, match="of 2 measurements"):
        READER.index(tmp_path / "export")
