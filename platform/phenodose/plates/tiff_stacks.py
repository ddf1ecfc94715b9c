"""TIFF files of several images: how many there are, and which plane, channel and time point each of them is.

A page of a TIFF file is one image of its chain of directories. Several programs put more images behind one directory:
ImageJ (stacks above 4 GB, or on wish), MetaMorph's STK, and tifffile with `truncate`; the further ones follow the first
one's bytes. And several programs say which axis a page belongs to: OME-XML, ImageJ's hyperstacks, and what tifffile
writes of its own.

Sources: the OME-TIFF specification (docs.openmicroscopy.org/ome-model, TiffData), the ImageJ TIFF decoder's keys
`images`, `channels`, `slices` and `frames`, the MetaMorph Stack (STK) format (tag 33629, a value for each plane).

Belongs here: numbers of images, their axes, and where a further image's bytes lie. Does not belong here: checks of one
page (`tiff`), what the pages mean where the file does not say (`phenodose_readers.pattern`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

_UNCOMPRESSED = 1
_STK_PLANES = 33629
#: Names of the three axes of pages, by the letter that files give them.
AXES = {"Z": "z", "C": "channel", "T": "time"}


class UnclearPagesError(ValueError):
    """What a file says of its images contradicts itself or the images that are there."""


@dataclass(frozen=True, slots=True)
class PageAxes:
    """What a file says of one of its images.

    Attributes:
        z: plane, from 0.
        channel: channel, from 0.
        time: time point, from 0.
        channel_name: the channel's name; None where the file has none.
    """

    z: int
    channel: int
    time: int
    channel_name: str | None = None

    def number(self, axis: str) -> int:
        """Place along `z`, `channel` or `time`."""
        return int(getattr(self, axis))


def axes_used(pages: list[PageAxes]) -> list[str]:
    """The axes along which the images of a file differ, of `channel`, `time` and `z`."""
    return [axis for axis in ("channel", "time", "z") if len({page.number(axis) for page in pages}) > 1]


def images_behind(tiff: Any, path: Path, size: int) -> int:
    """Number of images behind the one directory (IFD) of a file; 1 for every other file.

    Args:
        tiff: the open file (tifffile).
        path: where it lies; an OME-TIFF may describe several files.
        size: its number of bytes.

    Raises:
        UnclearPagesError: they are compressed or not in one piece, or not all of them are in the file.
    """
    if len(tiff.pages) != 1:
        return 1
    page = tiff.pages[0]
    number = _images_said(tiff, page, path)
    if number <= 1:
        return 1
    offsets, counts = page.dataoffsets, page.databytecounts
    beyond = size - offsets[0] - _plane_bytes(page)
    wanted = offsets[0] + number * _plane_bytes(page)
    if size < wanted and (beyond <= 0 or page.offset > offsets[0]):
        # Nothing follows the first image but perhaps the directory: one image with the text of the stack it is from.
        return 1
    contiguous = all(one + n == other for one, n, other in zip(offsets, counts, offsets[1:], strict=False))
    if page.compression != _UNCOMPRESSED or page.is_tiled or not contiguous or page.ndim != 2:
        raise UnclearPagesError(f"one IFD with {number} images, of which only the first can be found")
    if size < wanted:
        raise UnclearPagesError(f"one IFD with {number} images, and {size} of {wanted} bytes are there")
    return number


def further_image(tiff: Any, number: int) -> np.ndarray:
    """The pixels of an image behind the file's one directory, dims y, x; the first has the number 0."""
    page = tiff.pages[0]
    dtype = page.dtype.newbyteorder(tiff.byteorder)
    start = page.dataoffsets[0] + number * _plane_bytes(page)
    tiff.filehandle.seek(start)
    pixels = np.frombuffer(tiff.filehandle.read(_plane_bytes(page)), dtype).reshape(page.shape)
    return pixels.astype(page.dtype)


def _plane_bytes(page: Any) -> int:
    return int(page.shape[0] * page.shape[1] * page.dtype.itemsize)


