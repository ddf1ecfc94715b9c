"""References to plates made elsewhere: written in the store, opened, and checked against what lies there now.

The store holds a reference in the plate's place: one `zarr.json` that names the other plate's folder, the hash of its
metadata, and what is needed to open it. Nothing is copied.

Belongs here: the reference. Does not belong here: an external plate as a `Plate` (`external_plate`), the documents of
such a plate (`external_ngff`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from phenodose.errors import InputError, StoreError
from phenodose.io.files import clear_partials, is_vacant, write_text
from phenodose.io.places import place
from phenodose.names import well_sort_key
from phenodose.plates.external_image import open_level
from phenodose.plates.external_ngff import ExternalLayout, metadata_hash, read_layout
from phenodose.plates.external_plate import ExternalPlate
from phenodose.plates.external_view import ExternalView
from phenodose.plates.ngff import OWN, ROOT, encoded, group_document, is_intact, own_attributes, sealed
from phenodose.plates.plan import PLATE_FORMAT, Channel, PlateShape
from phenodose.plates.plate import Plate

_WINDOW_QUANTILES = (0.001, 0.999)


def open_external(folder: Path) -> ExternalPlate:
    """A plate made elsewhere, at its own place.

    Raises:
        InputError: it is no plate, or cannot be used; all faults in one message.
    """
    layout = read_layout(folder)
    return _from_record(folder, _record(layout, layout.name or folder.name))


def open_reference(path: Path, own: dict[str, Any]) -> Plate:
    """The plate that a reference in the store names.

    Raises:
        StoreError: the other plate is gone.
    """
    folder = place(str(own["in_place"]["folder"]))
    if not folder.is_dir():
        raise StoreError(
            f"{path}: the plate is used in place and {folder} is gone; put it back, or run `phenodose ingest` again "
            "with the folder where it lies now."
        )
    if own_attributes(folder):
        plate = Plate.open(folder)
        plate.name = own["plate"]
        return plate
    return _from_record(path, own)


def make_reference(folder: Path, out: Path, name: str, acquisition: str | None = None) -> Plate:
    """Write the reference `out` to the plate in `folder`, and open it.

    Args:
        folder: a plate made elsewhere, or one of this project in another place.
        out: the reference.
        name: name of the plate here.
        acquisition: the one to use, where the plate has several.

    Raises:
        InputError: `folder` is no plate that can be used, or `out` holds something else, also a reference to another
            plate that is still there.
    """
    if not is_vacant(out) and "in_place" not in own_attributes(out):
        raise InputError(f"{out} is already there and is no reference to a plate; choose another name or move it away.")
    if str(out) == str(folder) or folder in out.parents:
        raise InputError(f"{out} lies in the plate itself, which is used in place; choose a name outside of {folder}.")
    if own_attributes(folder):
        Plate.open(folder)  # a plate of this project must be complete
        own: dict[str, Any] = {"format": PLATE_FORMAT, "plate": name, "status": "complete"}
        own["in_place"] = {"folder": str(folder)}
        if acquisition is not None:
            raise InputError(f"{folder}: a plate of this project has one acquisition; leave out {acquisition!r}.")
    else:
        own = _record(read_layout(folder, acquisition), name)
    _refuse_another(out, own)
    out.mkdir(parents=True, exist_ok=True)
    clear_partials(out)
    write_text(out / ROOT, encoded(sealed(group_document({OWN: own}))).decode())
    return open_reference(out, own)


def _refuse_another(out: Path, own: dict[str, Any]) -> None:
    """A reference leads to one plate: another one does not take its place while the first is still there."""
    before = own_attributes(out)
    there = str(before.get("in_place", {}).get("folder", ""))
    now = own["in_place"]["folder"]
    if there in ("", now) or not place(there).exists() or before.get("raw_hash") == own.get("raw_hash") is not None:
        return
    raise InputError(
        f"{out} refers to the plate {there}, which is still there, and {now} is another one; choose another name or "
        "delete the reference."
    )


def _record(layout: ExternalLayout, name: str) -> dict[str, Any]:
    image = layout.image
    labels = [label for label, _ in image.channels]
    channels = tuple(
        Channel(label if label and labels.count(label) == 1 else f"{label or 'channel'} {number}", None)
        for number, label in enumerate(labels, start=1)
    )
    shape = PlateShape(
        n_times=image.sizes["t"],
        n_planes=image.sizes["z"],
        size_y_px=image.sizes["y"],
        size_x_px=image.sizes["x"],
        dtype=image.dtype,
        pixel_size_um=image.step_um["x"],
        z_step_um=image.step_um["z"],
        channels=channels,
        sites=layout.sites,
        kinds=layout.kinds,
    )
    digest = metadata_hash(layout)
    notes = [f"The plate is used in place ({layout.folder}, NGFF {layout.version}); nothing was copied."]
    notes += layout.notes
    acquisition = layout.name or layout.folder.name
    return {
        "format": PLATE_FORMAT,
        "plate": name,
        "status": "complete",
        "shape": asdict(shape),
        "grid": [layout.rows, layout.columns],
        "raw_hash": digest,
        "windows": _windows(layout),
        "instrument": layout.instrument
        | {
            "acquisition": f"{acquisition}: {layout.acquisition}" if layout.acquisition else acquisition,
            "notes": notes,
        },
        "in_place": {
            "folder": str(layout.folder),
            "metadata_hash": digest,
            "axes": image.axes,
            "levels": list(image.levels),
            "level_shapes": [list(shape) for shape in image.level_shapes],
            "level_planes": list(image.level_planes),
            "level_z_factors": list(image.level_z_factors),
            "wells": {well.name: [well.path, list(well.images)] for well in layout.wells},
            "planes": {well.name: list(well.planes) for well in layout.wells if {*well.planes} != {image.sizes["z"]}},
            "exported": layout.exported,
            "acquisition": layout.acquisition,
        },
    }


def _from_record(path: Path, own: dict[str, Any]) -> ExternalPlate:
    there, stored = own["in_place"], own["shape"]
    shape = PlateShape(
        **stored
        | {
            "channels": tuple(Channel(**c) if isinstance(c, dict) else c for c in stored["channels"]),
            "sites": tuple(stored["sites"]),
            "kinds": tuple(stored["kinds"]),
        }
    )
    return ExternalPlate(
        path=path,
        name=own["plate"],
        wells=sorted(there["wells"], key=well_sort_key),
        shape=shape,
        n_rows=own["grid"][0],
        n_columns=own["grid"][1],
        windows=[(start, end) for start, end in own["windows"]],
        raw_hash=own["raw_hash"],
        instrument=own["instrument"],
        folder=place(str(there["folder"])),
        axes=there["axes"],
        levels=list(there["levels"]),
        shapes=[(y, x) for y, x in there["level_shapes"]],
        # What references of earlier versions do not say: they knew one number of planes.
        level_planes=list(there.get("level_planes") or [shape.n_planes] * len(there["levels"])),
        level_z_factors=list(there.get("level_z_factors") or [1.0] * len(there["levels"])),
        places={well: (group, images) for well, (group, images) in there["wells"].items()},
        n_planes=dict(there.get("planes", {})),
        exported=bool(there.get("exported", False)),
        acquisition=str(there.get("acquisition", "")),
        metadata_hash=there["metadata_hash"],
    )


def _windows(layout: ExternalLayout) -> list[list[int]]:
    """Display windows as the plate has them, else from the smallest level of the first well."""
    found = []
    first = layout.wells[0]
    image = next(image for image in first.images if image is not None)
    array = open_level(layout.folder / first.path / image / layout.image.levels[-1])
    for channel, (_, window) in enumerate(layout.image.channels):
        if window is None:
            view = ExternalView(array, layout.image.axes, 0, channel, str(layout.folder))
            values = np.sort(np.max(view[...], axis=0), axis=None)
            start, end = (int(values[round(q * (values.size - 1))]) for q in _WINDOW_QUANTILES)
            window = (start, max(end, start + 1))
        found.append(list(window))
    return found


def verify_external(plate: ExternalPlate) -> Iterator[tuple[str, int, list[str]]]:
    """Well by well: its name, chunks read, and faults; the plate's metadata are compared with the reference first."""
    changed: list[str] = []
    if plate.path != plate.folder and not is_intact(plate.path):
        changed.append(f"{plate.path / ROOT}: the reference is damaged; run `phenodose ingest` again.")
    try:
        chosen = plate.acquisition.partition(" ")[0] or None
        if metadata_hash(read_layout(plate.folder, chosen)) != plate.metadata_hash:
            changed.append(
                f"{plate.folder}: the metadata have changed since the plate was taken up; run `phenodose ingest` again."
            )
    except InputError as error:
        changed.append(str(error))
    for well in plate.wells:
        results = list(plate.chunks(well))
        faults = [
            f"{folder}: well {well}: {fault}; copy the plate again from where it was made."
            for folder, fault in results
            if fault
        ]
        yield well, len(results), [*changed, *faults]
        changed = []
