"""From a raw plate folder to an OME-Zarr plate that is never half there.

Order: the reader's index and all checks; then the lock; then the wells, each written aside and moved into place
whole; then the plate's root attributes with the status `complete`. A well in place is a finished well: its own
attributes hold the hashes of its planes and files, and the root holds the hash of those attributes. Running again
keeps the wells whose plan and raw pixels are unchanged and writes the others, so an interrupted ingest goes on, and
a changed raw file costs its own well.

Beside `P1.ome.zarr` lies `.P1.ome.zarr.ingest` with the lock, the wells being written, and the sizes and times of
the raw files already seen; it may be deleted at any time while nothing runs.

Belongs here: which wells to write, and the plate as a whole. Does not belong here: the bytes of a well
(`plate_writer`), the plate's shape (`plan`).
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from phenodose.errors import BusyError, Faults, InputError, PhenodoseError, StoreError
from phenodose.files import hash_json, sync_folder, write_text
from phenodose.names import row_index, row_label
from phenodose.plugins import Progress, Reader, Registry, no_progress
from phenodose.storage.ngff import (
    OWN,
    ROOT,
    attributes_hash,
    document_hash,
    encoded,
    group_document,
    is_intact,
    own_attributes,
    plate_attributes,
)
from phenodose.storage.plan import PLATE_FORMAT, PlatePlan, WellPlan, make_plan
from phenodose.storage.plate_writer import WellWriter, plane_hash, plane_key
from phenodose.storage.seen_files import SeenFiles

INGESTING, COMPLETE = "ingesting", "complete"


@dataclass(frozen=True)
class PlateRecord:
    """What an ingested plate is.

    Attributes:
        n_wells: wells with images.
        n_planes: 2-D images, projections included.
        size_x_px: width of an image.
        size_y_px: height of an image.
        n_z: planes of a stack.
        pixel_size_um: width of a pixel; None if the instrument does not say.
        z_step_um: nominal distance of planes; None if the instrument does not say.
        raw_hash: hash of all pixels and of where they belong; the same whenever the raw images are the same.
        wells: names of the wells, in order of row and column.
        wells_written: those that this ingest had to write.
    """

    n_wells: int
    n_planes: int
    size_x_px: int
    size_y_px: int
    n_z: int
    pixel_size_um: float | None
    z_step_um: float | None
    raw_hash: str
    wells: list[str]
    wells_written: list[str]


def choose_reader(folder: Path, registry: Registry, name: str | None = None) -> Reader:
    """The reader of a raw plate folder: the one named, else the one that is surest of the folder.

    Raises:
        PluginError: no reader of that name can be used.
        InputError: the folder is not there, or no reader knows it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; give the folder that holds the plate's raw images.")
    if name is not None:
        reader: Reader = registry.create("reader", name)
        return reader
    readers: list[Reader] = [registry.create("reader", known) for known in registry.usable("reader")]
    sure = [(reader.sniff(folder), reader) for reader in readers]
    best = max(sure, key=lambda pair: pair[0], default=None)
    if best is None or best[0] <= 0:
        known = ", ".join(reader.name for reader in readers) or "none"
        raise InputError(
            f"{folder}: no installed reader knows these files (readers: {known}); check that this is the folder of "
            "one plate's raw images, or install a reader plugin for the microscope."
        )
    return best[1]


def ingest_plate(
    raw: Path,
    out: Path,
    reader: Reader,
    plate: str,
    progress: Progress = no_progress,
    workers: int | None = None,
) -> PlateRecord:
    """Turn a raw plate folder into the OME-Zarr plate `out`; a complete and unchanged plate is left as it is.

    Args:
        raw: the folder of one plate's raw images.
        out: the plate to make or to bring up to date.
        reader: knows the raw folder.
        plate: name of the plate.
        progress: told after every well.
        workers: wells written at the same time; the number of processors by default.

    Raises:
        InputError: the raw images are at fault (all faults in one message; nothing has been written unless pixels
            turned out damaged on decoding, and then the finished wells are kept for the next run), or `out` is
            something else than a plate of this project.
        BusyError: another process is ingesting the same plate.
        StoreError: `out` cannot be written, for instance because the disk is full.
    """
    raw, out = raw.resolve(), out.absolute()
    metadata = reader.plate_metadata(raw)
    plan = make_plan(reader.index(raw), plate, metadata, str(raw))
    _check_target(out, metadata)
    try:
        with _locked(out, plate) as aside:
            return _Ingest(raw, out, aside, reader, plan, metadata).run(progress, workers or os.cpu_count() or 1)
    except PhenodoseError:
        raise
    except OSError as error:
        raise StoreError(
            f"{out}: the plate cannot be written ({error.strerror}: {error.filename}); make room or give another "
            "folder, then run the same again: finished wells are kept."
        ) from error


