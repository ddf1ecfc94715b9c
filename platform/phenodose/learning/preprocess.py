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

from phenodose.learning.backbones import BACKBONES

#: Added to the signal in [0, 1].
SHIFT = 0.5


def to_signal(counts: np.ndarray) -> np.ndarray:
    """Counts uint16 to float32 signal in [0, 1]: counts / 65535."""
    return counts.astype(np.float32) / np.float32(65535)


def network_input(signal: Any, backbone: str) -> Any:
    """Signal to the backbone's input: shifted, scaled to 255, then the backbone's own preprocessing.

    Args:
        signal: float32 tensor or array (well, y, x, channel), 1 is the largest count.
        backbone: name in `BACKBONES`.

    Returns:
        float32 tensor of the same shape.
    """
    from keras import ops

    scaled = (ops.convert_to_tensor(signal, dtype="float32") + SHIFT) * 255.0
    module = importlib.import_module(f"keras.applications.{BACKBONES[backbone].preprocessing}")
    return module.preprocess_input(scaled, data_format="channels_last")
