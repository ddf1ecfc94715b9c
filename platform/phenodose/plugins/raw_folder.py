"""The files of a raw folder, for every reader of TIFF files: found in one order, checked at the door.

Belongs here: what does not depend on the microscope. Does not belong here: names of files (the readers), what any
TIFF file must satisfy (`phenodose.plates.tiff`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from phenodose.errors import Faults, InputError

if TYPE_CHECKING:
    from phenodose.plates.tiff import TiffHeader
    from phenodose.plates.tiff_rgb import RgbChoice

TIFF_ENDINGS = (".tif", ".tiff", ".stk")
# Opening many small files is waiting for the disk or the network share; more than this gains nothing.
_OPENERS = 4
_FILES_A_TASK = 32
_NAMED = 5
Looked = TypeVar("Looked")


def is_tiff(name: str) -> bool:
    """Whether a file is a TIFF image by its name."""
    return name.lower().endswith(TIFF_ENDINGS)


def raw_files(folder: Path, faults: Faults, wanted: Callable[[str], bool] = is_tiff) -> list[str]:
    """The wanted files in and below a folder, with / as separator, in order of their paths.

    Hidden files and folders and Zarr stores are passed over. Links to folders are not followed.

    Args:
        folder: the raw folder.
        faults: takes a sentence for every folder that cannot be listed, every link that leaves the folder, and every
            wanted name that is no ordinary file.
        wanted: whether a file counts, by its name.
    """
    root = folder.resolve()
    found: list[str] = []
    waiting = [""]
    while waiting:
        relative = waiting.pop()
        try:
            with os.scandir(root / relative) as listed:
                entries = list(listed)
        except OSError as error:
            faults.add(
                f"{relative or '.'}: the folder cannot be listed ({error.strerror}); check its permissions and the "
                "connection to the disk."
            )
            continue
        for entry in entries:
            path = f"{relative}/{entry.name}" if relative else entry.name
            if entry.name.startswith(".") or entry.name.endswith(".zarr"):
                continue
            if entry.is_symlink() and _is_faulty_link(root, path, wanted(entry.name) or entry.is_dir(), faults):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif wanted(entry.name) and not entry.is_dir():
                if entry.is_file():
                    found.append(path)
                else:
                    dead = " but a dead link" if entry.is_symlink() else ""
                    faults.add(f"{path} is no ordinary file{dead}; copy the file itself into the folder.")
    return sorted(found, key=lambda path: path.split("/"))


def open_pages(
    folder: Path,
    places: Sequence[tuple[str, str]],
    faults: Faults,
    look: Callable[[TiffHeader], Looked],
    rgb: RgbChoice | None = None,
) -> dict[str, list[Looked]]:
    """Check files at the door, without decoding a pixel.

    Args:
        folder: the raw folder.
        places: path and well of every file.
        faults: takes a sentence for every file that is at fault.
        look: what is kept of a header; descriptions are long and files are many, so keep what is needed.
        rgb: how pages of three samples become grey images (`phenodose.plates.tiff_rgb`); None refuses them.

    Returns:
        What `look` made of the headers of all pages of the good files, by path.
    """
    from phenodose.plates.tiff import check_pages

    def opened(place: tuple[str, str]) -> list[Looked] | str:
        path, well = place
        try:
            return [look(header) for header in check_pages(folder / path, well, rgb)]
        except InputError as error:
            return str(error).replace(f"{folder}{os.sep}", "")

    # A task for each of tens of thousands of files would take as much memory as what is learnt of them.
    blocks = [places[start : start + _FILES_A_TASK] for start in range(0, len(places), _FILES_A_TASK)]
    with ThreadPoolExecutor(_OPENERS) as pool:
        results = [result for found in pool.map(lambda block: list(map(opened, block)), blocks) for result in found]
    faults.extend(result for result in results if isinstance(result, str))
    return {path: result for (path, _), result in zip(places, results, strict=True) if not isinstance(result, str)}


def without_description(header: TiffHeader) -> TiffHeader:
    """The header without the instrument's text, for `open_pages`."""
    return replace(header, description="")


def passed_over(paths: Iterable[str], what: str) -> list[str]:
    """A sentence on files that are left out; [] if there are none.

    Args:
        paths: the files.
        what: why, to follow the number: 'TIFF files are not named as ...'.
    """
    listed = sorted(paths)
    if not listed:
        return []
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return [f"{len(listed)} {what}; passed over: {', '.join(listed[:_NAMED])}{more}."]


def _is_faulty_link(root: Path, path: str, counts: bool, faults: Faults) -> bool:
    """Whether a link is a fault: one that counts (an image, a folder) leaves the folder, or it led to a folder.

    A link without an ending behind which nothing is was perhaps one to a folder of images.
    """
    target = (root / path).resolve()
    gone = not target.exists()
    if counts and not target.is_relative_to(root):
        there = ", where nothing is" if gone else ""
        faults.add(
            f"{path} is a link that leaves the folder (to {target}){there}; copy the files into the folder, or give "
            "the folder where they lie."
        )
        return True
    if gone and "." not in path.rpartition("/")[2]:
        faults.add(f"{path} is a dead link (to {target}); copy what it led to into the folder, or remove the link.")
        return True
    return False
