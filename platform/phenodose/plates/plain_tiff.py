"""Plain TIFF files read directly: one grey image, uncompressed, little-endian, its strips one after the other.

Most microscopes write planes so. A general library builds objects for all tags and goes through the hundreds of
strips of such a file one by one, which costs a third as much as reading the pixels and holds Python's lock meanwhile.
Here a file is read only if it is certainly plain; one with any other tag, value or order, or with any damage, is left
to the library (`tiff`). Both give the same header and the same pixels.

Belongs here: the plain case of TIFF 6.0. Does not belong here: every other case, and messages on damage (`tiff`).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_LITTLE_ENDIAN = b"II*\0"
_MARK_BYTES = 8
_TAG = struct.Struct("<HHI4s")
_TEXT, _SHORT, _LONG = 2, 3, 4
_NUMBER_BYTES = {_SHORT: 2, _LONG: 4}
_WIDTH, _HEIGHT, _BITS, _STRIP_OFFSETS, _STRIP_ROWS, _STRIP_BYTES = 256, 257, 258, 273, 278, 279
_DESCRIPTION, _SOFTWARE = 270, 305
# Where they are there, they must have one of these values: uncompressed, grey, one unsigned sample a pixel.
_PLAIN = {259: (1,), 262: (0, 1), 266: (1,), 277: (1,), 284: (1,), 317: (1,), 339: (1,)}
# They change no pixel: kind of page, names, makers, dates, orientation and resolution in print.
_IDLE = {254, 269, 271, 272, 274, 282, 283, 285, 296, 306, 315, 316}
_KNOWN = {_WIDTH, _HEIGHT, _BITS, _STRIP_OFFSETS, _STRIP_ROWS, _STRIP_BYTES, _DESCRIPTION, _SOFTWARE, *_PLAIN, *_IDLE}
_DTYPES = {8: "u1", 16: "<u2"}


class _NotPlainError(Exception):
    """The file is not certainly plain."""


@dataclass(frozen=True)
class PlainPage:
    """What the header of a plain file says, and where its pixels lie.

    Attributes:
        size_y_px: height.
        size_x_px: width.
        dtype: numpy code of the pixel type, with its byte order.
        offset: place of the pixels in the file.
        middle_strip: place and number of bytes of the strip in the middle.
        description: the image description, '' if there is none.
        software: the program that wrote the file, '' if it does not say.
    """

    size_y_px: int
    size_x_px: int
    dtype: str
    offset: int
    middle_strip: tuple[int, int]
    description: str
    software: str


def plain_page(file: FileIO, file_bytes: int) -> PlainPage | None:
    """The only page of a whole plain file; None if the file is anything else or damaged.

    Args:
        file: opened for reading just now, without a buffer.
        file_bytes: its size.
    """
    try:
        return _Header(file, file_bytes).page()
    except (_NotPlainError, UnicodeDecodeError, struct.error):
        return None


def plain_pixels(file: FileIO, page: PlainPage) -> np.ndarray | None:
    """The pixels, dims y, x; None if the file has become shorter."""
    import numpy as np

    pixels = np.empty((page.size_y_px, page.size_x_px), page.dtype)
    wanted = pixels.data.cast("B")
    file.seek(page.offset)
    while wanted:
        n_bytes = file.readinto(wanted)
        if not n_bytes:
            return None
        wanted = wanted[n_bytes:]
    return pixels


class _Header:
    """The tags of a file's only page."""

    def __init__(self, file: FileIO, file_bytes: int) -> None:
        self._file = file
        self._file_bytes = file_bytes
        mark, start = struct.unpack("<4sI", file.read(_MARK_BYTES))
        if mark != _LITTLE_ENDIAN:
            raise _NotPlainError
        (n_tags,) = struct.unpack("<H", self._bytes(start, 2))
        table = self._bytes(start + 2, _TAG.size * n_tags + 4)
        # Code -> kind, count, and the value or its place.
        self._tags = {code: value for code, *value in _TAG.iter_unpack(table[:-4])}
        further_page = any(table[-4:])
        if further_page or len(self._tags) != n_tags or not self._tags.keys() <= _KNOWN:
            raise _NotPlainError

    def page(self) -> PlainPage:
        """The page if it is plain and whole."""
        if any(code in self._tags and self._number(code) not in values for code, values in _PLAIN.items()):
            raise _NotPlainError
        height, width, bits = (self._number(code) for code in (_HEIGHT, _WIDTH, _BITS))
        strip_rows = min(self._number(_STRIP_ROWS), height) if _STRIP_ROWS in self._tags else height
        if bits not in _DTYPES or not (height and width and strip_rows):
            raise _NotPlainError
        places, sizes = self._numbers(_STRIP_OFFSETS), self._numbers(_STRIP_BYTES)
        n_strips, n_bytes = math.ceil(height / strip_rows), height * width * (bits // 8)
        if len(places) != n_strips or len(sizes) != n_strips or not sizes.all() or sizes.sum() != n_bytes:
            raise _NotPlainError
        if (places[:-1] + sizes[:-1] != places[1:]).any() or places[0] + n_bytes > self._file_bytes:
            raise _NotPlainError
        middle = n_strips // 2
        return PlainPage(
            height,
            width,
            _DTYPES[bits],
            int(places[0]),
            (int(places[middle]), int(sizes[middle])),
            self._text(_DESCRIPTION),
            self._text(_SOFTWARE),
        )

    def _number(self, code: int) -> int:
        kind, count, value = self._tags.get(code, (0, 0, b""))
        if kind not in _NUMBER_BYTES or count != 1:
            raise _NotPlainError
        return int.from_bytes(value[: _NUMBER_BYTES[kind]], "little")

    def _numbers(self, code: int) -> np.ndarray:
        import numpy as np

        kind, count, value = self._tags.get(code, (0, 0, b""))
        if kind not in _NUMBER_BYTES or not count:
            raise _NotPlainError
        payload = self._value(value, count * _NUMBER_BYTES[kind])
        return np.frombuffer(payload, f"<u{_NUMBER_BYTES[kind]}").astype(np.int64)

    def _text(self, code: int) -> str:
        if code not in self._tags:
            return ""
        kind, count, value = self._tags[code]
        if kind != _TEXT or not count:
            raise _NotPlainError
        payload = self._value(value, count).rstrip(b"\0")
        try:
            return payload.decode().strip()
        except UnicodeDecodeError:
            return payload.decode("cp1252").strip()

    def _value(self, value: bytes, n_bytes: int) -> bytes:
        """The value of a tag: in the tag itself if it fits, else where the tag says."""
        return value[:n_bytes] if n_bytes <= len(value) else self._bytes(int.from_bytes(value, "little"), n_bytes)

    def _bytes(self, offset: int, n_bytes: int) -> bytes:
        # Asked first: a damaged count would ask for more than the memory has.
        if offset < _MARK_BYTES or offset + n_bytes > self._file_bytes:
            raise _NotPlainError
        self._file.seek(offset)
        found = self._file.read(n_bytes)
        if len(found) != n_bytes:
            raise _NotPlainError
        return found
