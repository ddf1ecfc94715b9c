"""OME-Zarr plates made elsewhere, used where they lie.

Nothing is copied: the maximum projection and the mean of stack are computed
from the other plate's stack when they are asked for. What such a plate cannot tell: which planes were never imaged
(unwritten chunks read as black), when and at which height a plane was taken, and whether a pixel changed since.

Belongs here: an external plate as a `Plate`. Does not belong here: the reference to it (`external_reference`), the
documents of such a plate (`external_ngff`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from phenodose.errors import InputError, NotMade, StoreError
from phenodose.plates.external_image import open_level
from phenodose.plates.external_ngff import own_of_export
from phenodose.plates.external_view import ExternalView
from phenodose.plates.plan import STACK
from phenodose.plates.plate import Plate
from phenodose.plates.pyramid import area_average
from phenodose.plates.stack_view import StackView

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


@dataclass
class ExternalPlate(Plate):
    """A plate made elsewhere; it answers what `Plate` answers, from its own stack.

    Attributes:
        folder: where it lies.
        axes: axes of its arrays.
        levels: paths of the pyramid's arrays within an image.
        shapes: height and width of every level.
        level_planes: planes of every level of a stack of `shape.n_planes`; a pyramid may halve z, too.
        level_z_factors: by how much the planes of every level are farther apart, as its scale says; 1 if it does not.
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
    level_z_factors: list[float] = field(default_factory=list)
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

    def mean_of_stack(
        self, well: str, channel: int = 0, site: int | None = None, time: int | None = None
    ) -> float | None:
        """Mean intensity over all planes of the stack; None for a site that the well has not."""
        if self.exported:
            return super().mean_of_stack(well, channel, site, time)
        found = self._pass(well, channel, site, time)
        return None if found is None else found[0]

    def has_mip(self, well: str, channel: int = 0, site: int | None = None, time: int | None = None) -> bool:
        """Whether the well has the site."""
        if self.exported:
            return super().has_mip(well, channel, site, time)
        return self._place(channel, site, time)[0] in self._sites(well)

    def mip(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        """The maximum over the full-size planes, averaged to the size of the level, dims y, x.

        An exported plate of this project has maxima of its own.
        """
        if self.exported:
            return super().mip(well, channel, level, site, time)
        found = self._pass(well, channel, site, time)
        if found is None:
            return super().mip(well, channel, level, site, time)
        self._check_level(level)
        return area_average(found[1], *self.shapes[level]) if level else found[1]

    def middle(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        """The plane in the middle of the stack, dims y, x; of a level with fewer planes, the full one averaged."""
        if not self._halves_z(level):
            return super().middle(well, channel, level, site, time)
        finest = max(one for one in range(level) if not self._halves_z(one))
        return area_average(super().middle(well, channel, finest, site, time), *self.shapes[level])

    def level_for(self, size_px: int) -> int:
        """As of every plate, of the levels that have all planes."""
        enough = [level for level, shape in enumerate(self.shapes) if min(shape) >= size_px]
        return max((level for level in enough if not self._halves_z(level)), default=0)

    def planes(
        self, well: str, channel: int = 0, site: int | None = None, time: int | None = None
    ) -> list[dict[str, Any]]:
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
        there = [each["path"] for each in self.metadata(well)["fields"]] if self.exported else images
        for image, level in product([image for image in there if image is not None], self.levels):
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
        if self.exported or not self.has_mip(well, channel):
            return super()._overview(well, channel)
        view = self._view(well, STACK, channel, len(self.levels) - 1, None, 0)
        return np.asarray(np.max(view[...], axis=0))

    def _pass(self, well: str, channel: int, site: int | None, time: int | None) -> tuple[float, np.ndarray] | None:
        """Mean and maximum of a full-size stack, one plane in memory at a time; the last one asked for is kept."""
        place = (well, *self._place(channel, site, time))
        if place[1] not in self._sites(well):
            return None
        if self._last is None or self._last[0] != place:
            view = self._view(well, STACK, channel, 0, site, time)
            there = [plane["z"] for plane in self.planes(well, channel, site, time)]
            total, highest = 0, None
            for z in there:
                pixels = view[z]
                total += int(pixels.sum(dtype=np.uint64))
                highest = pixels if highest is None else np.maximum(highest, pixels)
            assert highest is not None
            self._last = (place, (total / (highest.size * len(there)), highest))
        return self._last[1]

    def _level_z(self, well: str, level: int, z: int, site: int) -> int:
        """The plane of a level that holds plane `z` of the full stack."""
        if not self._halves_z(level):
            return z
        full = self._n_planes(well, site)
        there = self._view(well, STACK, 0, level, site, 0).shape[0]
        # A whole factor, and a number of planes that is rounded up or down.
        factors = (self.level_z_factors[level], float(round(full / there)))
        fitting = [factor for factor in factors if factor > 1 and full // factor <= there <= -(-full // factor)]
        return min(int(z / (fitting[0] if fitting else full / there)), there - 1)

    def _halves_z(self, level: int) -> bool:
        self._check_level(level)
        return self.level_planes[level] != self.level_planes[0]

    def _view(self, well: str, kind: str, channel: int, level: int, site: int | None, time: int | None) -> StackView:
        self._check_level(level)
        group, images = self._group(well)
        wanted, time, channel = self._place(channel, site, time)
        if self.exported:
            fields = {(each["site"], each["kind"]): str(each["path"]) for each in self.metadata(well)["fields"]}
            image = fields.get((wanted, kind))
        else:
            image = images[self.shape.sites.index(wanted)]
        if image is None:
            raise NotMade(f"{self.path}: well {well} has no site {wanted}.")
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
