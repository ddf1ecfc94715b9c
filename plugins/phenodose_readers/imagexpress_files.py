"""Names of ImageXpress files and folders, and the images of a raw folder as their names tell them.

Database layout: `[<name>/<date>/]<acquisition id>/[TimePoint_t/][ZStep_z/]<plate>_<WELL>[_s1][_w1][_thumb]<GUID>.tif`,
projections in the folder above the ZStep folders. Export: `<name>_Plate_<id>/[TimePoint_t/][ZStep_z/]
<plate>_<WELL>[_s1][_w1].TIF` with an .HTD file, projections in ZStep_0. `_s` and `_w` are left out for a single site
or wave. The well is written in capitals with two digits: `overview_w1.tif` names none.

Belongs here: what names tell. Does not belong here: tags (`metaseries`), stacks and projections
(`imagexpress_stacks`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.plugins.raw_folder import is_tiff, raw_files
from phenodose_readers.known_names import HCS_AI, advice_for, known_names
from phenodose_readers.metaseries import number

if TYPE_CHECKING:
    from phenodose.plates.packed_texts import PackedText
    from phenodose.plates.tiff import TiffHeader

_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z")
_GUID_LENGTH = 36
# The shortest plate name that works: the plate's own name may look like a well.
_STEM = re.compile(r"(.*?)_([A-Z]{1,2}[0-9]{2})(?:_s([0-9]+))?(?:_w([0-9]+))?(_thumb)?\Z", re.DOTALL)
_TIME_FOLDER = re.compile(r"TimePoint_?([0-9]+)\Z", re.IGNORECASE)
_Z_FOLDER = re.compile(r"ZStep_([0-9]+)\Z", re.IGNORECASE)
_NAMED = 4


@dataclass(frozen=True, slots=True)
class ImageName:
    """What a file name says: plate and well as written, site and wave if they are there, whether it is a thumbnail."""

    plate: str
    well: str
    site: int | None
    wave: int | None
    thumb: bool
    guid: bool


def parse_name(name: str) -> ImageName | None:
    """Parse the name of an image file; None if ImageXpress did not give it.

    The GUID follows the wave without a separator and may start with digits, so it is taken off the right end first.
    """
    stem, _, _ = name.rpartition(".")
    if not is_tiff(name) or name.startswith("."):
        return None
    guid = _GUID.match(stem[-_GUID_LENGTH:]) is not None
    if guid:
        stem = stem[:-_GUID_LENGTH]
    match = _STEM.match(stem)
    if match is None:
        return None
    plate, well, site, wave, thumb = match.groups()
    # The same few texts in thousands of names.
    plate, well = sys.intern(plate), sys.intern(well)
    return ImageName(plate, well, int(site) if site else None, int(wave) if wave else None, thumb is not None, guid)


@dataclass(slots=True)
class Image:
    """One image file on its way to a row of the index.

    Attributes:
        path: place below the raw folder.
        name: what its name says.
        acquisition: folder of the acquisition.
        time: number of its TimePoint folder; 0 without one.
        z_step: number of its ZStep folder; None without one.
        well: the well's name, checked.
        tags: those of the instrument's tags that tell kind, place and columns.
        metadata: all tags as JSON, packed; None if there are none.
        header: the TIFF header.
        projection: '' for a plane, else the kind of projection.
        z: place in the stack.
    """

    path: str
    name: ImageName
    acquisition: str
    time: int
    z_step: int | None
    well: str = ""
    tags: dict[str, Any] = field(default_factory=dict)
    metadata: PackedText | None = None
    header: TiffHeader | None = None
    projection: str = ""
    z: int = 0

    @property
    def site(self) -> int:
        """Number of the site; 1 if there is only one."""
        return 1 if self.name.site is None else self.name.site

    @property
    def wave(self) -> int:
        """Number of the wave; 1 if there is only one."""
        return 1 if self.name.wave is None else self.name.wave

    @property
    def place(self) -> tuple[str, int, int, int]:
        """Well, site, time point, wave."""
        return self.well, self.site, self.time, self.wave

    @property
    def z_um(self) -> float | None:
        """Stage height; None for a projection or if the tags do not tell it."""
        if self.projection:
            return None
        return number(self.tags.get("ImageXpress Micro Z", self.tags.get("z-position")))


def is_raw_file(name: str) -> bool:
    """Whether a file counts: a TIFF image or an HTD file."""
    return is_tiff(name) or name.lower().endswith(".htd")


def images_of(paths: Iterable[str]) -> list[Image]:
    """Every file that is named as ImageXpress names images, thumbnails included."""
    found = []
    for path in paths:
        *parts, file = path.split("/")
        name = parse_name(file)
        if name is None:
            continue
        z_step, time = None, 0
        if parts and (match := _Z_FOLDER.match(parts[-1])):
            z_step = int(match.group(1))
            parts.pop()
        if parts and (match := _TIME_FOLDER.match(parts[-1])):
            time = int(match.group(1))
            parts.pop()
        found.append(Image(path, name, sys.intern("/".join(parts)), time, z_step))
    return found


def one_acquisition(folder: Path, faults: Faults) -> tuple[list[str], list[Image]]:
    """All files of the folder, and its images (thumbnails left out) if they are of one acquisition of one plate.

    Args:
        folder: the raw folder.
        faults: takes what is wrong with single files.

    Raises:
        InputError: there is no image, or there are several acquisitions or plates; with the faults noted so far.
    """
    paths = raw_files(folder, faults, is_raw_file)
    images = [image for image in images_of(paths) if not image.name.thumb]
    other = other_instrument(paths, images)
    if other:
        faults.add(f"these are no images of an ImageXpress; {other}.")
        faults.raise_if_any()
    _count_from_one(images)
    if not images and not faults:
        others = sorted(path for path in paths if is_tiff(path))
        there = f" (there are {len(others)} other TIFF files, such as {others[0]})" if others else ""
        faults.add(
            f"there is no ImageXpress image in or below the folder{there}; give the folder that holds the plate's "
            "images (names such as Plate_B07_s1_w1....tif), or describe other names to the reader `pattern`."
        )
    several = _several(images, "acquisitions", {image.path: image.acquisition for image in images})
    several = several or _several(images, "plates", {image.path: image.name.plate for image in images})
    faults.extend(several)
    if several or not images:
        faults.raise_if_any()
    return paths, _with_wells(images, faults)


def other_instrument(paths: Sequence[str], images: Sequence[Image]) -> str:
    """How to read the planes of another microscope, some of whose other files have names like those here; else ''."""
    known = known_names(path for path in paths if is_tiff(path))
    if known is None or known[0].instrument == HCS_AI or len(known[1]) < len(images):
        return ""
    return advice_for([path for path in paths if is_tiff(path)])


def _count_from_one(images: Sequence[Image]) -> None:
    """Sites and waves of files that were numbered from 0, numbered from 1 as MetaXpress does."""
    for what in ("site", "wave"):
        if any(getattr(image.name, what) == 0 for image in images):
            for image in images:
                number = getattr(image.name, what)
                if number is not None:
                    image.name = replace(image.name, **{what: number + 1})


def folder_note(folder: Path) -> list[str]:
    """A sentence where the raw folder is one time point or step of an acquisition that has others; [] else."""
    folder = folder.resolve()
    for pattern, what in ((_Z_FOLDER, "step"), (_TIME_FOLDER, "time point")):
        if pattern.match(folder.name):
            others = sorted(
                path.name
                for path in folder.parent.iterdir()
                if path != folder and path.is_dir() and pattern.match(path.name)
            )
            if others:
                return [
                    f"The folder {folder.name} is one {what} of an acquisition; {', '.join(others[:_NAMED])} beside it "
                    f"{'are' if len(others) > 1 else 'is'} not read: give {folder.parent} for all."
                ]
    return []


def _several(images: Sequence[Image], what: str, label_of: dict[str, str]) -> list[str]:
    labels = sorted(set(label_of.values()))
    if len(labels) <= 1:
        return []
    listed = ", ".join(
        f"{label or '.'!r} ({sum(found == label for found in label_of.values())} images, such as "
        f"{min(path for path, found in label_of.items() if found == label)})"
        for label in labels[:_NAMED]
    )
    return [
        f"there are {len(labels)} {what} ({listed}) where one plate is expected; move all but the one that counts out "
        "of the folder, or give its folder alone."
    ]


def _with_wells(images: Sequence[Image], faults: Faults) -> list[Image]:
    named = []
    for image in images:
        try:
            image.well = sys.intern(names.well_name(*names.parse_well(image.name.well)))
        except InputError as error:
            faults.add(f"{image.path}: {error} Rename the file or move it out of the folder.")
        else:
            named.append(image)
    return named
