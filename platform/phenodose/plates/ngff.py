"""NGFF 0.5 metadata of a plate, as JSON documents (specification 0.5: plate, well, multiscales, omero).

All wells of a plate share them, so a well costs no more than a few small files. They are written as plain JSON and
not through a library, because those take a second and 60 MB to import; tests hold them against ome-zarr-models.

Belongs here: groups, axes, scales, OMERO channels. Does not belong here: the project's own metadata (`well_writer`,
`ingest`) and pixels (`shard`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phenodose import names
from phenodose.io.files import hash_bytes
from phenodose.io.places import read_bytes
from phenodose.plates.plan import PlatePlan, PlateShape
from phenodose.plates.pyramid import level_shapes
from phenodose.plates.shard import array_metadata, chunk_side

#: Key of the project's own attributes.
OWN = "phenodose"
ROOT = "zarr.json"
#: Version of NGFF.
VERSION = "0.5"
_SEAL = "attributes_hash"
# Display colour by emission wavelength in nm: the first whose limit is not exceeded.
_COLORS = ((490.0, "0000FF"), (570.0, "00FF00"), (620.0, "FF8000"), (math.inf, "FF0000"))


def axes(shape: PlateShape) -> list[str]:
    """Names of the axes: time only if there are several time points."""
    return ["t", "c", "z", "y", "x"] if shape.n_times > 1 else ["c", "z", "y", "x"]


def group_document(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The `zarr.json` of a group."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}


def encoded(document: Any) -> bytes:
    """A document as the bytes of its file."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def read_document(path: Path) -> dict[str, Any]:
    """The JSON document of a file; {} if it is not there or is no JSON object."""
    return parsed_document(read_bytes(path))


def parsed_document(payload: bytes | None) -> dict[str, Any]:
    """The JSON document that a file holds; {} if it is not there or is no JSON object."""
    try:
        value = json.loads(payload or b"null")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def own_attributes(path: Path) -> dict[str, Any]:
    """The project's own attributes of the group in folder `path`; {} if there are none."""
    return own_part(read_document(path / ROOT))


def own_part(document: Mapping[str, Any]) -> dict[str, Any]:
    """The project's own attributes in the document of a group; {} if there are none."""
    attributes = document.get("attributes", {})
    own = attributes.get(OWN, {}) if isinstance(attributes, dict) else {}
    return own if isinstance(own, dict) else {}


def plate_attributes(plan: PlatePlan) -> dict[str, Any]:
    """The `ome` attributes of the plate's root group."""
    wells = [(well.path, *names.well_sort_key(well.name)) for well in plan.wells]
    plate = {
        "columns": [{"name": f"{column:02d}"} for column in range(1, plan.columns + 1)],
        "rows": [{"name": names.row_label(row)} for row in range(plan.rows)],
        "wells": [{"path": path, "rowIndex": row, "columnIndex": column - 1} for path, row, column in wells],
        "field_count": len(plan.shape.fields),
        "name": plan.name,
        # Asked for by ome-zarr-models, although the specification has it beside the plate only.
        "version": VERSION,
    }
    return {"ome": {"version": VERSION, "plate": plate}}


def well_attributes(shape: PlateShape) -> dict[str, Any]:
    """The `ome` attributes of every well's group: the list of its images."""
    images = [{"path": field.path} for field in shape.fields]
    return {"ome": {"version": VERSION, "well": {"images": images}}}


def image_attributes(shape: PlateShape, kind: str) -> dict[str, Any]:
    """The `ome` attributes of every image of a kind; `with_windows` sets the display windows of one well."""
    known = {"z": shape.z_step_um, "y": shape.pixel_size_um, "x": shape.pixel_size_um}
    types = {"t": "time", "c": "channel"}
    multiscale = {
        "name": kind,
        "axes": [
            {"name": name, "type": types.get(name, "space")} | ({"unit": "micrometer"} if known.get(name) else {})
            for name in axes(shape)
        ],
        "datasets": [
            {"path": str(level), "coordinateTransformations": _transformations(shape, level)}
            for level in range(len(level_shapes(shape.size_y_px, shape.size_x_px)))
        ],
    }
    omero = {"channels": _omero_channels(shape)}
    return {"ome": {"version": VERSION, "multiscales": [multiscale], "omero": omero}}


