"""TIFF pages: a check at the door that decodes nothing, and reading one page.

Belongs here: what is true of any TIFF file. Does not belong here: what a microscope writes into the image
description (reader plugins).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, MissingInputError

if TYPE_CHECKING:
    import numpy as np

_REMEDY = "copy the file again from the microscope"
_UNCOMPRESSED = 1
_SOFTWARE, _DESCRIPTION = 305, 270


@dataclass(frozen=True)
class TiffHeader:
    """What the header of one TIFF page says.

    Attributes:
        size_y_px: height.
        size_x_px: width.
        dtype: numpy name of the pixel type, such as uint16.
        description: the image description, '' if there is none.
        software: the program that wrote the file, '' if it does not say.
    """

    size_y_px: int
    size_x_px: int
    dtype: str
    description: str
    software: str


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
        first = _page(tiff, path, well, page)
        if first.ndim != 2 or first.dtype is None:
            raise InputError(
                f"{path}: well {well}: page {page} has the shape {first.shape}; a plane is one grey image, "
                "so export the channels as single grey TIFF files."
            )
        fault = _segments_fault(first, size)
        if fault:
            raise InputError(f"{path}: well {well}: the file is truncated ({fault}); {_REMEDY}.")
        return TiffHeader(
            int(first.shape[0]),
            int(first.shape[1]),
            str(first.dtype.name),
            _text_tag(first, _DESCRIPTION),
            _text_tag(first, _SOFTWARE),
        )


def read_page(path: Path, page: int, well: str) -> np.ndarray:
    """The pixels of one page, dims y, x.

    Args:
        path: the file.
        page: page within the file, from 0.
        well: name of the well, for the message.

    Raises:
        MissingInputError: there is no such file.
        InputError: the page cannot be decoded.
    """
    _size(path, well)
    with _opened(path, well) as tiff:
        try:
            pixels: np.ndarray = _page(tiff, path, well, page).asarray(maxworkers=1)
        except InputError:
            raise
        except Exception as error:  # tifffile and its codecs raise whatever the damaged bytes lead to
            raise InputError(
                f"{path}: well {well}: page {page} cannot be decoded ({_reason(error)}); {_REMEDY}."
            ) from error
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
    end = max(map(sum, zip(offsets, counts, strict=True)))
    if end > file_size:
        return f"{file_size} of {end} bytes are there"
    wanted = page.shape[0] * page.shape[1] * page.dtype.itemsize
    if page.compression == _UNCOMPRESSED and sum(counts) < wanted:
        return f"{sum(counts)} of {wanted} bytes of pixels are there"
    return ""


def _text_tag(page: Any, code: int) -> str:
    tag = page.tags.get(code)
    return tag.value if tag is not None and isinstance(tag.value, str) else ""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]
