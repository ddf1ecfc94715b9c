"""Features of images by a network whose weights stay as they are.

Belongs here: what a frozen network is shown of an image, which of its layers are kept, and blends of controls. Does not
belong here: the built-in bank of filters (`filter_bank`), the registry of other networks (`backbones`), and what is
made of the features (`likeness`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phenodose.errors import InputError
from phenodose.learning.filter_bank import FilterBank
from phenodose.progress import Progress, no_progress

#: The name of the built-in network.
FILTERS = "filters"
#: Images that one thread holds at once.
_BATCH = 4
_BACKGROUND_PERCENT = 10
_BRIGHT_PERCENT = 99
#: Light of this part of the screen's typical bright light is where the logarithm begins to bend.
_KNEE = 0.05
#: Images are brought to mean 0 and standard deviation 1; this keeps an empty one finite [counts, and log units].
_LEAST_SD = 0.1
#: Wells whose brightness stands for the screen's.
_TYPICAL_WELLS = 64

#: Images float32 (image, y, x, channel) -> features float32 (image, feature).
Network = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Turns:
    """Turned and mirrored copies of every image, over which features are averaged: 1, 2, 4 or 8.

    How a well happens to lie under the microscope says nothing of its cells, and an average over all quarter turns
    does not vary with it.

    Attributes:
        number: 1 asks about the image as it is, 2 adds it turned by 180 degrees, 4 all quarter turns, 8 also their
            mirror images. Images that are no squares have no quarter turns but two mirror images.
    """

    number: int

    def of(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """The copies of images (image, y, x, channel)."""
        yield images
        if self.number > 1:
            yield images[:, ::-1, ::-1]
        square = images.shape[1] == images.shape[2]
        if self.number > 2:
            yield np.rot90(images, 1, axes=(1, 2)) if square else images[:, ::-1]
            yield np.rot90(images, 3, axes=(1, 2)) if square else images[:, :, ::-1]
        if self.number > 4 and square:
            yield images[:, ::-1]
            yield images[:, :, ::-1]
            yield np.swapaxes(images, 1, 2)
            yield np.swapaxes(images, 1, 2)[:, ::-1, ::-1]


def distinct_channels(names: Sequence[str], count: int) -> list[int]:
    """Numbers of the channels of a tensor that are not there twice: pseudo-RGB holds one of its images twice."""
    if len(names) != count:
        return list(range(count))
    return [list(names).index(name) for name in dict.fromkeys(names)]


def typical_light(images: np.ndarray) -> np.ndarray:
    """Bright light above the background: the median over wells, float32 array (channel,) in counts.

    Args:
        images: uint16 array (well, y, x, channel); of many wells, 64 evenly spread ones are looked at.
    """
    some = images[np.unique(np.linspace(0, len(images) - 1, _TYPICAL_WELLS).astype(int))].astype(np.float32)
    low, high = np.percentile(some, [_BACKGROUND_PERCENT, _BRIGHT_PERCENT], axis=(1, 2))
    return np.asarray(np.maximum(np.median(high - low, axis=0), 1.0), dtype=np.float32)


def views(counts: np.ndarray, light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a frozen network is shown: counts, and their logarithm above the background, each standardised.

    Standardising every channel of every image takes out how strongly a well was stained. The logarithm shows faint
    cells beside bright ones.

    Args:
        counts: array (image, y, x, channel).
        light: from `typical_light`.

    Returns:
        Two float32 arrays of the same shape.
    """
    images = counts.astype(np.float32)
    background = np.percentile(images, _BACKGROUND_PERCENT, axis=(1, 2), keepdims=True).astype(np.float32)
    logarithm = np.log1p(np.maximum(images - background, 0.0) / (np.float32(_KNEE) * light))
    return _standardised(images), _standardised(logarithm)


