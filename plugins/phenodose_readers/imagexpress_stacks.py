"""What the images of one well and wave are to each other: planes of a stack, projections, copies.

Whether an image is a projection is told by its own MetaSeries tags (`Z Projection Method`); its folder only counts
where they are silent. An export repeats a projection, or the only plane of a channel, in all ZStep folders: such
copies are found by their pixels, because a stack of copies would be a stack that was never imaged.

Belongs here: kinds, copies, and places in the stack. Does not belong here: names of files (`imagexpress_files`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from phenodose.errors import Faults, InputError
from phenodose.io.files import hash_bytes
from phenodose_readers.imagexpress_files import Image
from phenodose_readers.metaseries import number


def sort_out(folder: Path, images: Sequence[Image], faults: Faults) -> list[Image]:
    """The images without the copies that an export makes; sets the kind of each and its place in the stack.

    Two files that claim the same place, and an image that lies twice in a stack of others, are faults.
    """
    groups: dict[tuple[Any, ...], list[Image]] = defaultdict(list)
    for image in images:
        groups[(*image.place, _method(image))].append(image)
    pixels = _Pixels(folder)
    kept, twice = _all_without_copies(groups.values(), pixels)
    if len(kept) < len(images) and not _has_stack(kept):
        # An export has ZStep folders because some channel was imaged as a stack. With none left over, images that
        # tell different heights are the stack, however alike they look.
        pixels.heights_count = True
        kept, twice = _all_without_copies(groups.values(), pixels)
    faults.extend(twice)
    _place(kept)
    faults.extend(_double_claims(kept))
    return kept


def nominal_step_um(images: Sequence[Image]) -> float | None:
    """Distance of planes: what the projections say, else the median of the measured ones to 0.1 um."""
    from statistics import median, mode

    said = [number(image.tags.get("Z Projection Step Size")) for image in images]
    nominal = [value for value in said if value]
    if nominal:
        return mode(nominal)
    measured = [
        abs(max(stack)[1] - min(stack)[1]) / (max(stack)[0] - min(stack)[0])
        for stack in _heights(images)
        if max(stack)[0] > min(stack)[0]
    ]
    return round(median(measured), 1) or None if measured else None


class _Pixels:
    """Whether two files hold the same image; pixels are read only of those that may."""

    def __init__(self, folder: Path) -> None:
        self.heights_count = False
        self._folder = folder
        self._known: dict[str, tuple[str, bool]] = {}

    def same(self, one: Image, other: Image) -> bool:
        """Whether the pixels are equal; of images of a single value (such as black) also the exposure must be."""
        if self.heights_count and one.z_um is not None and other.z_um is not None and one.z_um != other.z_um:
            return False
        same_exposure = _exposure(one) is not None and _exposure(one) == _exposure(other)
        if not same_exposure and _sample(one) != _sample(other):
            return False
        digest, flat = self._read(one)
        return digest == self._read(other)[0] and (same_exposure or not flat)

    def _read(self, image: Image) -> tuple[str, bool]:
        """Hash of an image's pixels, and whether they all have one value."""
        from phenodose.plates.tiff import read_page

        if image.path not in self._known:
            try:
                pixels = read_page(self._folder / image.path, 0, image.well)
            except InputError:  # told when the plane is ingested; until then it is like no other
                return image.path, False
            self._known[image.path] = (hash_bytes(pixels.tobytes()), bool((pixels == pixels.flat[0]).all()))
        return self._known[image.path]


def _all_without_copies(groups: Iterable[list[Image]], pixels: _Pixels) -> tuple[list[Image], list[str]]:
    kept: list[Image] = []
    twice: list[str] = []
    for group in groups:
        originals, copies = _without_copies(group, pixels)
        kept += originals
        twice += copies
    return kept, twice


def _has_stack(images: Sequence[Image]) -> bool:
    places = [image.place for image in images if not image.projection]
    return len(set(places)) < len(places)


def _without_copies(group: list[Image], pixels: _Pixels) -> tuple[list[Image], list[str]]:
    """One of each image of a group that shares place and method, and what lies twice in a stack of others."""
    for image in group:
        image.projection = _method(image)
    # The first of the copies stays: of a projection the one outside the steps, of a plane the lowest step.
    group.sort(key=lambda image: (bool(image.z_step) == bool(image.projection), image.z_step or 0, image.path))
    originals: list[Image] = []
    copies: list[tuple[Image, Image]] = []
    known: dict[tuple[str, Any], Image] = {}
    for image in group:
        keys = [("sample", _sample(image)), ("exposure", _exposure(image))]
        candidates = [known[key] for key in keys if key[1] is not None and key in known]
        original = next((c for c in candidates if c.z_step != image.z_step and pixels.same(c, image)), None)
        if original is not None:
            copies.append((original, image))
            continue
        originals.append(image)
        for key in keys:
            known.setdefault(key, image)
    if group[0].projection or len(originals) == 1:
        return originals, []
    if any(image.z_step for image in originals):
        for image in originals:
            if not image.z_step and image.tags.get("Z Step") is None:
                image.projection = "maximum"
    planes = {image.path for image in originals if not image.projection}
    return originals, [
        f"well {copy.well}: {original.path} and {copy.path} hold the same image, although the other planes of the "
        "stack differ; copy the plate again from the microscope, or move the wrong one out of the folder."
        for original, copy in copies
        if original.path in planes
    ]


def _place(images: Sequence[Image]) -> None:
    """Number the planes of the stacks from 0, lowest first."""
    planes = [image for image in images if not image.projection]
    for image in images:
        image.z = 0 if image.projection else image.z_step or int(number(image.tags.get("Z Step")) or 1)
    steps = [image.z for image in planes]
    signs = [max(stack)[1] - min(stack)[1] for stack in _heights(planes) if len(stack) > 1]
    # Most stacks have their first step above their last.
    top_first = sum(sign < 0 for sign in signs) > len(signs) / 2
    for image in planes:
        image.z = max(steps) - image.z if top_first else image.z - min(steps)


def _heights(images: Sequence[Image]) -> list[list[tuple[int, float]]]:
    """Place and stage height of the planes of every stack."""
    stacks: dict[tuple[Any, ...], list[tuple[int, float]]] = defaultdict(list)
    for image in images:
        if image.z_um is not None:
            stacks[image.place].append((image.z, image.z_um))
    return list(stacks.values())


def _double_claims(images: Sequence[Image]) -> list[str]:
    found = []
    claims: dict[tuple[Any, ...], Image] = {}
    for image in images:
        other = claims.setdefault((*image.place, image.projection, image.z), image)
        if other is not image:
            what = f"the {image.projection} projection" if image.projection else f"plane {image.z} of the stack"
            found.append(
                f"well {image.well}: {other.path} and {image.path} both claim site {image.site}, wave {image.wave}, "
                f"time point {image.time}, {what}; keep the one that counts and move the other out of the folder."
            )
    return found


def _method(image: Image) -> str:
    """The kind of projection that the tags tell; '' if none."""
    method = image.tags.get("Z Projection Method")
    return re.sub(r"[^a-z0-9]+", "-", str(method).lower()).strip("-") if method else ""


def _sample(image: Image) -> tuple[Any, ...] | None:
    header = image.header
    return None if header is None else (header.size_y_px, header.size_x_px, header.dtype, header.sample)


def _exposure(image: Image) -> tuple[Any, Any] | None:
    """What identifies one exposure of the camera: copies of an image share it. None if it is not known."""
    when = image.tags.get("acquisition-time-local")
    z = image.tags.get("ImageXpress Micro Z", image.tags.get("z-position"))
    return None if when is None or z is None else (when, z)
