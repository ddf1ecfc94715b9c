"""Mixup and CutMix: images made of two, labelled in proportion.

Belongs here: drawing the blends and patches of a chunk of images, and making them. Does not belong here: geometric
augmentation (`augment`), which comes before, and scaling to network input, which comes after.

Two classes teach a network where one ends and the other begins, not what lies between; one that starts
random soon calls every half-dead spheroid alive or dead. Blends of controls of both classes teach it a
scale. The raw signal is blended, for light adds up: what half-dead spheroids look like on average is the mean of both
kinds of light, not of images that were standardised one by one, in which a dim class weighs as much as a bright one.
Source: Zhang, Cisse, Dauphin, Lopez-Paz 2018, mixup: beyond empirical risk minimization, eq. 1-2
(here with a uniform weight, and by default between the classes of the controls only).

A patch is a rectangle of another well's image in the place of the image's own. Source: Yun, Han, Oh, Chun, Choe, Yoo
2019, CutMix, arXiv 1905.04899, eq. 1-2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

#: Who is blended: controls with those of the other class, or all wells with all.
Between = Literal["classes", "wells"]


@dataclass(frozen=True)
class Blends:
    """What n images are blended with.

    Attributes:
        partner: int32 (n,), the place of the other image; its own place where an image stays as it is.
        share: float32 (n,), the image's own part; 1 where it stays as it is.
    """

    partner: np.ndarray
    share: np.ndarray


def draw_blends(
    wanted: np.ndarray,
    is_control: np.ndarray,
    fraction: float,
    generator: np.random.Generator,
    between: Between = "classes",
) -> Blends:
    """Choose a fraction of the wells of a chunk, and for each another one.

    Args:
        wanted: float32 (n, 2), wanted class probabilities.
        is_control: bool (n,).
        fraction: chance of a well to be blended, 0 to 1.
        generator: source of the choices; as many numbers are drawn whatever the classes.
        between: 'classes' blends controls with a control of the other class, 'wells' all wells with any other.

    Returns:
        The blends. Between classes drug wells, and controls whose other class is not in the chunk, stay as they are.
    """
    n = len(wanted)
    chosen = generator.random(n) < fraction
    weight = generator.random(n).astype(np.float32)
    pick = generator.random(n)
    if between == "wells":
        partner = np.where(chosen, _any_other(pick), np.arange(n)).astype(np.int32)
        return Blends(partner, np.where(partner == np.arange(n), np.float32(1), weight))
    negative = is_control & (wanted[:, 1] > wanted[:, 0])
    positive = is_control & ~negative
    partner = np.arange(n, dtype=np.int32)
    for of_class, others in ((negative, positive), (positive, negative)):
        pool = np.flatnonzero(others)
        if len(pool):
            members = np.flatnonzero(of_class & chosen)
            partner[members] = pool[(pick[members] * len(pool)).astype(np.int64)]
    return Blends(partner, np.where(partner == np.arange(n), np.float32(1), weight))


def _any_other(pick: np.ndarray) -> np.ndarray:
    """For every row another row, all with the same chance, by numbers from 0 to 1; itself if it is the only one."""
    n = len(pick)
    step = 1 + np.minimum((pick * max(n - 1, 1)).astype(np.int64), max(n - 2, 0))
    return np.asarray((np.arange(n) + step) % n)


@dataclass(frozen=True)
class Patches:
    """Rectangles of other wells that are put into n images.

    Attributes:
        partner: int32 (n,), the place of the other image; its own place where an image stays as it is.
        box: int32 (n, 4), top, bottom, left and right edge in pixels; an empty box where an image stays as it is.
        share: float32 (n,), the part of the image that is its own.
    """

    partner: np.ndarray
    box: np.ndarray
    share: np.ndarray


def draw_patches(n: int, fraction: float, size_px: tuple[int, int], generator: np.random.Generator) -> Patches:
    """Choose a fraction of n wells, for each another well and a rectangle.

    Args:
        n: number of wells.
        fraction: chance of a well to get a patch, 0 to 1.
        size_px: height and width of the images.
        generator: source of the choices.
    """
    chosen = generator.random(n) < fraction
    side = np.sqrt(generator.random(n))
    pick, y, x = generator.random(n), generator.random(n), generator.random(n)
    edges = []
    for centre, size in zip((y, x), size_px, strict=True):
        half = side * size / 2
        low, high = np.clip(centre * size - half, 0, size), np.clip(centre * size + half, 0, size)
        edges += [np.rint(low), np.rint(high)]
    box = np.where(chosen, np.stack(edges), 0).astype(np.int32).T
    area = (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2]) / (size_px[0] * size_px[1])
    partner = np.where(chosen, _any_other(pick), np.arange(n)).astype(np.int32)
    return Patches(partner, box, (1 - area).astype(np.float32))


def patch(images: Any, partner: Any, box: Any) -> Any:
    """Put a rectangle of another image into every image.

    Args:
        images: float32 array or tensor (n, y, x, channel).
        partner: see `Patches`.
        box: see `Patches`.

    Returns:
        float32 tensor of the same shape.
    """
    from keras import ops

    own = ops.convert_to_tensor(images)
    edges = ops.reshape(ops.convert_to_tensor(box), (-1, 4, 1, 1, 1))
    y = ops.reshape(ops.arange(own.shape[1], dtype="int32"), (1, -1, 1, 1))
    x = ops.reshape(ops.arange(own.shape[2], dtype="int32"), (1, 1, -1, 1))
    inside = (y >= edges[:, 0]) & (y < edges[:, 1]) & (x >= edges[:, 2]) & (x < edges[:, 3])
    return ops.where(inside, ops.take(own, ops.convert_to_tensor(partner), axis=0), own)


def blend(values: Any, partner: Any, share: Any) -> Any:
    """Blend rows of `values` (float32, n rows of any shape), images or wanted probabilities alike.

    Args:
        values: array or tensor.
        partner: see `Blends`.
        share: see `Blends`.

    Returns:
        float32 tensor of the same shape.
    """
    from keras import ops

    images = ops.convert_to_tensor(values)
    own = ops.reshape(ops.convert_to_tensor(share), (-1, *[1] * (len(images.shape) - 1)))
    return own * images + (1 - own) * ops.take(images, ops.convert_to_tensor(partner), axis=0)
