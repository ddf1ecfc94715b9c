"""Pixels of a plate made elsewhere: one channel of one image, its axes in whatever order.

Belongs here: indexing. Does not belong here: which image is asked (`external_plate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import StoreError
from phenodose.plates.stack_view import StackView

if TYPE_CHECKING:
    import zarr


class ExternalView(StackView):
    """One channel of one image of an external plate as an array with dims z, y, x."""

    def __init__(self, array: zarr.Array[Any], axes: str, time: int, channel: int, where: str) -> None:
        self._source = array
        self._axes = axes
        self._fixed = {"t": time, "c": channel}
        self._where = where
        sizes = dict(zip(axes, array.shape, strict=True))
        self.shape = (sizes.get("z", 1), sizes["y"], sizes["x"])
        self.dtype = array.dtype

    def __getitem__(self, place: Any) -> np.ndarray:
        place = place if isinstance(place, tuple) else (place,)
        if any(part is Ellipsis for part in place):
            at = place.index(Ellipsis)
            place = (*place[:at], *[slice(None)] * (4 - len(place)), *place[at + 1 :])
        wanted = dict(zip("zyx", (*place, *[slice(None)] * (3 - len(place))), strict=True))
        # Axes in whatever order, whole numbers as slices of one, so that z can be put first and taken out last.
        slices = {axis: _as_slice(part, size) for (axis, part), size in zip(wanted.items(), self.shape, strict=True)}
        key = tuple(self._fixed[axis] if axis in self._fixed else slices[axis] for axis in self._axes)
        try:
            block = np.asarray(self._source[key])
        except Exception as error:  # codecs raise whatever the damaged bytes lead to
            raise StoreError(
                f"{self._where}: the pixels cannot be read ({error}); copy the plate again from where it was made."
            ) from error
        left = [axis for axis in self._axes if axis not in self._fixed]
        if "z" not in left:
            block, left = block[None], ["z", *left]
        block = block.transpose([left.index(axis) for axis in "zyx"])
        if "z" not in self._axes:
            block = block[slices["z"]]
        return block[tuple(0 if isinstance(wanted[axis], (int, np.integer)) else slice(None) for axis in "zyx")]


def _as_slice(part: Any, size: int) -> slice:
    if isinstance(part, slice):
        return part
    number = int(part)
    if not -size <= number < size:
        raise IndexError(f"index {number} is out of bounds for an axis of length {size}")
    return slice(number % size, number % size + 1)
