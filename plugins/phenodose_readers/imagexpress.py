"""The reader of Molecular Devices ImageXpress plates (MetaXpress), as stored in its database or exported.

Database layout: `[<name>/<date>/]<acquisition id>/[TimePoint_t/][ZStep_z/]<plate>_<WELL>[_s1][_w1][_thumb]<GUID>.tif`,
projections in the folder above the ZStep folders. Export: `<name>_Plate_<id>/[TimePoint_t/][ZStep_z/]
<plate>_<WELL>[_s1][_w1].TIF` with an .HTD file, projections in ZStep_0. `_s` and `_w` are left out for a single site
or wave. Whether an image is a projection is told by its own MetaSeries tags; folders only count without them.

Belongs here: names of files and folders, and what makes a plane of them. Does not belong here: the instrument's texts
(`metaseries`), what any TIFF file must satisfy (`phenodose.storage.tiff`), what spans the plate
(`phenodose.storage.plan`).
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.plugins import PLANES, Reader
from phenodose_readers.metaseries import milliseconds, number, parse_htd, parse_tags, pixel_size_um, selected_wells

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.storage.tiff import TiffHeader

_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z")
_GUID_LENGTH = 36
# The shortest plate name that works: `_s1` and `_w1` look like wells themselves.
_STEM = re.compile(r".*?_([A-Za-z]{1,2}[0-9]{1,2})(?:_s([0-9]+))?(?:_w([0-9]+))?(_thumb)?\Z", re.DOTALL)
_TIME_FOLDER = re.compile(r"TimePoint_([0-9]+)\Z", re.IGNORECASE)
_Z_FOLDER = re.compile(r"ZStep_([0-9]+)\Z", re.IGNORECASE)
_STAGE_LABEL = re.compile(r"([A-Za-z]{1,2}[0-9]{1,2})\s*:\s*Site\s*([0-9]+)")
_SOFTWARE = "MetaSeries"
# Tags that become columns of the index, or that describe how the instrument's own viewer shows the image.
_NOT_KEPT = re.compile(
    r"(plane-type|pixel-size-[xy]|autoscale-.*|scale-m..|threshold-.*|zoom-percent|gamma|look-up-table-.*|"
    r"photonegative-mode|gray-calibration-.*|spatial-calibration-.*|stage-position-[xy]|stage-label|z-position|"
    r"wavelength|acquisition-time-local|Exposure Time|number-of-planes|MetaDataVersion)\Z"
)
# Opening many small files is waiting for the disk or the network share; more than this gains nothing.
_OPENERS = 4


@dataclass(frozen=True)
class ImageName:
    """What a file name says: the well as written, site and wave if they are there, whether it is a thumbnail."""

    well: str
    site: int | None
    wave: int | None
    thumb: bool


def parse_name(name: str) -> ImageName | None:
    """Parse the name of an image file; None if ImageXpress did not give it.

    The GUID follows the wave without a separator and may start with digits, so it is taken off the right end first.
    """
    stem, dot, ending = name.rpartition(".")
    if not dot or ending.lower() not in ("tif", "tiff") or name.startswith("."):
        return None
    if _GUID.match(stem[-_GUID_LENGTH:]):
        stem = stem[:-_GUID_LENGTH]
    match = _STEM.match(stem)
    if match is None:
        return None
    well, site, wave, thumb = match.groups()
    return ImageName(well, int(site) if site else None, int(wave) if wave else None, thumb is not None)


@dataclass
class _Image:
    """One image file on its way to a row of the index."""

    path: str
    name: ImageName
    acquisition: str
    time: int
    z_step: int | None
    well: str = ""
    tags: dict[str, Any] = field(default_factory=dict)
    header: TiffHeader | None = None
    projection: str = ""
    z: int = 0

    @property
    def site(self) -> int:
        return self.name.site or 1

    @property
    def wave(self) -> int:
        return self.name.wave or 1

    @property
    def place(self) -> tuple[str, int, int, int]:
        """Well, site, time point, wave."""
        return self.well, self.site, self.time, self.wave

    @property
    def z_um(self) -> float | None:
        if self.projection:
            return None
        return number(self.tags.get("ImageXpress Micro Z", self.tags.get("z-position")))

    @property
    def exposure(self) -> tuple[Any, Any] | None:
        """What identifies one exposure of the camera: copies of an image share it. None if it is not known."""
        when = self.tags.get("acquisition-time-local")
        z = self.tags.get("ImageXpress Micro Z", self.tags.get("z-position"))
        return None if when is None or z is None else (when, z)


class ImageXpressReader(Reader):
    """ImageXpress Micro and Micro Confocal plates: database folders and exports with an HTD file."""

    name = "imagexpress"
    version = "1"
    description = "ImageXpress plates as MetaXpress stores or exports them (one TIFF file a plane)."

    def sniff(self, folder: Path) -> float:
        """1 with an image that MetaXpress wrote, 0.5 with images of its naming only, else 0."""
        from phenodose.storage.tiff import check_tiff

        try:
            image = next((image for image in _images(folder) if not image.name.thumb), None)
            if image is None:
                return 0.0
            header = check_tiff(folder / image.path, image.name.well)
        except (OSError, InputError):
            return 0.0
        return 1.0 if header.software == _SOFTWARE or parse_tags(header.description) else 0.5

    def index(self, folder: Path) -> pd.DataFrame:
        """All planes and projections of the one acquisition in or below the folder; thumbnails are left out."""
        images = _one_acquisition(folder)
        faults = Faults(str(folder))
        _name_wells(images, faults)
        faults.raise_if_any()
        _open_all(folder, images, faults)
        faults.raise_if_any()
        for image in images:
            _check_label(image, faults)
        _find_projections(images)
        images = _without_copies(images, faults)
        faults.raise_if_any()
        return _frame(images)

    def plate_metadata(self, folder: Path) -> dict[str, Any]:
        """Acquisition, plate format and contents of the HTD file, wells it promises, and files passed over."""
        images = _one_acquisition(folder)
        acquisition = images[0].acquisition
        found: dict[str, Any] = {"acquisition": Path(acquisition).name or folder.name}
        found["thumbnails_passed_over"] = sum(image.name.thumb for image in _images(folder))
        htd_path = _htd_file(folder, acquisition)
        if htd_path is None:
            return found
        htd = parse_htd(htd_path)
        found["htd"] = htd
        try:
            found["plate_format"] = [int(htd["YWells"]), int(htd["XWells"])]
        except (KeyError, ValueError):
            return found
        there = {image.name.well.upper() for image in images}
        found["wells_without_images"] = [well for well in selected_wells(htd) if well not in there]
        return found


def _images(folder: Path) -> Iterator[_Image]:
    """Every file below the folder that is named as ImageXpress names images, thumbnails included, in order."""
    for place, folders, files in os.walk(folder):
        folders.sort()
        relative = Path(place).relative_to(folder)
        parts = list(relative.parts)
        z_step, time = None, 0
        if parts and (match := _Z_FOLDER.match(parts[-1])):
            z_step = int(match.group(1))
            parts.pop()
        if parts and (match := _TIME_FOLDER.match(parts[-1])):
            time = int(match.group(1))
            parts.pop()
        acquisition = "/".join(parts)
        for file in sorted(files):
            name = parse_name(file)
            if name is not None:
                yield _Image((relative / file).as_posix(), name, acquisition, time, z_step)


def _one_acquisition(folder: Path) -> list[_Image]:
    """The images of the folder, thumbnails left out, if they are of one acquisition."""
    images = [image for image in _images(folder) if not image.name.thumb]
    if not images:
        raise InputError(
            f"{folder}: there is no ImageXpress image in or below the folder; give the folder that holds the plate's "
            "images (names such as Plate_B07_s1_w1....tif)."
        )
    acquisitions = sorted({image.acquisition for image in images})
    if len(acquisitions) > 1:
        listed = ", ".join(repr(name or ".") for name in acquisitions[:4])
        raise InputError(
            f"{folder}: there are {len(acquisitions)} acquisitions ({listed}) where one plate is expected; move all "
            "but the one that counts out of the folder."
        )
    return images


def _name_wells(images: Sequence[_Image], faults: Faults) -> None:
    for image in images:
        try:
            image.well = names.well_name(*names.parse_well(image.name.well))
        except InputError as error:
            faults.add(f"{image.path}: {error} Rename the file or move it out of the folder.")


def _open_all(folder: Path, images: Sequence[_Image], faults: Faults) -> None:
    """Check every file at the door and take its tags."""
    from phenodose.storage.tiff import check_tiff

    def opened(image: _Image) -> str:
        try:
            image.header = check_tiff(folder / image.path, image.well)
        except InputError as error:
            return str(error).replace(f"{folder}{os.sep}", "")
        image.tags = parse_tags(image.header.description)
        return ""

    with ThreadPoolExecutor(_OPENERS) as pool:
        faults.extend(fault for fault in pool.map(opened, images, chunksize=32) if fault)


def _check_label(image: _Image, faults: Faults) -> None:
    """The instrument's own label of the stage position must agree with the file name."""
    match = _STAGE_LABEL.match(str(image.tags.get("stage-label", "")))
    if match is None:
        return
    label = match.group(0)
    try:
        well = names.well_name(*names.parse_well(match.group(1)))
    except InputError:
        return
    if well != image.well or (image.name.site is not None and int(match.group(2)) != image.name.site):
        faults.add(
            f"{image.path}: the name says well {image.well} site {image.site}, the instrument's label inside says "
            f"{label!r}; the file was renamed or moved: restore its name or copy the plate again."
        )