def _check_target(out: Path, metadata: dict[str, Any]) -> None:
    """Refuse to write over anything that is not a plate of this project, or over another acquisition."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    own = own_attributes(out)
    # With the root's attributes damaged, the wells still tell whose plate it is.
    if "status" not in own and not any(own_attributes(file.parent) for file in out.glob(f"*/*/{ROOT}")):
        raise InputError(
            f"{out} is already there and is no plate that phenodose made; choose another name or move it away."
        )
    before, now = own.get("instrument", {}).get("acquisition"), metadata.get("acquisition")
    if before and now and before != now:
        raise InputError(
            f"{out} holds the acquisition {before!r}, the raw folder is the acquisition {now!r}; choose another name "
            "or delete the old plate."
        )


@contextmanager
def _locked(out: Path, plate: str) -> Iterator[Path]:
    """Hold the plate's lock; yields the folder beside the plate in which wells are written."""
    import filelock

    aside = out.with_name(f".{out.name}.ingest")
    aside.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(aside / "lock", timeout=0):
            yield aside
    except filelock.Timeout:
        raise BusyError(
            f"plate {plate}: another process is ingesting it into {out}; wait until that is done."
        ) from None


@dataclass
class _Ingest:
    """One ingest of one plate, under its lock."""

    raw: Path
    out: Path
    aside: Path
    reader: Reader
    plan: PlatePlan
    metadata: dict[str, Any]
    _begun: bool = False
    _place: threading.Lock = field(default_factory=threading.Lock)
    _shared_writer: WellWriter | None = None
    _before: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._before = own_attributes(self.out)
        self._seen = SeenFiles(self.raw, self.aside / "sources.jsonl")

    def run(self, progress: Progress, workers: int) -> PlateRecord:
        """Bring every well up to date, then the plate."""
        shutil.rmtree(self._wells_aside, ignore_errors=True)
        written = self._all_wells(progress, workers)
        record, attributes = self._plate_record(written)
        if written or self._surplus() or not is_intact(self.out, attributes):
            self._begin()
            for folder in self._surplus():
                shutil.rmtree(folder)
            self._write_root(attributes)
        shutil.rmtree(self._wells_aside, ignore_errors=True)
        return record

    def _all_wells(self, progress: Progress, workers: int) -> list[str]:
        """Check every well and write those that need it; returns the names of the written ones.

        A well whose pixels cannot be read does not stop the others; all such faults are raised together.
        """
        faults = Faults(str(self.raw))
        written: list[str] = []
        total, start, pixels = len(self.plan.wells), time.monotonic(), 0
        with ThreadPoolExecutor(workers, thread_name_prefix="ingest") as pool:
            futures: dict[Future[bool], WellPlan] = {
                pool.submit(self._bring_up_to_date, well): well for well in self.plan.wells
            }
            try:
                for done, future in enumerate(as_completed(futures), start=1):
                    well = futures[future]
                    what = "unchanged"
                    try:
                        if future.result():
                            written.append(well.name)
                            pixels += len(well.planes) * self._plane_bytes
                            what = f"{pixels / 1e6 / max(time.monotonic() - start, 1e-9):.0f} MB/s"
                    except InputError as error:
                        faults.add(str(error))
                        what = "at fault"
                    progress(done, total, f"wells, {well.name}, {what}")
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        faults.raise_if_any()
        order = {well.name: number for number, well in enumerate(self.plan.wells)}
        return sorted(written, key=order.__getitem__)

    def _bring_up_to_date(self, well: WellPlan) -> bool:
        """Write a well unless it is there and unchanged; returns whether it was written."""
        if self._is_done(well):
            return False
        aside = self._wells_aside / well.name
        shutil.rmtree(aside, ignore_errors=True)
        # Before reading: a file that changes meanwhile is then seen as changed next time.
        stats = self._seen.stats(well)
        self._writer().write(well, aside)
        with self._place:
            self._begin()
            self._put_in_place(aside, self.out / well.path)
            self._seen.remember(well, stats)
        return True

    def _is_done(self, well: WellPlan) -> bool:
        """Whether the well in place was made by this plan from the raw files as they are now."""
        folder = self.out / well.path
        own = own_attributes(folder)
        if own.get("fingerprint") != well.fingerprint:
            return False
        if self._before.get("status") == COMPLETE and self._before["wells"].get(well.name) != document_hash(folder):
            return False
        for name, (size, _) in own["files"].items():
            file = folder / name
            if not file.is_file() or file.stat().st_size != size:
                return False
        stats = self._seen.stats(well)
        if self._seen.unchanged(well, stats):
            return True
        hashes = {plane_key(SimpleNamespace(**plane)): plane["hash"] for plane in own["planes"]}
        if any(
            plane_hash(self.reader.read_plane(self.raw, plane)) != hashes[plane_key(plane)] for plane in well.planes
        ):
            return False
        with self._place:
            self._seen.remember(well, stats)
        return True

    def _begin(self) -> None:
        """Before the first change: the plate says that it is being ingested, and all groups above the wells exist."""
        if self._begun:
            return
        for leftover in (*self.out.glob(".*.partial"), *self.out.glob("*/.*.partial")):
            leftover.unlink()
        self._write_root(self._static_attributes() | {"status": INGESTING, "wells": {}})
        for row in sorted({well.path.split("/")[0] for well in self.plan.wells}):
            write_text(self.out / row / ROOT, encoded(group_document({})).decode())
        self._begun = True

    def _put_in_place(self, aside: Path, folder: Path) -> None:
        if folder.exists():
            old = self._wells_aside / f"{aside.name}.old"
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            aside.rename(folder)
            shutil.rmtree(old)
        else:
            aside.rename(folder)
        sync_folder(folder.parent)

    def _write_root(self, attributes: dict[str, Any]) -> None:
        ome = plate_attributes(self.plan)
        own = attributes | {"attributes_hash": attributes_hash(ome["ome"], attributes)}
        write_text(self.out / ROOT, encoded(group_document(ome | {OWN: own})).decode())

    def _surplus(self) -> list[Path]:
        """Folders of wells and rows that are no part of the plan, wells first."""
        wells = {well.path for well in self.plan.wells}
        rows = {path.split("/")[0] for path in wells}
        rows_there = [folder for folder in self.out.iterdir() if folder.is_dir() and _is_row(folder.name)]
        found = [
            column
            for row in rows_there
            for column in row.iterdir()
            if column.is_dir() and row.name in rows and f"{row.name}/{column.name}" not in wells
        ]
        return found + [row for row in rows_there if row.name not in rows]

    def _writer(self) -> WellWriter:
        """Made when the first well has to be written: the metadata writers are slow to import."""
        with self._place:
            if self._shared_writer is None:
                self._shared_writer = WellWriter(self.plan.shape, lambda plane: self.reader.read_plane(self.raw, plane))
            return self._shared_writer

    def _plate_record(self, written: list[str]) -> tuple[PlateRecord, dict[str, Any]]:
        """The record of the finished plate, and the project's attributes of its root."""
        hashes: dict[str, str] = {}
        pixels: list[Any] = []
        windows: list[list[list[int]]] = []
        for well in self.plan.wells:
            folder = self.out / well.path
            own = own_attributes(folder)
            hashes[well.name] = document_hash(folder)
            windows.append(own["windows"])
            pixels += [[well.name, *plane_key(SimpleNamespace(**plane)), plane["hash"]] for plane in own["planes"]]
        shape = self.plan.shape
        record = PlateRecord(
            n_wells=len(self.plan.wells),
            n_planes=self.plan.n_planes,
            size_x_px=shape.size_x_px,
            size_y_px=shape.size_y_px,
            n_z=shape.n_planes,
            pixel_size_um=shape.pixel_size_um,
            z_step_um=shape.z_step_um,
            raw_hash=hash_json(pixels),
            wells=[well.name for well in self.plan.wells],
            wells_written=written,
        )
        attributes = self._static_attributes() | {
            "status": COMPLETE,
            "raw_hash": record.raw_hash,
            "windows": _plate_windows(windows),
            "wells": hashes,
        }
        return record, attributes

    def _static_attributes(self) -> dict[str, Any]:
        """What is known of the plate before a pixel is read."""
        attributes: dict[str, Any] = {
            "format": PLATE_FORMAT,
            "plate": self.plan.name,
            "reader": {"name": self.reader.name, "version": self.reader.version},
            "shape": asdict(self.plan.shape),
            "n_images": self.plan.n_planes,
            "instrument": self.metadata,
        }
        return _as_json(attributes)

    @property
    def _wells_aside(self) -> Path:
        return self.aside / "wells"

    @property
    def _plane_bytes(self) -> int:
        shape = self.plan.shape
        return shape.size_y_px * shape.size_x_px * (1 if shape.dtype == "uint8" else 2)


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    """The value as it reads back from JSON: tuples become lists."""
    same: dict[str, Any] = json.loads(json.dumps(value))
    return same


def _is_row(name: str) -> bool:
    try:
        return row_label(row_index(name)) == name
    except InputError:
        return False


def _plate_windows(wells: list[list[list[int]]]) -> list[list[int]]:
    """Display window of every channel over the plate: the median start and the 95th percentile of the ends."""
    windows = []
    for channel in zip(*wells, strict=True):
        starts = sorted(start for start, _ in channel)
        ends = sorted(end for _, end in channel)
        start, end = starts[(len(starts) - 1) // 2], ends[round(0.95 * (len(ends) - 1))]
        windows.append([start, max(end, start + 1)])
    return windows
