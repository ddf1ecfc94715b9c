"""What the documents of one multiscale image say, of any version of NGFF from 0.1 to 0.6.

The documents are read with tolerance: ome-zarr-models, which the tests hold our own documents against, refuses what
other programs write and this project needs nothing of, such as an OMERO channel without a colour, axes that are mere
names, or a scale that is not told.

Until 0.5 an image has `axes`, and the scale of a level is that of its dataset times that of the whole. Since 0.6
(RFC-5) it has `coordinateSystems`: the axes are those of the system that the datasets' transformations lead to.

Belongs here: one image. Does not belong here: the plate (`external_ngff`), pixels (`external_plate`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError
from phenodose.io.places import read_bytes, zarr_store
from phenodose.io.zipped import ZippedPath
from phenodose.plates.ngff import read_document

if TYPE_CHECKING:
    import zarr

_MICROMETRES = {
    **dict.fromkeys(("micrometer", "micrometre", "micron", "um", "µm", "μm", "mkm"), 1.0),
    **dict.fromkeys(("nanometer", "nanometre", "nm"), 1e-3),
    **dict.fromkeys(("picometer", "picometre", "pm"), 1e-6),
    **dict.fromkeys(("angstrom", "å", "ångström", "ångstrom"), 1e-4),
    **dict.fromkeys(("millimeter", "millimetre", "mm"), 1e3),
    **dict.fromkeys(("centimeter", "centimetre", "cm"), 1e4),
    **dict.fromkeys(("decimeter", "decimetre", "dm"), 1e5),
    **dict.fromkeys(("meter", "metre", "m"), 1e6),
    **dict.fromkeys(("inch", "in"), 25400.0),
}
KNOWN_AXES = "tczyx"
_PIXEL_TYPES = ("uint8", "uint16")
_DOCUMENTS = ("zarr.json", ".zattrs")
#: Transformations after which an axis is still itself.
_KEEP_AXES = ("scale", "translation", "identity")
_SAME = 1e-2
_READ_VERSIONS = re.compile(r"0\.[1-6](?:[^0-9].*)?\Z")


@dataclass(frozen=True)
class ExternalImage:
    """One multiscale image.

    Attributes:
        axes: its axes in order, letters of 'tczyx'.
        levels: paths of the pyramid's arrays within the image, full size first.
        sizes: length of every axis of the full array, 1 for axes it has not.
        level_shapes: height and width of every level.
        level_planes: planes of every level: a pyramid may halve z, too.
        level_z_factors: by how much the planes of every level are farther apart than those of the first, as its scale
            says; 1 where it says nothing.
        dtype: numpy name of the pixel type.
        step_um: distance of pixels along z, y and x; None where it is not told.
        channels: label and display window (start, end) of every channel, None where not told.
        notes: sentences on what it says and cannot mean.
    """

    axes: str
    levels: tuple[str, ...]
    sizes: dict[str, int]
    level_shapes: tuple[tuple[int, int], ...]
    level_planes: tuple[int, ...]
    level_z_factors: tuple[float, ...]
    dtype: str
    step_um: dict[str, float | None]
    channels: tuple[tuple[str | None, tuple[int, int] | None], ...]
    notes: tuple[str, ...] = ()


def ome_attributes(folder: Path) -> dict[str, Any]:
    """The NGFF attributes of a group of any version; {} if there are none."""
    attributes = read_document(folder / "zarr.json").get("attributes") or read_document(folder / ".zattrs")
    if not isinstance(attributes, dict):
        return {}
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def is_damaged(folder: Path) -> bool:
    """Whether a group has a metadata document that is no JSON object, for instance because a copy was cut off."""
    return any(
        payload is not None and not _is_object(payload)
        for payload in (read_bytes(folder / name) for name in _DOCUMENTS)
    )


def _is_object(payload: bytes) -> bool:
    try:
        return isinstance(json.loads(payload), dict)
    except ValueError:
        return False


def check_version(version: object, folder: Path) -> None:
    """Refuse a version of NGFF that is not known; none told is taken as one that is.

    Raises:
        InputError: it is not known.
    """
    if version and not _READ_VERSIONS.match(str(version)):
        raise InputError(
            f"{folder}: this is NGFF {version}, which is not known here: versions 0.1 to 0.6 are read; write it in one "
            "of these, such as 0.5."
        )


def read_image(folder: Path) -> ExternalImage:
    """What the documents of one image say.

    Raises:
        InputError: it is no multiscale image, or of a kind that cannot be used.
    """
    attributes = ome_attributes(folder)
    try:
        multiscale = attributes["multiscales"][0]
        check_version(attributes.get("version") or multiscale.get("version"), folder)
        listed = _axes(multiscale)
        axes = [axis if isinstance(axis, str) else str(axis["name"]) for axis in listed]
        units = {str(axis["name"]): axis.get("unit") for axis in listed if isinstance(axis, dict)}
        levels = [str(dataset["path"]) for dataset in multiscale["datasets"]]
        arrays = [open_level(folder / level) for level in levels]
        scales = [_scale(multiscale, dataset, len(axes)) for dataset in multiscale["datasets"]]
    except InputError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError) as error:
        raise InputError(
            f"{folder}: the image's metadata are damaged or missing ({error!r}); copy it again."
        ) from error
    if any(axis not in KNOWN_AXES for axis in axes) or not {"y", "x"} <= set(axes) or arrays[0].ndim != len(axes):
        raise InputError(
            f"{folder}: the axes {', '.join(axes)} (of an array with {arrays[0].ndim}) are not among t, c, z, y, x; "
            "convert the plate."
        )
    dtype = arrays[0].dtype.name
    if dtype not in _PIXEL_TYPES:
        raise InputError(f"{folder}: the pixels are {dtype}; convert the plate to {' or '.join(_PIXEL_TYPES)}.")
    sizes = dict.fromkeys(KNOWN_AXES, 1) | dict(zip(axes, arrays[0].shape, strict=True))
    of_levels = [dict.fromkeys(KNOWN_AXES, 1) | dict(zip(axes, array.shape, strict=True)) for array in arrays]
    if any(each["y"] > sizes["y"] or each["x"] > sizes["x"] for each in of_levels):
        raise InputError(
            f"{folder}: the first level of the pyramid ({levels[0]}) is not the largest; list the levels from the "
            "largest to the smallest where the plate was made."
        )
    first = scales[0]
    steps, notes = _steps(dict(zip(axes, first, strict=True)) if first else {}, units)
    if not first and any(units.get(axis) for axis in "yx"):
        notes += ("its transformations tell no plain scale, so the size of a pixel is not known",)
    notes += _choices(attributes["multiscales"])
    return ExternalImage(
        axes="".join(axes),
        levels=tuple(levels),
        sizes=sizes,
        level_shapes=tuple((each["y"], each["x"]) for each in of_levels),
        level_planes=tuple(each["z"] for each in of_levels),
        level_z_factors=tuple(_factor(scale, first, axes) for scale in scales),
        dtype=dtype,
        step_um=steps,
        channels=_channels(attributes.get("omero"), sizes["c"]),
        notes=notes,
    )


def open_level(folder: Path) -> zarr.Array[Any]:
    """One array of a pyramid, Zarr v2 or v3.

    Raises:
        ValueError: it is damaged.
        OSError: it is missing.
    """
    import zarr

    return zarr.open_array(zarr_store(folder) if isinstance(folder, ZippedPath) else folder, mode="r")


def _axes(multiscale: Mapping[str, Any]) -> list[Any]:
    """The axes: of the coordinate system that the datasets lead to (0.6), else those listed (0.3 to 0.5), else all."""
    systems = multiscale.get("coordinateSystems")
    if not systems:
        return list(multiscale.get("axes", KNOWN_AXES))
    leads_to = _outputs(multiscale)
    named = [system for system in systems if system.get("name") in leads_to[:1]]
    return list((named or systems)[0]["axes"])


def _outputs(multiscale: Mapping[str, Any]) -> list[Any]:
    """Names of the coordinate systems that the datasets' transformations lead to (0.6), in the order given."""
    named = {system.get("name") for system in multiscale.get("coordinateSystems") or []}
    outputs = [
        _named(each.get("output"))
        for dataset in multiscale["datasets"]
        for each in dataset.get("coordinateTransformations", [])
    ]
    return [name for name in dict.fromkeys(outputs) if name in named]


