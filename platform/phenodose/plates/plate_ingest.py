"""One ingest of one plate, under its lock: which wells need work, and the plate as a whole.

Wells are encoded in threads, one a processor (reading, compressing and hashing leave Python's lock, so that processes
would gain nothing); two more threads wait for the disk or the object store meanwhile. Every well is written aside and
moved into place whole: in a folder by renaming what has been synced, in an object store by uploading its `zarr.json`
last. A well in place is a finished well.

Belongs here: which wells to write, their order of steps, the plate's root. Does not belong here: the bytes of a well
(`well_writer`), the plate's shape (`plan`), who may write (`lock`).
"""

from __future__ import annotations

import json
import shutil
import threading
import uuid
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from phenodose.errors import Faults, InputError
from phenodose.io.exchange import exchanged
from phenodose.io.files import clear_partials, hash_json, sync_folder, write_text
from phenodose.io.fsync import sync_tree
from phenodose.io.guarded_writes import expect_held
from phenodose.io.places import folders, is_remote, read_bytes, remove, remove_tree, sizes, upload_tree
from phenodose.names import row_index, row_label
from phenodose.plates.ingest_summary import Speed, images_cut_off, plate_windows
from phenodose.plates.ngff import ROOT, document_hash, encoded, group_document, is_intact, own_attributes, root_document
from phenodose.plates.plan import PLATE_FORMAT, PlatePlan, WellPlan
from phenodose.plates.raw_file_stats import RawFileStats
from phenodose.plates.virtual_index import INDEX, first_windows, write_index
from phenodose.plates.well_writer import WellWriter, plane_hash, plane_key
from phenodose.progress import Progress

if TYPE_CHECKING:
    from phenodose.plugins.readers import Reader

INGESTING, COMPLETE, VIRTUAL = "ingesting", "complete", "virtual"
#: Whether a plate that is not there yet gets an index of its raw images before its wells are written.
Virtual = Literal["never", "first", "only"]
NEVER, FIRST, ONLY = get_args(Virtual)
#: Wells that wait for the disk or the object store while others are encoded.
_SETTLING = 2
#: Folder of wells under way, in which every ingest has its own.
_WELLS = "wells"
#: Wells that are compared with those of another raw folder.
_LOOKED_AT = 3
_ROW = encoded(group_document({}))


class _Cancelled(Exception):
    """The ingest ends before its time; the well under way is given up."""


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
        notes: what the reader thinks a person should know of the raw folder.
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
    notes: list[str]


