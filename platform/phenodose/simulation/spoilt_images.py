"""What spoils the image of a single well: fibres, specks, missing cells, a lost focus.

Belongs here: faults that are drawn over the pictures of one simulated well. Does not belong here: the spheroids
themselves (`spheroid`) and finding such wells (`phenodose.quality.image_outliers`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Pictures = NDArray[np.uint16]

Spoilt = Literal["fibre", "speck", "empty", "blurred", "half"]

_FIELD_UM = 263.0
_LIGHT_OF_BACKGROUND = 10.0  # percentile of a stack's counts


def spoil(pictures: Pictures, how: Spoilt, rng: Generator) -> Pictures:
    """The same well with a fault in its image.

    Args:
        pictures: raw counts of one well, dims plane (or projection), y, x.
        how: fibre (a bright curved thread over the field), speck (a bright body of 10 to 25 um), empty (no cells),
            blurred (out of focus by 6 to 12 um), half (the cells of one side are missing).
        rng: source of place, size and strength.

    Returns:
        Raw counts of the same shape; the input is not changed.
    """
    counts = _FAULTS[how](pictures.astype(np.float64), rng)
    return np.asarray(np.clip(np.rint(counts), 0, 65535), dtype=np.uint16)


def _pixel_um(stack: NDArray[np.float64]) -> float:
    return _FIELD_UM / int(stack.shape[-1])


def _grid(stack: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places of the pixels from the middle of the field [um], dims y, x."""
    line = np.asarray((np.arange(stack.shape[-1]) + 0.5) * _pixel_um(stack) - _FIELD_UM / 2, dtype=np.float64)
    return line[:, None], line[None, :]


def _background(stack: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    """Medium without cells: level and noise of the stack's darkest places."""
    level = float(np.percentile(stack, _LIGHT_OF_BACKGROUND))
    dark = stack[stack <= level]
    spread = max(float(dark.std()), 4.0) if dark.size else 4.0
    return np.asarray(level + spread * rng.standard_normal(stack.shape))


def _fibre(stack: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    y, x = _grid(stack)
    turn, offset = rng.uniform(0, np.pi), rng.uniform(-60, 60)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    bend = rng.uniform(-40, 40) * np.sin(2 * np.pi * along / rng.uniform(200, 500)) + offset
    light = np.exp(-0.5 * ((across - bend) / rng.uniform(3, 7)) ** 2)
    return np.asarray(stack + light * rng.uniform(0.7, 2.0) * np.percentile(stack, 99.5))


def _speck(stack: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    y, x = _grid(stack)
    at_y, at_x = rng.uniform(-90, 90, 2)
    radius = rng.uniform(10, 25)
    light = np.exp(-((np.hypot(y - at_y, x - at_x) / radius) ** 4))
    return np.asarray(stack + light * rng.uniform(1.5, 4.0) * np.percentile(stack, 99.5))


def _empty(stack: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    return _background(stack, rng)


def _blurred(stack: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    sigma = rng.uniform(6, 12) / _pixel_um(stack)
    return np.asarray(gaussian_filter(stack, (0, sigma, sigma), mode="nearest"))


def _half(stack: NDArray[np.float64], rng: Generator) -> NDArray[np.float64]:
    y, x = _grid(stack)
    turn = rng.uniform(0, 2 * np.pi)
    missing = x * np.cos(turn) + y * np.sin(turn) > rng.uniform(-10, 10)
    return np.where(missing, _background(stack, rng), stack)


_FAULTS: dict[Spoilt, Callable[[NDArray[np.float64], Generator], NDArray[np.float64]]] = {
    "fibre": _fibre,
    "speck": _speck,
    "empty": _empty,
    "blurred": _blurred,
    "half": _half,
}
#: Every fault there is.
SPOILT: tuple[Spoilt, ...] = tuple(_FAULTS)
