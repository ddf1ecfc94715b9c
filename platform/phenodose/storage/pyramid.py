"""Image pyramids: how many levels, how they are made, and area averages of any size.

Belongs here: arithmetic on 2-D images that is exact in integers, so that it gives the same pixels on every
machine. Does not belong here: files.
"""

from __future__ import annotations

import numpy as np

#: The pyramid ends at the first level whose longer side is at most this.
SMALLEST_PX = 256
_STRIP_ROWS = 64


def level_shapes(size_y: int, size_x: int) -> list[tuple[int, int]]:
    """Height and width of every pyramid level, full size first; each level halves the one before, rounded up."""
    shapes = [(size_y, size_x)]
    while max(shapes[-1]) > SMALLEST_PX:
        y, x = shapes[-1]
        shapes.append(((y + 1) // 2, (x + 1) // 2))
    return shapes


def halve(plane: np.ndarray) -> np.ndarray:
    """The image at half size: every pixel is the mean of 2 x 2, rounded half up.

    An odd last row or column stands for itself twice, so that nothing is cut off.

    Args:
        plane: uint8 or uint16, dims y, x.
    """
    y, x = plane.shape
    if y % 2 or x % 2:
        plane = np.pad(plane, ((0, y % 2), (0, x % 2)), mode="edge")
    # The sums of two rows and then of two neighbours, in the narrowest type that holds them; neighbours are the two
    # halves of an integer twice as wide. In strips that stay in the processor's cache.
    narrow = 4 * int(plane.max()) + 2 <= np.iinfo(np.uint16).max
    lane, pair = (np.dtype("uint16"), np.dtype("uint32")) if narrow else (np.dtype("uint32"), np.dtype("uint64"))
    half = np.empty((plane.shape[0] // 2, plane.shape[1] // 2), plane.dtype)
    two_rows = np.empty((_STRIP_ROWS, plane.shape[1]), lane)
    for top in range(0, len(half), _STRIP_ROWS):
        rows = half[top : top + _STRIP_ROWS]
        strip = plane[2 * top : 2 * (top + len(rows))]
        pairs = np.add(strip[0::2], strip[1::2], out=two_rows[: len(rows)], dtype=lane).view(pair)
        total = pairs >> 8 * lane.itemsize
        total += pairs
        total += 2
        total &= np.iinfo(lane).max
        total >>= 2
        rows[:] = total
    return half


def area_average(plane: np.ndarray, size_y: int, size_x: int) -> np.ndarray:
    """The image resampled to any size: every pixel is the mean of the area it covers, rounded half up.

    Exact in integers: areas are counted in units of 1/size of a source pixel.

    Args:
        plane: uint8 or uint16, dims y, x.
        size_y: wanted height.
        size_x: wanted width.
    """
    total = _sums_between_edges(_sums_between_edges(plane.astype(np.int64), size_y).T, size_x).T
    area = plane.shape[0] * plane.shape[1]
    average: np.ndarray = ((2 * total + area) // (2 * area)).astype(plane.dtype)
    return average


def _sums_between_edges(values: np.ndarray, target: int) -> np.ndarray:
    """Cut the first axis into `target` equal parts; the sum over each part, times `target`."""
    source = len(values)
    whole, rest = np.divmod(np.arange(target + 1, dtype=np.int64) * source, target)
    padded = np.zeros((source + 1, values.shape[1]), np.int64)
    padded[:-1] = values
    below = np.zeros_like(padded)
    np.cumsum(values, axis=0, out=below[1:])
    sums: np.ndarray = np.diff(below[whole] * target + padded[whole] * rest[:, None], axis=0)
    return sums
