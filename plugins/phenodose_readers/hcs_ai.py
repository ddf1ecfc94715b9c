"""The reader of Molecular Devices ImageXpress HCS.ai plates (MetaXpress Acquire, IN Carta): `.jdce` and tables.

Belongs here: the reader, and an image as a row of the index. Does not belong here: the instrument's files
(`hcs_ai_files`), what any TIFF file must satisfy (`phenodose.plates.tiff`), what spans the plate
(`phenodose.plates.plan`).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from phenodose import names
from phenodose.errors import Faults, InputError
from phenodose.plugins import Parameters, Reader, missing_images, planes_frame
from phenodose.plugins.raw_folder import is_tiff, open_pages, passed_over, raw_files, without_description
from phenodose_readers.hcs_ai_files import (
    Description,
    HcsImage,
    contradiction,
    images_by_name,
    images_by_table,
    is_file_of_acquisition,
    is_image_name,
    listed_names,
    read_description,
)
from phenodose_readers.metaseries import number

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.tiff import TiffHeader

_DESCRIPTION = ".jdce"
_TABLE = re.compile(r"(?:\A|/)image_metadata[^/]*\.csv\Z", re.IGNORECASE)
_STEP_DIFFERS = 0.1


class HcsAiParameters(Parameters):
    """Which acquisition is read."""

    acquisition: str | None = Field(
        None, min_length=1, description="Folder of the acquisition, such as experiment_z_stack, where there are several"
    )


@dataclass(frozen=True)
class _Acquisition:
    """One acquisition: its folder ('' for the raw folder), files of the folder, description, images, and notes."""

    root: str
    paths: list[str]
    said: Description
    images: list[HcsImage]
    notes: list[str]


class HcsAiReader(Reader):
    """ImageXpress HCS.ai plates: a `.jdce` description, tables of images, one TIFF file a plane."""

    name = "hcs_ai"
    version = "1"
    description = "ImageXpress HCS.ai plates: a .jdce file with tables of images (one TIFF file a plane)."
    Parameters = HcsAiParameters

    def sniff(self, folder: Path) -> float:
        """1 with a description that fits, 0.9 with one that says nothing, 0.6 with names of stacks only, else 0."""
        paths = raw_files(folder, Faults(str(folder)), is_file_of_acquisition)
        descriptions = [path for path in paths if path.lower().endswith(_DESCRIPTION)]
        named = [path for path in paths if is_image_name(path.rpartition("/")[2])]
        if descriptions:
            try:
                if read_description(folder / descriptions[0]).waves:
                    return 1.0
            except InputError:
                return 0.9  # said when it is read
            return 0.9 if named else 0.0
        return 0.6 if any(re.search(r"_z\d+\.tiff?\Z", path, re.IGNORECASE) for path in named) else 0.0

    def index(self, folder: Path) -> pd.DataFrame:
        """All planes and projections of one acquisition.

        Raises:
            InputError: all faults of the folder in one message.
        """
        from phenodose.plates.plan import mixture_faults

        faults = Faults(str(folder))
        found = self._acquisition(folder, faults)
        places = [(image.path, image.well) for image in found.images]
        headers = open_pages(folder, places, faults, without_description)
        several = [path for path, pages in headers.items() if len(pages) > 1]
        if several:
            faults.add(f"{len(several)} files have several pages where one is a plane: {listed_names(several)}.")
        images = [image for image in found.images if image.path in headers]
        faults.extend(f"{image.path}: {fault}." for image in images if (fault := contradiction(image)))
        faults.extend(_double_claims(images))
        faults.raise_if_any()
        frame = _frame(found.said, images, headers)
        faults.extend(mixture_faults(frame))
        faults.raise_if_any()
        return frame

    def plate_metadata(self, folder: Path, index: pd.DataFrame) -> dict[str, Any]:
        """Name of plate and acquisition, plate format, objective, and notes."""
        found = self._acquisition(folder, Faults(str(folder)))
        said = found.said
        used = set(index["path"])
        strays = [path for path in found.paths if is_tiff(path) and path not in used]
        metadata: dict[str, Any] = {
            "acquisition": said.uuid or " ".join(filter(None, (found.root or folder.resolve().name, said.acquired))),
            "plate_name": said.plate,
            "objective": said.objective,
            "notes": [
                *found.notes,
                *passed_over(strays, "TIFF files are no images of the acquisition that is read"),
                *said.doubts,
                *_step_note(said, found.images),
                *_wave_note(said, found.images),
                *missing_images(index),
            ],
        }
        if said.plate_format:
            metadata["plate_format"] = list(said.plate_format)
        return metadata

    def _acquisition(self, folder: Path, faults: Faults) -> _Acquisition:
        """The one acquisition in the folder, or the one that is chosen.

        Raises:
            InputError: there is none, or there are several and none is chosen; with the faults noted so far.
        """
        paths = raw_files(folder, faults, is_file_of_acquisition)
        roots = sorted({path.rpartition("/")[0] for path in paths if path.lower().endswith(_DESCRIPTION)})
        if not roots:
            # Without descriptions an acquisition is what lies above its time points.
            named = [path for path in paths if is_image_name(path.rpartition("/")[2])]
            roots = sorted({_above_timepoint(path) for path in named})
        root = self._one(roots, folder, faults)
        own = [path for path in paths if not root or path.startswith(f"{root}/")]
        descriptions = [path for path in own if path.lower().endswith(_DESCRIPTION)]
        if len(descriptions) > 1:
            faults.add(f"there are {len(descriptions)} descriptions ({listed_names(descriptions)}); keep one.")
            faults.raise_if_any()
        said, notes = Description(), []
        if descriptions:
            try:
                said = read_description(folder / descriptions[0])
            except InputError as error:
                faults.add(str(error))
        tiffs = [path for path in own if is_tiff(path)]
        images, more = _images(folder, root, own, tiffs, said, faults)
        if not images:
            faults.add("the acquisition has no image; copy the folder again, images and tables.")
            faults.raise_if_any()
        if not said.waves:
            notes.append("No description tells pixel size, step and channels: they are not known.")
        return _Acquisition(root, paths, said, images, [*notes, *more])

    def _one(self, roots: Sequence[str], folder: Path, faults: Faults) -> str:
        wanted = self.parameters.acquisition
        labels = {root: root.rpartition("/")[2] or folder.resolve().name for root in roots}
        fitting = [root for root in roots if wanted is None or wanted in (root, labels[root])]
        if len(fitting) == 1:
            return fitting[0]
        if not roots:
            faults.add(
                "there is no acquisition of an ImageXpress HCS.ai (a .jdce file, or images such as "
                "Protocol_t0_B07_s0_w0_z0.tif) in or below the folder; give the plate's folder."
            )
        elif not fitting:
            faults.add(f"there is no acquisition {wanted!r}; there are {listed_names(list(roots))}.")
        else:
            faults.add(
                f"there are {len(fitting)} acquisitions ({listed_names(fitting)}): which one counts only you know; "
                f'name it: --reader hcs_ai --param acquisition="{labels[fitting[0]]}", or acquisition = '
                f'"{labels[fitting[0]]}" in [parameters.hcs_ai] of screen.toml.'
            )
        faults.raise_if_any()
        raise AssertionError("one of the sentences above was raised")


def _above_timepoint(path: str) -> str:
    parent = path.rpartition("/")[0]
    above, _, last = parent.rpartition("/")
    return above if re.fullmatch(r"timepoint_?\d+", last, re.IGNORECASE) else parent


def _images(
    folder: Path, root: str, own: Sequence[str], tiffs: Sequence[str], said: Description, faults: Faults
) -> tuple[list[HcsImage], list[str]]:
    """The images by the tables, or by their names where no table is there, and notes."""
    front = f"{root}/" if root else ""
    named = [front + name for name in said.tables]
    there = named or sorted(path for path in own if _TABLE.search(path))
    tables = [path for path in there if path in own]
    lost = [path for path in there if path not in own]
    others = [path for path in own if named and path not in named and _TABLE.search(path)]
    if lost:
        faults.add(f"the tables of images {listed_names(lost)} are not there; copy the acquisition again.")
    if not tables:
        return images_by_name(tiffs), [] if lost else ["No table of images is there: the names of the files count."]
    listed = images_by_table(folder, root, tables, faults)
    known = set(tiffs)
    gone = [image.path for image in listed if image.path not in known]
    more = [f"{len(gone)} images are listed in the tables and not there: {listed_names(gone)}."] if gone else []
    more += passed_over(others, "tables of images are not named by the description")
    return [image for image in listed if image.path in known], more


def _double_claims(images: Sequence[HcsImage]) -> list[str]:
    places: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for image in images:
        places[(image.well, image.site, image.time, image.wave, image.z)].append(image.path)
    return [
        f"well {well}: {' and '.join(paths[:2])} both claim site {site}, time point {time}, wave {wave}, plane {z}; "
        "copy the acquisition again."
        for (well, site, time, wave, z), paths in places.items()
        if len(paths) > 1
    ]


def _frame(said: Description, images: Sequence[HcsImage], headers: Mapping[str, Sequence[TiffHeader]]) -> pd.DataFrame:
    from phenodose.plates.packed_texts import TextPacker

    stacks: dict[tuple[Any, ...], list[HcsImage]] = defaultdict(list)
    for image in images:
        stacks[(image.well, image.site, image.time, image.wave)].append(image)
    waves = sorted({image.wave for image in images} | set(said.waves))
    used = [wave for wave in waves if any(image.wave == wave for image in images)]
    times = sorted({image.time for image in images})
    flat = {wave for wave in waves if all(len(stack) == 1 for key, stack in stacks.items() if key[-1] == wave)}
    heights = sorted({image.z for image in images if image.wave not in flat})
    from_top = _from_top(stacks.values())
    from_zero = any(image.site == 0 for image in images)
    packer = TextPacker()
    rows = []
    for image in images:
        header = headers[image.path][0]
        wave = said.waves.get(image.wave)
        is_flat = image.wave in flat
        projection = _projection(wave.mode) if wave and is_flat else ""
        z = 0 if is_flat else heights.index(image.z)
        row, column = names.parse_well(image.well)
        rows.append(
            {
                "plate": said.plate,
                "well": image.well,
                "row": row,
                "column": column,
                "site": image.site + from_zero,
                "time": times.index(image.time),
                "channel": used.index(image.wave),
                "projection": projection,
                "z": len(heights) - 1 - z if from_top and not is_flat else z,
                "path": image.path,
                "page": 0,
                "size_y_px": header.size_y_px,
                "size_x_px": header.size_x_px,
                "dtype": header.dtype,
                "pixel_size_um": said.pixel_size_um,
                "z_um": None if projection else image.z_um,
                "z_step_um": (wave.z_step_um if wave else None) or said.z_step_um,
                # A wave that was not imaged must not give its place to another one without a word.
                "channel_name": (wave.name if wave else None) or (f"wave {image.wave}" if used != waves else None),
                "wavelength_nm": wave.emission_nm if wave else None,
                "exposure_ms": number(image.said.get("ExposureTimeMs")),
                "stage_x_um": number(image.said.get("PositionXUm")),
                "stage_y_um": number(image.said.get("PositionYUm")),
                "acquired_at": image.said.get("TimeStampSec"),
                "metadata": packer.pack(json.dumps(image.said)) if image.said else None,
            }
        )
    return planes_frame(rows)


def _projection(mode: str) -> str:
    """The kind of projection that an imaging mode names; '' for planes."""
    if "projection" not in mode.lower():
        return ""
    kind = re.sub(r"[^a-z0-9]+", "-", mode.lower().replace("projection", "")).strip("-")
    return "maximum" if kind.startswith("max") or not kind else kind


def _from_top(stacks: Any) -> bool:
    """Whether most stacks have their first plane above their last."""
    signs = []
    for stack in stacks:
        known = sorted((image.z, image.z_um) for image in stack if image.z_um is not None)
        if len(known) > 1:
            signs.append(known[-1][1] - known[0][1])
    return bool(sum(sign < 0 for sign in signs) > len(signs) / 2)


def _wave_note(said: Description, images: Sequence[HcsImage]) -> list[str]:
    """A sentence on waves of images that the description does not tell, so that their names are not known."""
    there = {image.wave for image in images}
    if not said.waves or there <= set(said.waves):
        return []
    text = ", ".join(f"{number} {wave.name or ''}".strip() for number, wave in sorted(said.waves.items()))
    return [
        f"The description tells the wavelengths {text}; images are there of {', '.join(map(str, sorted(there)))}, so a "
        "name may be that of another wavelength."
    ]


def _step_note(said: Description, images: Sequence[HcsImage]) -> list[str]:
    """A sentence where the heights of the planes do not fit the step that the description says."""
    from statistics import median

    stacks: dict[tuple[Any, ...], list[tuple[int, float]]] = defaultdict(list)
    for image in images:
        if image.z_um is not None:
            stacks[(image.well, image.site, image.time, image.wave)].append((image.z, image.z_um))
    steps = [
        abs(max(stack)[1] - min(stack)[1]) / (max(stack)[0] - min(stack)[0])
        for stack in stacks.values()
        if max(stack)[0] > min(stack)[0]
    ]
    if not steps or not said.z_step_um or abs(median(steps) / said.z_step_um - 1) <= _STEP_DIFFERS:
        return []
    return [f"The description says planes {said.z_step_um:g} um apart, their heights are {median(steps):g} um apart."]
