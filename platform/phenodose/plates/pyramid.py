"""Image pyramids: how many levels, how they are made, and area averages of any size.

Belongs here: arithmetic on 2-D images that is exact in integers, so that it gives the same pixels on every
machine. Does not belong here: files.
"""

from __future__ import annotations

import numpy as np

#: The pyramid ends at the first level whose longer side is at most this.
SMALLEST_PX = 256
_STRIP_ROWS = 128


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
    return halve_and_sum(plane)[0]


def halve_and_sum(plane: np.ndarray) -> tuple[np.ndarray, int]:
    """The image at half size, as `halve` gives it, and the sum of its pixels, which halving learns on the way.

    Args:
        plane: uint8 or uint16, dims y, x.
    """
    y, x = plane.shape
    whole = y % 2 == 0 and x % 2 == 0
    pixel_sum = 0 if whole else int(plane.sum(dtype=np.uint64))
    if not whole:
        plane = np.pad(plane, ((0, y % 2), (0, x % 2)), mode="edge")
    half = np.empty((plane.shape[0] // 2, plane.shape[1] // 2), plane.dtype)
    # In strips that stay in the processor's cache, as do their sums: one piece of memory for all.
    scratch = np.empty(min(_STRIP_ROWS, len(half)) * plane.shape[1], np.uint32)
    for top in range(0, len(half), _STRIP_ROWS):
        rows = half[top : top + _STRIP_ROWS]
        strip = plane[2 * top : 2 * (top + len(rows))]
        # The sums of two rows, in the narrowest type that holds those of 2 x 2 pixels. Two neighbours are the halves
        # of an integer twice as wide; its product with 1 + 2**bits has their sum in the upper half.
        narrow = 4 * int(strip.max()) + 2 <= np.iinfo(np.uint16).max
        lane, pair, bits = (np.uint16, np.uint32, 16) if narrow else (np.uint32, np.uint64, 32)
        sums = scratch.view(lane)[: strip.size // 2].reshape(len(rows), -1)
        total = np.add(strip[0::2], strip[1::2], out=sums, dtype=lane).view(pair)
        total *= pair(1 + (1 << bits))
        total >>= pair(bits)
        if whole:
            pixel_sum += int(np.add.reduce(total, axis=0, dtype=pair).sum(dtype=np.uint64))
        total += pair(2)
        total >>= pair(2)
        rows[:] = total
    return half, pixel_sum


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
