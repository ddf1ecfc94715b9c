"""The metadata of OME-Zarr plates made elsewhere: NGFF 0.4 on Zarr v2 and 0.5 on Zarr v3, axes in any number.

The documents are read with tolerance: ome-zarr-models, which the tests hold our own documents against, refuses what
other programs write and this project needs nothing of, such as an OMERO channel without a colour, axes that are mere
names, or a scale that is not told.

Belongs here: what the documents of a plate say, in one form for all versions. Does not belong here: pixels and using
the plate (`external_plate`), the documents that this project writes (`ngff`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.io.files import hash_bytes, hash_json
from phenodose.plates.ngff import own_attributes, read_document

if TYPE_CHECKING:
    import zarr

_DOCUMENTS = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_MICROMETRES = {
    "micrometer": 1.0,
    "nanometer": 1e-3,
    "angstrom": 1e-4,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}
_KNOWN_AXES = "tczyx"
_PIXEL_TYPES = ("uint8", "uint16")


@dataclass(frozen=True)
class ExternalImage:
    """One multiscale image.

    Attributes:
        axes: its axes in order, letters of 'tczyx'.
        levels: paths of the pyramid's arrays within the image, full size first.
        sizes: length of every axis of the full array, 1 for axes it has not.
        level_shapes: height and width of every level.
        dtype: numpy name of the pixel type.
        step_um: distance of pixels along z, y and x; None where the unit is not told.
        channels: label and display window (start, end) of every channel, None where not told.
    """

    axes: str
    levels: tuple[str, ...]
    sizes: dict[str, int]
    level_shapes: tuple[tuple[int, int], ...]
    dtype: str
    step_um: dict[str, float | None]
    channels: tuple[tuple[str | None, tuple[int, int] | None], ...]


@dataclass(frozen=True)
class ExternalWell:
    """One well that is there: its name, its group, and the paths of its images within the group."""

    name: str
    path: str
    images: tuple[str, ...]


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
        wells_without_images: those that are listed and not there.
        image: what all images have in common (the first one).
    """

    folder: Path
    name: str
    version: str
    rows: int
    columns: int
    wells: tuple[ExternalWell, ...]
    wells_without_images: tuple[str, ...]
    image: ExternalImage


def ome_attributes(folder: Path) -> dict[str, Any]:
    """The NGFF attributes of a group of any version; {} if there are none."""
    attributes = read_document(folder / "zarr.json").get("attributes") or read_document(folder / ".zattrs")
    if not isinstance(attributes, dict):
        return {}
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def plates_in(folder: Path) -> list[Path]:
    """OME-Zarr plates: the folder itself, or those right below it."""
    if isinstance(ome_attributes(folder).get("plate"), dict):
        return [folder]
    try:
        below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []
    return [path for path in below if isinstance(ome_attributes(path).get("plate"), dict)]


def is_external(folder: Path) -> bool:
    """Whether a folder without the project's attributes is a plate made elsewhere.

    A plate of this project whose root is damaged is none: its wells still have the project's attributes.
    """
    plate = ome_attributes(folder).get("plate")
    if not isinstance(plate, dict):
        return False
    listed = [well for well in plate.get("wells", []) if isinstance(well, dict)]
    return not any(own_attributes(folder / str(well.get("path"))) for well in listed)


def read_layout(folder: Path) -> ExternalLayout:
    """Everything that a plate's documents say.

    Raises:
        InputError: it is no plate, or its images are not alike; all faults in one message.
    """
    faults = Faults(str(folder))
    attributes = ome_attributes(folder)
    plate = attributes.get("plate")
    if not isinstance(plate, dict):
        raise InputError(f"{folder}: there is no NGFF plate in its attributes; give the folder of an OME-Zarr plate.")
    wells: list[ExternalWell] = []
    gone: list[str] = []
    common: ExternalImage | None = None
    for listed in plate.get("wells", []):
        path = str(listed.get("path", ""))
        try:
            name = _well_name(path)
        except InputError as error:
            faults.add(str(error))
            continue
        images = [str(each.get("path")) for each in (ome_attributes(folder / path).get("well") or {}).get("images", [])]
        present = [image for image in images if (folder / path / image).is_dir()]
        if not present:
            gone.append(name)
            continue
        wells.append(ExternalWell(name, path, tuple(present)))
        for image in present:
            try:
                found = read_image(folder / path / image)
            except InputError as error:
                faults.add(str(error))
                continue
            common = common or found
            if _alike(found) != _alike(common):
                faults.add(
                    f"{path}/{image}: well {name}: the image is {_told(found)}, the first one is {_told(common)}; a "
                    "plate has one kind of image: mend it where it was made."
                )
    if common is None:
        faults.add("none of the wells that are listed has an image; copy the plate again.")
    faults.raise_if_any()
    assert common is not None
    wells.sort(key=lambda well: names.well_sort_key(well.name))
    return ExternalLayout(
        folder=folder,
        name=str(plate.get("name") or ""),
        version=str(attributes.get("version") or plate.get("version") or "unknown"),
        rows=max(len(plate.get("rows", [])), 1 + max(names.well_sort_key(well.name)[0] for well in wells)),
        columns=max(len(plate.get("columns", [])), max(names.well_sort_key(well.name)[1] for well in wells)),
        wells=tuple(wells),
        wells_without_images=tuple(sorted(gone, key=names.well_sort_key)),
        image=common,
    )


