"""How the drawn factor of intensity reaches a training image: as the paper says, or as its program did.

Belongs here: the three modes. Does not belong here: drawing the factor and moving images (`augment`) and the
scaling to network input that training and prediction share (`preprocess`).

`raw` multiplies the signal, as Berker et al. 2022 write. Their program changed the brightness of images that
were preprocessed already, through Pillow's 8-bit pictures, and what came out depended on the library's version:
`tf28` is Keras-Preprocessing 1.1.2, which came with TensorFlow 2.8, the paper's; `keras29` is Keras 2.9 and later.
Both touch training images only. With `tf28` the network is trained on stretched and asked about unstretched
images; that is the reason to have it: to compare.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from phenodose.learning.preprocess import network_input

IntensityMode = Literal["raw", "tf28", "keras29"]
_WHITE = np.float32(255)


def training_input(signal: Any, factor: Any, backbone: str, mode: IntensityMode) -> Any:
    """Network input of training images whose intensity is changed.

    Args:
        signal: float32 (n, y, x, channel), moved raw signal, 1 is the largest count.
        factor: float32 (n,), factor on the intensity; an array for the modes of 8 bits, which run on the host.
        backbone: name of the backbone, for its preprocessing.
        mode: what the factor is applied to.

    Returns:
        float32 array or tensor of the same shape.
    """
    from keras import ops

    if mode == "raw":
        return network_input(
            ops.convert_to_tensor(signal) * ops.convert_to_tensor(factor)[:, None, None, None], backbone
        )
    images = ops.convert_to_numpy(network_input(signal, backbone))
    return (through_stretched_8_bit if mode == "tf28" else through_8_bit)(images, factor)


def through_stretched_8_bit(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Mode `tf28`: every image stretched to 0-255 over all channels together, cut to 8 bits, then brightened.

    Args:
        images: float32 (n, y, x, channel), preprocessed.
        factor: float32 (n,).

    Returns:
        float32 whole numbers in [0, 255].
    """
    low, high = _limits(images)
    return _brightened(_stretched(images, low, high), factor)


def through_8_bit(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Mode `keras29`: cut to 8 bits and brightened; images beyond 0-255 are stretched before and back after.

    Args:
        images: float32 (n, y, x, channel), preprocessed.
        factor: float32 (n,).

    Returns:
        float32 of the same shape, within the limits of the image or 0-255.
    """
    low, high = _limits(images)
    beyond = (low < 0) | (high > _WHITE)
    bright = _brightened(np.where(beyond, _stretched(images, low, high), images), factor)
    return np.where(beyond, bright / _WHITE * (high - low) + low, bright)


def _limits(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axes = (1, 2, 3)
    return images.min(axis=axes, keepdims=True), images.max(axis=axes, keepdims=True)


def _stretched(images: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    width = high - low
    return np.asarray((images - low) / np.where(width > 0, width, np.float32(1)) * _WHITE)


def _brightened(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """What Pillow's brightness does: 8 bits in, 8 bits out, the rest cut off both times."""
    factors = factor.astype(np.float32)[:, None, None, None]
    return np.asarray(np.floor(np.clip(np.floor(images) * factors, 0, _WHITE)))
