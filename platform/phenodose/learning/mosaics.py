"""Pictures of wells in which part of the cells has died, put together from a living and a killed control.

Belongs here: where the dead lie, and the picture. Does not belong here: sums of two images (`frozen.blends_of`), and
what mosaics are good for (`control_span`).

In a culture that is dying the dead lie beside the living: a core that starves, or a rim that meets the drug first.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Dead = Literal["core", "rim"]
#: Where the dead may lie.
DEAD: tuple[Dead, ...] = ("core", "rim")
#: Light around a pixel, in units of where it is bright, from which on it is one of the cells'.
_CELLS = 0.3
_AROUND = 1 / 16
#: Width of the seam between the two pictures [px].
_SEAM_PX = 0.7


def pairs_of(
    negative: np.ndarray, positive: np.ndarray, plate: np.ndarray, number: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of a living and a killed control of one plate, and shares between 0.05 and 0.95.

    Args:
        negative: bool array (well,).
        positive: bool array (well,).
        plate: array (well,) of plate names; a plate that lacks a kind borrows it from the others.
        number: pairs.
        seed: seed of the draws.

    Returns:
        int array (pair, 2): rows of the living and the killed; float64 array (pair,): share of the living.
    """
    rng = np.random.default_rng([seed, 3])
    living, killed = np.flatnonzero(negative), np.flatnonzero(positive)
    pairs = np.empty((number, 2), dtype=np.int64)
    for place, one in enumerate(rng.choice(living, number)):
        same = killed[plate[killed] == plate[one]]
        pairs[place] = one, rng.choice(same if len(same) else killed)
    return pairs, rng.uniform(0.05, 0.95, number)


def mosaics(images: np.ndarray, pairs: np.ndarray, shares: np.ndarray, dead: Dead, seed: int) -> np.ndarray:
    """Pictures whose cells have died from the middle on, or from the rim on.

    The killed control is moved so that its cells lie over those of the living one, and shown where cells lie deep
    enough, or shallow enough; the border is a little uneven.

    Args:
        images: array (well, y, x, channel) of counts.
        pairs: int array (mosaic, 2): rows of a living and a killed well.
        shares: float array (mosaic,): share of the area of cells that shows the living.
        dead: where the dead lie.
        seed: seed of the uneven borders.

    Returns:
        float32 array (mosaic, y, x, channel).
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    rng = np.random.default_rng([seed, 7, dead == "rim"])
    made = np.empty((len(pairs), *images.shape[1:]), dtype=np.float32)
    for place, (alive, killed) in enumerate(pairs):
        one, other = (images[row].astype(np.float32) for row in (alive, killed))
        other += np.percentile(one, 10, axis=(0, 1)) - np.percentile(other, 10, axis=(0, 1))
        (cells, middle), (its_cells, its_middle) = _cells(one), _cells(other)
        move = tuple(int(step) for step in np.rint(middle - its_middle))
        other, its_cells = (np.roll(each, move, axis=(0, 1)) for each in (other, its_cells))
        either = cells | its_cells
        depth = distance_transform_edt(np.pad(either, 1))[1:-1, 1:-1]
        uneven = gaussian_filter(rng.normal(size=depth.shape), depth.shape[1] / rng.uniform(10, 30))
        depth += 0.5 * uneven / uneven.std()
        depth = depth if dead == "core" else -depth
        shown = (depth > np.quantile(depth[either], shares[place])).astype(np.float32)
        part = gaussian_filter(shown, _SEAM_PX)[..., None]
        made[place] = np.maximum(one * (1 - part) + other * part, 0.0)
    return made


def _cells(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where cells lie, bool (y, x), and their middle [px]; everywhere in an image without light."""
    from scipy.ndimage import gaussian_filter

    light = image.mean(axis=2)
    light = np.maximum(light - np.percentile(light, 10), 0.0)
    around = gaussian_filter(np.minimum(light, 1.5 * np.percentile(light, 99)), light.shape[1] * _AROUND)
    cells = around >= _CELLS * np.percentile(around, 90)
    return cells, np.argwhere(cells).mean(axis=0)
