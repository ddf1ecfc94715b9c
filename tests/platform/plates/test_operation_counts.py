"""What an ingest asks of the disk, as exact numbers: a slower design is seen here without a clock.

A number that goes down may be written down anew; one that goes up needs a reason.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import build_tensors
from phenodose.plates.verify import verify_plate
from phenodose_readers.imagexpress import ImageXpressReader

# Two wells of 3 planes and a projection, 600 x 515 px uint16, pyramid of 3 levels.
WELLS, PLANES, LEVELS = 2, 4, 3
PLANE_BYTES = 600 * 515 * 2


class Counts:
    """Counts files opened and changed below a folder, by what is done with them; hears everything Python opens."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self.folder = ""
        self.paths: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if not self.folder:
            return
        if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
            path, _, flags = arguments
            if not str(path).startswith(self.folder) or Path(path).is_dir():
                return
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            raw = "/raw/" in str(path)
            kind = "raw file" if raw else "document" if "zarr.json" in Path(path).name else "shard"
            if Path(path).name in ("lock", "sources.jsonl"):
                return
            self.paths.append(str(path))
            self.found[f"{kind} {'written' if writes else 'opened'}"] += 1
        elif event == "os.rename" and str(arguments[0]).startswith(self.folder):
            self.found["moved into place"] += 1

    @contextmanager
    def of(self, folder: Path):
        self.found, self.paths = Counter(), []
        self.folder = str(folder)
        try:
            yield self.found
        finally:
            self.folder = ""


@pytest.fixture(scope="module")
def counts():
    return Counts()


@pytest.fixture
def counted(counts, tmp_path, monkeypatch):
    """Counts one piece of work; returns the numbers, with pixels read and files synced."""

    def run(work):
        class Reader(ImageXpressReader):
            def read_plane(self, folder, plane):
                pixels = super().read_plane(folder, plane)
                found["raw pixel bytes"] += pixels.nbytes
                return pixels

        with counts.of(tmp_path) as found, monkeypatch.context() as patched:
            sync = os.fsync
            patched.setattr(os, "fsync", lambda handle: (found.update(["synced"]), sync(handle))[1])
            work(Reader())
        return dict(found)

    return run


@pytest.fixture
def raw(raw_plate):
    return raw_plate(wells=["B02", "B03"], size=(600, 515))


def test_an_ingest_opens_every_raw_file_twice_and_writes_every_file_once(raw, tmp_path, counted):
    shards = WELLS * 2 * LEVELS
    documents = WELLS * (1 + 2 * (1 + LEVELS))
    assert counted(lambda reader: ingest_plate(raw, tmp_path / "P1.ome.zarr", reader, "P1", workers=1)) == {
        # Once at the door, for the header; once for the pixels.
        "raw file opened": 2 * WELLS * PLANES,
        "raw pixel bytes": WELLS * PLANES * PLANE_BYTES,
        "shard written": shards,
        # To be synced.
        "shard opened": shards,
        # Also the root before and after, and its row.
        "document written": documents + 3,
        "document opened": documents + 3 + 7,
        # Files, and folders: the well, its images, their levels and four below each.
        "synced": shards + documents + WELLS * (1 + 2 * (1 + LEVELS * 5)) + 10,
        "moved into place": WELLS + 3,
    }


def test_an_unchanged_plate_costs_headers_and_documents(raw, tmp_path, counted):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    assert counted(lambda reader: ingest_plate(raw, out, reader, "P1", workers=1)) == {
        "raw file opened": WELLS * PLANES,
        "document opened": 12,
    }


def test_a_changed_plane_costs_its_well(raw, tmp_path, counted):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    path = next(raw.rglob("ZStep_2/*_B03_*"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = counted(lambda reader: ingest_plate(raw, out, reader, "P1", workers=1))
    assert (found["shard written"], found["document written"]) == (2 * LEVELS, 1 + 2 * (1 + LEVELS) + 3)
    # All headers; up to the changed plane to see that the pixels have changed; all planes of the well.
    assert found["raw file opened"] == WELLS * PLANES + 2 + PLANES
    assert found["raw pixel bytes"] == (2 + PLANES) * PLANE_BYTES


def test_verifying_reads_every_file_once(raw, tmp_path, counted, counts):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    found = counted(lambda reader: verify_plate(out))
    assert set(found) == {"shard opened", "document opened"}
    assert found["shard opened"] == WELLS * 2 * LEVELS
    below = [path for path in counts.paths if path.count("/") > str(out).count("/") + 3]
    assert len(below) == len(set(below))


def test_tensors_are_read_from_the_level_that_suffices(raw, tmp_path, counted, counts):
    out = tmp_path / "P1.ome.zarr"
    ingest_plate(raw, out, ImageXpressReader(), "P1")
    plate = Plate.open(out)
    for size_px, level in ((100, 2), (200, 1), (300, 0)):
        counted(lambda reader, size_px=size_px: build_tensors({"P1": plate}, tmp_path / "t.zarr", size_px))
        shards = [path.removeprefix(f"{out}/") for path in counts.paths if "/c/" in path and path.startswith(str(out))]
        assert {path.split("/")[3] for path in shards} == {str(level)}
        assert {path.split("/")[2] for path in shards} == {"0", "1"}