def read_image(folder: Path) -> ExternalImage:
    """What the documents of one image say.

    Raises:
        InputError: it is no multiscale image, or of a kind that cannot be used.
    """
    attributes = ome_attributes(folder)
    try:
        multiscale = attributes["multiscales"][0]
        axes = [axis if isinstance(axis, str) else axis["name"] for axis in multiscale.get("axes", _KNOWN_AXES)]
        units = {
            axis["name"]: axis.get("unit") for axis in multiscale.get("axes", _KNOWN_AXES) if isinstance(axis, dict)
        }
        levels = [str(dataset["path"]) for dataset in multiscale["datasets"]]
        arrays = [open_level(folder / level) for level in levels]
        scale = _scale(multiscale, len(axes))
    except (KeyError, IndexError, TypeError, ValueError, OSError) as error:
        raise InputError(
            f"{folder}: the image's metadata are damaged or missing ({error!r}); copy it again."
        ) from error
    if any(axis not in _KNOWN_AXES for axis in axes) or not {"y", "x"} <= set(axes) or arrays[0].ndim != len(axes):
        raise InputError(f"{folder}: the axes {', '.join(axes)} are not among t, c, z, y, x; convert the plate.")
    dtype = arrays[0].dtype.name
    if dtype not in _PIXEL_TYPES:
        raise InputError(f"{folder}: the pixels are {dtype}; convert the plate to {' or '.join(_PIXEL_TYPES)}.")
    sizes = dict.fromkeys(_KNOWN_AXES, 1) | dict(zip(axes, arrays[0].shape, strict=True))
    y, x = axes.index("y"), axes.index("x")
    steps = dict(zip(axes, scale, strict=True))
    return ExternalImage(
        axes="".join(axes),
        levels=tuple(levels),
        sizes=sizes,
        level_shapes=tuple((array.shape[y], array.shape[x]) for array in arrays),
        dtype=dtype,
        step_um={
            axis: steps[axis] * _MICROMETRES[str(units.get(axis))] if units.get(axis) in _MICROMETRES else None
            for axis in "zyx"
        },
        channels=_channels(attributes.get("omero"), sizes["c"]),
    )


def open_level(folder: Path) -> zarr.Array[Any]:
    """One array of a pyramid, Zarr v2 or v3.

    Raises:
        ValueError: it is damaged.
        OSError: it is missing.
    """
    import zarr

    return zarr.open_array(folder, mode="r")


def documents(layout: ExternalLayout) -> Iterator[Path]:
    """Every metadata document of a plate: of its root, wells, images and levels."""
    groups = [layout.folder]
    for well in layout.wells:
        groups.append(layout.folder / well.path)
        for image in well.images:
            groups.append(layout.folder / well.path / image)
            groups += [layout.folder / well.path / image / level for level in layout.image.levels]
    for group in groups:
        yield from (group / name for name in _DOCUMENTS if (group / name).is_file())


def metadata_hash(layout: ExternalLayout) -> str:
    """Hash of every metadata document and its place."""
    return hash_json(
        [[path.relative_to(layout.folder).as_posix(), hash_bytes(path.read_bytes())] for path in documents(layout)]
    )


def _well_name(path: str) -> str:
    row, _, column = path.partition("/")
    if not column.isdigit():
        raise InputError(f"well {path!r}: wells lie in <row>/<column>, for example B/07; convert the plate.")
    return names.well_name(row, int(column))


def _alike(image: ExternalImage) -> tuple[Any, ...]:
    return image.axes, image.levels, tuple(image.sizes.items()), image.level_shapes, image.dtype


def _told(image: ExternalImage) -> str:
    return f"{json.dumps(image.sizes)} {image.dtype} with {len(image.levels)} levels"


def _scale(multiscale: dict[str, Any], n_axes: int) -> list[float]:
    """Scale of the full array: that of its dataset times that of the whole multiscale."""
    scale = [1.0] * n_axes
    transformations = multiscale["datasets"][0].get("coordinateTransformations", [])
    for each in [*transformations, *multiscale.get("coordinateTransformations", [])]:
        if each.get("type") == "scale" and "scale" in each:
            scale = [one * float(two) for one, two in zip(scale, each["scale"], strict=True)]
    return scale


def _channels(omero: Any, n_channels: int) -> tuple[tuple[str | None, tuple[int, int] | None], ...]:
    """Labels and windows from the OMERO metadata; they are an extra that may be missing or odd."""
    listed = omero.get("channels", []) if isinstance(omero, dict) else []
    found: list[tuple[str | None, tuple[int, int] | None]] = []
    for number in range(n_channels):
        channel = listed[number] if number < len(listed) and isinstance(listed[number], dict) else {}
        window = channel.get("window") or {}
        try:
            shown = (int(window["start"]), int(window["end"]))
        except (KeyError, TypeError, ValueError):
            shown = None
        label = channel.get("label")
        found.append((str(label) if label else None, shown if shown and shown[0] < shown[1] else None))
    return tuple(found)
