"""The metadata of OME-Zarr plates made elsewhere: NGFF 0.1 to 0.6 on Zarr v2 and v3, in a folder or zipped (`.ozx`).

What a plate has twice (acquisitions, a well listed as `B/2` and `B/02`) is never chosen silently, and what it lists and
has not is told: a field that is missing in one well keeps its number, a well whose document is cut off is a fault.

Belongs here: what the documents of a plate say, in one form for all versions. Does not belong here: one image
(`external_image`), pixels and using the plate (`external_plate`), the documents that this project writes (`ngff`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.io.files import hash_bytes, hash_json
from phenodose.io.places import folders, place, read_bytes
from phenodose.io.zipped import is_archive
from phenodose.plates.external_image import ExternalImage, check_version, is_damaged, ome_attributes, read_image
from phenodose.plates.external_wells import (
    ListedWell,
    by_site,
    chosen_acquisition,
    chunks_twice,
    kinds_of,
    listed_well,
    other_places,
    unlisted_groups,
)
from phenodose.plates.ngff import OWN, own_attributes, read_document

_DOCUMENTS = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_SAME = 1e-2
_NAMED = 8


@dataclass(frozen=True)
class ExternalWell:
    """One well that is there.

    Attributes:
        name: such as B07.
        path: its group.
        images: path of its image of every site within the group; None for a site that the well has not.
        planes: planes of the stack of every site; 0 for a site that the well has not.
    """

    name: str
    path: str
    images: tuple[str | None, ...]
    planes: tuple[int, ...]


@dataclass(frozen=True)
class ExternalLayout:
    """A plate made elsewhere.

    Attributes:
        folder: where it lies.
        name: as it names itself; '' if it does not.
        version: of NGFF.
        rows: rows of the microplate.
        columns: columns of the microplate.
        wells: those with images, in order of row and column.
        sites: numbers of the sites.
        image: what all images have in common (the first one, with the most planes of all).
        acquisition: the acquisition that is used, where the plate has several; '' else.
        kinds: the stack; of an exported plate of this project also its projections, or these alone.
        exported: whether it is an export of a plate of this project, with all that was known of its wells.
        instrument: what that plate knew of its instrument.
        notes: sentences on what a person should know.
    """

    folder: Path
    name: str
    version: str
    rows: int
    columns: int
    wells: tuple[ExternalWell, ...]
    sites: tuple[int, ...]
    image: ExternalImage
    acquisition: str = ""
    kinds: tuple[str, ...] = ("stack",)
    exported: bool = False
    instrument: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def plates_in(folder: Path) -> list[Path]:
    """OME-Zarr plates: the folder or archive itself, or those right below it."""
    folder = place(folder)
    if isinstance(ome_attributes(folder).get("plate"), dict):
        return [folder]
    try:
        entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
        below = sorted(place(path) for path in entries if path.is_dir() or is_archive(path))
    except OSError:
        return []
    return [path for path in below if isinstance(ome_attributes(path).get("plate"), dict)]


def plates_around(folder: Path, levels: int = 3) -> list[Path]:
    """Plates that a folder was perhaps meant to be: those some levels below it, else one that it lies in."""
    found: list[Path] = []
    waiting = [folder]
    for _ in range(levels):
        waiting = [below for path in waiting for below in folders(path) if not below.name.startswith(".")]
        plates = [path for path in waiting if isinstance(ome_attributes(path).get("plate"), dict)]
        found += plates
        waiting = [path for path in waiting if path not in plates and not ome_attributes(path)]
    above = [path for path in list(folder.resolve().parents)[:levels] if "plate" in ome_attributes(path)]
    return sorted(found) or above


def is_external(folder: Path) -> bool:
    """Whether a folder without the project's attributes is a plate made elsewhere.

    A plate of this project whose root is damaged is none: its wells still have the project's attributes.
    """
    plate = ome_attributes(folder).get("plate")
    if not isinstance(plate, dict):
        return False
    listed = [well for well in _listed(plate.get("wells")) if isinstance(well, dict)]
    return not any(own_attributes(folder / str(well.get("path"))) for well in listed)


def read_layout(folder: Path, acquisition: str | None = None) -> ExternalLayout:
    """Everything that a plate's documents say.

    Args:
        folder: the plate; a folder or a zipped plate.
        acquisition: name or id of the one to use, where the plate has several.

    Raises:
        InputError: it is no plate, of a version that is not known, has several acquisitions and none is chosen, or its
            images are not alike; all faults in one message.
    """
    folder = place(folder)
    faults = Faults(str(folder))
    attributes = ome_attributes(folder)
    plate = attributes.get("plate")
    if not isinstance(plate, dict):
        raise InputError(f"{folder}: there is no NGFF plate in its attributes; give the folder of an OME-Zarr plate.")
    version = str(attributes.get("version") or plate.get("version") or "unknown")
    check_version("" if version == "unknown" else version, folder)
    listed, gone = _wells(folder, plate, faults)
    doubts = [*unlisted_groups(folder, listed), *other_places(plate), *chunks_twice(folder)]
    used, chosen = chosen_acquisition(plate, listed, acquisition, faults)
    sites, wells = by_site(used, not chosen)
    gone += [well.name for well in listed if well.name not in {one.name for one in used}]
    common, described, notes = _images(folder, wells, faults)
    if common is None:
        faults.add("none of the wells that are listed has an image; copy the plate again.")
    faults.raise_if_any()
    assert common is not None
    described.sort(key=lambda well: names.well_sort_key(well.name))
    if gone:
        ordered = sorted(gone, key=names.well_sort_key)
        notes.append(f"{len(gone)} wells are listed and have no image: {', '.join(ordered[:_NAMED])}.")
    notes += doubts
    own = own_of_export(folder)
    return ExternalLayout(
        folder=folder,
        name=str(plate.get("name") or ""),
        version=version,
        rows=max(len(_listed(plate.get("rows"))), 1 + max(names.well_sort_key(well.name)[0] for well in described)),
        columns=max(len(_listed(plate.get("columns"))), max(names.well_sort_key(well.name)[1] for well in described)),
        wells=tuple(described),
        sites=sites,
        image=common,
        acquisition=chosen,
        kinds=kinds_of(used),
        exported=bool(own) and all(own_of_export(folder / well.path) for well in described),
        instrument=own.get("instrument") or {},
        notes=(*([f"Of several acquisitions {chosen} is used."] if chosen else []), *notes),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def own_of_export(folder: Path) -> dict[str, Any]:
    """What this project wrote of a plate or well that it exported to Zarr v2; {} for all others."""
    own = read_document(folder / ".zattrs").get(OWN)
    return own if isinstance(own, dict) else {}


def documents(layout: ExternalLayout) -> Iterator[Path]:
    """Every metadata document of a plate: of its root, wells, images and levels."""
    groups = [layout.folder]
    for well in layout.wells:
        groups.append(layout.folder / well.path)
        for image in well.images:
            if image is not None:
                groups.append(layout.folder / well.path / image)
                groups += [layout.folder / well.path / image / level for level in layout.image.levels]
    for group in groups:
        yield from (group / name for name in _DOCUMENTS if (group / name).is_file())


def metadata_hash(layout: ExternalLayout) -> str:
    """Hash of every metadata document and its place."""
    return hash_json(
        [
            [path.relative_to(layout.folder).as_posix(), hash_bytes(read_bytes(path) or b"")]
            for path in documents(layout)
        ]
    )


def _wells(folder: Path, plate: dict[str, Any], faults: Faults) -> tuple[list[ListedWell], list[str]]:
    """The wells with images that are there, and the names of those that are listed and not there."""
    found: list[ListedWell] = []
    gone: list[str] = []
    seen: dict[str, str] = {}
    for each in _listed(plate.get("wells")):
        path = str(each.get("path", "")) if isinstance(each, dict) else ""
        try:
            name = _well_name(path)
        except InputError as error:
            faults.add(str(error))
            continue
        if name in seen:
            faults.add(
                f"{seen[name]} and {path} are both well {name}; a well is listed once: keep the one that counts."
            )
            continue
        seen[name] = path
        if is_damaged(folder / path):
            faults.add(f"{path}: well {name}: the well's metadata are damaged, perhaps cut off; copy the well again.")
            continue
        well = ome_attributes(folder / path).get("well")
        if not isinstance(well, dict) and any(ome_attributes(image) for image in folders(folder / path)):
            faults.add(
                f"{path}: well {name}: the list of its images is missing from its metadata; copy the well again."
            )
            continue
        one = listed_well(name, path, well, folder, own_of_export(folder / path))
        if one.images:
            found.append(one)
        else:
            gone.append(name)
    return found, gone


def _images(
    folder: Path, wells: list[tuple[ListedWell, tuple[str | None, ...]]], faults: Faults
) -> tuple[ExternalImage | None, list[ExternalWell], list[str]]:
    """What all images have in common, the wells with the planes of each image, and notes."""
    common: ExternalImage | None = None
    described = []
    lacking: list[str] = []
    odd: dict[str, list[str]] = {}
    for well, images in wells:
        planes = []
        for site, image in enumerate(images, start=1):
            if image is None:
                planes.append(0)
                lacking.append(f"{well.name} lacks site {site}")
                continue
            try:
                found = read_image(folder / well.path / image)
            except InputError as error:
                faults.add(str(error))
                continue
            planes.append(found.sizes["z"])
            common = common or found
            for note in (*found.notes, *_other_labels(found, common)):
                odd.setdefault(note, []).append(f"{well.path}/{image}")
            difference = _difference(found, common)
            if difference:
                faults.add(
                    f"{well.path}/{image}: well {well.name}: {difference}; a plate has one kind of image: mend it "
                    "where it was made."
                )
            if found.sizes["z"] > common.sizes["z"]:
                common = found
        described.append(ExternalWell(well.name, well.path, images, tuple(planes)))
    return common, described, _image_notes(described, lacking, odd)


def _image_notes(wells: list[ExternalWell], lacking: list[str], odd: Mapping[str, Sequence[str]]) -> list[str]:
    notes = []
    if lacking:
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        notes.append(
            f"{len(lacking)} images that other wells have are missing: {', '.join(lacking[:_NAMED])}{more}; the other "
            "sites keep their numbers."
        )
    counts = {well.name: max(well.planes) for well in wells if any(well.planes)}
    most = max(counts.values(), default=0)
    fewer = [f"{name} has {n}" for name, n in counts.items() if n != most]
    if fewer:
        more = f" and {len(fewer) - _NAMED} more" if len(fewer) > _NAMED else ""
        notes.append(
            f"The stacks have up to {most} planes, {len(fewer)} wells have fewer: {', '.join(fewer[:_NAMED])}{more}."
        )
    for note, places in odd.items():
        more = f" (and {len(places) - 1} more of the kind)" if len(places) > 1 else ""
        notes.append(f"{places[0]}: {note}{more}.")
    return notes


def _well_name(path: str) -> str:
    row, _, column = path.partition("/")
    if not column.isdigit():
        raise InputError(f"well {path!r}: wells lie in <row>/<column>, for example B/07; convert the plate.")
    return names.well_name(row, int(column))


def _difference(image: ExternalImage, common: ExternalImage) -> str:
    """In what an image is not like the others, or ''; numbers of planes may differ."""
    if _alike(image) != _alike(common):
        return f"the image is {_in_words(image)}, the first one is {_in_words(common)}"
    labels, others = _labels(image), _labels(common)
    if labels != others and None not in labels and sorted(labels, key=str) == sorted(others, key=str):
        return f"its channels are in the order {', '.join(map(str, labels))}, those of the first image in {others}"
    for axis in "zyx":
        one, other = image.step_um[axis], common.step_um[axis]
        if one is not None and other is not None and not math.isclose(one, other, rel_tol=_SAME):
            return f"the step along {axis} is {one:g} um, that of the first image {other:g} um"
    return ""


def _labels(image: ExternalImage) -> list[str | None]:
    return [label for label, _ in image.channels]


def _other_labels(image: ExternalImage, common: ExternalImage) -> list[str]:
    """A sentence where an image calls its channels by other names than the first one."""
    pairs = zip(_labels(image), _labels(common), strict=False)
    odd = [f"{label!r}, not {usual!r}" for label, usual in pairs if label and usual and label != usual]
    return [f"the image calls its channels otherwise than the first one ({'; '.join(odd)})"] if odd else []


def _alike(image: ExternalImage) -> tuple[Any, ...]:
    sizes = tuple(size for axis, size in image.sizes.items() if axis != "z")
    return image.axes, image.levels, sizes, image.level_shapes, image.dtype


def _in_words(image: ExternalImage) -> str:
    return f"{json.dumps(image.sizes)} {image.dtype} with {len(image.levels)} levels"
