"""A plate in another form: NGFF 0.4 (Zarr v2, one file a chunk), or one zipped file (`.ozx`, RFC-9).

NGFF 0.4 is for programs that do not read 0.5 yet: the same pixels, pyramids, channels and instrument metadata, written
by the ome-zarr package. A zipped plate is the plate itself in one file, every byte as it is, hashes included. An export
is made beside its place and moved there whole, so that it is never half there.

Belongs here: older forms of a finished plate. Does not belong here: the plate itself (`well_writer`).
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, StoreError
from phenodose.io.files import hash_bytes, is_vacant, written_aside
from phenodose.io.places import absolute, place, read_bytes, storage_errors
from phenodose.io.zipped import write_archive
from phenodose.names import row_label
from phenodose.plates.ngff import OWN, ROOT, VERSION, axes, read_document
from phenodose.plates.plan import STACK, Field, well_path
from phenodose.plates.plate import Plate
from phenodose.plates.shard import chunk_side
from phenodose.plates.virtual_plate import VirtualPlate
from phenodose.progress import Progress, no_progress

if TYPE_CHECKING:
    import zarr

#: Versions of NGFF that a plate can be exported to.
VERSIONS = ("0.4",)
#: Ending of a plate in one file.
ZIPPED = ".ozx"
# What a program of another maker has no use for: hashes of files that the export does not have.
_NOT_KEPT = ("files", "fingerprint")


@dataclass(frozen=True)
class Export:
    """What was written: numbers of wells and of images, and the version of NGFF."""

    n_wells: int
    n_images: int
    ngff: str = VERSIONS[0]


def export_plate(
    path: Path | str,
    out: Path | str,
    version: str | None = None,
    progress: Progress = no_progress,
    workers: int | None = None,
) -> Export:
    """Write a plate in an older version of NGFF, or as one zipped file.

    Args:
        path: a complete plate of this project; a path or an address.
        out: the new plate; a path or an address where nothing is yet. One that ends in `.ozx` is a zipped plate.
        version: of NGFF, one of `VERSIONS` (the first by default); 0.5 for a zipped plate.
        progress: told after every well.
        workers: wells written at the same time; the number of processors by default.

    Raises:
        InputError: there is something at `out`, the version is not known, or the plate is one that is used in place.
        StoreError: the plate is incomplete or damaged, or `out` cannot be written.
    """
    out = absolute(place(out))
    is_zipped = out.name.lower().endswith(ZIPPED)
    version = version or (VERSION if is_zipped else VERSIONS[0])
    if is_zipped and version != VERSION:
        raise InputError(f"--ngff {version}: a zipped plate (.ozx) is of NGFF {VERSION}; leave --ngff out.")
    if not is_zipped and version not in VERSIONS:
        raise InputError(
            f"--ngff {version}: a plate can be exported to {', '.join(VERSIONS)}; it is {VERSION} itself. As one file "
            "it is written to OUT.ozx."
        )
    plate = Plate.open(path)
    if isinstance(plate, VirtualPlate):
        raise InputError(f"{path}: only the index of this plate is there; ingest it, then export it.")
    if type(plate) is not Plate:
        raise InputError(f"{path}: the plate was made elsewhere and is used in place; export it with its own tools.")
    with storage_errors(out, "the export cannot be written; make room or give another place, then export again"):
        if not is_vacant(out):
            raise InputError(f"{out} is already there; choose another name or move it away.")
        with written_aside(out) as aside:
            if is_zipped:
                _zip_plate(plate, aside, progress)
            else:
                _write_plate(plate, aside, progress, workers or os.cpu_count() or 1)
    return Export(len(plate.wells), len(plate.wells) * len(plate.shape.fields), version)


def _zip_plate(plate: Plate, out: Path, progress: Progress) -> None:
    """Write all files of a plate, which are checked against their hashes first, into one archive."""
    names = [ROOT]
    names += [f"{row}/{ROOT}" for row in sorted({well_path(well).split("/")[0] for well in plate.wells})]
    for done, well in enumerate(plate.wells, start=1):
        files = plate.metadata(well)["files"]
        for name, (size, digest) in files.items():
            file = plate.path / well_path(well) / name
            payload = read_bytes(file)
            if payload is None or len(payload) != size or hash_bytes(payload) != digest:
                raise StoreError(
                    f"{file}: well {well}: the pixels are {'missing' if payload is None else 'damaged'}; run "
                    "`phenodose ingest` again: it writes what is missing."
                )
        names += [f"{well_path(well)}/{name}" for name in (ROOT, *files)]
        progress(done, len(plate.wells), f"wells, {well}")
    write_archive(plate.path, out, names, VERSION)


def _write_plate(plate: Plate, folder: Path, progress: Progress, workers: int) -> None:
    import zarr

    own = {"plate": plate.name, "made_from": "NGFF 0.5", "instrument": plate.instrument}
    root = zarr.create_group(folder, zarr_format=2, attributes={OWN: own})
    writer, fmt = _ome_zarr()
    writer.write_plate_metadata(
        root,
        [row_label(row) for row in range(plate.n_rows)],
        [f"{column:02d}" for column in range(1, plate.n_columns + 1)],
        [well_path(well) for well in plate.wells],
        fmt=fmt,
        field_count=len(plate.shape.fields),
        name=plate.name,
    )
    for row in sorted({well_path(well).split("/")[0] for well in plate.wells}):
        root.create_group(row)
    with ThreadPoolExecutor(workers) as pool:
        for done, well in enumerate(pool.map(lambda well: _write_well(plate, well, root), plate.wells), start=1):
            progress(done, len(plate.wells), f"wells, {well}")


def _write_well(plate: Plate, well: str, root: zarr.Group) -> str:
    writer, fmt = _ome_zarr()
    known = {key: value for key, value in plate.metadata(well).items() if key not in _NOT_KEPT}
    group = root.create_group(well_path(well), attributes={OWN: known})
    fields = plate.shape.fields
    writer.write_well_metadata(group, [field.path for field in fields], fmt=fmt)
    for field in fields:
        image = group.create_group(field.path)
        described = read_document(plate.path / well_path(well) / field.path / ROOT)["attributes"]["ome"]
        multiscale = described["multiscales"][0]
        writer.write_multiscales_metadata(
            image,
            multiscale["datasets"],
            fmt=fmt,
            axes=multiscale["axes"],
            name=multiscale["name"],
            metadata={"omero": described["omero"]},
        )
        for level in range(len(plate.level_shapes)):
            _write_level(plate, well, field, level, image)
    return well


def _write_level(plate: Plate, well: str, field: Field, level: int, image: zarr.Group) -> None:
    """Copy one pyramid level plane by plane; planes that are missing stay unwritten."""
    from numcodecs import Blosc

    y, x = plate.level_shapes[level]
    names = axes(plate.shape)
    lead = [plate.shape.n_times, len(plate.channels)][-(len(names) - 3) :]
    array = image.create_array(
        str(level),
        shape=(*lead, plate.shape.planes_of(field.kind), y, x),
        chunks=(*[1] * len(lead), 1, chunk_side(y), chunk_side(x)),
        dtype=plate.shape.dtype,
        compressors=Blosc(cname="zstd", clevel=1, shuffle=Blosc.SHUFFLE),
        chunk_key_encoding={"name": "v2", "separator": "/"},
        fill_value=0,
    )
    for channel in plate.metadata(well)["channels"]:
        if channel["site"] != field.site:
            continue
        time, number = channel["time"], channel["channel"]
        place = (time, number) if len(lead) == 2 else (number,)
        for z in _there(plate, well, field, time, number):
            pixels = plate.image(well, field.kind, number, level, field.site, time)[z]
            array[(*place, z)] = pixels


def _there(plate: Plate, well: str, field: Field, time: int, channel: int) -> list[int]:
    """The planes that an image of a well has."""
    if field.kind == STACK:
        return [plane["z"] for plane in plate.planes(well, channel, field.site, time)]
    return [0] if plate.has_image(well, field.kind, channel, field.site, time) else []


def _ome_zarr() -> tuple[Any, Any]:
    """The metadata writers of ome-zarr, which take a second to import, and the format 0.4."""
    with warnings.catch_warnings():
        # Importing the module makes it call a class of its own that it has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        from ome_zarr import writer
        from ome_zarr.format import FormatV04
    return writer, FormatV04()
