"""Image pyramids: how many levels, how they are made, and area averages of any size.

Belongs here: arithmetic on 2-D images that is exact in integers, so that it gives the same pixels on every
machine. Does not belong here: files.
"""

from __future__ import annotations

import numpy as np

#: The pyramid ends at the first level whose longer side is at most this.
SMALLEST_PX = 256


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
    total = plane[0::2, 0::2].astype(np.uint32)
    total += plane[0::2, 1::2]
    total += plane[1::2, 0::2]
    total += plane[1::2, 1::2]
    total += 2
    total >>= 2
    half: np.ndarray = total.astype(plane.dtype)
    return half


def area_average(plane: np.ndarray, size_y: int, size_x: int) -> np.ndarray:
    """The image resampled to any size: every pixel is the mean of the area it covers, rounded half up.

    The overlaps are whole numbers (in units of 1/size of a source pixel), and every sum stays below 2**53, so the
    result does not depend on the order of summation.

    Args:
        plane: uint8 or uint16, dims y, x; at most 8192 px a side.
        size_y: wanted height.
        size_x: wanted width.
    """
    if plane.shape == (size_y, size_x):
        return plane.copy()
    rows, columns = _overlaps(plane.shape[0], size_y), _overlaps(plane.shape[1], size_x)
    total = rows @ plane.astype(np.float64) @ columns.T
    area = plane.shape[0] * plane.shape[1]
    rounded = (2 * total.astype(np.int64) + area) // (2 * area)
    average: np.ndarray = rounded.astype(plane.dtype)
    return average


def _overlaps(source: int, target: int) -> np.ndarray:
    """Overlap of every target pixel with every source pixel, in units of 1/target; rows sum to `source`."""
    edges_source = np.arange(source + 1, dtype=np.int64) * target
    edges_target = np.arange(target + 1, dtype=np.int64) * source
    low = np.maximum(edges_target[:-1, None], edges_source[None, :-1])
    high = np.minimum(edges_target[1:, None], edges_source[None, 1:])
    overlap: np.ndarray = np.clip(high - low, 0, None).astype(np.float64)
    return overlap
