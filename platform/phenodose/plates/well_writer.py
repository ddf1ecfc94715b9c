"""Writing one well in a single pass: each plane is read once, hashed, summed, projected, halved and encoded.

A well is one folder: a group with its images. Its own attributes (key `phenodose`) hold the record of every plane
(source file, hash of its pixels, z, exposure, wavelength, stage position, instrument tags), the planes that are
missing, the mean of every stack, where every maximum projection comes from, and the size and hash of every file of
the well. The memory needed is a few planes, whatever the length of the stack.

Belongs here: one well. Does not belong here: which wells to write and moving them into place (`ingest`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from phenodose.errors import InputError
from phenodose.io.files import hash_bytes
from phenodose.plates.ngff import (
    OWN,
    ROOT,
    encoded,
    group_document,
    image_attributes,
    level_documents,
    shard_key,
    well_attributes,
    with_windows,
)
from phenodose.plates.plan import MAXIMUM, STACK, PlateShape, WellPlan
from phenodose.plates.pyramid import halve_and_sum
from phenodose.plates.shard import ShardWriter

ReadPlane = Callable[[Any], np.ndarray]

#: Columns of the index that are kept for every plane; well, row and column are the well's own, sizes the plate's.
KEPT_COLUMNS = (
    "site",
    "time",
    "channel",
    "projection",
    "z",
    "path",
    "page",
    "z_um",
    "exposure_ms",
    "wavelength_nm",
    "stage_x_um",
    "stage_y_um",
    "acquired_at",
)
#: Fractions of the pixels below and above the display window.
_WINDOW_QUANTILES = (0.001, 0.999)


def plane_hash(pixels: np.ndarray) -> str:
    """xxh3-128 of a plane's pixels (little endian, row by row): the same whatever the file's compression."""
    import xxhash

    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return str(xxhash.xxh3_128_hexdigest(little.data))


@dataclass
class WellWriter:
    """Writes wells of one plate; the metadata that they share is made once.

    Attributes:
        shape: the plate's common shape.
        read: gives the pixels of a row of the index.
        lasting: the wells will be synced where they are written.
    """

    shape: PlateShape
    read: ReadPlane
    lasting: bool = False
    _images: dict[str, dict[str, Any]] = field(init=False)
    _levels: dict[str, list[dict[str, Any]]] = field(init=False)
    _well: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._images = {kind: image_attributes(self.shape, kind) for kind in self.shape.kinds}
        self._levels = {kind: level_documents(self.shape, kind) for kind in self.shape.kinds}
        self._well = well_attributes(self.shape)

    def write(self, well: WellPlan, folder: Path) -> str:
        """Write one well into a new folder; the caller syncs it.

        Returns:
            The hash of the well's own attributes, as `ngff.document_hash` tells it of the well in place.

        Raises:
            InputError: a plane cannot be read or is not what its header says; the folder is then worthless.
        """
        written = _WellPass(self.shape, self.read, folder, self._levels, self.lasting)
        rows = well.planes
        for place, planes in groupby(rows, key=lambda plane: (plane.site, plane.time, plane.channel)):
            written.add_channel(*place, tuple(planes))
        self._write_documents(written)
        common, planes_record = split_tags(rows, written.hashes, written.zeros)
        own = {
            "well": well.name,
            "fingerprint": well.fingerprint,
            "fields": [asdict(image) for image in self.shape.fields],
            "channels": written.channels,
            "windows": [list(window) for window in written.display_windows()],
            "tags": common,
            "planes": planes_record,
            "files": dict(sorted(written.files.items())),
        }
        payload = encoded(group_document(self._well | {OWN: own}))
        _write(folder / ROOT, payload)
        return hash_bytes(payload)

    def _write_documents(self, written: _WellPass) -> None:
        windows = written.display_windows()
        for image in self.shape.fields:
            documents = {ROOT: group_document(with_windows(self._images[image.kind], windows))}
            for level, document in enumerate(self._levels[image.kind]):
                documents[f"{level}/{ROOT}"] = document
            for name, document in documents.items():
                payload = encoded(document)
                _write(written.folder / image.path / name, payload)
                written.files[f"{image.path}/{name}"] = [len(payload), hash_bytes(payload)]


@dataclass
class _WellPass:
    """The pixels of one well on their way to disk, and what is learnt of them."""

    shape: PlateShape
    read: ReadPlane
    folder: Path
    levels: dict[str, list[dict[str, Any]]]
    lasting: bool
    files: dict[str, list[Any]] = field(default_factory=dict)
    hashes: dict[tuple[Any, ...], str] = field(default_factory=dict)
    zeros: dict[tuple[Any, ...], int] = field(default_factory=dict)
    channels: list[dict[str, Any]] = field(default_factory=list)
    windows: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def add_channel(self, site: int, time: int, channel: int, planes: Sequence[Any]) -> None:
        """Write every plane and projection of one site, time point and channel."""
        stack = [plane for plane in planes if plane.projection == ""]
        projections = {plane.projection: plane for plane in planes if plane.projection}
        total, highest = self._write_stack(site, time, channel, stack)
        if MAXIMUM in projections:
            highest = self._pixels(projections.pop(MAXIMUM))
            maximum: str | None = "instrument"
        else:
            maximum = "computed" if stack else None
        if highest is not None:
            smallest, _ = self._write_image(site, time, channel, MAXIMUM, [(0, highest)])
            self.windows.setdefault(channel, []).append(display_window(smallest))
        for kind, plane in sorted(projections.items()):
            self._write_image(site, time, channel, kind, [(0, self._pixels(plane))])
        size = self.shape.size_y_px * self.shape.size_x_px
        mean = total / (size * len(stack)) if stack else None
        self.channels.append(channel_record(self.shape, (site, time, channel), stack, maximum, mean))

    def display_windows(self) -> list[tuple[int, int]]:
        """Start and end of every channel's display window, over all its sites and time points."""
        largest = int(np.iinfo(self.shape.dtype).max)
        found = [self.windows.get(channel) or [(0, largest)] for channel in range(len(self.shape.channels))]
        return [(min(start for start, _ in each), max(end for _, end in each)) for each in found]

    def _write_stack(self, site: int, time: int, channel: int, stack: Sequence[Any]) -> tuple[int, np.ndarray | None]:
        """Write the planes; returns the sum of all pixels and the maximum over z."""
        if not stack:
            return 0, None
        highest = None

        def planes() -> Iterable[tuple[int, np.ndarray]]:
            nonlocal highest
            for plane in stack:
                pixels = self._pixels(plane)
                highest = pixels.copy() if highest is None else np.maximum(highest, pixels, out=highest)
                yield plane.z, pixels
                # Not kept while the next one is read.
                del pixels

        _, total = self._write_image(site, time, channel, STACK, planes())
        return total, highest

    def _write_image(
        self, site: int, time: int, channel: int, kind: str, planes: Iterable[tuple[int, np.ndarray]]
    ) -> tuple[np.ndarray, int]:
        """Write the pyramid of some planes of one image; returns the last one's smallest level and the pixels' sum."""
        image = next(image for image in self.shape.fields if (image.site, image.kind) == (site, kind))
        writers: list[tuple[str, ShardWriter, tuple[int, int]]] = []
        for level, document in enumerate(self.levels[kind]):
            chunk = document["codecs"][0]["configuration"]["chunk_shape"]
            shard = document["chunk_grid"]["configuration"]["chunk_shape"]
            key = f"{image.path}/{shard_key(self.shape, level, time, channel)}"
            grid = [whole // part for whole, part in zip(shard, chunk, strict=True)]
            writer = ShardWriter(self.folder / key, grid[-3:], chunk[-3:], self.shape.dtype, self.lasting)
            writers.append((key, writer, (chunk[-2], chunk[-1])))
        smallest, total = np.empty((0, 0), self.shape.dtype), 0
        try:
            for z, pixels in planes:
                smallest, sums = pixels, []
                for level, (_, writer, sides) in enumerate(writers):
                    if level:
                        smallest, pixel_sum = halve_and_sum(smallest)
                        sums.append(pixel_sum)
                    _add_chunks(writer, z, smallest, sides)
                total += sums[0] if sums else int(pixels.sum(dtype=np.uint64))
                del pixels
            for key, writer, _ in writers:
                self.files[key] = list(writer.close())
        except BaseException:
            for _, writer, _ in writers:
                writer.abandon()
            raise
        return smallest, total

    def _pixels(self, plane: Any) -> np.ndarray:
        pixels = self.read(plane)
        wanted = (self.shape.size_y_px, self.shape.size_x_px)
        if pixels.shape != wanted or pixels.dtype.name != self.shape.dtype:
            raise InputError(
                f"{plane.path}: well {plane.well}: the image is {pixels.shape} {pixels.dtype.name}, its header said "
                f"{wanted} {self.shape.dtype}; copy the file again from the microscope."
            )
        self.hashes[plane_key(plane)] = plane_hash(pixels)
        zeros = rows_of_zeros(pixels)
        if zeros:
            self.zeros[plane_key(plane)] = zeros
        return pixels


def channel_record(
    shape: PlateShape, place: tuple[int, int, int], stack: Sequence[Any], maximum: str | None, mean: float | None
) -> dict[str, Any]:
    """What a well's attributes say of one site, time point and channel (`place`).

    Args:
        shape: the plate's.
        place: site, time point and channel.
        stack: the planes of its stack.
        maximum: where the maximum projection comes from: 'instrument', 'computed', or None where there is none.
        mean: of all pixels of the stack.
    """
    there = {plane.z for plane in stack}
    missing = [z for z in range(shape.n_planes) if z not in there] if STACK in shape.kinds else []
    named = dict(zip(("site", "time", "channel"), place, strict=True))
    return named | {"mean_of_stack": mean, "maximum": maximum, "missing_z": missing}


def rows_of_zeros(pixels: np.ndarray) -> int:
    """How many rows at the end of an image are all 0, if at least a sixteenth are and the others are not; else 0.

    A file that a copy program reserved and did not fill ends so; a camera's own noise does not.
    """
    if pixels[-1].any():
        return 0
    filled = np.flatnonzero(pixels.any(axis=1))
    zeros = len(pixels) - 1 - int(filled[-1]) if len(filled) else 0
    return zeros if zeros >= max(2, len(pixels) // 16) else 0


def plane_key(plane: Any) -> tuple[Any, ...]:
    """Place of a plane within its well, of a row of the index or of its record: site, time, channel, projection, z."""
    return (plane.site, plane.time, plane.channel, plane.projection, plane.z)


def _add_chunks(writer: ShardWriter, z: int, plane: np.ndarray, sides: tuple[int, int]) -> None:
    side_y, side_x = sides
    for row, y in enumerate(range(0, plane.shape[0], side_y)):
        for column, x in enumerate(range(0, plane.shape[1], side_x)):
            writer.add((z, row, column), plane[None, y : y + side_y, x : x + side_x])


def display_window(plane: np.ndarray) -> tuple[int, int]:
    """Start and end of the display window of an image: all but a thousandth of its pixels at either end."""
    values = np.sort(plane, axis=None)
    start, end = (int(values[round(q * (values.size - 1))]) for q in _WINDOW_QUANTILES)
    return start, max(end, start + 1)


def split_tags(
    planes: Sequence[Any], hashes: Mapping[tuple[Any, ...], str], zeros: Mapping[tuple[Any, ...], int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Instrument tags that all planes share, and the record of every plane with the tags that are its own."""
    import json

    tags = [json.loads(plane.metadata) if plane.metadata else {} for plane in planes]
    common = {
        key: value for key, value in tags[0].items() if all(key in other and other[key] == value for other in tags)
    }
    records = []
    for plane, own in zip(planes, tags, strict=True):
        record = {column: getattr(plane, column) for column in KEPT_COLUMNS}
        record["hash"] = hashes.get(plane_key(plane))
        if plane_key(plane) in zeros:
            record["rows_of_zeros"] = zeros[plane_key(plane)]
        record["tags"] = {key: value for key, value in own.items() if key not in common}
        records.append(record)
    return common, records


def _write(path: Path, payload: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(payload)
