"""Plain features of a well's pictures: brightness, extent, symmetry and detail.

Belongs here: what can be told of a picture without a network. A network that was taught living and killed wells
hardly sees a fibre or a missing half; these features do. Does not belong here: which of them are strange
(`image_outliers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

#: Wells looked at together.
_BATCH = 64
_BACKGROUND_PERCENT = 10
_BRIGHT_PERCENT = 99
#: Part of the screen's typical brightness below which differences are noise.
_FLOOR = 0.02
_LIGHT_PERCENTS = (50, 75, 90, 97, 99.5, 100)
#: Distance from the middle, in widths of the picture, from which light counts as rim.
_RIM = 0.42


def image_features(tensors: xr.DataArray) -> np.ndarray:
    """Features of every well, each in units of its interquartile range over the wells.

    Of each picture: log of background and of percentiles and mean of the light above it, distance of the light from
    the middle, its extent and elongation, its share at the rim, and log of the power in octaves of detail. They do not
    change when a picture is turned by quarters or mirrored, and hardly with its size.

    Args:
        tensors: dims well, y, x, channel; a channel that is there twice counts once.

    Returns:
        float64 array (well, feature).
    """
    names = [str(name) for name in tensors["channel"].to_numpy()] if "channel" in tensors.coords else []
    first = [names.index(name) for name in dict.fromkeys(names)] or list(range(tensors.sizes["channel"]))
    columns = []
    for channel in first:
        pictures = tensors.isel(channel=channel)
        floor = _FLOOR * max(float(np.median(np.concatenate([_height(batch) for batch in _batches(pictures)]))), 1.0)
        columns.append(np.concatenate([_figures(batch, floor) for batch in _batches(pictures)]))
    features = np.concatenate(columns, axis=1)
    low, high = np.percentile(features, [25, 75], axis=0)
    spread = np.where(high > low, high - low, features.std(axis=0))
    return np.asarray(features / np.where(spread > 0, spread, 1.0), dtype=np.float64)


def _batches(pictures: xr.DataArray) -> Iterator[np.ndarray]:
    for start in range(0, pictures.sizes["well"], _BATCH):
        yield pictures.isel(well=slice(start, start + _BATCH)).to_numpy().astype(np.float64)


def _height(pictures: np.ndarray) -> np.ndarray:
    """Bright light above the background, a number a picture."""
    low, high = np.percentile(pictures, [_BACKGROUND_PERCENT, _BRIGHT_PERCENT], axis=(1, 2))
    return np.asarray(high - low)


def _figures(pictures: np.ndarray, floor: float) -> np.ndarray:
    """Features (well, feature) of pictures (well, y, x); light below `floor` is as good as none."""
    _, height, width = pictures.shape
    background = np.percentile(pictures, _BACKGROUND_PERCENT, axis=(1, 2))
    light = np.maximum(pictures - background[:, None, None], 0.0)
    levels = np.percentile(light, _LIGHT_PERCENTS, axis=(1, 2))
    brightness = [np.log(background + floor), *np.log(levels + floor), np.log(light.mean(axis=(1, 2)) + floor)]
    y = ((np.arange(height) + 0.5) / height - 0.5)[:, None]
    x = ((np.arange(width) + 0.5) / width - 0.5)[None, :]
    # A dark picture has its light nowhere, not where its noise is.
    weight = (light + _FLOOR * floor) / (light + _FLOOR * floor).sum(axis=(1, 2), keepdims=True)
    mean_y, mean_x = (weight * y).sum(axis=(1, 2)), (weight * x).sum(axis=(1, 2))
    var_y = (weight * y**2).sum(axis=(1, 2)) - mean_y**2
    var_x = (weight * x**2).sum(axis=(1, 2)) - mean_x**2
    covariance = (weight * y * x).sum(axis=(1, 2)) - mean_y * mean_x
    extent = var_y + var_x
    shape = [
        np.hypot(mean_y, mean_x),
        np.sqrt(extent),
        np.sqrt((var_y - var_x) ** 2 + 4 * covariance**2) / extent,
        weight[:, np.hypot(y, x) > _RIM].sum(axis=1),
    ]
    return np.stack([*brightness, *shape, *_detail(np.log(light + floor))], axis=1)


def _detail(pictures: np.ndarray) -> list[np.ndarray]:
    """Log of the mean power in octaves, from one wave a picture on."""
    _, height, width = pictures.shape
    power = np.abs(np.fft.fft2(pictures)) ** 2
    waves = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width)[None, :] * width)
    octaves = int(np.log2(max(min(height, width), 4))) - 1
    bands = [(waves >= 2**octave) & (waves < 2 ** (octave + 1)) for octave in range(octaves)]
    return [np.log(power[:, band].mean(axis=1) + np.finfo(float).tiny) for band in bands]