def with_windows(image: Mapping[str, Any], windows: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """The attributes of an image with the display window (start, end) of every channel."""
    document: dict[str, Any] = json.loads(json.dumps(image))
    for channel, (start, end) in zip(document["ome"]["omero"]["channels"], windows, strict=True):
        channel["window"] |= {"start": start, "end": end}
    return document


def level_documents(shape: PlateShape, kind: str) -> list[dict[str, Any]]:
    """The `zarr.json` of every level of an image: one shard a channel (and time point), chunks up to 1024 px."""
    lead = [1] * (len(axes(shape)) - 3)
    outer = [shape.n_times, len(shape.channels)][-len(lead) :]
    planes = shape.planes_of(kind)
    documents = []
    for y, x in level_shapes(shape.size_y_px, shape.size_x_px):
        side_y, side_x = chunk_side(y), chunk_side(x)
        shard = [*lead, planes, math.ceil(y / side_y) * side_y, math.ceil(x / side_x) * side_x]
        chunk = [*lead, 1, side_y, side_x]
        documents.append(array_metadata([*outer, planes, y, x], shard, chunk, shape.dtype, axes(shape)))
    return documents


def shard_key(shape: PlateShape, level: int, time: int, channel: int) -> str:
    """Path of a shard within its image."""
    lead = f"{time}/{channel}" if shape.n_times > 1 else str(channel)
    return f"{level}/c/{lead}/0/0/0"


def document_hash(path: Path) -> str:
    """xxh3-128 of the `zarr.json` in a folder; '' if there is none."""
    payload = read_bytes(path / ROOT)
    return "" if payload is None else hash_bytes(payload)


def root_document(plan: PlatePlan, own: Mapping[str, Any]) -> dict[str, Any]:
    """The `zarr.json` of a plate's root, which holds the hash of the rest of itself.

    Args:
        plan: the plate.
        own: the project's own attributes.
    """
    return sealed(group_document(plate_attributes(plan) | {OWN: dict(own)}))


def is_intact(plate: Path, attributes: dict[str, Any] | None = None) -> bool:
    """Whether the `zarr.json` of a plate's root is as it was written (and its own attributes are `attributes`)."""
    payload = read_bytes(plate / ROOT)
    document = parsed_document(payload)
    own = own_part(document)
    if not own or not is_as_sealed(document, payload):
        return False
    return attributes is None or own == attributes | {_SEAL: own.get(_SEAL)}


def is_as_sealed(document: dict[str, Any], payload: bytes | None) -> bool:
    """Whether the document of a plate's root is the one that was sealed, byte for byte in its file."""
    return bool(own_part(document)) and encoded(sealed(document)) == payload


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """A root document with its seal: the hash of the document without it, as the last of the project's attributes."""
    attributes = document["attributes"]
    own = {key: value for key, value in attributes[OWN].items() if key != _SEAL}
    seal = hash_bytes(encoded(document | {"attributes": attributes | {OWN: own}}))
    return document | {"attributes": attributes | {OWN: own | {_SEAL: seal}}}


def _transformations(shape: PlateShape, level: int) -> list[dict[str, Any]]:
    """Scale of a level, and the shift of its first pixel's middle from that of the full image."""
    pixel, step, factor = shape.pixel_size_um or 1.0, shape.z_step_um or 1.0, 2**level
    lead = len(axes(shape)) - 3
    found = [{"type": "scale", "scale": [1.0] * lead + [step, pixel * factor, pixel * factor]}]
    if level:
        shift = pixel * (factor - 1) / 2
        found.append({"type": "translation", "translation": [0.0] * lead + [0.0, shift, shift]})
    return found


def _omero_channels(shape: PlateShape) -> list[dict[str, Any]]:
    largest = 255 if shape.dtype == "uint8" else 65535
    return [
        {
            "label": channel.name,
            "color": color(channel.wavelength_nm),
            "active": True,
            "window": {"min": 0, "max": largest, "start": 0, "end": largest},
        }
        for channel in shape.channels
    ]


def color(wavelength_nm: float | None) -> str:
    """Display colour of an emission wavelength, as six hexadecimal digits; white where it is not known."""
    if wavelength_nm is None:
        return "FFFFFF"
    return next(color for limit, color in _COLORS if wavelength_nm <= limit)
