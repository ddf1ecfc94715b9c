"""Features of a well's pictures that screens share without a network: how much light, where, and in what grain.

They are logarithms and shares, so that they need no scale from other wells or screens: a profile that is made once
stays. Grain is what tells ways of dying apart: small bright fragments, clumps and faint swollen nuclei differ in the
octave that holds their light, and in whether it is bright spots or dark ones. Texture within cells tells it apart from
how the cells lie (`phenodose.learning.cell_texture`).

Belongs here: pictures to numbers. Does not belong here: comparing screens (`alignment`), features that find spoilt
images, which are relative to the screen (`phenodose.quality.image_features`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from phenodose.learning.cell_texture import texture, texture_counts

if TYPE_CHECKING:
    import xarray as xr

#: Pictures looked at together.
_BATCH = 64
_BACKGROUND_PERCENT = 10
#: Standard deviations of the Gaussians between which grain is looked at, in 64ths of the picture's side.
_GRAINS = (0.7, 1.0, 1.5, 2.2, 3.3, 5.0, 7.5, 11.0)
_SIDE = 64
#: Borders of the rings around the middle of the light, in 64ths of the side.
_RINGS = (0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0, np.inf)
#: Percentiles of brightness over mean brightness.
_PERCENTS = (30, 50, 60, 70, 80, 85, 90, 95, 98, 99.5)
#: Shares are known to about so much; their logarithm is of no use below.
_LEAST_SHARE, _LEAST_RATIO = 1e-3, 0.05


def image_profile(tensors: xr.DataArray) -> np.ndarray:
    """The profile of every well.

    Of each picture: log of the light above the background and of its maximum; for eight grains the log of their share
    of the power, and their skewness (bright spots or dark ones); log of the radius of gyration; log of the share of
    light in rings around its middle; log of percentiles over the mean; the texture within cells.

    Args:
        tensors: dims well, y, x, channel; square pictures; a channel that is there twice counts once.

    Returns:
        float64 array (well, feature), finite.
    """
    names = [str(name) for name in tensors["channel"].to_numpy()] if "channel" in tensors.coords else []
    first = [names.index(name) for name in dict.fromkeys(names)] or list(range(tensors.sizes["channel"]))
    columns = []
    for channel in first:
        pictures = tensors.isel(channel=channel)
        batches = range(0, pictures.sizes["well"], _BATCH)
        columns.append(
            np.concatenate([_of(pictures.isel(well=slice(start, start + _BATCH)).to_numpy()) for start in batches])
        )
    return np.concatenate(columns, axis=1)


def _of(pictures: np.ndarray) -> np.ndarray:
    """Features (well, feature) of pictures (well, y, x)."""
    pictures = _averaged(pictures)
    n, height, width = pictures.shape
    unit = min(height, width) / _SIDE
    light = pictures.astype(np.float64)
    light = np.maximum(light - np.percentile(light, _BACKGROUND_PERCENT, axis=(1, 2), keepdims=True), 0.0)
    # A dark picture has its light nowhere, not where its noise is.
    light += 1e-6
    total = light.sum(axis=(1, 2))
    found = [np.log(total + 1.0), np.log(light.max(axis=(1, 2)) + 1.0)]
    power = (light**2).sum(axis=(1, 2))
    coarse = light
    for grain in _GRAINS:
        finer, coarse = coarse, gaussian_filter(light, (0, grain * unit, grain * unit))
        between = finer - coarse
        own = (between**2).sum(axis=(1, 2))
        found.append(np.log(own / power + 1e-9))
        found.append(np.cbrt((between**3).sum(axis=(1, 2))) / np.sqrt(own + 1e-9 * power))
    y, x = np.mgrid[:height, :width]
    middle_y, middle_x = ((light * each).sum(axis=(1, 2)) / total for each in (y, x))
    radius = np.hypot(y - middle_y[:, None, None], x - middle_x[:, None, None])
    found.append(np.log(np.sqrt((light * radius**2).sum(axis=(1, 2)) / total) / unit))
    for low, high in pairwise(_RINGS):
        ring = (radius >= low * unit) & (radius < high * unit)
        found.append(np.log((light * ring).sum(axis=(1, 2)) / total + _LEAST_SHARE))
    relative = (light / (total[:, None, None] / (height * width))).reshape(n, -1)
    found += list(np.log(np.percentile(relative, _PERCENTS, axis=1) + _LEAST_RATIO))
    within = texture(texture_counts(pictures[..., None]), channels=1)
    return np.concatenate([np.stack(found, axis=1), within], axis=1)


def _averaged(pictures: np.ndarray) -> np.ndarray:
    """Pictures averaged in square blocks: at least 64 pixels a side are left, and no more than are of use."""
    n, height, width = pictures.shape
    block = next((b for b in range(min(height, width) // _SIDE, 1, -1) if height % b == width % b == 0), 1)
    return np.asarray(pictures.reshape(n, height // block, block, width // block, block).mean(axis=(2, 4)))