def _choices(multiscales: list[Any]) -> tuple[str, ...]:
    """Sentences on what an image has several of, where one is used."""
    found = []
    if len(multiscales) > 1:
        text = ", ".join(repr(each.get("name")) if each.get("name") else "without a name" for each in multiscales)
        found.append(f"the image has {len(multiscales)} multiscales ({text}), of which the first is used")
    leads_to = _outputs(multiscales[0])
    if len(leads_to) > 1:
        text = ", ".join(map(repr, leads_to))
        found.append(f"its levels have {len(leads_to)} coordinate systems ({text}); {leads_to[0]!r} counts")
    return tuple(found)


def _named(reference: Any) -> Any:
    """The name of a coordinate system in a transformation: a text, or an object with a name."""
    return reference.get("name") if isinstance(reference, dict) else reference


def _factor(scale: list[float] | None, first: list[float] | None, axes: list[str]) -> float:
    """By how much a level's scale along z is larger than that of the first; 1 where they say nothing of use."""
    if "z" not in axes or not scale or not first:
        return 1.0
    one, other = scale[axes.index("z")], first[axes.index("z")]
    return one / other if math.isfinite(one) and math.isfinite(other) and one >= other > 0 else 1.0


def _scale(multiscale: Mapping[str, Any], dataset: Mapping[str, Any], n_axes: int) -> list[float] | None:
    """Scale of a level: that of its dataset, until 0.5 times that of the whole multiscale.

    None where no scale is told, or where another transformation (affine, a change of axes) comes with it.
    """
    scale = [1.0] * n_axes
    transformations = list(dataset.get("coordinateTransformations", []))
    if "coordinateSystems" not in multiscale:
        # Since 0.6 these lead from the image's own coordinates to others.
        transformations += multiscale.get("coordinateTransformations", []) or []
    else:
        counts = _outputs(multiscale)[:1]
        transformations = [each for each in transformations if not counts or _named(each.get("output")) in counts]
    flat = _flat(transformations)
    if not flat or any(each.get("type") not in _KEEP_AXES or _lies_elsewhere(each) for each in flat):
        return None
    for each in flat:
        if each["type"] == "scale":
            scale = [one * float(two) for one, two in zip(scale, each["scale"], strict=True)]
    return scale


