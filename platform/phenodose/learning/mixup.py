"""Mixup: blends of a negative and a positive control, labelled in proportion.

Belongs here: drawing the blends of a chunk of images, and blending. Does not belong here: geometric augmentation
(`augment`), which comes before, and scaling to network input, which comes after.

Two classes teach a network where one ends and the other begins, not what lies between; one that starts
random soon calls every half-dead spheroid alive or dead. Blends of controls of both classes teach it a
scale. The raw signal is blended, for light adds up: what half-dead spheroids look like on average is the mean of both
kinds of light, not of images that were standardised one by one, in which a dim class weighs as much as a bright one.
Source: Zhang, Cisse, Dauphin, Lopez-Paz 2018, mixup: beyond empirical risk minimization, eq. 1-2
(here with a uniform weight, and between classes only).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Blends:
    """What n images are blended with.

    Attributes:
        partner: int32 (n,), the place of the other image; its own place where an image stays as it is.
        share: float32 (n,), the image's own part; 1 where it stays as it is.
    """

    partner: np.ndarray
    share: np.ndarray


def draw_blends(wanted: np.ndarray, is_control: np.ndarray, fraction: float, generator: np.random.Generator) -> Blends:
    """Choose a fraction of the controls of a chunk, and for each a control of the other class.

    Args:
        wanted: float32 (n, 2), wanted class probabilities.
        is_control: bool (n,).
        fraction: chance of a control to be blended, 0 to 1.
        generator: source of the choices; as many numbers are drawn whatever the classes.

    Returns:
        The blends; drug wells, and controls whose other class is not in the chunk, stay as they are.
    """
    n = len(wanted)
    chosen = generator.random(n) < fraction
    weight = generator.random(n).astype(np.float32)
    pick = generator.random(n)
    negative = is_control & (wanted[:, 1] > wanted[:, 0])
    positive = is_control & ~negative
    partner = np.arange(n, dtype=np.int32)
    for of_class, others in ((negative, positive), (positive, negative)):
        pool = np.flatnonzero(others)
        if len(pool):
            members = np.flatnonzero(of_class & chosen)
            partner[members] = pool[(pick[members] * len(pool)).astype(np.int64)]
    return Blends(partner, np.where(partner == np.arange(n), np.float32(1), weight))


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
