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

from phenodose.errors import InputError, NotMade, StoreError
from phenodose.io.files import clear_partials, is_vacant, write_text
from phenodose.io.places import place
from phenodose.names import well_sort_key
from phenodose.plates.external_image import open_level
from phenodose.plates.external_ngff import ExternalLayout, metadata_hash, own_of_export, read_layout
from phenodose.plates.ngff import OWN, ROOT, encoded, group_document, is_intact, own_attributes, sealed
from phenodose.plates.plan import MAXIMUM, PLATE_FORMAT, STACK, Channel, PlateShape
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
        level_planes: planes of every level of a stack of `shape.n_planes`; a pyramid may halve z, too.
        places: group and image paths of every well, an image a site; None where the well has not the site.
        n_planes: planes of the stack of every site of the wells that have fewer than others.
        exported: whether it is an export of a plate of this project, whose wells tell their planes.
        acquisition: the acquisition that was chosen of several; '' else.
        metadata_hash: hash of its metadata when the reference was made.
    """

    folder: Path = field(default_factory=Path)
    axes: str = ""
    levels: list[str] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    level_planes: list[int] = field(default_factory=list)
    places: dict[str, tuple[str, list[str | None]]] = field(default_factory=dict)
    n_planes: dict[str, list[int]] = field(default_factory=dict)
    exported: bool = False
    acquisition: str = ""
    metadata_hash: str = ""
    _last: tuple[Any, tuple[float, np.ndarray]] | None = field(default=None, repr=False)

    @property
    def level_shapes(self) -> list[tuple[int, int]]:
        """Height and width of every pyramid level, full size first."""
        return self.shapes

    def metadata(self, well: str) -> dict[str, Any]:
        """What is known of a well, in the form of `Plate.metadata`: heights, tags, hashes and files are not.

        An exported plate of this project tells all that was known of its planes.
        """
        if well not in self._known:
            self._known[well] = self._exported(well) if self.exported else self._described(well)
        return self._known[well]

    def _exported(self, well: str) -> dict[str, Any]:
        own = own_of_export(self.folder / self._group(well)[0])
        if not own:
            raise StoreError(f"{self.folder}: well {well}: its attributes are gone; copy the plate again.")
        return own

    def _described(self, well: str) -> dict[str, Any]:
        sites, shape = self._sites(well), self.shape
        places = product(sites, range(shape.n_times), range(len(shape.channels)))
        channels = [
            {"site": site, "time": time, "channel": channel, "mean_of_stack": None, "maximum": "computed"}
            | {"missing_z": list(range(self._n_planes(well, site), shape.n_planes))}
            for site, time, channel in places
        ]
        planes = [plane for site in sites for plane in self._all(site, self._n_planes(well, site))]
        return {"well": well, "tags": {}, "channels": channels, "planes": planes}

    def mean_of_stack(self, well: str, channel: int = 0, site: int | None = None, time: int = 0) -> float | None:
        """Mean intensity over all planes of the stack; None for a site that the well has not."""
        if self.exported:
            return super().mean_of_stack(well, channel, site, time)
        found = self._pass(well, channel, site, time)
        return None if found is None else found[0]

    def has_mip(self, well: str, channel: int = 0, site: int | None = None, time: int = 0) -> bool:
        """Whether the well has the site."""
        if self.exported:
            return super().has_mip(well, channel, site, time)
        return self._place(channel, site, time)[0] in self._sites(well)

    def mip(self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int = 0) -> np.ndarray:
        """The maximum over the full-size planes, averaged to the size of the level, dims y, x."""
        found = self._pass(well, channel, site, time)
        if found is None:
            return super().mip(well, channel, level, site, time)
        self._check_level(level)
        return area_average(found[1], *self.shapes[level]) if level else found[1]

    def middle(self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int = 0) -> np.ndarray:
        """The plane in the middle of the stack, dims y, x; of a level with fewer planes, the full one averaged."""
        if not self._halves_z(level):
            return super().middle(well, channel, level, site, time)
        finest = max(one for one in range(level) if not self._halves_z(one))
        return area_average(super().middle(well, channel, finest, site, time), *self.shapes[level])

    def level_for(self, size_px: int) -> int:
        """As of every plate, of the levels that have all planes."""
        enough = [level for level, shape in enumerate(self.shapes) if min(shape) >= size_px]
        return max((level for level in enough if not self._halves_z(level)), default=0)

    def planes(self, well: str, channel: int = 0, site: int | None = None, time: int = 0) -> list[dict[str, Any]]:
        """Records of the planes of a stack, lowest first; heights and hashes are not known."""
        place = self._place(channel, site, time)
        return [
            plane
            for plane in self.metadata(well)["planes"]
            if not plane["projection"] and (plane["site"], plane["time"], plane["channel"]) == place
        ]

    def chunks(self, well: str) -> Iterator[tuple[str, str]]:
        """Every chunk of a well that cannot be read: its array, and why; an empty text for each that can."""
        group, images = self.places[well]
        for image, level in product([image for image in images if image is not None], self.levels):
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
            there = [plane["z"] for plane in self.planes(well, channel, site, time)]
            if not there and not self._is_projection(well, channel, site, time):
                return None
            view = self._view(well, STACK, channel, 0, site, time)
            total, highest, there = 0, None, there or [0]
            for z in there:
                pixels = view[z]
                total += int(pixels.sum(dtype=np.uint64))
                highest = pixels if highest is None else np.maximum(highest, pixels)
            assert highest is not None
            self._last = (place, (total / (highest.size * len(there)), highest))
        return self._last[1]

    def _is_projection(self, well: str, channel: int, site: int | None, time: int) -> bool:
        """Whether the images of the plate are maxima, and the well has this one."""
        return STACK not in self.shape.kinds and self.has_mip(well, channel, site, time)

    def _level_z(self, well: str, level: int, z: int, site: int) -> int:
        """The plane of a level that holds plane `z` of the full stack."""
        if not self._halves_z(level):
            return z
        full = self._n_planes(well, site)
        there = self._view(well, STACK, 0, level, site, 0).shape[0]
        # Levels halve whole numbers of times; the number of planes is rounded up or down.
        factor = 2 ** round(float(np.log2(full / there)))
        factor = factor if -(-full // factor) - there in (0, 1) else full / there
        return min(int(z / factor), there - 1)

    def _halves_z(self, level: int) -> bool:
        self._check_level(level)
        return self.level_planes[level] != self.level_planes[0]

    def _view(self, well: str, kind: str, channel: int, level: int, site: int | None, time: int) -> StackView:
        self._check_level(level)
        group, images = self._group(well)
        image = images[self.shape.sites.index(self._place(channel, site, time)[0])]
        if image is None:
            raise NotMade(f"{self.path}: well {well} has no site {site or self.shape.sites[0]}.")
        folder = self.folder / group / image / self.levels[level]
        try:
            array = open_level(folder)
        except (OSError, ValueError, KeyError) as error:
            raise StoreError(
                f"{folder}: well {well}: the array is missing or damaged ({error}); copy the plate again from where it "
                "was made."
            ) from error
        return ExternalView(array, self.axes, time, channel, f"{folder}: well {well}")

    def _all(self, site: int, n_planes: int) -> Iterator[dict[str, Any]]:
        shape = self.shape
        for time, channel, z in product(range(shape.n_times), range(len(shape.channels)), range(n_planes)):
            known = {"site": site, "time": time, "channel": channel, "projection": "", "z": z, "tags": {}}
            yield dict.fromkeys(_UNKNOWN) | known

    def _n_planes(self, well: str, site: int) -> int:
        """Planes of the stack of a site."""
        fewer = self.n_planes.get(well)
        return self.shape.n_planes if fewer is None else fewer[self.shape.sites.index(site)]

    def _sites(self, well: str) -> list[int]:
        images = self._group(well)[1]
        return [site for site, image in zip(self.shape.sites, images, strict=False) if image is not None]

    def _group(self, well: str) -> tuple[str, list[str | None]]:
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
        kinds=(STACK,) if layout.kind == STACK else (MAXIMUM,),
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
