"""Class-activation maps: which part of a well's image speaks for a class.

Belongs here: Grad-CAM, Grad-CAM++ and Score-CAM on the last feature maps of any registered backbone. Does not
belong here: gradients of each engine (`backends`), pictures of the maps (`phenodose.plots`) and where they
are stored (`phenodose.cli.cam`).

Sources: Selvaraju et al. 2017, Grad-CAM, eq. 1-2; Chattopadhay et al. 2018, Grad-CAM++, eq. 10 and 19; Wang et al.
2020, Score-CAM, definitions 2-4. As in Berker et al. 2022 the gradient methods explain the logit of the class,
before the softmax, and Score-CAM its probability.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from phenodose.errors import InputError
from phenodose.learning.backbones import CLASSES, NESTED, Architecture
from phenodose.learning.backends import gradient
from phenodose.learning.inference import Predictor
from phenodose.learning.preprocess import network_input

Method = Literal["grad-cam", "grad-cam++", "score-cam"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class ActivationMaps:
    """What speaks for a class.

    Attributes:
        maps: float32 (well, y, x) of the images' size, 0 to 1; the largest value of every map is 1.
        flat: bool (well,): True where nothing in the image speaks for the class; such a map is 0 everywhere.
    """

    maps: np.ndarray
    flat: np.ndarray


@dataclass(frozen=True)
class _Halves:
    """A network cut behind its last feature maps: `features` gives them, `head` goes on to the logits."""

    features: Any
    tail: list[Any]

    def head(self, maps: Any) -> Any:
        for layer in self.tail:
            maps = layer(maps)
        return maps


def activation_maps(
    network: Any,
    architecture: Architecture,
    signal: np.ndarray,
    of_class: str,
    method: Method = "grad-cam",
    batch_size: int = 32,
    most_channels: int | None = None,
) -> ActivationMaps:
    """Maps of some wells.

    Args:
        network: trained model of float32 that ends in two logits.
        architecture: its shapes.
        signal: float32 (well, y, x, channel), raw signal in [0, 1].
        of_class: 'neg' (what speaks for living cells) or 'pos' (for killed ones).
        method: 'grad-cam', 'grad-cam++' or 'score-cam'.
        batch_size: images at once.
        most_channels: Score-CAM asks the network once for every channel of the feature maps; this many channels
            that vary most are asked about. None for all, as published.

    Raises:
        InputError: there is no such class or method.
    """
    if of_class not in CLASSES:
        raise InputError(f"class {of_class!r} is unknown; there are: {', '.join(CLASSES)}.")
    if method not in METHODS:
        raise InputError(f"method {method!r} is unknown; there are: {', '.join(METHODS)}.")
    place = CLASSES.index(of_class)
    halves = _cut(network, architecture)
    predictor = Predictor(network, architecture.backbone, batch_size)
    raw = []
    for start in range(0, len(signal), batch_size):
        images = signal[start : start + batch_size]
        maps = _features(halves, images, architecture.backbone)
        if method == "score-cam":
            weights = np.stack(
                [_scores(predictor, image, own, place, most_channels) for image, own in zip(images, maps, strict=True)]
            )
        else:
            slopes = gradient(lambda x: _logit(halves, x, place), maps)
            weights = mean_slopes(slopes) if method == "grad-cam" else weighted_slopes(maps, slopes)
        raw.append(np.maximum(np.einsum("nyxk,nk->nyx", maps, weights), 0))
    return _scaled(_enlarged(np.concatenate(raw), architecture.input_shape[:2]))


def mean_slopes(slopes: np.ndarray) -> np.ndarray:
    """Grad-CAM's weight of every channel: the mean slope of the logit (well, y, x, channel) -> (well, channel)."""
    return np.asarray(slopes.mean(axis=(1, 2)))


def weighted_slopes(maps: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Grad-CAM++'s weight of every channel: rising slopes, each weighted by its place's share (eq. 10 and 19).

    The class score of the paper is the exponential of the logit; its factor is common to a map and scaled away.

    Args:
        maps: float32 (well, y, x, channel), feature maps.
        slopes: float32 of the same shape, slopes of the logit.

    Returns:
        float32 (well, channel).
    """
    maps, slopes = maps.astype(np.float64), slopes.astype(np.float64)
    squares = slopes**2
    divisor = 2 * squares + maps.sum(axis=(1, 2), keepdims=True) * slopes**3
    share = np.divide(squares, divisor, out=np.zeros_like(squares), where=np.abs(divisor) > 0)
    return np.asarray((share * np.maximum(slopes, 0)).sum(axis=(1, 2)), dtype=np.float32)


def _scores(
    predictor: Predictor, image: np.ndarray, maps: np.ndarray, place: int, most_channels: int | None
) -> np.ndarray:
    """Score-CAM's weight of every channel (channel,).

    It is how much surer of the class the network is of the image where the channel is active than of a black image.
    """
    weights = np.zeros(maps.shape[-1], dtype=np.float32)
    spread = maps.std(axis=(0, 1))
    asked = np.argsort(-spread, kind="stable")[:most_channels]
    asked = asked[spread[asked] > 0]
    nothing = _probability(predictor(np.zeros_like(image)[None]).raw, place)
    for channels in _parts(asked, predictor.batch_size):
        masks = _enlarged(np.moveaxis(maps[..., channels], -1, 0), image.shape[:2])
        low, high = masks.min(axis=(1, 2), keepdims=True), masks.max(axis=(1, 2), keepdims=True)
        masks = (masks - low) / np.where(high > low, high - low, 1)
        seen = predictor((image[None] * masks[..., None]).astype(np.float32)).raw
        weights[channels] = _probability(seen, place) - nothing
    return weights


def _probability(viability: np.ndarray, place: int) -> np.ndarray:
    return viability if place == CLASSES.index("neg") else 1 - viability


def _parts(members: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(members), size):
        yield members[start : start + size]


def _cut(network: Any, architecture: Architecture) -> _Halves:
    import keras

    names = [layer.name for layer in network.layers]
    last = max(index for index, name in enumerate(names) if "_conv" in name or name == NESTED)
    layers = network.layers
    return _Halves(keras.Model(network.inputs, layers[last].output), layers[last + 1 :])


def _features(halves: _Halves, images: np.ndarray, backbone: str) -> np.ndarray:
    from keras import ops

    found = halves.features(network_input(images, backbone), training=False)
    return np.asarray(ops.convert_to_numpy(found), dtype=np.float32)


def _logit(halves: _Halves, maps: Any, place: int) -> Any:
    """Sum over wells of one logit: wells do not mix, so its gradient is that of each well's own."""
    from keras import ops

    return ops.sum(halves.head(maps)[:, place])


def _enlarged(maps: np.ndarray, size_px: tuple[int, ...]) -> np.ndarray:
    """Maps (n, y, x) at the size of the images, bilinear."""
    from keras import ops

    large = ops.image.resize(
        ops.convert_to_tensor(maps[..., None].astype(np.float32)),
        tuple(size_px),
        interpolation="bilinear",
        data_format="channels_last",
    )
    return np.asarray(ops.convert_to_numpy(large), dtype=np.float32)[..., 0]


def _scaled(maps: np.ndarray) -> ActivationMaps:
    most = maps.max(axis=(1, 2), keepdims=True)
    flat = most[:, 0, 0] <= 0
    return ActivationMaps(np.asarray(maps / np.where(most > 0, most, 1), dtype=np.float32), flat)