def _images_said(tiff: Any, page: Any, path: Path) -> int:
    """How many images the one directory of a file stands for, by what its program wrote."""
    stk = page.tags.get(_STK_PLANES)
    if stk is not None:
        return int(stk.count)
    if tiff.is_imagej:
        number = (tiff.imagej_metadata or {}).get("images", 1)
        return int(number) if isinstance(number, int) else 1
    if tiff.is_ome:
        try:
            return len(_ome_places(page.description, path, None)[0])
        except UnclearPagesError:
            return 1
    if tiff.is_shaped and page.ndim == 2:
        said: list[dict[str, Any]] = list(tiff.shaped_metadata or [])
        shape = said[0].get("shape", ()) if said else ()
        return int(np.prod(shape, dtype=np.int64)) // max(int(page.shape[0] * page.shape[1]), 1)
    return 1


def page_axes(tiff: Any, path: Path, n_images: int) -> list[PageAxes] | None:
    """What a file says of each of its images; None if it does not say, or has one image only.

    Args:
        tiff: the open file (tifffile).
        path: where it lies; an OME-TIFF may describe several files.
        n_images: images in this file.

    Raises:
        UnclearPagesError: what it says does not fit the images that are there.
    """
    if n_images <= 1:
        return None
    if tiff.is_ome:
        return _of_ome(tiff.pages[0].description, path, n_images)
    if tiff.is_imagej:
        return _of_imagej(tiff.imagej_metadata or {}, n_images)
    if tiff.is_shaped:
        return _of_shape(list(tiff.shaped_metadata or []), n_images)
    return None


def _of_shape(said: list[dict[str, Any]], n_images: int) -> list[PageAxes] | None:
    """The shape that tifffile writes: several axes of images must have their letters, as one stack they were mixed."""
    shape = [*said[0].get("shape", ())][:-2] if len(said) == 1 else []
    if int(np.prod(shape, dtype=np.int64)) != n_images:
        return None
    letters = str(said[0].get("axes") or "").upper()[: len(shape)]
    used = [(axis, size) for axis, size in zip(letters.ljust(len(shape), "?"), shape, strict=False) if size > 1]
    axes = [axis for axis, _ in used]
    if set(axes) <= set(AXES) and len(set(axes)) == len(axes):
        places = np.stack(np.unravel_index(np.arange(n_images), [size for _, size in used]), axis=1)
        named = (_named(axes, place) for place in places.tolist())
        return [PageAxes(one.get("z", 0), one.get("channel", 0), one.get("time", 0)) for one in named]
    if len(used) > 1:
        text = " x ".join(f"{size}" + (f" ({axis})" if axis != "?" else "") for axis, size in used)
        raise UnclearPagesError(f"its metadata tell {text} images and not which axes these are")
    return None


def _named(axes: list[str], place: list[int]) -> dict[str, int]:
    return {AXES[axis]: number for axis, number in zip(axes, place, strict=True)}


