"""A virtual plate as a Zarr store: keys and documents of an NGFF 0.5 plate, chunks made of the raw files.

Whatever takes a store of zarr-python reads it: `zarr.open_group(VirtualStore(open_plate("P1.ome.zarr")))`. A chunk is
one plane as it is (codec `bytes`), at every level of the pyramid.

Belongs here: keys. Does not belong here: pixels (`virtual_plate`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

from phenodose.plates.ngff import (
    ROOT,
    encoded,
    group_document,
    image_attributes,
    level_documents,
    plate_attributes,
    well_attributes,
    with_windows,
)
from phenodose.plates.plan import STACK, PlatePlan, WellPlan, well_path

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer, BufferPrototype

    from phenodose.plates.plan import Field
    from phenodose.plates.virtual_plate import VirtualPlate

_LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


class VirtualStore(Store):
    """A plate that nothing can be written to."""

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, plate: VirtualPlate) -> None:
        """Take an open plate."""
        super().__init__(read_only=True)
        self._plate = plate

    def __eq__(self, value: object) -> bool:
        return isinstance(value, VirtualStore) and value._plate is self._plate

    __hash__ = None  # type: ignore[assignment]

    def array_path(self, well: str, kind: str, site: int, level: int) -> str:
        """Place of a pyramid level of an image."""
        image = next(image for image in self._plate.shape.fields if (image.site, image.kind) == (site, kind))
        return f"{well_path(well)}/{image.path}/{level}"

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The bytes of a document or a chunk; None where there is none."""
        from zarr.core.buffer import default_buffer_prototype

        payload = await asyncio.to_thread(self._payload, key)
        if payload is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_bytes(payload[_asked(byte_range, len(payload))])

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Parts of several values."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether there is a document or a chunk of that key."""
        return key in self._documents(key) or any(key == each for each in self._keys(key))

    async def set(self, key: str, value: Buffer) -> None:
        """Refused: the plate is read from its raw files."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refused: the plate is read from its raw files."""
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        """All keys."""
        for key in self._keys(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """All keys that begin so."""
        for key in self._keys(prefix):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """What lies in a folder."""
        folder = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        there = (key[len(folder) :].split("/")[0] for key in self._keys(folder) if key.startswith(folder))
        for name in dict.fromkeys(there):
            yield name

    def _payload(self, key: str) -> bytes | None:
        documents = self._documents(key)
        if key in documents:
            return encoded(documents[key])
        parts = key.split("/")
        well = self._wells.get("/".join(parts[:2]))
        fields = {image.path: image for image in self._plate.shape.fields}
        if well is None or len(parts) < 9 or parts[2] not in fields or parts[4] != "c":
            return None
        image, level = fields[parts[2]], int(parts[3])
        lead = [] if self._plate.shape.n_times > 1 else [0]
        time, channel, z = [*lead, *map(int, parts[5:])][:3]
        pixels = self._plate.plane_pixels(well, image.kind, (image.site, time, channel), z, level)
        return None if pixels is None else pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()

    @cached_property
    def _wells(self) -> dict[str, str]:
        return {well_path(well): well for well in self._plate.wells}

    @cached_property
    def _images(self) -> dict[str, dict[str, Any]]:
        """The documents of an image and its levels by kind; the same in every well."""
        shape = self._plate.shape
        found = {}
        for kind in shape.kinds:
            attributes = with_windows(image_attributes(shape, kind), self._plate.windows)
            found[kind] = {ROOT: group_document(attributes)}
            for level, document in enumerate(level_documents(shape, kind)):
                size = document["shape"]
                chunk = [*[1] * (len(size) - 2), *size[-2:]]
                grid = {"name": "regular", "configuration": {"chunk_shape": chunk}}
                found[kind][f"{level}/{ROOT}"] = document | {"chunk_grid": grid, "codecs": [_LITTLE]}
        return found

    def _documents(self, key: str) -> dict[str, Any]:
        """The documents in the well of a key; those above the wells, if it is of none."""
        place = "/".join(key.split("/")[:2])
        shape = self._plate.shape
        if place not in self._wells:
            rows = {path.split("/")[0] for path in self._wells}
            root = group_document(plate_attributes(_plan(self._plate)))
            return {ROOT: root} | {f"{row}/{ROOT}": group_document({}) for row in sorted(rows)}
        found = {f"{place}/{ROOT}": group_document(well_attributes(shape))}
        for image in shape.fields:
            found |= {f"{place}/{image.path}/{name}": each for name, each in self._images[image.kind].items()}
        return found

    def _keys(self, prefix: str) -> Iterator[str]:
        """All keys that may begin with a prefix; chunks only below a well."""
        place = "/".join(prefix.split("/")[:2])
        if place in self._wells:
            yield from self._documents(place)
            for image in self._plate.shape.fields:
                yield from self._chunks(place, image)
            return
        yield from self._documents("")
        for path in self._wells:
            if path.startswith(prefix.rstrip("/").split("/")[0]):
                yield from self._documents(path)
                if not prefix:
                    yield from (key for image in self._plate.shape.fields for key in self._chunks(path, image))

    def _chunks(self, place: str, image: Field) -> Iterator[str]:
        shape, plate = self._plate.shape, self._plate
        times = range(shape.n_times)
        for level, time, channel in product(range(len(plate.level_shapes)), times, range(len(shape.channels))):
            lead = f"{time}/{channel}" if shape.n_times > 1 else str(channel)
            well = self._wells[place]
            if plate.has_image(well, image.kind, channel, image.site, time):
                stack = [plane["z"] for plane in plate.planes(well, channel, image.site, time)]
                for z in stack if image.kind == STACK else [0]:
                    yield f"{place}/{image.path}/{level}/c/{lead}/{z}/0/0"


def _plan(plate: VirtualPlate) -> PlatePlan:
    wells = tuple(WellPlan(well, 0, b"", "") for well in plate.wells)
    return PlatePlan(plate.name, plate.shape, plate.n_rows, plate.n_columns, wells)


def _asked(part: ByteRequest | None, size: int) -> slice:
    if isinstance(part, RangeByteRequest):
        return slice(part.start, part.end)
    if isinstance(part, OffsetByteRequest):
        return slice(part.offset, size)
    if isinstance(part, SuffixByteRequest):
        return slice(max(size - part.suffix, 0), size)
    return slice(0, size)