def _lies_elsewhere(transformation: Mapping[str, Any]) -> bool:
    """Whether the numbers of a scale are in an array of its own."""
    return transformation.get("type") == "scale" and "scale" not in transformation


def _flat(transformations: list[Any]) -> list[Any]:
    """Transformations with those of sequences in their place."""
    found = []
    for each in transformations:
        found += _flat(each.get("transformations", [])) if each.get("type") == "sequence" else [each]
    return found


def _steps(scale: Mapping[str, float], units: Mapping[str, Any]) -> tuple[dict[str, float | None], tuple[str, ...]]:
    """Distance of pixels in um along z, y and x, and sentences on values that can be none."""
    steps: dict[str, float | None] = {}
    notes = []
    for axis in "zyx":
        steps[axis] = None
        if axis not in scale:
            continue
        unit, value = units.get(axis), scale[axis]
        if unit is None:
            if value != 1.0:
                notes.append(f"the scale of {axis} is {value:g} without a unit; it counts as not known")
            continue
        factor = _MICROMETRES.get(_unit_key(unit))
        if not math.isfinite(value) or value <= 0:
            notes.append(f"the scale of {axis} is {value:g}, which is no distance; it counts as not known")
        elif factor is None:
            notes.append(f"the unit of {axis} is {unit!r}, which is no length; its scale counts as not known")
        else:
            steps[axis] = value if factor == 1.0 else round(value * factor, 12)
    height, width = steps["y"], steps["x"]
    if height is not None and width is not None and not math.isclose(height, width, rel_tol=_SAME):
        notes.append(f"its pixels are {width:g} um wide and {height:g} um high; the width counts as their size")
    return steps, tuple(dict.fromkeys(notes))


def _unit_key(unit: Any) -> str:
    """A unit as the table has it: words in any case and number, signs as they are ('Mm' is not 'mm')."""
    text = str(unit).strip()
    if len(text) <= 3:
        return text.lower() if text.lower() in ("um", "µm", "μm", "nm") else text
    return text.lower().removesuffix("s")


def _channels(omero: Any, n_channels: int) -> tuple[tuple[str | None, tuple[int, int] | None], ...]:
    """Labels and windows from the OMERO metadata; they are an extra that may be missing or odd."""
    listed = omero.get("channels", []) if isinstance(omero, dict) else []
    listed = listed if isinstance(listed, list) else []
    found: list[tuple[str | None, tuple[int, int] | None]] = []
    for number in range(n_channels):
        channel = listed[number] if number < len(listed) and isinstance(listed[number], dict) else {}
        window = channel.get("window") or {}
        try:
            shown = (int(window["start"]), int(window["end"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            shown = None
        label = channel.get("label")
        found.append((str(label) if label else None, shown if shown and shown[0] < shown[1] else None))
    return tuple(found)
