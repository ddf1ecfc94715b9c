"""TIFF pages: a check at the door that decodes nothing, and reading one page.

Belongs here: what is true of any TIFF file. Does not belong here: what a microscope writes into the image
description (reader plugins).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, MissingInputError
from phenodose.io.files import hash_bytes
from phenodose.plates.tiff_rgb import OPTION, RgbChoice, is_rgb, one_channel, size_of
from phenodose.plates.tiff_stacks import PageAxes, UnclearPagesError, further_image, images_behind, page_axes

if TYPE_CHECKING:
    import numpy as np

_REMEDY = "copy the file again from the microscope"
_UNCOMPRESSED = 1
_WHITE_IS_ZERO, _PALETTE = 0, 3
_RISES = 0.5
_SAMPLE_BYTES = 4096
_SOFTWARE, _DESCRIPTION = 305, 270


@dataclass(frozen=True, slots=True)
class TiffHeader:
    """What the header of one TIFF page says.

    Attributes:
        size_y_px: height.
        size_x_px: width.
        dtype: numpy name of the pixel type, such as uint16.
        description: the image description, '' if there is none.
        software: the program that wrote the file, '' if it does not say.
        sample: hash of some stored bytes from the middle of the image: files of the same image share it.
        axes: what the file says of this image's place among its others; None where it does not say.
    """

    size_y_px: int
    size_x_px: int
    dtype: str
    description: str
    software: str
    sample: str
    axes: PageAxes | None = None


def check_tiff(path: Path, well: str, page: int = 0) -> TiffHeader:
    """Check that one page of a TIFF file is whole, without decoding it.

    The header is parsed and every strip or tile must lie inside the file; the sizes of uncompressed ones
    must add up to the image.

    Args:
        path: the file.
        well: name of the well, for the message.
        page: page within the file, from 0.

    Raises:
        MissingInputError: there is no such file.
        InputError: the file is empty, truncated, not a TIFF, or no grey image.
    """
    size = _size(path, well)
    with _opened(path, well) as tiff:
        return _checked(tiff, path, well, page, size)


def check_pages(path: Path, well: str, rgb: RgbChoice | None = None) -> list[TiffHeader]:
    """Check that all images of a TIFF file are whole, without decoding them; see `check_tiff`.

    Images that lie behind one directory of the file are pages, too.

    Args:
        path: the file.
        well: name of the well, for the message.
        rgb: how pages of three samples become grey images; None refuses them.
    """
    size = _size(path, well)
    with _opened(path, well) as tiff:
        try:
            n_pages = len(tiff.pages)
        except Exception as error:  # the chain of pages may lead anywhere
            raise InputError(
                f"{path}: well {well}: its pages cannot be counted ({_reason(error)}); {_REMEDY}."
            ) from error
        if not n_pages:
            raise InputError(f"{path}: well {well}: the file holds no page; {_REMEDY}.")
        found = [_checked(tiff, path, well, page, size, rgb) for page in range(n_pages)]
        try:
            # Programs count the samples of a pixel among the images of a file.
            found *= 1 if n_pages == 1 and is_rgb(tiff.pages[0]) else images_behind(tiff, path, size)
            axes = page_axes(tiff, path, len(found))
        except UnclearPagesError as error:
            raise InputError(
                f"{path}: well {well}: the file's images cannot be told apart: {error}; export every image as a TIFF "
                "file of its own, or save the stack again with a directory for each image."
            ) from error
        return found if axes is None else [replace(one, axes=of) for one, of in zip(found, axes, strict=True)]


def _checked(tiff: Any, path: Path, well: str, page: int, size: int, rgb: RgbChoice | None = None) -> TiffHeader:
    found = _page(tiff, path, well, page)
    # A damaged table of tags gives sizes that are no numbers.
    plain = found.dtype is not None and {*map(type, found.shape)} == {int}
    in_colour = plain and is_rgb(found)
    if not plain or not (found.ndim == 2 or (in_colour and rgb)):
        choice = f"; or, where all samples hold one dye, choose with {OPTION}" if in_colour else ""
        raise InputError(
            f"{path}: well {well}: page {page} has the shape {found.shape}; a plane is one grey image, "
            f"so export the channels as single grey TIFF files{choice}."
        )
    if found.dtype.kind == "b" or (found.compression == _UNCOMPRESSED and found.bitspersample % 8):
        raise InputError(
            f"{path}: well {well}: pixels of {found.bitspersample} bits are unsupported; export the images with 8 or "
            "16 bits (uint8 or uint16)."
        )
    if found.photometric == _WHITE_IS_ZERO:
        raise InputError(
            f"{path}: well {well}: the grey values are stored inverted (PhotometricInterpretation 0: 0 is white), so "
            "that dark would count as bright; save the image with 0 as black."
        )
    if found.photometric == _PALETTE and not _rises(found.colormap):
        raise InputError(
            f"{path}: well {well}: the pixels are numbers in a table of colours that does not get brighter with them, "
            "so they are no grey values; export the image in grey."
        )
    fault = _segments_fault(found, size)
    if fault:
        raise InputError(f"{path}: well {well}: the file is truncated ({fault}); {_REMEDY}.")
    return TiffHeader(
        *(size_of(found) if in_colour else (int(found.shape[0]), int(found.shape[1]))),
        str(found.dtype.name),
        _text_tag(found, _DESCRIPTION),
        _text_tag(found, _SOFTWARE),
        _sample(tiff, found),
    )


def _rises(colours: Any) -> bool:
    """Whether a table of colours (3 x n) shows grey values: programs show them in green, fire or grey."""
    import numpy as np

    if colours is None:
        return True
    brightness = np.asarray(colours, dtype=np.float64).max(axis=0)
    return bool(np.corrcoef(np.arange(brightness.size), brightness)[0, 1] > _RISES) if np.ptp(brightness) else False


def read_page(path: Path, page: int, well: str, rgb: RgbChoice | None = None) -> np.ndarray:
    """The pixels of one page, dims y, x.

    Args:
        path: the file.
        page: page within the file, from 0.
        well: name of the well, for the message.
        rgb: how a page of three samples becomes a grey image; None refuses it.

    Raises:
        MissingInputError: there is no such file.
        InputError: the page cannot be decoded, or its samples hold more than one dye.
    """
    size = _size(path, well)
    with _opened(path, well) as tiff:
        try:
            if page and page < images_behind(tiff, path, size):
                return further_image(tiff, page)
            found = _page(tiff, path, well, page)
            pixels: np.ndarray = found.asarray(maxworkers=1)
        except InputError:
            raise
        except Exception as error:  # tifffile and its codecs raise whatever the damaged bytes lead to
            raise InputError(
                f"{path}: well {well}: page {page} cannot be decoded ({_reason(error)}); {_REMEDY}."
            ) from error
        if rgb and is_rgb(found):
            try:
                return one_channel(found, pixels, rgb)
            except ValueError as error:
                raise InputError(f"{path}: well {well}: page {page}: {error} ({OPTION}).") from error
    if pixels.ndim != 2:
        raise InputError(f"{path}: well {well}: page {page} holds no grey image; {_REMEDY}.")
    return pixels


def _size(path: Path, well: str) -> int:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise MissingInputError(f"{path}: well {well}: there is no such file; {_REMEDY}.") from None
    if size == 0:
        raise InputError(f"{path}: well {well}: the file is empty; {_REMEDY}.")
    return size


@contextmanager
def _opened(path: Path, well: str) -> Iterator[Any]:
    import tifffile

    # Damaged files are told by one error of ours, not also by tifffile's log.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        tiff = tifffile.TiffFile(path)
    except OSError as error:
        raise InputError(
            f"{path}: well {well}: the file cannot be read ({error.strerror or error}); check its permissions and the "
            f"connection to the disk, or {_REMEDY}."
        ) from error
    except Exception as error:  # as above: the header may hold anything
        raise InputError(
            f"{path}: well {well}: the file is no TIFF image or its header is damaged ({_reason(error)}); {_REMEDY}."
        ) from error
    with tiff:
        yield tiff


def _page(tiff: Any, path: Path, well: str, page: int) -> Any:
    try:
        return tiff.pages[page]
    except Exception as error:  # as above
        raise InputError(f"{path}: well {well}: page {page} cannot be read ({_reason(error)}); {_REMEDY}.") from error


def _segments_fault(page: Any, file_size: int) -> str:
    """In what the strips or tiles do not fit the file or the image, or '' if in nothing."""
    offsets, counts = page.dataoffsets, page.databytecounts
    if not offsets or len(offsets) != len(counts):
        return "its table of strips is incomplete"
    if {*map(type, offsets), *map(type, counts)} != {int}:
        return "its table of strips is damaged"
    end = max(map(add, offsets, counts))
    if end > file_size:
        return f"{file_size} of {end} bytes are there"
    wanted = prod(page.shape) * page.dtype.itemsize
    if page.compression == _UNCOMPRESSED and sum(counts) < wanted:
        return f"{sum(counts)} of {wanted} bytes of pixels are there"
    return ""


def _sample(tiff: Any, page: Any) -> str:
    """Hash of a few stored bytes in the middle of the middle strip: photon noise makes it the image's own."""
    middle = len(page.dataoffsets) // 2
    offset, count = page.dataoffsets[middle], page.databytecounts[middle]
    tiff.filehandle.seek(offset + max(count - _SAMPLE_BYTES, 0) // 2)
    return hash_bytes(tiff.filehandle.read(min(count, _SAMPLE_BYTES)))


def _text_tag(page: Any, code: int) -> str:
    tag = page.tags.get(code)
    return tag.value if tag is not None and isinstance(tag.value, str) else ""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]
