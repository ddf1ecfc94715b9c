"""OME-Zarr plates made elsewhere, used where they lie.

The store holds a reference in the plate's place: one `zarr.json` that names the other plate's folder, the hash of its
metadata, and what is needed to open it. Nothing is copied: the maximum projection and the mean of stack are computed
from the other plate's stack when they are asked for. What such a plate cannot tell: which planes were never imaged
(unwritten chunks read as black), when and at which height a plane was taken, and whether a pixel changed since.

Belongs here: the reference, and a foreign plate as a `Plate`. Does not belong here: the documents of such a plate
(`external_ngff`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import InputError, StoreError
from phenodose.io.files import clear_partials, is_vacant, write_text
from phenodose.names import well_sort_key
from phenodose.plates.external_ngff import ExternalLayout, metadata_hash, open_level, read_layout
from phenodose.plates.ngff import OWN, ROOT, encoded, group_document, is_intact, own_attributes, sealed
from phenodose.plates.plan import PLATE_FORMAT, STACK, Channel, PlateShape
from phenodose.plates.plate import Plate, StackView
from phenodose.plates.pyramid import area_average

if TYPE_CHECKING:
    import zarr

_WINDOW_QUANTILES = (0.001, 0.999)
#: What an ingested plate knows of a plane and a foreign one does not.
_UNKNOWN = (
    "path",
    "page",
    "z_um",
    "exposure_ms",
    "wavelength_nm",
    "stage_x_um",
    "stage_y_um",
    "acquired_at",
    "hash",
)


class ExternalView(StackView):
    """One channel of one image of a foreign plate as an array with dims z, y, x."""

    def __init__(self, array: zarr.Array[Any], axes: str, time: int, channel: int, where: str) -> None:
        self._source = array
        self._axes = axes
        self._fixed = {"t": time, "c": channel}
        self._where = where
        sizes = dict(zip(axes, array.shape, strict=True))
        self.shape = (sizes.get("z", 1), sizes["y"], sizes["x"])
        self.dtype = array.dtype

    def __getitem__(self, place: Any) -> np.ndarray:
        place = place if isinstance(place, tuple) else (place,)
        if any(part is Ellipsis for part in place):
            at = place.index(Ellipsis)
            place = (*place[:at], *[slice(None)] * (4 - len(place)), *place[at + 1 :])
        wanted = dict(zip("zyx", (*place, *[slice(None)] * (3 - len(place))), strict=True))
        # Axes in whatever order, whole numbers as slices of one, so that z can be put first and taken out last.
        slices = {axis: _as_slice(part, size) for (axis, part), size in zip(wanted.items(), self.shape, strict=True)}
        key = tuple(self._fixed[axis] if axis in self._fixed else slices[axis] for axis in self._axes)
        try:
            block = np.asarray(self._source[key])
        except Exception as error:  # codecs raise whatever the damaged bytes lead to
            raise StoreError(
                f"{self._where}: the pixels cannot be read ({error}); copy the plate again from where it was made."
            ) from error
        left = [axis for axis in self._axes if axis not in self._fixed]
        if "z" not in left:
            block, left = block[None], ["z", *left]
        block = block.transpose([left.index(axis) for axis in "zyx"])
        if "z" not in self._axes:
            block = block[slices["z"]]
        return block[tuple(0 if isinstance(wanted[axis], (int, np.integer)) else slice(None) for axis in "zyx")]


@dataclass
class ExternalPlate(Plate):
    """A plate made elsewhere; it answers what `Plate` answers, from its own stack.

    Attributes:
        folder: where it lies.
        axes: axes of its arrays.
        levels: paths of the pyramid's arrays within an image.
        shapes: height and width of every level.
        places: group and image paths of every well.
        metadata_hash: hash of its metadata when the reference was made.
    """

    folder: Path = field(default_factory=Path)
    axes: str = ""
    levels: list[str] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    places: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    metadata_hash: str = ""
    _last: tuple[Any, tuple[float, np.ndarray]] | None = field(default=None, repr=False)

    @property
    def level_shapes(self) -> list[tuple[int, int]]:
        """Height and width of every pyramid level, full size first."""
        return self.shapes

    def metadata(self, well: str) -> dict[str, Any]:
        """What is known of a well, in the form of `Plate.metadata`: heights, tags, hashes and files are not."""
        sites, shape = self._sites(well), self.shape
        places = product(sites, range(shape.n_times), range(len(shape.channels)))
        known: dict[str, Any] = {"mean_of_stack": None, "maximum": "computed", "missing_z": []}
        channels = [{"site": site, "time": time, "channel": channel} | known for site, time, channel in places]
        planes = [plane for site in sites for plane in self._all(site)]
        return {"well": well, "tags": {}, "channels": channels, "planes": planes}

    def mean_of_stack(self, well: str, channel: int = 0, site: int | None = None, time: int = 0) -> float | None:
        """Mean intensity over all planes of the stack; None for a site that the well has not."""
        found = self._pass(well, channel, site, time)
        return None if found is None else found[0]

    def has_mip(self, well: str, channel: int = 0, site: int | None = None, time: int = 0) -> bool:
        """Whether the well has the site."""
        return self._place(channel, site, time)[0] in self._sites(well)

    def mip(self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int = 0) -> np.ndarray:
        """The maximum over the full-size planes, averaged to the size of the level, dims y, x."""
        found = self._pass(well, channel, site, time)
        if found is None:
            return super().mip(well, channel, level, site, time)
        self._check_level(level)
        return area_average(found[1], *self.shapes[level]) if level else found[1]

    def planes(self, well: str, channel: int = 0, site: int | None = None, time: int = 0) -> list[dict[str, Any]]:
        """Records of the planes of a stack, lowest first; heights and hashes are not known."""
        place = self._place(channel, site, time)
        return [
            plane
            for plane in self.metadata(well)["planes"]
            if (plane["site"], plane["time"], plane["channel"]) == place
        ]

    def chunks(self, well: str) -> Iterator[tuple[str, str]]:
        """Every chunk of a well that cannot be read: its array, and why; an empty text for each that can."""
        group, images = self.places[well]
        for image, level in product(images, self.levels):
            folder = self.folder / group / image / level
            try:
                array = open_level(folder)
            except (OSError, ValueError, KeyError) as error:
                yield str(folder), f"the array is missing or damaged ({error})"
                continue
            sides = array.shards or array.chunks
            for corner in product(*(range(0, size, side) for size, side in zip(array.shape, sides, strict=True))):
                try:
                    array[tuple(slice(start, start + side) for start, side in zip(corner, sides, strict=True))]
                except Exception as error:  # as above
                    yield str(folder), f"the chunk at {corner} cannot be read ({type(error).__name__}: {error})"
                else:
                    yield str(folder), ""

    def _overview(self, well: str, channel: int) -> np.ndarray:
        """A quick look: the maximum over the planes of the smallest level."""
        if not self.has_mip(well, channel):
            return super()._overview(well, channel)
        view = self._view(well, STACK, channel, len(self.levels) - 1, None, 0)
        return np.max(view[...], axis=0)  # type: ignore[no-any-return]

    def _pass(self, well: str, channel: int, site: int | None, time: int) -> tuple[float, np.ndarray] | None:
        """Mean and maximum of a full-size stack, one plane in memory at a time; the last one asked for is kept."""
        place = (well, *self._place(channel, site, time))
        if place[1] not in self._sites(well):
            return None
        if self._last is None or self._last[0] != place:
            view = self._view(well, STACK, channel, 0, site, time)
            total, highest = 0, view[0]
            for z in range(len(view)):
                pixels = view[z]
                total += int(pixels.sum(dtype=np.uint64))
                highest = np.maximum(highest, pixels)
            self._last = (place, (total / (highest.size * len(view)), highest))
        return self._last[1]

    def _view(self, well: str, kind: str, channel: int, level: int, site: int | None, time: int) -> StackView:
        self._check_level(level)
        group, images = self._group(well)
        image = images[self._place(channel, site, time)[0] - 1]
        folder = self.folder / group / image / self.levels[level]
        try:
            array = open_level(folder)
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(
                f"{folder}: well {well}: the array is missing or damaged ({error}); copy the plate again from where it "
                "was made."
            ) from error
        return ExternalView(array, self.axes, time, channel, f"{folder}: well {well}")

    def _all(self, site: int) -> Iterator[dict[str, Any]]:
        shape = self.shape
        for time, channel, z in product(range(shape.n_times), range(len(shape.channels)), range(shape.n_planes)):
            known = {"site": site, "time": time, "channel": channel, "projection": "", "z": z, "tags": {}}
            yield dict.fromkeys(_UNKNOWN) | known

    def _sites(self, well: str) -> list[int]:
        return list(range(1, len(self._group(well)[1]) + 1))

    def _group(self, well: str) -> tuple[str, list[str]]:
        if well not in self.places:
            raise InputError(f"{self.path}: there is no well {well!r}; its wells are {', '.join(self.wells[:6])}, ....")
        return self.places[well]

    def _check_level(self, level: int) -> None:
        if not 0 <= level < len(self.levels):
            raise InputError(f"{self.path}: there is no pyramid level {level}; it has {len(self.levels)}, from 0.")


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
    folder = Path(own["in_place"]["folder"])
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


def make_reference(folder: Path, out: Path, name: str) -> Plate:
    """Write the reference `out` to the plate in `folder`, and open it.

    Raises:
        InputError: `folder` is no plate that can be used, or `out` holds something else.
    """
    if not is_vacant(out) and "in_place" not in own_attributes(out):
        raise InputError(f"{out} is already there and is no reference to a plate; choose another name or move it away.")
    if str(out) == str(folder) or folder in out.parents:
        raise InputError(f"{out} lies in the plate itself, which is used in place; choose a name outside of {folder}.")
    if own_attributes(folder):
        Plate.open(folder)  # a plate of this project must be complete
        own: dict[str, Any] = {"format": PLATE_FORMAT, "plate": name, "status": "complete"}
        own["in_place"] = {"folder": str(folder)}
    else:
        own = _record(read_layout(folder), name)
    out.mkdir(parents=True, exist_ok=True)
    clear_partials(out)
    write_text(out / ROOT, encoded(sealed(group_document({OWN: own}))).decode())
    return open_reference(out, own)


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
        sites=tuple(range(1, max(len(well.images) for well in layout.wells) + 1)),
        kinds=(STACK,),
    )
    digest = metadata_hash(layout)
    notes = [f"The plate is used in place ({layout.folder}, NGFF {layout.version}); nothing was copied."]
    if layout.wells_without_images:
        listed = ", ".join(layout.wells_without_images[:8])
        notes.append(f"{len(layout.wells_without_images)} wells are listed and have no image: {listed}.")
    return {
        "format": PLATE_FORMAT,
        "plate": name,
        "status": "complete",
        "shape": asdict(shape),
        "grid": [layout.rows, layout.columns],
        "raw_hash": digest,
        "windows": _windows(layout),
        "instrument": {"acquisition": layout.name or layout.folder.name, "notes": notes},
        "in_place": {
            "folder": str(layout.folder),
            "metadata_hash": digest,
            "axes": image.axes,
            "levels": list(image.levels),
            "level_shapes": [list(shape) for shape in image.level_shapes],
            "wells": {well.name: [well.path, list(well.images)] for well in layout.wells},
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
        folder=Path(there["folder"]),
        axes=there["axes"],
        levels=list(there["levels"]),
        shapes=[(y, x) for y, x in there["level_shapes"]],
        places={well: (group, images) for well, (group, images) in there["wells"].items()},
        metadata_hash=there["metadata_hash"],
    )


def _windows(layout: ExternalLayout) -> list[list[int]]:
    """Display windows as the plate has them, else from the smallest level of the first well."""
    found = []
    first = layout.wells[0]
    array = open_level(layout.folder / first.path / first.images[0] / layout.image.levels[-1])
    for channel, (_, window) in enumerate(layout.image.channels):
        if window is None:
            view = ExternalView(array, layout.image.axes, 0, channel, str(layout.folder))
            values = np.sort(np.max(view[...], axis=0), axis=None)
            start, end = (int(values[round(q * (values.size - 1))]) for q in _WINDOW_QUANTILES)
            window = (start, max(end, start + 1))
        found.append(list(window))
    return found


def _as_slice(part: Any, size: int) -> slice:
    if isinstance(part, slice):
        return part
    number = int(part)
    if not -size <= number < size:
        raise IndexError(f"index {number} is out of bounds for an axis of length {size}")
    return slice(number % size, number % size + 1)


def verify_external(plate: ExternalPlate) -> Iterator[tuple[str, int, list[str]]]:
    """Well by well: its name, chunks read, and faults; the plate's metadata are compared with the reference first."""
    changed: list[str] = []
    if plate.path != plate.folder and not is_intact(plate.path):
        changed.append(f"{plate.path / ROOT}: the reference is damaged; run `phenodose ingest` again.")
    try:
        if metadata_hash(read_layout(plate.folder)) != plate.metadata_hash:
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