def _of_imagej(said: dict[str, Any], n_images: int) -> list[PageAxes] | None:
    """ImageJ's order is channels fastest, then slices, then frames."""
    sizes = [said.get(key, 1) for key in ("channels", "slices", "frames")]
    if not all(isinstance(size, int) for size in sizes) or np.prod(sizes) != n_images:
        return None
    channels, slices, _ = sizes
    return [
        PageAxes(z=page // channels % slices, channel=page % channels, time=page // (channels * slices))
        for page in range(n_images)
    ]


def _of_ome(text: str, path: Path, n_images: int) -> list[PageAxes] | None:
    places, sizes, names = _ome_places(text, path, n_images)
    if not places:
        return None
    if set(places) != set(range(n_images)):
        raise UnclearPagesError(f"its OME-XML tells {len(places)} images, {n_images} are in the file")
    if any(place[axis] >= sizes[axis] for place in places.values() for axis in AXES):
        sentence = " x ".join(f"{sizes[axis]} {name}" for axis, name in AXES.items())
        raise UnclearPagesError(f"its OME-XML tells {sentence}, and {n_images} images are in the file")
    return [
        PageAxes(
            z=places[page]["Z"],
            channel=places[page]["C"],
            time=places[page]["T"],
            channel_name=names[places[page]["C"]] if places[page]["C"] < len(names) else None,
        )
        for page in range(n_images)
    ]


_Places = tuple[dict[int, dict[str, int]], dict[str, int], list[str | None]]


def _ome_places(text: str, path: Path, n_images: int | None) -> _Places:
    """Place (Z, C, T) of every page of this file by OME-XML, sizes of these axes, and names of the channels.

    Args:
        text: the OME-XML.
        path: the file; blocks that name another file are that file's.
        n_images: images that are there; None if that is the question.

    Returns:
        Nothing where several images of one plane each are described (their pages are no stack), or where the file is
        one of several and was renamed.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise UnclearPagesError(f"its OME-XML cannot be read ({error})") from error
    images = _found(root, "Pixels")
    if len(images) != 1:
        if any(_number(pixels, f"Size{axis}", 1) > 1 for pixels in images for axis in AXES):
            raise UnclearPagesError(f"its OME-XML describes {len(images)} images of several planes each")
        return {}, {}, []
    (pixels,) = images
    sizes = {axis: max(_number(pixels, f"Size{axis}", 1), 1) for axis in AXES}
    order = [axis for axis in pixels.get("DimensionOrder", "XYZCT").upper() if axis in sizes]
    order += [axis for axis in AXES if axis not in order]
    whole = n_images or int(np.prod(list(sizes.values())))
    places: dict[int, dict[str, int]] = {}
    blocks = _blocks_of(pixels, path.name, str(root.get("UUID")))
    if blocks is None:
        return {}, {}, []
    for block in blocks:
        first = [f"First{axis}" for axis in AXES]
        # A block that says nothing stands for all planes; one that says where it begins, for one plane.
        count = _number(block, "PlaneCount", 1 if {"IFD", *first} & set(block.attrib) else whole)
        offset = _along({axis: _number(block, f"First{axis}", 0) for axis in AXES}, sizes, order)
        start = _number(block, "IFD", 0)
        places |= {start + number: _apart(offset + number, sizes, order) for number in range(count)}
    if not places:
        places = {number: _apart(number, sizes, order) for number in range(n_images or 1)}
    return places, sizes, [channel.get("Name") for channel in _found(pixels, "Channel")]


def _found(element: ET.Element, name: str) -> list[ET.Element]:
    """Elements of that name below another, whatever the version of the schema."""
    return [each for each in element.iter() if each.tag.rpartition("}")[2] == name]


def _blocks_of(pixels: ET.Element, name: str, uuid: str) -> list[ET.Element] | None:
    """The blocks of planes that are this file's, by its name or else its own UUID; None if it was renamed and has none.

    Of a set of files each has the text of all, so that without either nothing tells which planes a file holds.
    """
    blocks = _found(pixels, "TiffData")
    uuids = [next(iter(_found(block, "UUID")), None) for block in blocks]
    files = {each.get("FileName") for each in uuids if each is not None} - {None}
    if len(files) <= 1:
        return blocks
    by_uuid = name not in files
    own = [
        block
        for block, each in zip(blocks, uuids, strict=True)
        if each is None or (str(each.text).strip() == uuid if by_uuid else each.get("FileName") in (None, name))
    ]
    return own or None


def _number(element: ET.Element, name: str, otherwise: int) -> int:
    text = element.get(name)
    if text is None:
        return otherwise
    try:
        return int(text)
    except ValueError as error:
        raise UnclearPagesError(f"its OME-XML says {name} {text!r}") from error


def _along(place: dict[str, int], sizes: dict[str, int], order: list[str]) -> int:
    number, step = 0, 1
    for axis in order:
        number += place[axis] * step
        step *= sizes[axis]
    return number


def _apart(number: int, sizes: dict[str, int], order: list[str]) -> dict[str, int]:
    place = {}
    for axis in order:
        number, place[axis] = divmod(number, sizes[axis])
    # What is left over would be a further turn: it shows as a place outside of the last axis.
    place[order[-1]] += number * sizes[order[-1]]
    return place
