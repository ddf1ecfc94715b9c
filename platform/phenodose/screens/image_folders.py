"""Folders of a screen that could be plates and are none by their names: what to say instead of making nothing.

A plate's images lie in a folder of the screen that is named after the plate (`P1`, `Plate 2`, `3`). A dead link, images
one level higher or lower, or a folder of another name (`P1_rescan`) hold images that nobody looks at.

Belongs here: finding them. Does not belong here: which folders are plates (`screen`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

_ENDINGS = (".tif", ".tiff", ".stk")
_ZARR = (".zarr", ".ozx", ".zarr.zip")
_LEVELS = 4
_LOOKED_AT = 2000


def dead_links(folder: Path) -> list[str]:
    """A sentence on every link that could have been one to a plate's folder and behind which nothing is."""
    return [
        f"{path.name} is a dead link: {path.readlink()} is not there; mend the link or copy the folder."
        for path in sorted(folder.iterdir())
        if path.is_symlink() and not path.exists() and "." not in path.name
    ]


def other_image_folders(folder: Path, taken: Collection[str]) -> list[str]:
    """Folders that hold images and are no plates by their names; '.' for images in the screen's folder itself.

    Args:
        folder: the screen's folder.
        taken: names of its plates and of the folders of plate readers.
    """
    found = []
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        inside = next(_with_images(path, _LEVELS), None) if path.name not in taken else None
        if inside is not None:
            found.append(inside.relative_to(folder).as_posix())
    if any(_is_image(entry.name) for entry in folder.iterdir()) and not found:
        found.append(".")
    return found


def _with_images(folder: Path, levels: int) -> Iterator[Path]:
    """The outermost folders with images, a few levels deep; nothing from a folder that cannot be listed."""
    if folder.name.endswith(_ZARR):
        yield folder
        return
    try:
        with os.scandir(folder) as listed:
            entries = [entry for entry, _ in zip(listed, range(_LOOKED_AT), strict=False)]
    except OSError:
        return
    if any(_is_image(entry.name) for entry in entries):
        yield folder
    elif levels > 1:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir() and not entry.name.startswith("."):
                yield from _with_images(Path(entry.path), levels - 1)


def _is_image(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith((*_ENDINGS, *_ZARR))
