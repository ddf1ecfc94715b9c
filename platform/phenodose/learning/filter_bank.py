"""Features of images by a frozen network of random filters: no weights file, no training, the same on every machine.

Belongs here: the bank of filters and what is kept of its feature maps. Does not belong here: frozen networks of
keras.applications (`frozen`), which views of an image the bank is shown (`frozen`), and what the features mean
(`likeness`).

The first layers of a convolutional network measure local contrast, edges and texture whatever their weights are; only
deep layers need to be taught. Random convolutional features are as old as Jarrett et al. 2009, "What is the best
multi-stage architecture for object recognition?", doi 10.1109/ICCV.2009.5459469.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Filters of every block after the first; the size halves after each block.
WIDTHS = (72, 128, 128, 128)
#: Feature maps smaller than this say nothing that the block before has not said.
_LEAST_PX = 4


class FilterBank:
    """Blocks of a 3 x 3 convolution with rectifiers, each followed by averaging 2 x 2 pixels.

    The first block has every filter of an orthonormal basis of the 3 x 3 neighbourhood and its negative, so that
    nothing of it is lost whatever the seed; the filters of the others are orthonormal as far as there are so many.
    Their size keeps the variance of the maps (He et al. 2015, doi 10.1109/ICCV.2015.123). All are drawn by numpy from a
    seed and so are the same everywhere.
    """

    def __init__(self, channels: int, seed: int = 0, widths: tuple[int, ...] = WIDTHS) -> None:
        """Draw the filters.

        Args:
            channels: channels of the images.
            seed: seed of the weights.
            widths: filters of every block after the first, which has 18 a channel.
        """
        rng = np.random.default_rng([seed, channels])
        self._kernels: list[np.ndarray] = []
        inputs = channels
        for width in (2 * 9 * channels, *widths):
            self._kernels.append(_orthonormal(rng, 9 * inputs, width) * np.float32(np.sqrt(2.0)))
            inputs = width

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Mean and standard deviation of every feature map at the end of every block.

        Args:
            images: float32 array (well, y, x, channel).

        Returns:
            float32 array (well, feature); of blocks whose maps would be smaller than 4 px there are none.
        """
        return np.stack([self._of_one(image) for image in images])

    def _of_one(self, image: np.ndarray) -> np.ndarray:
        return np.concatenate(list(self._pooled(image.astype(np.float32, copy=False)))).astype(np.float32)

    def _pooled(self, maps: np.ndarray) -> Iterator[np.ndarray]:
        for kernel in self._kernels:
            if min(maps.shape[:2]) < _LEAST_PX:
                return
            maps = _convolved(maps, kernel)
            np.maximum(maps, 0.0, out=maps)
            # Row by row and then over the rows: sums of fifty thousand float32 numbers in one go lose digits.
            mean = maps.mean(axis=1).mean(axis=0, dtype=np.float64)
            deviations = maps - mean.astype(np.float32)
            yield mean
            yield np.sqrt(
                np.einsum("yxc,yxc->yc", deviations, deviations).mean(axis=0, dtype=np.float64) / maps.shape[1]
            )
            maps = _halved(maps)


def _orthonormal(rng: np.random.Generator, size: int, number: int) -> np.ndarray:
    """Filters float32 (size, number): an orthonormal set, then its negatives; no more than there are."""
    basis, _ = np.linalg.qr(rng.standard_normal((size, min(size, number))))
    filters = np.concatenate([basis, -basis], axis=1) if number > size else basis
    return np.asarray(filters[:, :number], dtype=np.float32)


def _convolved(maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Maps (y, x, channel) convolved with 3 x 3 filters (9 * channel, filter); zeros lie around the image."""
    y, x, channels = maps.shape
    padded = np.zeros((y + 2, x + 2, channels), dtype=np.float32)
    padded[1:-1, 1:-1] = maps
    shifted = np.empty((y, x, 9, channels), dtype=np.float32)
    for place in range(9):
        down, right = divmod(place, 3)
        shifted[:, :, place] = padded[down : down + y, right : right + x]
    return np.asarray((shifted.reshape(y * x, 9 * channels) @ kernel).reshape(y, x, -1))


def _halved(maps: np.ndarray) -> np.ndarray:
    y, x = maps.shape[0] // 2 * 2, maps.shape[1] // 2 * 2
    cut = maps[:y, :x]
    return np.asarray((cut[0::2, 0::2] + cut[1::2, 0::2] + cut[0::2, 1::2] + cut[1::2, 1::2]) * np.float32(0.25))
