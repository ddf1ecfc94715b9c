"""Of a plate what a report asked is kept, and answers the same when the plate has gone; nothing else is answered."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from phenodose.errors import NotMade, StoreError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.kept_pictures import noted_pictures, plate_of_report
from phenodose.store.store import Store
from phenodose_readers.pattern import PatternReader


def test_a_kept_plate_answers_what_the_plate_was_asked(tmp_path: Path) -> None:
    store, raw = Store.open(tmp_path / "store"), tmp_path / "raw"
    raw.mkdir()
    pixels = np.random.default_rng(3).integers(1, 900, (2, 600, 600), np.uint16)
    for z in (1, 2):
        tifffile.imwrite(raw / f"B02_z{z}.tif", pixels[z - 1], metadata=None)
    place = store.plate_path("SCREEN", "P1")
    reader = PatternReader({"expression": r"(?P<well>[A-P]\d\d)_z(?P<z>\d)"})
    raw_hash = ingest_plate(raw, place, reader, "P1", workers=1).raw_hash
    text = store.plate_text(place)

    with noted_pictures() as log:
        plate = plate_of_report(store, text, "P1", raw_hash).at()
        level = plate.level_for(160)
        picture, full = plate.mip("B02", level=level), plate.middle("B02")
        assert plate.has_mip("B02")
    frozen = Store(tmp_path / "frozen", frozen=True)
    log.write(frozen.root)
    shutil.rmtree(place)

    kept = plate_of_report(frozen, text, "P1", raw_hash).at()
    assert kept.level_for(160) == level
    assert (kept.wells, kept.windows, kept.pixel_size_um) == (plate.wells, plate.windows, plate.pixel_size_um)
    assert kept.level_shapes == plate.level_shapes
    assert kept.has_mip("B02")
    np.testing.assert_array_equal(kept.mip("B02", level=level), picture)
    np.testing.assert_array_equal(kept.middle("B02"), full)
    with pytest.raises(StoreError, match="no such picture"):
        kept.mip("B02")
    with pytest.raises((StoreError, NotMade)):
        kept.stack("B02")


def test_a_plate_that_could_not_be_opened_says_the_same_for_ever(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    with noted_pictures() as log, pytest.raises(FileNotFoundError) as told:
        plate_of_report(store, "screens/SCREEN/plates/P1.ome.zarr", "P1", "")
    frozen = Store(tmp_path / "frozen", frozen=True)
    log.write(frozen.root)
    with pytest.raises(StoreError) as again:
        plate_of_report(frozen, "screens/SCREEN/plates/P1.ome.zarr", "P1", "")
    assert str(again.value) == str(told.value)
