"""From stored counts to what a network sees.

Belongs here: the scaling shared by training and inference. Does not belong here: augmentation
(`augment`), which acts on the raw signal before this scaling.

Source: Berker et al. 2022; images of fluorescence are dark, so half of the range is added to bring
their mean near that of the natural images a backbone was first trained on.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from phenodose.learning.backbones import BACKBONES, STANDARDISE

#: Added to the signal in [0, 1].
SHIFT = 0.5
#: Keeps an empty image finite; a tenth of a count.
_LEAST_DEVIATION = 0.1 / 65535


def to_signal(counts: np.ndarray) -> np.ndarray:
    """Counts uint16 to float32 signal in [0, 1]: counts / 65535."""
    return counts.astype(np.float32) / np.float32(65535)


def network_input(signal: Any, backbone: str) -> Any:
    """Signal to the backbone's input.

    Networks that start from natural images get the signal shifted, scaled to 255, then their own
    preprocessing. A network that starts random gets every channel of every image standardised, which
    takes out how strongly a well was stained.

    Args:
        signal: float32 tensor or array (well, y, x, channel), 1 is the largest count.
        backbone: name in `BACKBONES`.

    Returns:
        float32 tensor of the same shape.
    """
    from keras import ops

    if BACKBONES[backbone].preprocessing == STANDARDISE:
        images = ops.convert_to_tensor(signal, dtype="float32")
        centred = images - ops.mean(images, axis=(1, 2), keepdims=True)
        return centred / (ops.std(images, axis=(1, 2), keepdims=True) + _LEAST_DEVIATION)
    scaled = (ops.convert_to_tensor(signal, dtype="float32") + SHIFT) * 255.0
    module = importlib.import_module(f"keras.applications.{BACKBONES[backbone].preprocessing}")
    return module.preprocess_input(scaled, data_format="channels_last")
