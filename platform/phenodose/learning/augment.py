"""Augmentation: one affine resampling and one change of intensity per image, drawn in numpy.

Belongs here: drawing the parameters (keyed by seed, phase, epoch and well, so that they depend neither
on the batch nor on the Keras backend) and applying them to a batch. Does not belong here: scaling to
network input (`preprocess`) and other ways to change the intensity (`intensity`).

Flip, rotation, shift and zoom are composed to one matrix about the image's centre, so that an image is
interpolated once; beyond its borders it is reflected.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes; the defaults are the paper's.

    Attributes:
        flip: flip each axis with probability one half.
        rotation_degrees: rotation is uniform within plus and minus this.
        shift_fraction: shift along each axis is uniform within plus and minus this part of its size.
        zoom_min: smallest zoom factor of an axis; above 1 is nearer.
        zoom_max: largest zoom factor of an axis.
        intensity_min: smallest factor on the signal.
        intensity_max: largest factor on the signal.
    """

    flip: bool = True
    rotation_degrees: float = 30.0
    shift_fraction: float = 0.1
    zoom_min: float = 0.9
    zoom_max: float = 1.1
    intensity_min: float = 0.5
    intensity_max: float = 1.5

    @classmethod
    def none(cls) -> Augmentation:
        """Ranges that leave every image as it is."""
        return cls(False, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Draw:
    """Parameters drawn for n images.

    Attributes:
        transform: float32 array (n, 8): output column x and row y to input place, as
            `keras.ops.image.affine_transform` takes it.
        intensity: float32 array (n,): factor on the signal.
    """

    transform: np.ndarray
    intensity: np.ndarray

    def __getitem__(self, index: np.ndarray) -> Draw:
        return Draw(self.transform[index], self.intensity[index])


def draw(augmentation: Augmentation, n: int, size_px: tuple[int, int], *, seed: int, phase: str, epoch: int) -> Draw:
    """Draw the parameters of wells 0 to n - 1 for one epoch.

    Args:
        augmentation: ranges.
        n: number of wells; the parameters of a well do not depend on it.
        size_px: (y, x) of the images.
        seed: the training's seed.
        phase: the phase's name.
        epoch: epoch from 0.
    """
    generator = np.random.default_rng([seed, zlib.crc32(phase.encode()), epoch])
    u = generator.random((n, 8))
    size = np.array(size_px, dtype=np.float64)
    angle = np.deg2rad(augmentation.rotation_degrees) * (2 * u[:, 0] - 1)
    shift = augmentation.shift_fraction * size * (2 * u[:, 1:3] - 1)
    zoom = augmentation.zoom_min + (augmentation.zoom_max - augmentation.zoom_min) * u[:, 3:5]
    sign = np.where(augmentation.flip & (u[:, 5:7] < 0.5), -1.0, 1.0)
    factor = augmentation.intensity_min + (augmentation.intensity_max - augmentation.intensity_min) * u[:, 7]
    return Draw(_matrices(angle, shift, zoom, sign, (size - 1) / 2), factor.astype(np.float32))


def move(signal: Any, transform: Any) -> Any:
    """Turn, shift, zoom and flip a batch; its intensity stays.

    Args:
        signal: float32 array or tensor (n, y, x, channel), raw signal in [0, 1].
        transform: float32 (n, 8), see `Draw`.

    Returns:
        float32 tensor of the same shape.
    """
    from keras import ops

    return ops.image.affine_transform(
        ops.convert_to_tensor(signal),
        ops.convert_to_tensor(transform),
        interpolation="bilinear",
        fill_mode="reflect",
        data_format="channels_last",
    )


def apply(signal: np.ndarray, drawn: Draw) -> Any:
    """Apply all drawn parameters to a batch: `move`, then the factor on the raw signal.

    Args:
        signal: float32 array (n, y, x, channel), raw signal in [0, 1].
        drawn: parameters of these n images.

    Returns:
        float32 tensor of the same shape; values may exceed 1.
    """
    from keras import ops

    return move(signal, drawn.transform) * ops.convert_to_tensor(drawn.intensity[:, None, None, None])


def _matrices(
    angle: np.ndarray, shift: np.ndarray, zoom: np.ndarray, sign: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Input = centre + R(angle) (shift + sign (output - centre) / zoom), axes (row, column)."""
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)
    linear = rotation * (sign / zoom)[:, None, :]
    offset = centre + np.einsum("nij,nj->ni", rotation, shift) - np.einsum("nij,j->ni", linear, centre)
    rows, columns = linear[:, 0], linear[:, 1]
    zeros = np.zeros_like(angle)
    # affine_transform takes (x from x, x from y, x offset, y from x, y from y, y offset, 0, 0).
    return np.stack(
        [columns[:, 1], columns[:, 0], offset[:, 1], rows[:, 1], rows[:, 0], offset[:, 0], zeros, zeros], axis=-1
    ).astype(np.float32)
