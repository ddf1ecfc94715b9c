"""The reader of Molecular Devices ImageXpress plates (MetaXpress), as stored in its database or exported.

Belongs here: the reader, and an image as a row of the index. Does not belong here: names of files and folders
(`imagexpress_files`), stacks, projections and copies (`imagexpress_stacks`), the plate as a whole
(`imagexpress_plate`), the instrument's texts (`metaseries`), what any TIFF file must satisfy
(`phenodose.plates.tiff`), what spans the plate (`phenodose.plates.plan`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.plugins import Reader, planes_frame
from phenodose.plugins.raw_folder import open_pages, raw_files, without_description
from phenodose_readers.imagexpress_files import (
    Image,
    folder_note,
    images_of,
    is_raw_file,
    one_acquisition,
    other_instrument,
)
from phenodose_readers.imagexpress_plate import htd_of, notes, plate_format, wave_names, wells_without_images
from phenodose_readers.imagexpress_stacks import nominal_step_um, sort_out
from phenodose_readers.metaseries import milliseconds, number, parse_tags, pixel_size_um

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.packed_texts import PackedText, TextPacker
    from phenodose.plates.tiff import TiffHeader

_STAGE_LABEL = re.compile(r"([A-Za-z]{1,2}[0-9]{1,2})\s*:\s*Site\s*([0-9]+)")
_SOFTWARE = "MetaSeries"
_NEEDED = re.compile(
    r"(Z Projection .*|Z Step|ImageXpress Micro Z|z-position|acquisition-time-local|stage-.*|_IllumSetting_|image-name|"
    r"wavelength|Exposure Time|spatial-calibration-.*)\Z"
)
# Files opened to see whether the instrument wrote them.
_SNIFFED = 8


class ImageXpressReader(Reader):
    """ImageXpress Micro and Micro Confocal plates: database folders and exports with an HTD file."""

    name = "imagexpress"
    version = "2"
    description = "ImageXpress plates as MetaXpress stores or exports them (one TIFF file a plane)."

    def sniff(self, folder: Path) -> float:
        """1 with an image that MetaXpress wrote, 0.5 with images of its naming only, else 0."""
        from phenodose.plates.tiff import check_tiff

        paths = raw_files(folder, Faults(str(folder)), is_raw_file)
        images = [image for image in images_of(paths) if not image.name.thumb]
        opened = False
        for image in images[:_SNIFFED]:
            try:
                header = check_tiff(folder / image.path, image.name.well)
            except (OSError, InputError):
                continue
            opened = True
            if header.software == _SOFTWARE or parse_tags(header.description):
                return 1.0
        if other_instrument(paths, images):
            return 0.0
        # Damaged files are still the instrument's if their names could be nobody else's.
        htd = any(path.lower().endswith(".htd") for path in paths)
        return 0.5 if opened or (images and (htd or images[0].name.guid)) else 0.0

    def index(self, folder: Path) -> pd.DataFrame:
        """All planes and projections of the one acquisition in or below the folder; thumbnails are left out."""
        from phenodose.plates.packed_texts import TextPacker
        from phenodose.plates.plan import mixture_faults

        faults = Faults(str(folder))
        paths, images = one_acquisition(folder, faults)
        look = partial(_look, TextPacker())
        opened = open_pages(folder, [(image.path, image.well) for image in images], faults, look)
        images = [image for image in images if image.path in opened]
        for image in images:
            image.header, image.tags, image.metadata = opened[image.path][0]
            n_pages = len(opened[image.path])
            if n_pages > 1:
                faults.add(
                    f"{image.path}: well {image.well}: the file has {n_pages} pages where MetaXpress writes "
                    "one; give files of another program to the reader `pattern`."
                )
            _check_label(image, faults)
        htd, _ = htd_of(folder, paths, images[0].name.plate if images else "")
        frame = _frame(sort_out(folder, images, faults), wave_names(htd))
        faults.extend(mixture_faults(frame))
        faults.raise_if_any()
        return frame

    def plate_metadata(self, folder: Path, index: pd.DataFrame) -> dict[str, Any]:
        """Acquisition, plate format and contents of the HTD file, wells it promises, files passed over, notes."""
        paths, images = one_acquisition(folder, Faults(str(folder)))
        named = images_of(paths)
        found: dict[str, Any] = {
            "acquisition": Path(images[0].acquisition).name or folder.resolve().name,
            "plate_name": images[0].name.plate,
            "thumbnails_passed_over": sum(image.name.thumb for image in named),
        }
        htd, other_htd = htd_of(folder, paths, images[0].name.plate)
        if htd:
            found["htd"] = htd
            found["wells_without_images"] = wells_without_images(htd, images)
        shape = plate_format(htd)
        if shape:
            found["plate_format"] = shape
        found["notes"] = [*folder_note(folder), *other_htd, *notes(paths, named, index, htd)]
        return found


def _look(packer: TextPacker, header: TiffHeader) -> tuple[TiffHeader, dict[str, Any], PackedText | None]:
    """The header without its text, the tags that are needed, and all tags as packed JSON."""
    tags = parse_tags(header.description)
    needed = {name: value for name, value in tags.items() if _NEEDED.match(name)}
    return without_description(header), needed, packer.pack(json.dumps(tags)) if tags else None


def _check_label(image: Image, faults: Faults) -> None:
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


def _frame(images: Sequence[Image], wave_name: dict[int, str]) -> pd.DataFrame:
    channels = {wave: channel for channel, wave in enumerate(sorted({image.wave for image in images}))}
    times = {time: index for index, time in enumerate(sorted({image.time for image in images}))}
    if list(channels) != list(range(1, len(channels) + 1)):
        # Without a name for its wave, a plate that lacks the first one looks like one that has it.
        wave_name = {wave: f"channel {wave}" for wave in channels} | wave_name
    z_step_um = nominal_step_um(images)
    return planes_frame(
        _row(image, wave_name) | {"channel": channels[image.wave], "time": times[image.time], "z_step_um": z_step_um}
        for image in images
    )


def _row(image: Image, wave_name: dict[int, str]) -> dict[str, Any]:
    row, column = names.parse_well(image.well)
    tags, header = image.tags, image.header
    assert header is not None
    return {
        "plate": image.name.plate or None,
        "well": image.well,
        "row": row,
        "column": column,
        "site": image.site,
        "projection": image.projection,
        "z": image.z,
        "path": image.path,
        "page": 0,
        "size_y_px": header.size_y_px,
        "size_x_px": header.size_x_px,
        "dtype": header.dtype,
        "pixel_size_um": pixel_size_um(tags),
        "z_um": image.z_um,
        "channel_name": tags.get("_IllumSetting_") or tags.get("image-name") or wave_name.get(image.wave),
        "wavelength_nm": number(tags.get("wavelength")),
        "exposure_ms": milliseconds(tags.get("Exposure Time")),
        "stage_x_um": number(tags.get("stage-position-x")),
        "stage_y_um": number(tags.get("stage-position-y")),
        "acquired_at": tags.get("acquisition-time-local"),
        "metadata": image.metadata,
    }
