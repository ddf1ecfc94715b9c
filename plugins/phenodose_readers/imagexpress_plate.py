"""What is to be known of a whole ImageXpress plate: its HTD file, and the notes on what the folder holds.

An HTD file tells what was planned. It often promises more than was imaged or copied: that is a note, never a fault.

Belongs here: the plate as a whole. Does not belong here: single images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.plugins import missing_images
from phenodose.plugins.raw_folder import is_tiff, passed_over
from phenodose_readers.imagexpress_files import Image
from phenodose_readers.metaseries import parse_htd, selected_wells

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 8


def htd_of(folder: Path, paths: Sequence[str], plate: str) -> tuple[dict[str, str], list[str]]:
    """The contents of the plate's HTD file ({} if there is none), and a note if there are several different ones.

    An export copies it into every folder: the uppermost counts, and one that has the plate's name.
    """
    files = sorted(
        (path for path in paths if path.lower().endswith(".htd")),
        key=lambda path: (Path(path).stem != plate, path.count("/"), path),
    )
    contents = {}
    for path in files:
        try:
            contents[path] = parse_htd(folder / path)
        except OSError:
            continue
    if not contents:
        return {}, []
    used, *others = contents
    different = [path for path in others if contents[path] != contents[used]]
    notes = passed_over(different, f"HTD files say something else than {used}")
    if plate and Path(used).stem.casefold() != plate.casefold():
        notes.append(
            f"The images are named as plate {plate!r}, the HTD file {used!r} is not: its names of channels and its "
            "plate format count."
        )
    return contents[used], notes


def plate_format(htd: dict[str, str]) -> list[int] | None:
    """[rows, columns] of the microplate; None if the HTD file does not say."""
    rows, columns = _integer(htd, "YWells"), _integer(htd, "XWells")
    return [rows, columns] if rows and columns else None


def wells_without_images(htd: dict[str, str], images: Sequence[Image]) -> list[str]:
    """Wells that the HTD file promises and that have no image."""
    try:
        promised = selected_wells(htd)
    except (KeyError, ValueError):
        return []
    there = {image.well for image in images}
    return [well for well in promised if well not in there]


def notes(paths: Sequence[str], named: Sequence[Image], index: pd.DataFrame, htd: dict[str, str]) -> list[str]:
    """Sentences on files that were passed over and on images that are not there.

    Args:
        paths: all files of the folder.
        named: those named as ImageXpress names images, thumbnails included.
        index: the index of planes.
        htd: contents of the HTD file.
    """
    known = {image.path for image in named}
    used = set(index["path"])
    strays = [path for path in paths if is_tiff(path) and path not in known]
    copies = [image.path for image in named if not image.name.thumb and image.path not in used]
    return [
        *passed_over(strays, "TIFF files are not named as ImageXpress names images"),
        *passed_over(copies, "files repeat an image of another ZStep folder"),
        *_broken_promises(htd, index),
        *_gaps([image for image in named if not image.name.thumb]),
        *missing_images(index),
    ]


def wave_names(htd: dict[str, str]) -> dict[int, str]:
    """Names of the waves by their number."""
    return {
        int(key.removeprefix("WaveName")): value
        for key, value in htd.items()
        if key.startswith("WaveName") and key.removeprefix("WaveName").isdigit() and value
    }


def _broken_promises(htd: dict[str, str], index: pd.DataFrame) -> list[str]:
    stack = index[index["projection"] == ""]
    there = {
        "NWavelengths": ("wavelengths", index["channel"].nunique()),
        "TimePoints": ("time points", index["time"].nunique()),
        "ZSteps": ("z steps", int(stack["z"].nunique())),
        "sites": ("sites", index["site"].nunique()),
    }
    planned = {key: _integer(htd, key) or 0 for key in ("NWavelengths", "TimePoints")}
    planned["ZSteps"] = (_integer(htd, "ZSteps") or 0) if htd.get("ZSeries", "").upper() == "TRUE" else 0
    planned["sites"] = _planned_sites(htd) if "Sites" in htd else 0
    found = [
        f"The HTD file plans {planned[key]} {what}, images of {number} are there."
        for key, (what, number) in there.items()
        if planned[key] > number
    ]
    found += [
        f"The HTD file plans {planned[key]} {what}, images of more ({number}) are there: is it of another acquisition?"
        for key, (what, number) in there.items()
        if 0 < planned[key] < number
    ]
    try:
        promised = set(selected_wells(htd))
    except (KeyError, ValueError):
        return found
    lacking = sorted(promised - set(index["well"]))
    if lacking:
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        found.append(f"The HTD file plans {len(lacking)} wells without any image: {', '.join(lacking[:_NAMED])}{more}.")
    unplanned = sorted(set(index["well"]) - promised) if promised else []
    if unplanned:
        more = f" and {len(unplanned) - _NAMED} more" if len(unplanned) > _NAMED else ""
        found.append(
            f"Images are there of {len(unplanned)} wells that the HTD file does not plan: "
            f"{', '.join(unplanned[:_NAMED])}{more}."
        )
    return found


def _planned_sites(htd: dict[str, str]) -> int:
    """Sites of a well: those selected in the grid, the whole grid if the selection is not told."""
    if htd.get("Sites", "").upper() != "TRUE":
        return 1
    selected = sum(
        part.strip().upper() == "TRUE"
        for key, value in htd.items()
        if key.startswith("SiteSelection")
        for part in value.split(",")
    )
    return selected or (_integer(htd, "XSites") or 1) * (_integer(htd, "YSites") or 1)


def _gaps(images: Sequence[Image]) -> list[str]:
    """Time points that are left out between others: the plate numbers those that are there from 0."""
    times = {image.time for image in images}
    if 0 in times and len(times) > 1 and any("timepoint" in image.path.lower() for image in images):
        outside = sum(image.time == 0 for image in images)
        return [f"{outside} images lie outside of the TimePoint folders; they count as a time point before all others."]
    left_out = sorted(set(range(min(times), max(times) + 1)) - times) if times else []
    if not left_out:
        return []
    listed = ", ".join(map(str, left_out[:_NAMED]))
    return [f"No image is there of time point {listed}; the plate numbers the others from 0 in their order."]


def _integer(htd: dict[str, str], key: str) -> int | None:
    try:
        return int(htd[key])
    except (KeyError, ValueError):
        return None
