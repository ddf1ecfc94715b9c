"""Checking a plate: every byte against the hashes written with it, and every raw image against its plane.

The root's attributes hold a hash of themselves and of every well's attributes; these hold the size and hash of every
file of the well and the hash of every plane's pixels. So a flipped bit, a truncated or missing file, a missing well
and a raw file that changed are each found and named.

Belongs here: finding faults. Does not belong here: mending them (`ingest` does, run again).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, PhenodoseError
from phenodose.io.files import hash_file
from phenodose.io.places import place, read_bytes, sizes, storage_errors
from phenodose.names import parse_well
from phenodose.plates.external_plate import ExternalPlate
from phenodose.plates.external_reference import verify_external
from phenodose.plates.ngff import ROOT, document_hash, encoded, group_document, is_intact, own_attributes
from phenodose.plates.plan import well_path
from phenodose.plates.plate import Plate
from phenodose.plates.plate_ingest import VIRTUAL
from phenodose.plates.stack_view import INGEST_AGAIN
from phenodose.plates.virtual_index import INDEX_AGAIN
from phenodose.plates.virtual_plate import VirtualPlate
from phenodose.plates.well_writer import plane_hash, plane_key
from phenodose.progress import Progress, no_progress

if TYPE_CHECKING:
    from phenodose.plugins.readers import Reader


@dataclass(frozen=True)
class Verification:
    """What was checked and what is wrong.

    Attributes:
        n_wells: wells that the plate should hold.
        n_files: files whose bytes were compared.
        n_raw: raw images whose pixels were compared.
        faults: a sentence for each fault, with the remedy; empty if the plate is whole.
        in_place: folder of a plate that was made elsewhere; '' for a plate of this project. Such a plate has no hashes:
            `n_files` counts the chunks that were read.
        virtual: whether only the index of the plate is there; of its raw images the sizes and times were compared.
    """

    n_wells: int
    n_files: int
    n_raw: int
    faults: list[str]
    in_place: str = ""
    virtual: bool = False


def verify_plate(
    path: Path | str, raw: Path | None = None, reader: Reader | None = None, progress: Progress = no_progress
) -> Verification:
    """Check every file of a plate, and with `raw` every raw image it was made from.

    Args:
        path: the OME-Zarr plate; a path or an address.
        raw: the folder the plate was ingested from.
        reader: knows the raw folder; needed with `raw`.
        progress: told after every well.

    Raises:
        StoreError: `path` is no complete plate at all, or cannot be read.
    """
    path = place(path)
    with storage_errors(path, "the plate cannot be checked; mend the connection or the permissions and verify again"):
        plate = Plate.open(path, checked=False)
        if isinstance(plate, ExternalPlate):
            return _external_verified(plate, progress)
        if isinstance(plate, VirtualPlate):
            return _virtual_verified(plate)
        return _verified(plate, raw, reader, progress)


def _external_verified(plate: ExternalPlate, progress: Progress) -> Verification:
    """Of a plate made elsewhere every chunk is read; whether its pixels changed cannot be told."""
    faults: list[str] = []
    n_chunks = 0
    for done, (well, chunks, found) in enumerate(verify_external(plate), start=1):
        n_chunks += chunks
        faults += found
        progress(done, len(plate.wells), f"wells, {well}")
    return Verification(len(plate.wells), n_chunks, 0, faults, str(plate.folder))


def _virtual_verified(plate: VirtualPlate) -> Verification:
    """Of a plate that is not ingested yet: whether its raw images are those that were indexed."""
    faults = [
        f"{plate.raw / path}: well {well}: the raw image has changed or is gone since it was indexed; {INDEX_AGAIN}."
        for well in plate.wells
        for path in plate.changed_files(well)
    ]
    if plate.status != VIRTUAL:
        faults.append(f"{plate.path} is not complete (its ingest was interrupted); {INGEST_AGAIN}.")
    n_planes = sum(len(plate.rows(well)) for well in plate.wells)
    return Verification(len(plate.wells), 1, n_planes, faults, virtual=True)


def _verified(plate: Plate, raw: Path | None, reader: Reader | None, progress: Progress) -> Verification:
    path = plate.path
    faults: list[str] = []
    if not is_intact(path):
        faults.append(f"{path}/{ROOT}: the plate's attributes are damaged; run `phenodose ingest` again.")
    for row in sorted({parse_well(well)[0] for well in plate.wells}):
        if read_bytes(path / row / ROOT) != encoded(group_document({})):
            faults.append(f"{path / row / ROOT}: row {row}: missing or damaged; run `phenodose ingest` again.")
    expected: dict[str, str] = own_attributes(path)["wells"]
    n_files = n_raw = 0
    if raw is not None and reader is not None:
        faults += _index_faults(plate, raw, reader)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        check = partial(_check_well, plate, expected, raw, reader)
        for done, (well, result) in enumerate(zip(plate.wells, pool.map(check, plate.wells), strict=True), start=1):
            found, files, planes = result
            faults += found
            n_files += files
            n_raw += planes
            progress(done, len(plate.wells), f"wells, {well}")
    return Verification(len(plate.wells), n_files, n_raw, faults)


def _check_well(
    plate: Plate, expected: dict[str, str], raw: Path | None, reader: Reader | None, well: str
) -> tuple[list[str], int, int]:
    """Faults of one well, and the numbers of files and raw images compared."""
    folder = plate.path / well_path(well)
    remedy = f"delete the folder {folder} and run `phenodose ingest` again"
    there = sizes(folder)
    if not there:
        return [f"{folder}: well {well} is missing; run `phenodose ingest` again."], 0, 0
    own = own_attributes(folder)
    if not own or document_hash(folder) != expected[well]:
        return [f"{folder / ROOT}: well {well}: the well's attributes are damaged; {remedy}."], 1, 0
    faults = [
        f"{folder / name}: well {well}: {fault}; {remedy}."
        for name, (size, digest) in own["files"].items()
        if (fault := _file_fault(folder / name, there.get(name), size, digest))
    ]
    n_raw = 0
    if raw is not None and reader is not None:
        faults += _each(_raw_fault, own["planes"], raw, reader, well)
        n_raw = len(own["planes"])
    return faults, 1 + len(own["files"]), n_raw


def _file_fault(file: Path, found: int | None, size: int, digest: str) -> str:
    """In what a file is not as it was written, or '' if in nothing."""
    if found is None:
        return "the file is missing"
    if found != size:
        return f"the file has {found} of {size} bytes"
    return "" if hash_file(file) == digest else "the file's bytes have changed"


def _each(check: Callable[..., str], planes: Iterable[dict[str, Any]], *more: Any) -> list[str]:
    return [fault for plane in planes if (fault := check(plane, *more))]


def _raw_fault(plane: dict[str, Any], raw: Path, reader: Reader, well: str) -> str:
    """In what a raw image is not the one that was ingested, or '' if it is."""
    try:
        pixels = reader.read_plane(raw, SimpleNamespace(**plane, well=well))
    except InputError as error:
        return str(error)
    if plane_hash(pixels) != plane["hash"]:
        return (
            f"{raw / plane['path']}: well {well}: the raw image is not the one that was ingested; find out which is "
            "right, then run `phenodose ingest --reread`."
        )
    return ""


def _index_faults(plate: Plate, raw: Path, reader: Reader) -> list[str]:
    """Raw images that the plate does not hold, and faults that keep the raw folder from being indexed."""
    try:
        index = reader.index(raw)
    except PhenodoseError as error:
        return [str(error)]
    faults = []
    for well, rows in index.groupby("well", sort=True):
        known = set()
        if well in plate.wells:
            planes = own_attributes(plate.path / well_path(str(well))).get("planes", [])
            known = {plane_key(SimpleNamespace(**plane)) for plane in planes}
        new = [row.path for row in rows.itertuples() if plane_key(row) not in known]
        if new:
            faults.append(
                f"{raw / str(new[0])}: well {well}: {len(new)} raw images are not in the plate; run `phenodose ingest` "
                "again."
            )
    return faults
