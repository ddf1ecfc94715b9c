"""Running a trained network over wells: raw viability and features.

Belongs here: prediction in batches, of the images as they are or of augmented copies of them. Augmented
copies were resampled like the images of the training, so a network that has learned from scratch is asked
about what it knows, and the mean over several copies is steadier than one answer; how far the answers lie
apart tells how sure the network is of a well. The factor of intensity always acts on the raw signal here:
the modes of `intensity` are about training images. Does not belong here:
normalisation to the plate's controls (`phenodose.viability`) and the map of features
(`phenodose.pipeline.wells_on_map`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.learning.augment import Augmentation, Draw, apply, draw
from phenodose.learning.backbones import CLASSES, LOGITS
from phenodose.learning.prefetch import prefetch
from phenodose.learning.preprocess import network_input, to_signal
from phenodose.progress import Progress, no_progress
from phenodose.training_records import Inference

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
        network: trained model that ends in a logit for each class, of which the first two are the controls'.
        backbone: its name, for the preprocessing.
        tensors: uint16, dims well, y, x, channel; read batch by batch, the next while the last one is asked about.
        batch_size: images at once.
        copies: augmented copies to average over; None asks once about the image as it is.
        progress: told after each batch.
    """
    shape = tuple(tensors.sizes[dim] for dim in ("well", "y", "x", "channel"))

    def read(batch: slice) -> np.ndarray:
        return to_signal(tensors.isel(well=batch).to_numpy())

    return _in_batches(Predictor(network, backbone, batch_size), read, shape, copies, progress)


def predict(
    network: Any, backbone: str, signal: np.ndarray, batch_size: int, copies: Copies | None = None
) -> Inference:
    """What `infer` says of images already in memory: float32 signal (well, y, x, channel)."""
    predictor = Predictor(network, backbone, batch_size)
    return _in_batches(predictor, signal.__getitem__, signal.shape, copies, no_progress)


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
        said = np.asarray(logits)[: len(signal)]
        return Inference(
            raw=viability_of(said),
            features=np.asarray(features, dtype=np.float32)[: len(signal)],
            class_probability=_softmax(said) if said.shape[1] > len(CLASSES) else None,
        )


def viability_of(logits: np.ndarray) -> np.ndarray:
    """Softmax of the first two logits (well, class), second class: float64 array (well,) in [0, 1].

    With further classes that is p(living) / (p(living) + p(killed)).
    """
    from scipy.special import expit

    difference = logits[:, 1].astype(np.float64) - logits[:, 0].astype(np.float64)
    return np.asarray(expit(difference), dtype=np.float64)


def _softmax(logits: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def _in_batches(
    predictor: Predictor,
    read: Callable[[slice], np.ndarray],
    shape: tuple[int, ...],
    copies: Copies | None,
    progress: Progress,
) -> Inference:
    n, size_px, size = shape[0], (shape[1], shape[2]), predictor.batch_size
    drawn = [] if copies is None else _draws(copies, n, size_px)
    parts: list[Inference] = []
    done = 0
    with closing(prefetch(read(slice(start, start + size)) for start in range(0, n, size))) as signals:
        for signal in signals:
            members = np.arange(done, done + len(signal))
            if drawn:
                parts.append(_mean([predictor(_moved(signal, draw[members])) for draw in drawn]))
            else:
                parts.append(predictor(signal))
            done += len(signal)
            progress(done, n, "inference")
    return _joined(parts)


def _moved(signal: np.ndarray, drawn: Draw) -> np.ndarray:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(apply(signal, drawn)))


def _draws(copies: Copies, n: int, size_px: tuple[int, int]) -> list[Draw]:
    """One draw a copy; the parameters of a well depend on its place among the wells alone."""
    return [
        draw(copies.augmentation, n, size_px, seed=copies.seed, phase="inference", epoch=number)
        for number in range(copies.number)
    ]


def _mean(answers: list[Inference]) -> Inference:
    """The mean answer, and how far the answers to copies of one image lie apart."""
    raw = np.stack([answer.raw for answer in answers])
    return Inference(
        raw=raw.mean(axis=0),
        features=np.asarray(np.mean([answer.features for answer in answers], axis=0), dtype=np.float32),
        raw_sd=raw.std(axis=0, ddof=1) if len(answers) > 1 else None,
        class_probability=mean_class_probability(answers),
    )


def mean_class_probability(answers: Sequence[Inference]) -> np.ndarray | None:
    """The mean probability of each class (well, class) over several answers; None if they know of no classes."""
    found = [answer.class_probability for answer in answers if answer.class_probability is not None]
    return np.asarray(np.mean(found, axis=0)) if found else None


def _joined(parts: list[Inference]) -> Inference:
    spreads = [part.raw_sd for part in parts if part.raw_sd is not None]
    classes = [part.class_probability for part in parts if part.class_probability is not None]
    return Inference(
        raw=np.concatenate([part.raw for part in parts]),
        features=np.concatenate([part.features for part in parts]),
        raw_sd=np.concatenate(spreads) if spreads else None,
        class_probability=np.concatenate(classes) if classes else None,
    )
