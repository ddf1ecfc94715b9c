"""Running a trained network over wells: raw viability and features.

Belongs here: prediction in batches, of the images as they are or of augmented copies of them. Augmented
copies were resampled like the images of the training, so a network that has learned from scratch is asked
about what it knows, and the mean over several copies is steadier than one answer. Does not belong here:
normalisation to the plate's controls (`phenodose.viability`) and the map of features
(`phenodose.phenotypes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.learning.augment import Augmentation, Draw, apply, draw
from phenodose.learning.backbones import LOGITS
from phenodose.learning.preprocess import network_input, to_signal
from phenodose.plugins.readouts import Inference, Progress, no_progress

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Copies:
    """Augmented copies of every image, over which the answers are averaged.

    Attributes:
        number: copies a well.
        augmentation: ranges of the augmentation, those of the training.
        seed: seed of the draws.
    """

    number: int
    augmentation: Augmentation
    seed: int


def infer(
    network: Any,
    backbone: str,
    tensors: xr.DataArray,
    batch_size: int,
    copies: Copies | None = None,
    progress: Progress = no_progress,
) -> Inference:
    """Raw viability and features of every well.

    Args:
        network: trained model that ends in two logits.
        backbone: its name, for the preprocessing.
        tensors: uint16, dims well, y, x, channel; read batch by batch.
        batch_size: images at once.
        copies: augmented copies to average over; None asks once about the image as it is.
        progress: told after each batch.
    """
    predictor = Predictor(network, backbone, batch_size)
    n = tensors.sizes["well"]
    size_px = (tensors.sizes["y"], tensors.sizes["x"])
    drawn = [] if copies is None else _draws(copies, n, size_px)
    parts = []
    for start in range(0, n, batch_size):
        signal = to_signal(tensors.isel(well=slice(start, start + batch_size)).to_numpy())
        members = np.arange(start, start + len(signal))
        if drawn:
            parts.append(_mean([predictor(np.asarray(apply(signal, draw[members]))) for draw in drawn]))
        else:
            parts.append(predictor(signal))
        progress(min(start + batch_size, n), n, "inference")
    return _joined(parts)


def predict(network: Any, backbone: str, signal: np.ndarray, batch_size: int) -> Inference:
    """Raw viability and features of images already in memory: float32 signal (well, y, x, channel)."""
    predictor = Predictor(network, backbone, batch_size)
    return _joined([predictor(signal[i : i + batch_size]) for i in range(0, len(signal), batch_size)])


class Predictor:
    """Runs batches of up to `batch_size` images; all are filled up to one shape, so they round alike."""

    def __init__(self, network: Any, backbone: str, batch_size: int) -> None:
        import keras

        self.model = keras.Model(network.inputs, [network.outputs[0], network.get_layer(LOGITS).input])
        self.backbone = backbone
        self.batch_size = batch_size

    def __call__(self, signal: np.ndarray) -> Inference:
        """Raw viability and features of one batch: float32 signal (well, y, x, channel)."""
        filled = np.resize(signal, (self.batch_size, *signal.shape[1:]))
        logits, features = self.model.predict_on_batch(network_input(filled, self.backbone))
        return Inference(
            raw=viability_of(np.asarray(logits)[: len(signal)]),
            features=np.asarray(features, dtype=np.float32)[: len(signal)],
        )


def viability_of(logits: np.ndarray) -> np.ndarray:
    """Softmax of two logits (well, 2), second class: float64 array (well,) in [0, 1]."""
    from scipy.special import expit

    difference = logits[:, 1].astype(np.float64) - logits[:, 0].astype(np.float64)
    return np.asarray(expit(difference), dtype=np.float64)


def _draws(copies: Copies, n: int, size_px: tuple[int, int]) -> list[Draw]:
    """One draw a copy; the parameters of a well depend on its place among the wells alone."""
    return [
        draw(copies.augmentation, n, size_px, seed=copies.seed, phase="inference", epoch=number)
        for number in range(copies.number)
    ]


def _mean(answers: list[Inference]) -> Inference:
    return Inference(
        raw=np.mean([answer.raw for answer in answers], axis=0),
        features=np.asarray(np.mean([answer.features for answer in answers], axis=0), dtype=np.float32),
    )


def _joined(parts: list[Inference]) -> Inference:
    return Inference(
        raw=np.concatenate([part.raw for part in parts]),
        features=np.concatenate([part.features for part in parts]),
    )
