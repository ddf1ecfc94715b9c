"""The plates of one screen as the viewer's page asks for them: plates, mosaics, wells, planes.

Everything is found by name in what was opened at the start; no name of a request ever becomes part of a path. Does not
belong here: HTTP (`server`), the facts of wells (`facts`).
"""

from __future__ import annotations

import shlex
import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, PhenodoseError, StoreError
from phenodose.io.places import file_bytes, read_bytes
from phenodose.lineage.freshness import changes_since
from phenodose.names import plate_sort_key
from phenodose.plates.external_plate import ExternalPlate
from phenodose.plates.ngff import ROOT, color, read_document
from phenodose.plates.plan import MAXIMUM, STACK, well_path
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import source_images
from phenodose.viewer.facts import replicate_groups, well_facts
from phenodose.viewer.mosaics import mosaic_png
from phenodose.viewer.strips import drugs_of, strip

if TYPE_CHECKING:
    import numpy as np

    from phenodose.store.store import Store

_ENDING = ".ome.zarr"
#: Shown where the image does not say a colour.
_WHITE = "FFFFFF"


class ScreenPlates:
    """The plates of one screen, opened.

    Attributes:
        screen: id of the screen.
        plates: the plates that could be opened, by name.
        faults: why each other plate could not be opened, by name.
    """

    def __init__(self, store: Store, screen: str) -> None:
        """Open every plate of a screen.

        Raises:
            InputError: the screen has no images, or its id is none.
            StoreError: the screen is not in the store, or none of its plates can be opened.
        """
        paths = {path.name.removesuffix(_ENDING): path for path in store.plates(screen)}
        if not paths:
            store.source_of(screen)
            raise InputError(
                f"screen {screen!r} has no images in the store {store.root}: no plate of it was ingested. "
                f"Screens with images: {', '.join(_with_images(store)) or 'none'}."
            )
        self.screen = screen
        self.plates: dict[str, Plate] = {}
        self.faults: dict[str, str] = {}
        chosen = source_images(store.tensor_path(screen))
        for name in sorted(paths, key=plate_sort_key):
            try:
                self.plates[name] = Plate.open(paths[name]).expected(name).at(**chosen.get(name, {}))
            except PhenodoseError as error:
                self.faults[name] = str(error)
        if not self.plates:
            raise StoreError(f"screen {screen!r}: no plate can be opened. " + " ".join(self.faults.values()))
        self._store = store
        self._facts = well_facts(store, screen)
        self._imaged = {name: plate.wells for name, plate in self.plates.items()}
        self._groups, self._group_of = replicate_groups(self._facts, self._imaged)
        self._drugs = drugs_of(self._facts)
        self._making: defaultdict[tuple[str, int], threading.Lock] = defaultdict(threading.Lock)

    def overview(self) -> dict[str, Any]:
        """The screen: its plates, those that cannot be opened and why, its readouts and drugs, and what is stale."""
        facts = (each for wells in self._facts.values() for each in wells.values())
        return {
            "screen": self.screen,
            "plates": list(self.plates),
            "faults": self.faults,
            "stale": self._stale(),
            "readouts": sorted({readout for each in facts for readout in each["viability"]}),
            "replicates": self._groups,
            "drugs": self._drugs,
            "report": file_bytes(self.report_path) is not None,
        }

    def strip(self, drug: str) -> dict[str, Any]:
        """The `series` of a drug on plates that are shown (see `strips.strip`), and on which other `plates` it is.

        Raises:
            InputError: no well of the screen holds that drug.
        """
        found = strip(self._facts, self._imaged, drug)
        elsewhere = dict.fromkeys(series["plate"] for series in found if series["plate"] not in self.plates)
        return {
            "drug": drug,
            "series": [series for series in found if series["plate"] in self.plates],
            "plates": list(elsewhere),
        }

    def report(self, sample_page: str = "") -> bytes | None:
        """The patient report as it is now in the store; None if there is none.

        Args:
            sample_page: the file of the page of one sample, of a screen that holds several; '' for the first page.
        """
        pages = {path.name: path for path in self._store.files_of_samples(self.screen) if path.suffix == ".html"}
        path = pages.get(sample_page) if sample_page else self.report_path
        return None if path is None else read_bytes(path)

    @property
    def report_path(self) -> Path:
        """Where the patient report lies in the store."""
        return self._store.report_path(self.screen)

    def _stale(self) -> list[str]:
        """What of the screen is older than its inputs, in sentences."""
        try:
            return [change.sentence for change in changes_since(self._store, self.screen)]
        except PhenodoseError as error:  # the record of its steps is damaged
            return [str(error)]

    def plate(self, name: str) -> dict[str, Any]:
        """One plate: size, channels, levels, and the facts of every well of the layout or with images."""
        plate = self._plate(name)
        facts = self._facts.get(name, {})
        wells = {well: facts.get(well, {}) | {"imaged": well in plate.wells} for well in {*facts, *plate.wells}}
        for well, known in wells.items():
            known["replicates"] = self._group_of.get((name, well))
        shape = plate.shape
        return {
            "name": name,
            "rows": plate.n_rows,
            "columns": plate.n_columns,
            "levels": [list(size) for size in plate.level_shapes],
            "planes": shape.n_planes,
            "times": shape.n_times,
            "time": plate.chosen_time,
            "site": plate.meant_sites[0],
            "sites": list(shape.sites),
            "kinds": list(dict.fromkeys([STACK, MAXIMUM, *shape.kinds])),
            "pixel_size_um": shape.pixel_size_um,
            "z_step_um": shape.z_step_um,
            "most": 255 if shape.dtype == "uint8" else 65535,
            "channels": _channels(plate),
            "path": str(plate.path),
            "wells": wells,
        }

    def well(self, name: str, well: str) -> dict[str, Any]:
        """One well: which pictures there are, where it lies, and the command that opens it in napari."""
        plate = self._plate(name)
        plate.metadata(well)
        shape = plate.shape
        images = []
        for kind in dict.fromkeys([STACK, MAXIMUM, *shape.kinds]):
            for site in shape.sites:
                for time in range(shape.n_times):
                    for channel in range(len(shape.channels)):
                        heights = _heights(plate, well, kind, channel, site, time)
                        if heights:
                            place = {"kind": kind, "site": site, "time": time, "channel": channel}
                            images.append(place | {"heights_um": heights})
        path = _well_folder(plate, well)
        return {
            "plate": name,
            "well": well,
            "images": images,
            "path": str(path),
            "napari": f"napari --plugin napari-ome-zarr {shlex.quote(str(path / _first_image(plate, well)))}",
        }

    def mosaic(self, name: str, channel: int) -> bytes:
        """The mosaic of a plate as PNG; it is made once, however many ask for it."""
        plate = self._plate(name)
        if not 0 <= channel < len(plate.channels):
            raise InputError(f"plate {name} has no channel {channel}; it has {len(plate.channels)}, from 0.")
        with self._making[name, channel]:
            return mosaic_png(self._store, self.screen, name, plate, channel)

    def pixels(
        self, name: str, well: str, kind: str, level: int, site: int, time: int, channel: int, z: int
    ) -> np.ndarray:
        """One plane of a well at a pyramid level as it is stored, dims y, x, uint8 or uint16.

        Raises:
            InputError: there is no such plate, well, plane, level, site, time point or channel.
            NotMade: the well has no image of that kind.
            StoreError: the pixels are damaged.
        """
        plate = self._plate(name)
        plate.metadata(well)
        if kind == MAXIMUM:
            return plate.mip(well, channel, level, site, time)
        if kind == STACK:
            return plate.plane(well, z, channel, level, site, time)
        return plate.image(well, kind, channel, level, site, time)[0]

    def make_mosaics(self) -> None:
        """Make every mosaic that is not there yet; a plate that cannot be read is left to whoever asks for it."""
        for name, plate in self.plates.items():
            for channel in range(len(plate.channels)):
                try:
                    self.mosaic(name, channel)
                except PhenodoseError:
                    break

    def _plate(self, name: str) -> Plate:
        if name in self.faults:
            raise StoreError(self.faults[name])
        if name not in self.plates:
            raise InputError(
                f"screen {self.screen} has no plate {name!r} with images; it has {', '.join(self.plates)}."
            )
        return self.plates[name]

    def check_plate(self, name: str) -> None:
        """Raise what is wrong with a plate of that name, if anything."""
        self._plate(name)

    def check_drug(self, name: str) -> None:
        """Raise InputError if no well of the screen holds that drug."""
        self.strip(name)