def _find_projections(images: Sequence[_Image]) -> None:
    """Set the kind of projection from the image's tags; without tags, from its folder."""
    stacked = {image.place for image in images if image.z_step}
    for image in images:
        method = image.tags.get("Z Projection Method")
        if method:
            image.projection = re.sub(r"[^a-z0-9]+", "-", str(method).lower()).strip("-")
        elif not image.tags and not image.z_step and image.place in stacked:
            image.projection = "maximum"


def _without_copies(images: Sequence[_Image], faults: Faults) -> list[_Image]:
    """The images without the copies that an export puts into every ZStep folder; sets the place in the stack.

    An export repeats a projection, or the only plane of a channel, in all ZStep folders: the same exposure at the
    same height. Two files of one folder, or two exposures, that claim the same place are a fault.
    """
    kept: list[_Image] = []
    groups: dict[tuple[Any, ...], list[_Image]] = defaultdict(list)
    for image in images:
        groups[(*image.place, image.projection)].append(image)
    for group in groups.values():
        # The first of the copies stays: of a projection the one outside the steps, of a plane the lowest step.
        group.sort(key=lambda image: (bool(image.z_step) == bool(image.projection), image.z_step or 0))
        seen: dict[Any, _Image] = {}
        for image in group:
            exposure = image.exposure
            if exposure is not None and exposure in seen and seen[exposure].z_step != image.z_step:
                continue
            if exposure is not None:
                seen.setdefault(exposure, image)
            image.z = 0 if image.projection else image.z_step or int(number(image.tags.get("Z Step")) or 1)
            kept.append(image)
    claims: dict[tuple[Any, ...], _Image] = {}
    for image in kept:
        other = claims.setdefault((*image.place, image.projection, image.z), image)
        if other is not image:
            what = f"the {image.projection} projection" if image.projection else f"z step {image.z}"
            faults.add(
                f"well {image.well}: {other.path} and {image.path} both claim site {image.site}, wave {image.wave}, "
                f"time point {image.time}, {what}; keep the one that counts and move the other out of the folder."
            )
    return kept


