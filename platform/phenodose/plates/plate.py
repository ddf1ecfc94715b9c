"""Reading an OME-Zarr plate that phenodose has ingested.

Belongs here: wells, pixels and what was learnt while they were ingested. Does not belong here: writing (`ingest`),
checking hashes (`verify`), turning plates into network input (`tensors`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from phenodose.errors import InputError, MissingInputError, NotMade, PhenodoseError, StoreError
from phenodose.io.files import hash_bytes
from phenodose.io.places import place, read_bytes, storage_errors, zarr_store
from phenodose.names import parse_well, row_index, well_sort_key
from phenodose.plates.external_ngff import is_external
from phenodose.plates.ngff import ROOT, is_as_sealed, own_part, parsed_document, shard_key
from phenodose.plates.plan import MAXIMUM, PLATE_FORMAT, STACK, Channel, PlateShape, well_path
from phenodose.plates.pyramid import area_average, level_shapes
from phenodose.plates.stack_view import INGEST_AGAIN, StackView, check_file


@dataclass
class Plate:
    """One microplate; `Plate.open` gives it.

    Attributes:
        path: the OME-Zarr folder.
        name: name of the plate.
        wells: wells with images, in order of row and column.
        shape: what all wells have in common.
        n_rows: rows of the microplate.
        n_columns: columns of the microplate.
        windows: display window (start, end) of every channel, over the plate.
        raw_hash: hash of all raw pixels.
        instrument: what the reader said of the plate.
        well_hashes: hash of the attributes of every well, which hold the hashes of its planes and files.
        chosen_time: time point that is meant where none is named, from 0.
        chosen_site: site that is meant where none is named; None for the first, and for all where sites are averaged.
        sites_together: whether tensors show all sites side by side.
    """

    path: Path
    name: str
    wells: list[str]
    shape: PlateShape
    n_rows: int
    n_columns: int
    windows: list[tuple[int, int]]
    raw_hash: str
    instrument: dict[str, Any]
    _known: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    well_hashes: dict[str, str] = field(default_factory=dict, repr=False)
    chosen_time: int = 0
    chosen_site: int | None = None
    sites_together: bool = False

    @classmethod
    def open(cls, path: Path | str, checked: bool = True) -> Plate:
        """Open a complete plate at a path or an address such as `s3://bucket/P1.ome.zarr`.

        One that is being ingested, or has only an index of its raw images, is read from these (`virtual_plate`). A
        reference to a plate that is used in place opens that plate, and so does its own folder (`external_plate`).

        Args:
            path: the plate.
            checked: refuse one whose root's attributes have changed; `verify` opens it all the same.

        Raises:
            MissingInputError: there is nothing at `path`.
            StoreError: it is not a plate of this project, is of another version, is not complete, or has changed.
        """
        path = place(path)
        with storage_errors(path, "the plate cannot be read; mend the connection or the permissions"):
            return cls._opened(path, checked)

    @classmethod
    def _opened(cls, path: Path, checked: bool) -> Plate:
        if not path.exists():
            raise MissingInputError(f"{path}: there is no such plate; make it with `phenodose ingest`.")
        payload = read_bytes(path / ROOT)
        document = parsed_document(payload)
        own = own_part(document)
        if not own and is_external(path):
            from phenodose.plates.external_reference import open_external

            return open_external(path)
        if not own:
            raise StoreError(
                f"{path} is no plate that phenodose made, or its attributes are damaged; make or mend it from the raw "
                "images with `phenodose ingest`."
            )
        if own.get("format") != PLATE_FORMAT:
            raise StoreError(
                f"{path} has plate format {own.get('format')}, this phenodose reads {PLATE_FORMAT}; ingest it again."
            )
        if own.get("status") != "complete":
            from phenodose.plates.virtual_index import has_index
            from phenodose.plates.virtual_plate import open_virtual

            if has_index(path):
                return open_virtual(path, str(own["status"]))
            raise StoreError(f"{path} is not complete (its ingest was interrupted); {INGEST_AGAIN}.")
        try:
            if "in_place" in own:
                from phenodose.plates.external_reference import open_reference

                return open_reference(path, own)
            if checked and not is_as_sealed(document, payload):
                raise StoreError(f"{path}: the plate's attributes have changed since it was made; {INGEST_AGAIN}.")
            grid = document["attributes"]["ome"]["plate"]
            return cls(
                path=path,
                name=own["plate"],
                wells=sorted(own["wells"], key=well_sort_key),
                shape=shape_from_json(own["shape"]),
                n_rows=len(grid["rows"]),
                n_columns=len(grid["columns"]),
                windows=[(start, end) for start, end in own["windows"]],
                raw_hash=own["raw_hash"],
                instrument=own["instrument"],
                well_hashes=dict(own["wells"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
            raise StoreError(f"{path}: the plate's attributes are damaged ({error!r}); {INGEST_AGAIN}.") from error

    def expected(self, name: str, raw_hash: str = "") -> Plate:
        """The plate itself, if it is the one that is meant.

        Args:
            name: name of the plate that is meant.
            raw_hash: hash of its raw pixels, as the table `plates` has it; '' for any.

        Raises:
            StoreError: it is another plate, or holds other images.
        """
        if self.name != name:
            raise StoreError(
                f"{self.path} holds plate {self.name}, and not {name} (exchanged, or put into another's place?); "
                "run `phenodose run` with the screen's folder again: it makes the plate anew."
            )
        if raw_hash not in ("", self.raw_hash):
            raise StoreError(
                f"{self.path} holds other images than those that the store's tables tell of (an older or newer copy of "
                f"plate {name}?); materialize `plate_images` of the screen again, and what comes after it."
            )
        return self

    def at(self, time: int | Literal["first", "last"] = "first", site: int | Literal["all"] | None = None) -> Plate:
        """The same plate, of which one time point and one site are meant where none is named.

        Args:
            time: number of the time point from 0, or the first or the last one.
            site: number of the site; None means the first, and all where sites are averaged; 'all' means that tensors
                show all sites, too.

        Raises:
            InputError: the plate has no such time point or site.
        """
        number = {"first": 0, "last": self.shape.n_times - 1}.get(str(time), time)
        chosen = None if site == "all" else site
        self._place(0, chosen, int(number))
        return replace(self, chosen_time=int(number), chosen_site=chosen, sites_together=site == "all")

    @property
    def meant_sites(self) -> tuple[int, ...]:
        """The sites that are averaged: the chosen one, or all."""
        return self.shape.sites if self.chosen_site is None else (self.chosen_site,)

    @property
    def pixel_size_um(self) -> float | None:
        """Width of a pixel of the full image in um; None if the instrument did not say."""
        return self.shape.pixel_size_um

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels in order: name and emission wavelength."""
        return self.shape.channels

    @property
    def level_shapes(self) -> list[tuple[int, int]]:
        """Height and width of every pyramid level, full size first."""
        return level_shapes(self.shape.size_y_px, self.shape.size_x_px)

    def metadata(self, well: str) -> dict[str, Any]:
        """Everything known of a well: its planes, instrument tags, means, missing planes, files.

        Raises:
            InputError: the plate has no such well.
            StoreError: the well is missing from the disk, or is not that of this plate.
        """
        if well not in self._known:
            if well not in self.wells:
                raise InputError(f"{self.path}: there is no well {well!r}; its wells are {_listed(self.wells)}.")
            payload = read_bytes(self.path / well_path(well) / ROOT)
            own = own_part(parsed_document(payload))
            if not own or payload is None:
                raise StoreError(f"{self.path}: well {well} is missing or damaged; {INGEST_AGAIN}.")
            if hash_bytes(payload) != self.well_hashes.get(well):
                raise StoreError(
                    f"{self.path}: well {well} is not the one that the plate was made with (exchanged, of a backup, or "
                    "damaged); run `phenodose ingest` again: it makes the well anew."
                )
            self._known[well] = own
        return self._known[well]

    def mean_of_stack(
        self, well: str, channel: int = 0, site: int | None = None, time: int | None = None
    ) -> float | None:
        """Mean intensity over all planes of the stack; None for a well that has only projections.

        Where the raw folder holds less than the stack, the reader says the means that were measured elsewhere, or
        that there are none (`mean_of_stack` of its plate metadata).
        """
        storage_errors = self.instrument.get("mean_of_stack")
        if storage_errors is not None:
            self._place(channel, site, time)
            known: float | None = storage_errors.get(well)
            return known
        mean: float | None = self._summary(well, channel, site, time)["mean_of_stack"]
        return mean

    def has_mip(self, well: str, channel: int = 0, site: int | None = None, time: int | None = None) -> bool:
        """Whether `mip` gives an image for the well: it has a stack or a maximum projection."""
        return self._summary(well, channel, site, time)["maximum"] is not None

    def mip(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        """The maximum projection, dims y, x: the instrument's own if it made one, else computed from the stack.

        Raises:
            NotMade: the well has neither in that channel.
        """
        if not self.has_mip(well, channel, site, time):
            raise NotMade(f"{self.path}: well {well} has no stack and no maximum projection in channel {channel}.")
        return self._view(well, MAXIMUM, channel, level, site, time)[0]

    def stack(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> StackView:
        """The stack, dims z, y, x, lowest plane first; missing planes read as 0.

        Raises:
            NotMade: the well has no plane of a stack in that channel.
        """
        if not self.planes(well, channel, site, time):
            raise NotMade(f"{self.path}: well {well} has no stack in channel {channel}.")
        return self._view(well, STACK, channel, level, site, time)

    def planes(
        self, well: str, channel: int = 0, site: int | None = None, time: int | None = None
    ) -> list[dict[str, Any]]:
        """Records of the planes of a stack that are there, lowest first: z, z_um, path, hash, exposure_ms, ..."""
        place = self._place(channel, site, time)
        return [
            plane
            for plane in self.metadata(well)["planes"]
            if not plane["projection"] and (plane["site"], plane["time"], plane["channel"]) == place
        ]

    def middle_z(self, well: str, channel: int = 0, site: int | None = None, time: int | None = None) -> int | None:
        """Place in the stack of the plane nearest to the middle between the lowest and the highest plane.

        By stage height if all planes have one, else by number; of two equally near the lower. None without a stack.
        """
        planes = self.planes(well, channel, site, time)
        if not planes:
            return None
        by_height = all(plane["z_um"] is not None for plane in planes)
        places = [plane["z_um"] if by_height else plane["z"] for plane in planes]
        middle = (min(places) + max(places)) / 2
        # Rounded: of two planes as near as the stage's reading tells, the lower wins on every machine.
        distance = [round(abs(place - middle), 6) for place in places]
        return int(planes[distance.index(min(distance))]["z"])

    def middle(
        self, well: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        """The plane in the middle of the stack (see `middle_z`), dims y, x; the MIP if the well has no stack."""
        z = self.middle_z(well, channel, site, time)
        if z is None:
            return self.mip(well, channel, level, site, time)
        return self._view(well, STACK, channel, level, site, time)[z]

    def plane(
        self, well: str, z: int, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> np.ndarray:
        """One focus plane, dims y, x; `z` is its place in the stack from 0, lowest first.

        Raises:
            InputError: the stack has no such plane, or it was not imaged.
            NotMade: the well has no stack in that channel.
        """
        stack = self.stack(well, channel, level, site, time)
        there = [plane["z"] for plane in self.planes(well, channel, site, time)]
        if z not in there:
            raise InputError(
                f"{self.path}: well {well} has no plane {z} in channel {channel}; it has "
                f"{', '.join(map(str, there)) or 'none'} of 0 to {self.shape.n_planes - 1}."
            )
        return stack[self._level_z(well, level, z, self._place(channel, site, time)[0])]

    def _level_z(self, well: str, level: int, z: int, site: int) -> int:
        """Place of a plane of the full stack in the stack of a pyramid level: the same, but of some external plates."""
        return z

    def nearest_z(
        self, well: str, z_um: float, channel: int = 0, site: int | None = None, time: int | None = None
    ) -> int | None:
        """Place in the stack of the plane nearest to a stage height in um; None if no height is known."""
        known = [plane for plane in self.planes(well, channel, site, time) if plane["z_um"] is not None]
        nearest = min(known, key=lambda plane: round(abs(plane["z_um"] - z_um), 6), default=None)
        return None if nearest is None else int(nearest["z"])

    def has_image(
        self, well: str, kind: str, channel: int = 0, site: int | None = None, time: int | None = None
    ) -> bool:
        """Whether a well has an image of a kind: the stack, the maximum or another projection."""
        if kind == STACK:
            return bool(self.planes(well, channel, site, time))
        if kind == MAXIMUM:
            return self.has_mip(well, channel, site, time)
        place = (*self._place(channel, site, time), kind)
        planes = self.metadata(well)["planes"]
        return any((each["site"], each["time"], each["channel"], each["projection"]) == place for each in planes)

    def image(
        self, well: str, kind: str, channel: int = 0, level: int = 0, site: int | None = None, time: int | None = None
    ) -> StackView:
        """An image of a kind (see `PlateShape.kinds`), dims z, y, x; a projection has one plane.

        Raises:
            NotMade: the well has no such image.
        """
        if kind not in self.shape.kinds or not self.has_image(well, kind, channel, site, time):
            raise NotMade(f"{self.path}: well {well} has no image {kind!r} in channel {channel}.")
        return self._view(well, kind, channel, level, site, time)

    def level_for(self, size_px: int) -> int:
        """The smallest pyramid level whose both sides have at least `size_px` pixels; 0 if none has."""
        enough = [level for level, shape in enumerate(self.level_shapes) if min(shape) >= size_px]
        return max(enough, default=0)

    def mosaic(self, tile_px: int = 32, channel: int = 0) -> np.ndarray:
        """The whole plate as a uint8 picture, dims y, x: the MIP of every well in its place, wells without 0.

        Args:
            tile_px: side of a well's tile.
            channel: channel shown, in the plate's display window.
        """
        start, end = self.windows[channel]
        picture = np.zeros((self.n_rows * tile_px, self.n_columns * tile_px), np.uint8)
        for well in self.wells:
            try:
                tile = area_average(self._overview(well, channel), tile_px, tile_px)
            except NotMade:
                continue
            row, column = parse_well(well)
            y, x = row_index(row) * tile_px, (column - 1) * tile_px
            shown = (tile.astype(np.int64) - start) * 255 // (end - start)
            picture[y : y + tile_px, x : x + tile_px] = np.clip(shown, 0, 255)
        return picture

    def _overview(self, well: str, channel: int) -> np.ndarray:
        """The MIP of a well at the smallest level, dims y, x."""
        return self.mip(well, channel, len(self.level_shapes) - 1)

    def _summary(self, well: str, channel: int, site: int | None, time: int | None) -> dict[str, Any]:
        """What is known of one site, time point and channel of a well."""
        place = self._place(channel, site, time)
        nothing = {"mean_of_stack": None, "maximum": None, "missing_z": list(range(self.shape.n_planes))}
        summaries = self.metadata(well)["channels"]
        return next((each for each in summaries if (each["site"], each["time"], each["channel"]) == place), nothing)

    def _place(self, channel: int, site: int | None, time: int | None) -> tuple[int, int, int]:
        """Site, time point and channel, if the plate has them; None means the chosen ones."""
        if site is None:
            site = self.shape.sites[0] if self.chosen_site is None else self.chosen_site
        time = self.chosen_time if time is None else time
        if not 0 <= channel < len(self.channels):
            raise InputError(f"{self.path}: there is no channel {channel}; it has {len(self.channels)}, from 0.")
        if site not in self.shape.sites:
            sites = ", ".join(map(str, self.shape.sites))
            raise InputError(f"{self.path}: there is no site {site}; its sites are {sites}.")
        if not 0 <= time < self.shape.n_times:
            raise InputError(f"{self.path}: there is no time point {time}; it has {self.shape.n_times}, from 0.")
        return site, time, channel

    def _view(self, well: str, kind: str, channel: int, level: int, site: int | None, time: int | None) -> StackView:
        import zarr

        site, time, channel = self._place(channel, site, time)
        wanted = (site, kind)
        image = next(image for image in self.shape.fields if (image.site, image.kind) == wanted)
        if not 0 <= level < len(self.level_shapes):
            raise InputError(
                f"{self.path}: there is no pyramid level {level}; it has {len(self.level_shapes)}, from 0."
            )
        folder = self.path / well_path(well)
        remedy = "the pixels cannot be read; mend the connection or the permissions"
        key = f"{image.path}/{shard_key(self.shape, level, time, channel)}"
        with storage_errors(folder, remedy):
            check_file(folder / key, self.metadata(well)["files"].get(key), f"well {well}")
        try:
            with storage_errors(folder, remedy):
                array = zarr.open_array(zarr_store(folder / image.path / str(level)), mode="r", zarr_format=3)
        except PhenodoseError:
            raise
        except Exception as error:  # a damaged document is told by whatever it makes of zarr's arguments
            raise StoreError(
                f"{folder / image.path / str(level)}: well {well}: the array is damaged ({error}); delete the folder "
                f"{folder} and {INGEST_AGAIN}."
            ) from error
        lead = (time, channel) if array.ndim == 5 else (channel,)
        return StackView(array, lead, f"{folder}: well {well}")


def shape_from_json(stored: dict[str, Any]) -> PlateShape:
    """A plate's shape from its JSON form."""
    return PlateShape(
        **stored
        | {
            "channels": tuple(Channel(**channel) for channel in stored["channels"]),
            "sites": tuple(stored["sites"]),
            "kinds": tuple(stored["kinds"]),
        }
    )


def _listed(wells: list[str]) -> str:
    return ", ".join(wells) if len(wells) <= 6 else f"{wells[0]} to {wells[-1]} ({len(wells)} wells)"
