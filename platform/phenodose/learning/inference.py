"""Running a trained network over wells: raw viability and features.

Belongs here: prediction in batches. Does not belong here: normalisation to the plate's controls
(`phenodose.viability`) and the map of features (`phenodose.phenotypes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.learning.backbones import LOGITS
from phenodose.learning.preprocess import network_input, to_signal
from phenodose.plugins.readouts import Inference, Progress, no_progress

if TYPE_CHECKING:
    import xarray as xr


def infer(
    network: Any, backbone: str, tensors: xr.DataArray, batch_size: int, progress: Progress = no_progress
) -> Inference:
    """Raw viability and features of every well.

    Args:
        network: trained model that ends in two logits.
        backbone: its name, for the preprocessing.
        tensors: uint16, dims well, y, x, channel; read batch by batch.
        batch_size: images at once.
        progress: told after each batch.
    """
    import keras

    hidden = network.get_layer(LOGITS).input
    predictor = keras.Model(network.inputs, [network.outputs[0], hidden])
    n = tensors.sizes["well"]
    logits: list[np.ndarray] = []
    features: list[np.ndarray] = []
    for start in range(0, n, batch_size):
        counts = tensors.isel(well=slice(start, start + batch_size)).to_numpy()
        # A last, smaller batch is filled up: one shape is compiled once and rounds alike for all wells.
        filled = np.resize(counts, (batch_size, *counts.shape[1:]))
        batch_logits, batch_features = predictor.predict_on_batch(network_input(to_signal(filled), backbone))
        logits.append(np.asarray(batch_logits)[: len(counts)])
        features.append(np.asarray(batch_features)[: len(counts)])
        progress(min(start + batch_size, n), n, "inference")
    return Inference(
        raw=viability_of(np.concatenate(logits)), features=np.concatenate(features).astype(np.float32, copy=False)
    )


def viability_of(logits: np.ndarray) -> np.ndarray:
    """Softmax of two logits (well, 2), second class: float64 array (well,) in [0, 1]."""
    from scipy.special import expit

    difference = logits[:, 1].astype(np.float64) - logits[:, 0].astype(np.float64)
    return np.asarray(expit(difference), dtype=np.float64)