def _frame(images: Sequence[_Image]) -> pd.DataFrame:
    waves = {wave: number for number, wave in enumerate(sorted({image.wave for image in images}))}
    times = {time: number for number, time in enumerate(sorted({image.time for image in images}))}
    planes = [image for image in images if not image.projection]
    steps = [image.z for image in planes]
    top_first = _descends(planes)
    for image in planes:
        image.z = max(steps) - image.z if top_first else image.z - min(steps)
    z_step_um = _nominal_step(images)
    rows = [_row(image, waves[image.wave], times[image.time], z_step_um) for image in images]
    return PLANES.frame(rows).sort_values(list(PLANES.key), ignore_index=True)


def _row(image: _Image, channel: int, time: int, z_step_um: float | None) -> dict[str, Any]:
    row, column = names.parse_well(image.well)
    tags, header = image.tags, image.header
    assert header is not None
    return {
        "well": image.well,
        "row": row,
        "column": column,
        "site": image.site,
        "time": time,
        "channel": channel,
        "projection": image.projection,
        "z": image.z,
        "path": image.path,
        "page": 0,
        "size_y_px": header.size_y_px,
        "size_x_px": header.size_x_px,
        "dtype": header.dtype,
        "pixel_size_um": pixel_size_um(tags),
        "z_um": image.z_um,
        "z_step_um": z_step_um,
        "channel_name": tags.get("_IllumSetting_") or tags.get("image-name"),
        "wavelength_nm": number(tags.get("wavelength")),
        "exposure_ms": milliseconds(tags.get("Exposure Time")),
        "stage_x_um": number(tags.get("stage-position-x")),
        "stage_y_um": number(tags.get("stage-position-y")),
        "acquired_at": tags.get("acquisition-time-local"),
        "metadata": json.dumps({k: v for k, v in tags.items() if not _NOT_KEPT.match(k)}) if tags else None,
    }


def _descends(planes: Sequence[_Image]) -> bool:
    """Whether the steps run from the top down: most stacks have their first step above their last."""
    ends: dict[tuple[Any, ...], list[tuple[int, float]]] = defaultdict(list)
    for image in planes:
        if image.z_um is not None:
            ends[image.place].append((image.z, image.z_um))
    signs = [max(each)[1] - min(each)[1] for each in ends.values() if len(each) > 1]
    return sum(sign < 0 for sign in signs) > len(signs) / 2


def _nominal_step(images: Sequence[_Image]) -> float | None:
    """Distance of planes: what the projections say, else the median of the measured ones to 0.1 um."""
    from statistics import median, mode

    said = [number(image.tags.get("Z Projection Step Size")) for image in images]
    nominal = [value for value in said if value]
    if nominal:
        return mode(nominal)
    stacks: dict[tuple[Any, ...], list[tuple[int, float]]] = defaultdict(list)
    for image in images:
        if image.z_um is not None:
            stacks[image.place].append((image.z, image.z_um))
    measured = [
        abs(max(stack)[1] - min(stack)[1]) / (max(stack)[0] - min(stack)[0])
        for stack in stacks.values()
        if len(stack) > 1
    ]
    return round(median(measured), 1) or None if measured else None


def _htd_file(folder: Path, acquisition: str) -> Path | None:
    """The HTD file of the acquisition: in its folder, or copied into the folders of its time points."""
    root = folder / acquisition
    places = [root, *sorted(path for path in root.iterdir() if path.is_dir() and _TIME_FOLDER.match(path.name))]
    for place in places:
        for path in sorted(place.iterdir()):
            if path.suffix.lower() == ".htd":
                return path
    return None