@dataclass
class PlateIngest:
    """One ingest of one plate.

    Attributes:
        raw: the raw folder.
        out: the plate.
        aside: a local folder for wells under way; beside the plate, so that they can be renamed into it.
        reader: knows the raw folder.
        plan: what the plate will be.
        metadata: what the reader says of the plate.
        reread: whether all raw images are read again, also those whose files look unchanged.
    """

    raw: Path
    out: Path
    aside: Path
    reader: Reader
    plan: PlatePlan
    metadata: dict[str, Any]
    reread: bool = False
    _turn: str = field(default_factory=lambda: uuid.uuid4().hex)
    _begun: bool = False
    _place: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _before: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._before = own_attributes(self.out)
        self._seen = RawFileStats(self.raw, self.aside / "sources.jsonl", self.reread)
        self._writer = WellWriter(self.plan.shape, self._read_plane, lasting=not is_remote(self.out))

    def run(self, progress: Progress, workers: int, virtual: Virtual = NEVER) -> PlateRecord:
        """Bring every well up to date, then the plate.

        Args:
            progress: told after every well.
            workers: wells encoded at the same time.
            virtual: whether a plate that is not complete gets an index of its raw images first, or only that.
        """
        # What was left by those who had the lock before; who comes back to it late has a folder of its own.
        shutil.rmtree(self.aside / _WELLS, ignore_errors=True)
        self._refuse_another_measurement()
        if virtual == ONLY:
            if self._before.get("status") != COMPLETE:
                return self._index()
            raise InputError(f"{self.out} is ingested already; open it as it is, or give the index another name.")
        indexed = virtual == FIRST and self._before.get("status") != COMPLETE
        try:
            if indexed:
                # Images that cannot be read in place are told by the ingest itself, if they are at fault.
                with suppress(InputError):
                    self._index()
            written = self._all_wells(progress, workers)
            record, attributes = self._plate_record(written)
            if written or self._surplus() or not (is_intact(self.out, attributes) and self._rows_intact()):
                self._begin()
                for folder in self._surplus():
                    remove_tree(folder)
                if indexed or self._before.get("status") in (VIRTUAL, INGESTING):
                    remove(self.out / INDEX)
                self._write_root(attributes)
        finally:
            # A full disk is not left fuller than it was found.
            shutil.rmtree(self._wells_aside, ignore_errors=True)
            with suppress(OSError):
                (self.aside / _WELLS).rmdir()
            if indexed and not self._before and not self._begun:
                # Not a well could be made: there is no plate.
                remove_tree(self.out)
        return record

    def _index(self) -> PlateRecord:
        """Write the index of the raw images, by which the plate can be opened before its wells are there."""
        about = self._static_attributes() | {
            "raw": str(self.raw),
            "windows": first_windows(self.raw, self.plan, self.reader),
        }
        raw_hash = write_index(self.out / INDEX, self.plan, about, self._seen.stats)
        if self._before.get("status") != INGESTING:
            self._write_root(self._static_attributes() | {"status": VIRTUAL, "wells": {}})
        return self._record(raw_hash, [], list(self.metadata.get("notes", [])))

    def _all_wells(self, progress: Progress, workers: int) -> list[str]:
        """Check every well and write those that need it; returns the names of the written ones.

        A well whose pixels cannot be read does not stop the others; all such faults are raised together.
        """
        faults = Faults(str(self.raw))
        written: list[str] = []
        speed = Speed(self.plan)
        with (
            ThreadPoolExecutor(_SETTLING, thread_name_prefix="settle") as settlers,
            ThreadPoolExecutor(workers, thread_name_prefix="encode") as encoders,
        ):
            room = threading.Semaphore(workers + _SETTLING)
            waiting: dict[Future[Any], WellPlan] = {
                encoders.submit(self._encode, well, settlers, room): well for well in self.plan.wells
            }
            try:
                while waiting:
                    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                        well = waiting.pop(future)
                        try:
                            result = future.result()
                        except InputError as error:
                            faults.add(str(error))
                            progress(*speed.done(), f"wells, {well.name}, at fault")
                            continue
                        if isinstance(result, Future):
                            waiting[result] = well
                        elif result:
                            written.append(well.name)
                            progress(*speed.done(well), f"wells, {well.name}, {speed}")
                        else:
                            progress(*speed.done(), f"wells, {well.name}, unchanged")
            except BaseException as error:
                self._stop.set()
                encoders.shutdown(wait=False, cancel_futures=True)
                # A well that is whole still goes into place, unless the user will not wait.
                settlers.shutdown(wait=False, cancel_futures=isinstance(error, KeyboardInterrupt))
                raise
        faults.raise_if_any()
        order = {well.name: number for number, well in enumerate(self.plan.wells)}
        return sorted(written, key=order.__getitem__)

    def _encode(self, well: WellPlan, settlers: ThreadPoolExecutor, room: threading.Semaphore) -> Future[bool] | bool:
        """Write a well aside unless it is there and unchanged (False); its way into place is a further task."""
        if self._is_done(well):
            return False
        while not room.acquire(timeout=0.2):
            self._go_on()
        aside = self._wells_aside / well.name
        try:
            # Before reading: a file that changes meanwhile is then seen as changed next time.
            stats = self._seen.stats(well)
            made = self._writer.write(well, aside)
            return settlers.submit(self._settle, well, aside, (stats, made), room)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            room.release()
            raise

    def _settle(
        self, well: WellPlan, aside: Path, known: tuple[dict[str, list[int]], str], room: threading.Semaphore
    ) -> bool:
        """Make a well lasting and move it into place; `known` are its raw files and the hash of its attributes."""
        try:
            remote = is_remote(self.out)
            if not remote:
                sync_tree(aside)
            with self._place:
                self._begin()
                if not remote:
                    self._put_in_place(aside, self.out / well.path)
            if remote:
                upload_tree(aside, self.out / well.path)
                shutil.rmtree(aside)
            with self._place:
                self._seen.remember(well, *known)
        finally:
            room.release()
        return True

    def _read_plane(self, plane: Any) -> np.ndarray:
        self._go_on()
        return self.reader.read_plane(self.raw, plane)

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise _Cancelled

    def _is_done(self, well: WellPlan) -> bool:
        """Whether the well in place was made by this plan from the raw files as they are now."""
        folder = self.out / well.path
        own = own_attributes(folder)
        if own.get("fingerprint") != well.fingerprint:
            return False
        made = document_hash(folder)
        if self._before.get("status") == COMPLETE and self._before["wells"].get(well.name) != made:
            return False
        there = sizes(folder)
        if any(there.get(name) != size for name, (size, _) in own["files"].items()):
            return False
        stats = self._seen.stats(well)
        if self._seen.unchanged(well, stats, made):
            return True
        hashes = {plane_key(SimpleNamespace(**plane)): plane["hash"] for plane in own["planes"]}
        if any(plane_hash(self._read_plane(plane)) != hashes[plane_key(plane)] for plane in well.planes):
            return False
        with self._place:
            self._seen.remember(well, stats, made)
        return True

    def _refuse_another_measurement(self) -> None:
        """Refuse a folder whose images are all others than those that the complete plate was made from.

        Some wells are looked at, and only where the plate was made from another folder: one that was moved holds the
        same images, and images that were mended in their place are meant to take the place of the old ones.
        """
        before = self._seen.folders()
        if self._before.get("status") != COMPLETE or not before or str(self.raw) in before:
            return
        common = [well for well in self.plan.wells if well.name in self._before["wells"]]
        if not common or any(self._holds_a_plane_of(well) for well in common[:_LOOKED_AT]):
            return
        raise InputError(
            f"{self.out} holds the images of {', '.join(sorted(before))}, and {self.raw} holds others of the same "
            "wells; choose another name, or delete the old plate if these are to take its place."
        )

    def _holds_a_plane_of(self, well: WellPlan) -> bool:
        """Whether any plane of a well is in the plate as it is; unreadable ones are told by the ingest itself."""
        hashes = {plane["hash"] for plane in own_attributes(self.out / well.path).get("planes", [])}
        try:
            return not hashes or any(plane_hash(self._read_plane(plane)) in hashes for plane in well.planes)
        except InputError:
            return True

    def _begin(self) -> None:
        """Before the first change: the plate says that it is being ingested, and all groups above the wells exist."""
        if self._begun:
            return
        expect_held(self.out)
        for folder in (self.out, *(self.out / row for row in self.plan.rows_used)):
            clear_partials(folder)
        self._write_root(self._static_attributes() | {"status": INGESTING, "wells": {}})
        for row in self.plan.rows_used:
            write_text(self.out / row / ROOT, _ROW.decode())
        if not is_remote(self.out):
            sync_folder(self.out)
            sync_folder(self.out.parent)
        self._begun = True

    def _rows_intact(self) -> bool:
        return all(read_bytes(self.out / row / ROOT) == _ROW for row in self.plan.rows_used)

    def _put_in_place(self, aside: Path, folder: Path) -> None:
        expect_held(folder)
        if folder.exists() and exchanged(aside, folder):
            shutil.rmtree(aside)  # the old one
        elif folder.exists():
            old = self._wells_aside / f"{aside.name}.old"
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            aside.rename(folder)
            shutil.rmtree(old)
        else:
            aside.rename(folder)
        sync_folder(folder.parent)

    def _write_root(self, attributes: dict[str, Any]) -> None:
        write_text(self.out / ROOT, encoded(root_document(self.plan, attributes)).decode())

    def _surplus(self) -> list[Path]:
        """Folders of wells and rows that are no part of the plan, wells first."""
        wells = {well.path for well in self.plan.wells}
        there = [folder for folder in folders(self.out) if _is_row(folder.name)]
        rows = [folder for folder in there if folder.name not in self.plan.rows_used]
        return [
            column
            for row in there
            for column in folders(row)
            if row not in rows and f"{row.name}/{column.name}" not in wells
        ] + rows

    def _plate_record(self, written: list[str]) -> tuple[PlateRecord, dict[str, Any]]:
        """The record of the finished plate, and the project's attributes of its root."""
        hashes: dict[str, str] = {}
        cut_off: list[str] = []
        pixels: list[Any] = []
        windows: list[list[list[int]]] = []
        for well in self.plan.wells:
            folder = self.out / well.path
            own = own_attributes(folder)
            hashes[well.name] = document_hash(folder)
            windows.append(own["windows"])
            ends = [plane for plane in own["planes"] if plane.get("rows_of_zeros")]
            cut_off += [f"{plane['path']} ({plane['rows_of_zeros']} rows, well {well.name})" for plane in ends]
            pixels += [[well.name, *plane_key(SimpleNamespace(**plane)), plane["hash"]] for plane in own["planes"]]
        notes = [*self.metadata.get("notes", []), *images_cut_off(cut_off)]
        record = self._record(hash_json(pixels), written, notes)
        static = self._static_attributes()
        if cut_off:
            static["instrument"] = static["instrument"] | {"notes": notes}
        attributes = static | {
            "status": COMPLETE,
            "raw_hash": record.raw_hash,
            "windows": plate_windows(windows),
            "wells": hashes,
        }
        return record, attributes

    def _record(self, raw_hash: str, written: list[str], notes: list[str]) -> PlateRecord:
        shape = self.plan.shape
        return PlateRecord(
            n_wells=len(self.plan.wells),
            n_planes=self.plan.n_planes,
            size_x_px=shape.size_x_px,
            size_y_px=shape.size_y_px,
            n_z=shape.n_planes,
            pixel_size_um=shape.pixel_size_um,
            z_step_um=shape.z_step_um,
            raw_hash=raw_hash,
            wells=[well.name for well in self.plan.wells],
            wells_written=written,
            notes=notes,
        )

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
        return self.aside / _WELLS / self._turn


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    """The value as it reads back from JSON: tuples become lists."""
    same: dict[str, Any] = json.loads(json.dumps(value))
    return same


def _is_row(name: str) -> bool:
    try:
        return row_label(row_index(name)) == name
    except InputError:
        return False
