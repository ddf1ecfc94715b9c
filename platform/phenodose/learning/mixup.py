"""Mixup: blends of a negative and a positive control, labelled in proportion.

Belongs here: blending a chunk of images. Does not belong here: geometric augmentation (`augment`), which comes
before, and scaling to network input, which comes after.

Two classes teach a network where one ends and the other begins, not what lies between; one that starts
random soon calls every half-dead spheroid alive or dead. Blends of controls of both classes teach it a
scale. The raw signal is blended, for light adds up: what half-dead spheroids look like on average is the mean of both
kinds of light, not of images that were standardised one by one, in which a dim class weighs as much as a bright one.
Source: Zhang, Cisse, Dauphin, Lopez-Paz 2018, mixup: beyond empirical risk minimization, eq. 1-2
(here with a uniform weight, and between classes only).
"""

from __future__ import annotations

import numpy as np


def blend_controls(
    inputs: np.ndarray, wanted: np.ndarray, is_control: np.ndarray, fraction: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Blend a fraction of the controls of a chunk with controls of the other class.

    Args:
        inputs: float32 (n, y, x, channel), raw signal.
        wanted: float32 (n, 2), wanted class probabilities.
        is_control: bool (n,).
        fraction: chance of a control to be blended, 0 to 1.
        generator: source of the choices; as many numbers are drawn whatever the classes.

    Returns:
        Inputs and wanted probabilities of the same shapes; drug wells, and controls whose other class is
        not in the chunk, stay as they are.
    """
    n = len(inputs)
    chosen = generator.random(n) < fraction
    weight = generator.random(n).astype(np.float32)
    pick = generator.random(n)
    negative = is_control & (wanted[:, 1] > wanted[:, 0])
    positive = is_control & ~negative
    partner = np.arange(n)
    for of_class, others in ((negative, positive), (positive, negative)):
        pool = np.flatnonzero(others)
        if len(pool):
            members = np.flatnonzero(of_class & chosen)
            partner[members] = pool[(pick[members] * len(pool)).astype(np.int64)]
    share = np.where(partner == np.arange(n), np.float32(1), weight)
    images = share[:, None, None, None] * inputs + (1 - share)[:, None, None, None] * inputs[partner]
    return images, share[:, None] * wanted + (1 - share)[:, None] * wanted[partner]
