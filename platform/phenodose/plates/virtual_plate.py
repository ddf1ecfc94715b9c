"""A plate whose pixels still lie in the raw files: an index of them, read as an OME-Zarr until it is ingested.

`phenodose ingest RAW OUT.ome.zarr --virtual` makes the index (`virtual_index`); every image, pyramid level and maximum
is made of the raw files when it is asked for, with the same pixels as those of the plate that the ingest will make.
A raw file whose size or modification time is not that of the index is refused. What is not known before all pixels were
read: hashes, and display windows of more than one well.

Belongs here: a virtual plate as a `Plate`, and the pixels of its images. Does not belong here: the keys and documents
of Zarr (`virtual_store`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from phenodose.errors import InputError, StoreError
from phenodose.names import well_sort_key
from phenodose.plates.plan import MAXIMUM, STACK
from phenodose.plates.plate import Plate, shape_from_json
from phenodose.plates.pyramid import halve
from phenodose.plates.stack_view import StackView
from phenodose.plates.tiff import read_page
from phenodose.plates.virtual_index import INDEX, INDEX_AGAIN, PlaneIndex
from phenodose.plates.well_writer import channel_record, plane_key, split_tags

# Maxima that are kept: a viewer asks for one well at several sizes.
_MAXIMA_KEPT = 4


@dataclass
class VirtualPlate(Plate):
    """A plate that is read from its raw files; it answers what `Plate` answers.

    Attributes:
        raw: the raw folder.
        index: which file each plane is.
        status: 'virtual', or 'ingesting' while its wells are written.
    """

    raw: Path = field(default_factory=Path)
    index: PlaneIndex | None = field(default=None, repr=False)
    status: str = "virtual"
    _rows: dict[str, dict[tuple[Any, ...], Any]] = field(default_factory=dict, repr=False)
    _maxima: OrderedDict[tuple[Any, ...], np.ndarray] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def metadata(self, well: str) -> dict[str, Any]:
        """What is known of a well, in the form of `Plate.metadata`; hashes, means and files are not.

        Raises:
            InputError: the plate has no such well.
            StoreError: the index is damaged.
        """
        if well not in self._known:
            rows = list(self.rows(well).values())
            tags, planes = split_tags(rows, {}, {})
            channels = []
            for place, found in groupby(rows, key=lambda plane: (plane.site, plane.time, plane.channel)):
                of_place = list(found)
                stack = [plane for plane in of_place if not plane.projection]
                by_instrument = any(plane.projection == MAXIMUM for plane in of_place)
                maximum = "instrument" if by_instrument else "computed" if stack else None
                channels.append(channel_record(self.shape, place, stack, maximum, None))
            self._known[well] = {"well": well, "tags": tags, "channels": channels, "planes": planes, "files": {}}
        return self._known[well]

    def rows(self, well: str) -> dict[tuple[Any, ...], Any]:
        """The planes of a well by site, time point, channel, projection and place in the stack."""
        if well not in self._rows:
            if well not in self.wells or self.index is None:
                raise InputError(f"{self.path}: there is no well {well!r}; its wells are {', '.join(self.wells[:6])}.")
            self._rows[well] = {plane_key(plane): plane for plane in self.index.planes(well)}
        return self._rows[well]

    def mean_of_stack(
        self, well: str, channel: int = 0, site: int | None = None, time: int | None = None
    ) -> float | None:
        """Mean intensity over all planes of the stack, which are read for it; None without a stack."""
        if self.instrument.get("mean_of_stack") is not None:
            return super().mean_of_stack(well, channel, site, time)
        place = self._place(channel, site, time)
        stack = [plane for key, plane in self.rows(well).items() if key[:4] == (*place, "")]
        total = sum(int(self._read(plane).sum(dtype=np.uint64)) for plane in stack)
        return total / (self.shape.size_y_px * self.shape.size_x_px * len(stack)) if stack else None

    def plane_pixels(
        self, well: str, kind: str, place: tuple[int, int, int], z: int, level: int = 0
    ) -> np.ndarray | None:
        """One plane of an image at a pyramid level, dims y, x; None where it was not imaged.

        Args:
            well: the well.
            kind: 'stack', 'maximum' or another projection.
            place: site, time point and channel.
            z: place in the stack; 0 for a projection.
            level: of the pyramid.
        """
        plane = self.rows(well).get((*place, "" if kind == STACK else kind, z))
        pixels = self._read(plane) if plane else self._maximum(well, place) if kind == MAXIMUM else None
        if pixels is None:
            return None
        for _ in range(level):
            pixels = halve(pixels)
        return pixels

    def _overview(self, well: str, channel: int) -> np.ndarray:
        """A quick look at the smallest level: the plane in the middle, where the maximum would read all."""
        return self.middle(well, channel, len(self.level_shapes) - 1)

    def _maximum(self, well: str, place: tuple[int, int, int]) -> np.ndarray | None:
        """The maximum over a stack, computed; None without a stack."""
        key = (well, *place)
        with self._lock:
            if key in self._maxima:
                self._maxima.move_to_end(key)
                return self._maxima[key]
        highest: np.ndarray | None = None
        for plane in (plane for known, plane in self.rows(well).items() if known[:4] == (*place, "")):
            pixels = self._read(plane)
            highest = pixels.copy() if highest is None else np.maximum(highest, pixels, out=highest)
        if highest is not None:
            with self._lock:
                self._maxima[key] = highest
                while len(self._maxima) > _MAXIMA_KEPT:
                    self._maxima.popitem(last=False)
        return highest

    def _read(self, plane: Any) -> np.ndarray:
        """The pixels of a raw image, if its file is the one that was indexed."""
        path = self.raw / plane.path
        pixels = None
        if _is_as_indexed(path, plane):
            pixels = read_page(path, plane.page, plane.well)
        if pixels is None or not _is_as_indexed(path, plane):
            raise StoreError(
                f"{path}: well {plane.well}: the raw image has changed or is gone since {self.path} was made of it; "
                f"{INDEX_AGAIN}."
            )
        if pixels.shape != (self.shape.size_y_px, self.shape.size_x_px) or pixels.dtype.name != self.shape.dtype:
            raise StoreError(f"{path}: well {plane.well}: the image is not what its header said; {INDEX_AGAIN}.")
        return pixels

    def changed_files(self, well: str) -> list[str]:
        """Raw files of a well that are not what they were when they were indexed."""
        planes = {plane.path: plane for plane in self.rows(well).values()}
        return sorted(path for path, plane in planes.items() if not _is_as_indexed(self.raw / path, plane))

    def _view(self, well: str, kind: str, channel: int, level: int, site: int | None, time: int | None) -> StackView:
        import zarr

        from phenodose.plates.virtual_store import VirtualStore

        site, time, channel = self._place(channel, site, time)
        if not 0 <= level < len(self.level_shapes):
            raise InputError(
                f"{self.path}: there is no pyramid level {level}; it has {len(self.level_shapes)}, from 0."
            )
        store = VirtualStore(self)
        array = zarr.open_array(store, path=store.array_path(well, kind, site, level), mode="r", zarr_format=3)
        lead = (time, channel) if array.ndim == 5 else (channel,)
        return StackView(array, lead, f"{self.path}: well {well}")


def open_virtual(path: Path, status: str) -> VirtualPlate:
    """The plate whose index lies at `path`.

    Raises:
        StoreError: the index is damaged, or of another version.
    """
    index = PlaneIndex(path / INDEX)
    about = index.about
    return VirtualPlate(
        path=path,
        name=about["plate"],
        wells=sorted(about["wells"], key=well_sort_key),
        shape=shape_from_json(about["shape"]),
        n_rows=about["grid"][0],
        n_columns=about["grid"][1],
        windows=[(start, end) for start, end in about["windows"]],
        raw_hash=about["raw_hash"],
        instrument=about["instrument"],
        well_hashes=dict(about["wells"]),
        raw=Path(about["raw"]),
        index=index,
        status=status,
    )


def _is_as_indexed(path: Path, plane: Any) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    return (stat.st_size, stat.st_mtime_ns) == (plane.file_bytes, plane.file_mtime_ns)
