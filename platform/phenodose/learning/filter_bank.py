"""Features of images by a frozen network of random filters: no weights file, no training, the same on every machine.

Belongs here: the bank of filters and what is kept of its feature maps. Does not belong here: frozen networks of
keras.applications (`frozen`), which views of an image the bank is shown (`frozen`), and what the features mean
(`likeness`).

The first layers of a convolutional network measure local contrast, edges and texture whatever their weights are; only
deep layers need to be taught. Random convolutional features are as old as Jarrett et al. 2009, "What is the best
multi-stage architecture for object recognition?", doi 10.1109/ICCV.2009.5459469.
"""

from __future__ import annotations

import numpy as np

#: Filters of every block after the first; the size halves after each block.
WIDTHS = (72, 128, 128, 128)
#: Feature maps smaller than this say nothing that the block before has not said.
_LEAST_PX = 4
#: Numbers of the maps that are worked on at once: 256 KB, half of the second cache of usual processors.
_STRIP = 65536


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
        maps = _with_neighbours(image.astype(np.float32, copy=False))
        pooled = []
        for kernel in self._kernels:
            if min(maps.shape[0] - 2, maps.shape[1]) < _LEAST_PX:
                break
            mean, deviation, maps = _block(maps, kernel)
            pooled += [mean, deviation]
        return np.concatenate(pooled).astype(np.float32)


def _orthonormal(rng: np.random.Generator, size: int, number: int) -> np.ndarray:
    """Filters float32 (size, number): an orthonormal set, then its negatives; no more than there are."""
    basis, _ = np.linalg.qr(rng.standard_normal((size, min(size, number))))
    filters = np.concatenate([basis, -basis], axis=1) if number > size else basis
    return np.asarray(filters[:, :number], dtype=np.float32)


def _with_neighbours(image: np.ndarray) -> np.ndarray:
    """Image (y, x, channel) as (y + 2, x, 3 * channel): beside each pixel its left and right neighbour, 0 outside."""
    y, x, channels = image.shape
    wide = np.zeros((y + 2, x, 3 * channels), dtype=np.float32)
    _put(wide, slice(1, y + 1), image)
    return wide


def _put(wide: np.ndarray, rows: slice, maps: np.ndarray) -> None:
    """Write maps (y, x, channel) into some rows of an array of neighbours."""
    channels = maps.shape[2]
    wide[rows, 1:, :channels] = maps[:, :-1]
    wide[rows, :, channels : 2 * channels] = maps
    wide[rows, :-1, 2 * channels :] = maps[:, 1:]


def _block(wide: np.ndarray, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One block, strip by strip, so that a strip's maps are still in the processor's cache when they are pooled.

    A row of pixels with its two neighbours is a matrix as it lies in memory: three products, one for each row of the
    filters, make the convolution without a copy of every neighbourhood.

    Args:
        wide: float32 array (y + 2, x, 3 * channel), from `_with_neighbours`.
        kernel: float32 array (9 * channel, filter).

    Returns:
        Mean and standard deviation of the maps, float64 arrays (filter,), and the halved maps as a next `wide`.
    """
    from scipy.linalg.blas import sgemm

    y, x, filters = wide.shape[0] - 2, wide.shape[1], kernel.shape[1]
    above, middle, below = kernel.reshape(3, -1, filters)
    halved = np.zeros((y // 2 + 2, x // 2, 3 * filters), dtype=np.float32)
    height = max(_STRIP // (x * filters) // 2, 1) * 2
    total, squares = np.zeros(filters), np.zeros(filters)
    for top in range(0, y, height):
        end = min(top + height, y)
        first, *others = (wide[top + down : end + down].reshape((end - top) * x, -1) for down in range(3))
        # The routines of Fortran see a matrix of C as its transpose; they add to it where it is.
        maps = (first @ above).T
        for part, weights in zip(others, (middle, below), strict=True):
            maps = sgemm(1.0, weights.T, part.T, beta=1.0, c=maps, overwrite_c=True)
        strip = np.maximum(maps.T, 0.0)
        total += strip.sum(axis=0)
        squares += np.einsum("pf,pf->f", strip, strip)
        pairs = (end - top) // 2
        if pairs:
            rows = strip.reshape(end - top, x, filters)[: 2 * pairs]
            sums = (rows[0::2] + rows[1::2])[:, : x // 2 * 2].reshape(pairs, x // 2, 2, filters)
            quarters = (sums[:, :, 0] + sums[:, :, 1]) * np.float32(0.25)
            _put(halved, slice(top // 2 + 1, top // 2 + 1 + pairs), quarters)
    mean = total / (y * x)
    return mean, np.sqrt(np.maximum(squares / (y * x) - mean**2, 0.0)), halved
