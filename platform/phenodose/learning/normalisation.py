"""Batch normalisation: whose statistics a network's normalising layers hold.

Belongs here: taking these statistics anew from images of our own. Does not belong here: how the layers run;
`backbones.build` always runs them in inference mode, so that the statistics are fixed numbers in training and
prediction alike.

A backbone of ImageNet holds the statistics of photographs. Spheroids on a dark ground are far from those, and the
statistics of a network that starts random (mean 0, variance 1) fit no images at all: its signals die out from layer to
layer. Taking the statistics from the images a network is about to learn is adaptive batch normalisation.

Source: Li et al. 2018, Pattern Recognition 80, 109-117, doi 10.1016/j.patcog.2018.03.005.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.learning.backbones import NESTED
from phenodose.learning.preprocess import network_input

if TYPE_CHECKING:
    from phenodose.training_records import TrainingSet

#: Control wells of each class that are looked at; all go through the network at once.
_WELLS_PER_CLASS = 32


def normalising_layers(network: Any) -> list[Any]:
    """The layers of batch normalisation of a network made by `backbones.build`; empty for the VGG family."""
    import keras

    return [layer for layer in _layers(network) if isinstance(layer, keras.layers.BatchNormalization)]


def take_statistics(network: Any, data: TrainingSet, backbone: str) -> int:
    """Replace the statistics of batch normalisation by those of the control wells to be trained on.

    Every layer gets mean and variance of what reaches it when the layers before it hold theirs already. Drug wells
    and held-out wells are not looked at, images are taken as they are, and both classes count alike.

    Args:
        network: made by `backbones.build`; only the statistics change.
        data: what the network is about to be trained on.
        backbone: its name, for the preprocessing.

    Returns:
        How many wells were looked at; 0 if the network has no such layers.
    """
    layers = normalising_layers(network)
    if not layers:
        return 0
    wells = _controls(data)
    images = network_input(data.images[wells], backbone)
    with _forgetting(layers), _without_dropout(network):
        network.get_layer(NESTED).model(images, training=True)
    return len(wells)


def _controls(data: TrainingSet) -> np.ndarray:
    """Positions of the first controls of each class that are trained on, as many of one as of the other."""
    usable = data.is_control & ~data.validation
    classes = [np.flatnonzero(usable & alive) for alive in (data.labels > 0.5, data.labels <= 0.5)]
    n = min(_WELLS_PER_CLASS, *map(len, classes))
    return np.sort(np.concatenate([members[:n] for members in classes]))


def _layers(network: Any) -> list[Any]:
    nested = next((layer for layer in network.layers if layer.name == NESTED), None)
    return [] if nested is None else list(nested.model.layers)


@contextmanager
def _forgetting(layers: list[Any]) -> Iterator[None]:
    """The moving statistics become those of the one batch to come."""
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum


@contextmanager
def _without_dropout(network: Any) -> Iterator[None]:
    import keras

    layers = [layer for layer in _layers(network) if isinstance(layer, keras.layers.Dropout)]
    before = [layer.rate for layer in layers]
    for layer in layers:
        layer.rate = 0.0
    try:
        yield
    finally:
        for layer, rate in zip(layers, before, strict=True):
            layer.rate = rate