def _with_images(store: Store) -> list[str]:
    return [screen for screen in store.screens() if store.plates(screen)]


def _heights(plate: Plate, well: str, kind: str, channel: int, site: int, time: int) -> dict[int, float | None]:
    """Stage height in um, if known, of every plane of an image by its place in the stack; {} without the image."""
    if kind == STACK:
        return {int(each["z"]): each["z_um"] for each in plate.planes(well, channel, site, time)}
    return {0: None} if plate.has_image(well, kind, channel, site, time) else {}


def _channels(plate: Plate) -> list[dict[str, Any]]:
    """Name, colour and display window of every channel: OMERO's, where the image of the first well says them."""
    folder = _well_folder(plate, plate.wells[0]) / _first_image(plate, plate.wells[0])
    attributes = read_document(folder / ROOT).get("attributes", {})
    omero = attributes.get("ome", {}).get("omero") or read_document(folder / ".zattrs").get("omero") or {}
    said = omero.get("channels") or []
    return [
        {
            "name": channel.name,
            "color": str(said[number].get("color", _WHITE)) if number < len(said) else color(channel.wavelength_nm),
            "window": list(plate.windows[number]),
        }
        for number, channel in enumerate(plate.channels)
    ]


def _well_folder(plate: Plate, well: str) -> Path:
    if isinstance(plate, ExternalPlate):
        return plate.folder / plate.places[well][0]
    return plate.path / well_path(well)


def _first_image(plate: Plate, well: str) -> str:
    if isinstance(plate, ExternalPlate):
        return next(image for image in plate.places[well][1] if image is not None)
    return plate.shape.fields[0].path