def features_of(
    images: np.ndarray,
    light: np.ndarray,
    network: Network,
    turns: Turns,
    threads: int,
    progress: Progress = no_progress,
) -> np.ndarray:
    """Features of all images: those of both views side by side, averaged over the copies.

    Args:
        images: array (image, y, x, channel) of counts.
        light: from `typical_light` of the screen.
        network: what is asked.
        turns: copies to average over.
        threads: batches worked on at once; the numbers do not depend on it.
        progress: told after each batch.

    Returns:
        float32 array (image, feature).
    """
    from threadpoolctl import threadpool_limits

    def of_batch(start: int) -> np.ndarray:
        shown = views(images[start : start + _BATCH], light)
        sides = [np.mean([network(copy) for copy in turns.of(view)], axis=0) for view in shown]
        return np.asarray(np.concatenate(sides, axis=1), dtype=np.float32)

    starts = range(0, len(images), _BATCH)
    parts = []
    # One thread a batch: multiplications that share threads would wait for each other.
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        for done, part in enumerate(pool.map(of_batch, starts), start=1):
            parts.append(part)
            progress(min(done * _BATCH, len(images)), len(images), "features")
    return np.concatenate(parts)


def blends_of(
    images: np.ndarray, negative: np.ndarray, positive: np.ndarray, plate: np.ndarray, number: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of a living and a killed control of one plate in shares that are drawn between 0.05 and 0.95.

    Args:
        images: uint16 array (well, y, x, channel).
        negative: bool array (well,).
        positive: bool array (well,).
        plate: array (well,) of plate names; a plate that lacks a kind borrows it from the others.
        number: blends.
        seed: seed of the draws.

    Returns:
        uint16 array (blend, y, x, channel), and float64 array (blend,): share of the living control.
    """
    rng = np.random.default_rng([seed, 2])
    living, killed = np.flatnonzero(negative), np.flatnonzero(positive)
    shares = rng.uniform(0.05, 0.95, number)
    mixed = np.empty((number, *images.shape[1:]), dtype=np.uint16)
    for place, share in enumerate(shares):
        one = rng.choice(living)
        same = killed[plate[killed] == plate[one]]
        other = rng.choice(same if len(same) else killed)
        mixed[place] = np.rint(share * images[one] + (1 - share) * images[other])
    return mixed, shares


def network_of(backbone: str, weights: str | Path, shape: tuple[int, int, int], seed: int) -> Network:
    """A frozen network by name.

    Args:
        backbone: 'filters' for the built-in bank of random filters, or a name in `backbones.BACKBONES`.
        weights: for the others 'none' (random), 'imagenet' or a weights file of keras.applications without top.
        shape: (y, x, channel) of the images.
        seed: seed of random weights.

    Raises:
        InputError: the network is unknown, its weights cannot be had, or the images are too small for it.
    """
    if backbone == FILTERS:
        if str(weights) != "none":
            raise InputError(f"the built-in {FILTERS} are random and take no weights; set weights to 'none'.")
        return FilterBank(shape[2], seed)
    return _Registered(backbone, weights, shape, seed)


class _Registered:
    """A network of the registry: the mean and standard deviation of its last feature maps of every size."""

    def __init__(self, backbone: str, weights: str | Path, shape: tuple[int, int, int], seed: int) -> None:
        import keras

        from phenodose.learning import backbones

        architecture = backbones.Architecture.of(backbone, (shape[0], shape[1], 3))
        network = backbones.build(architecture)
        backbones.initialise(network, architecture, weights, seed)
        whole = network if architecture.blocks else network.get_layer(backbones.NESTED).model
        by_size: dict[int, Any] = {}
        for layer in whole.layers:
            maps = getattr(layer, "output", None)
            if maps is not None and len(maps.shape) == 4 and maps.shape[1] and maps.shape[3] > 3:
                by_size[int(maps.shape[1])] = maps
        self._model = keras.Model(whole.inputs, list(by_size.values()))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        from keras import ops

        three = images[..., [min(channel, images.shape[3] - 1) for channel in range(3)]]
        maps = self._model(ops.convert_to_tensor(three), training=False)
        found = [each for one in maps for each in (ops.mean(one, axis=(1, 2)), ops.std(one, axis=(1, 2)))]
        return np.concatenate([ops.convert_to_numpy(each) for each in found], axis=1)


def _standardised(images: np.ndarray) -> np.ndarray:
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    return np.asarray(centred / (images.std(axis=(1, 2), keepdims=True) + np.float32(_LEAST_SD)), dtype=np.float32)
