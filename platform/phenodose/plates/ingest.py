"""From a raw plate folder to an OME-Zarr plate that is never half there.

Order: the reader's index and all checks; then the lock; then the wells, each written aside and moved into place
whole; then the plate's root attributes with the status `complete`. A well in place is a finished well: its own
attributes hold the hashes of its planes and files, and the root holds the hash of those attributes. Running again
keeps the wells whose plan and raw pixels are unchanged and writes the others, so an interrupted ingest goes on, and
a changed raw file costs its own well.

Beside `P1.ome.zarr` lies `.P1.ome.zarr.ingest` with the lock, the wells being written, and the sizes and times of
the raw files already seen; it may be deleted at any time while nothing runs. For a plate in an object store that
folder lies in the temporary folder of the machine, and the lock is an object beside the plate.

Belongs here: the door, with every check that comes before the first change. Does not belong here: the work
(`plate_ingest`).
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from phenodose.errors import Faults, InputError
from phenodose.io.files import is_vacant
from phenodose.io.places import absolute, place, storage_errors
from phenodose.io.zipped import ENDINGS
from phenodose.plates.lock import locked
from phenodose.plates.ngff import ROOT, own_attributes
from phenodose.plates.plan import make_plan
from phenodose.plates.plate_ingest import FIRST as FIRST
from phenodose.plates.plate_ingest import NEVER, PlateIngest, Virtual
from phenodose.plates.plate_ingest import ONLY as ONLY
from phenodose.plates.plate_ingest import PlateRecord as PlateRecord
from phenodose.progress import Progress, no_progress

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plugins.readers import Reader


def ingest_plate(
    raw: Path,
    out: Path | str,
    reader: Reader,
    plate: str,
    progress: Progress = no_progress,
    workers: int | None = None,
    reread: bool = False,
    virtual: Virtual = NEVER,
) -> PlateRecord:
    """Turn a raw plate folder into the OME-Zarr plate `out`; a complete and unchanged plate is left as it is.

    Args:
        raw: the folder of one plate's raw images.
        out: the plate to make or to bring up to date; a path, or an address such as `s3://bucket/P1.ome.zarr`.
        reader: knows the raw folder.
        plate: name of the plate.
        progress: told after every well.
        workers: wells written at the same time; the number of processors by default.
        reread: read all raw images again, also those whose files look unchanged by size and times.
        virtual: whether a plate that is not there yet gets an index of its raw images, by which it can be opened at
            once (`virtual_plate`): `never`, `first`, before its wells are written, or `only`, and no well is written.

    Raises:
        InputError: the raw images are at fault (all faults in one message; nothing has been written unless pixels
            turned out damaged on decoding, and then the finished wells are kept for the next run), or `out` is
            something else than a plate of this project.
        BusyError: another process is ingesting the same plate.
        StoreError: `out` cannot be written, for instance because the disk is full.
    """
    raw, out = place(raw).resolve(), absolute(place(out))
    if out.name.lower().endswith(ENDINGS):
        raise InputError(
            f"{out}: a zipped plate is made of a finished one; ingest to a folder, then `phenodose export`."
        )
    used = reader.in_place(raw)
    if used is not None:
        return _used_in_place(used, out, plate, reader.acquisition())
    index = reader.index(raw)
    metadata = reader.plate_metadata(raw, index)
    _check_paths(index, raw)
    plan = make_plan(index, plate, metadata, str(raw))
    del index  # Its tags are most of the memory of a large plate.
    remedy = "make room or give another place, then run the same again: finished wells are kept"
    with storage_errors(out, f"the plate cannot be written; {remedy}"):
        _check_target(out, metadata)
        with locked(out, plate) as aside:
            ingest = PlateIngest(raw, out, aside, reader, plan, metadata, reread)
            return ingest.run(progress, workers or os.cpu_count() or 1, virtual)


def _used_in_place(folder: Path, out: Path, plate: str, acquisition: str | None) -> PlateRecord:
    """Refer to a plate that was made elsewhere instead of writing one."""
    from phenodose.plates.external_reference import make_reference

    before = own_attributes(out)
    with storage_errors(out, "the reference cannot be written; make room or give another place"):
        opened = make_reference(folder, out, plate, acquisition)
    shape = opened.shape
    return PlateRecord(
        n_wells=len(opened.wells),
        n_planes=sum(len(opened.metadata(well)["planes"]) for well in opened.wells),
        size_x_px=shape.size_x_px,
        size_y_px=shape.size_y_px,
        n_z=shape.n_planes,
        pixel_size_um=shape.pixel_size_um,
        z_step_um=shape.z_step_um,
        raw_hash=opened.raw_hash,
        wells=opened.wells,
        wells_written=[] if before == own_attributes(out) else opened.wells,
        notes=list(opened.instrument.get("notes", [])),
    )


def _check_paths(index: pd.DataFrame, raw: Path) -> None:
    """Refuse files outside the raw folder: what is ingested is what is in it."""
    faults = Faults(str(raw))
    inside: dict[str, bool] = {}
    for path in dict.fromkeys(index["path"]):
        pure = PurePosixPath(path)
        file, parent = raw / path, str(pure.parent)
        if parent not in inside:
            inside[parent] = Path(os.path.realpath(raw / parent)).is_relative_to(raw)
        leaves = pure.is_absolute() or ".." in pure.parts or not inside[parent]
        if leaves or (file.is_symlink() and not file.resolve().is_relative_to(raw)):
            faults.add(f"{path} leads out of the folder; copy the image into the folder and give its path from there.")
    faults.raise_if_any()


def _check_target(out: Path, metadata: dict[str, Any]) -> None:
    """Refuse to write over anything that is not a plate of this project, or over another acquisition."""
    if is_vacant(out):
        return
    own = own_attributes(out)
    # With the root's attributes damaged, the wells still tell whose plate it is.
    if "status" not in own and not any(own_attributes(file.parent) for file in out.glob(f"*/*/{ROOT}")):
        raise InputError(
            f"{out} is already there and is no plate that phenodose made; choose another name or move it away."
        )
    if "in_place" in own:
        raise InputError(
            f"{out} refers to a plate that is used in place ({own['in_place'].get('folder')}); choose another name or "
            "delete the reference."
        )
    before, now = own.get("instrument", {}).get("acquisition"), metadata.get("acquisition")
    if before and now and before != now:
        raise InputError(
            f"{out} holds the acquisition {before!r}, the raw folder is the acquisition {now!r}; choose another name "
            "or delete the old plate."
        )
