"""The texture of the cells in an image: what is left when layout, staining and dust are taken out.

Belongs here: the figures of texture, and what a well would have whose cells are those of two others. Does not belong
here: pictures made of two wells (`mosaics`), features of networks (`frozen`), and what is made of texture
(`control_span`).

Features that are averaged over a picture change most with how much of it cells fill and with how they lie. Here a pixel
counts as far as it lies among cells; its light is compared with the mean light around it, as in the local contrast
normalisation of Jarrett et al. 2009, doi 10.1109/ICCV.2009.5459469; what is told of the pixels are quantiles, which a
fibre or a hot pixel does not move. Everything is counted in sums over pixels, so the counts of two wells can be added.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np

#: Widths of the Gaussians between which a band of detail lies [px].
_WIDTHS_PX = (0.0, 0.8, 1.6, 3.2, 6.4)
#: Images wider than twice this are averaged down first: bands reach the same structures at any size.
_WIDTH_PX = 96
#: Part of the width of an image over which light around a pixel is averaged.
_AROUND = 1 / 16
_BACKGROUND_PERCENT, _BRIGHT_PERCENT = 10, 99
#: Light around a pixel, in units of where it is bright: none among cells below the first, wholly from the second on.
_AMONG_CELLS = (0.15, 0.45)
#: Light around a pixel above which areas are told; the area of `_CELLS` is the unit.
_AREAS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.6)
_CELLS = 4
_BINS = 64
_PROBABILITIES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_BANDS = len(_WIDTHS_PX) - 1
#: Maps of a channel: bands of contrast, light against that around it (3 widths), light against bright light (3).
_MAPS = _BANDS + 6
#: What the scale of a map's histogram reaches from and to: of contrast, and of the logarithm of light.
_OF_CONTRAST, _OF_LIGHT = (-2.5, 3.5), (-2.4, 2.0)
_MOMENTS = 2 * _BANDS
_BATCH = 8


def texture_counts(images: np.ndarray, threads: int = 1) -> np.ndarray:
    """Sums over the pixels of every image, from which `texture` is made.

    Args:
        images: array (image, y, x, channel) of counts.
        threads: batches worked on at once; the numbers do not depend on it.

    Returns:
        float64 array (image, number). Those of two images may be added in any shares.
    """
    starts = range(0, len(images), _BATCH)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(lambda start: _of_batch(images[start : start + _BATCH]), starts))
    return np.concatenate(parts)


def mixed_counts(counts: np.ndarray, pairs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Counts of wells that would hold the cells of two others side by side, so that no cell sees one of the other.

    Args:
        counts: float64 array (well, number), from `texture_counts`.
        pairs: int array (mixture, 2): rows of the two wells.
        shares: float array (mixture,): share of the first.
    """
    return np.asarray(shares[:, None] * counts[pairs[:, 0]] + (1 - shares[:, None]) * counts[pairs[:, 1]])


def texture(counts: np.ndarray, channels: int) -> np.ndarray:
    """Figures of texture: of each channel quantiles of its maps, correlations between bands of detail, areas.

    Of every further channel there are mean and standard deviation of the log of its light against the first's.

    Args:
        counts: float64 array (well, number), from `texture_counts`.
        channels: of the images.

    Returns:
        float64 array (well, feature), finite also for an empty image.
    """
    wells = len(counts)
    sizes = np.cumsum([channels * _MAPS * _BINS, channels * (_MOMENTS + _MOMENTS**2), channels * len(_AREAS)])
    histograms, moments, areas, ratios = np.split(counts, sizes, axis=1)
    histograms = histograms.reshape(wells, channels, _MAPS, _BINS)
    moments = moments.reshape(wells, channels, -1)
    areas = areas.reshape(wells, channels, len(_AREAS)) + 2.0
    total = histograms[:, :, 0].sum(axis=2) + 1e-9
    columns = []
    for channel in range(channels):
        columns += [_quantiles(histograms[:, channel, place], place) for place in range(_MAPS)]
        columns.append(_correlations(moments[:, channel] / total[:, channel, None]))
        columns.append(np.log(np.delete(areas[:, channel] / areas[:, channel, _CELLS, None], _CELLS, axis=1)))
    for mean, square in (ratios / total[:, :1]).reshape(wells, -1, 2).transpose(1, 2, 0):
        columns.append(np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0.0))], axis=1))
    return np.concatenate(columns, axis=1)


def _of_batch(images: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    pictures = _smaller(images.astype(np.float32))
    number, height, width, channels = pictures.shape
    background = np.percentile(pictures, _BACKGROUND_PERCENT, axis=(1, 2), keepdims=True).astype(np.float32)
    light = np.maximum(pictures - background, 0.0)
    dust = 1.5 * np.percentile(light, _BRIGHT_PERCENT, axis=(1, 2), keepdims=True).astype(np.float32)
    wide = float(np.sqrt(height * width)) * _AROUND
    around = gaussian_filter(np.minimum(light, dust), (0, wide, wide, 0))
    bright = np.percentile(around, 90, axis=(1, 2), keepdims=True).astype(np.float32) + np.float32(1e-6)
    low, high = _AMONG_CELLS
    weight = np.clip((around / bright - low) / (high - low), 0.0, 1.0)
    blurred = [gaussian_filter(light, (0, px, px, 0)) if px else light for px in _WIDTHS_PX]
    ground = around + 0.05 * bright + np.float32(1e-3)
    bands = [(fine - coarse) / ground for fine, coarse in itertools.pairwise(blurred)]
    lights = [each / ground for each in blurred[:3]] + [each / bright for each in blurred[1:4]]
    maps = [np.arcsinh(4 * band) for band in bands] + [np.log(np.maximum(each, 0.0) + 0.1) for each in lights]
    detail = np.stack([band.clip(-1, 2) for band in bands] + [np.abs(band).clip(0, 2) for band in bands], axis=-1)
    histograms = np.zeros((number, channels, _MAPS, _BINS))
    moments = np.zeros((number, channels, _MOMENTS + _MOMENTS**2))
    for image, channel in np.ndindex(number, channels):
        weights = weight[image, :, :, channel].ravel().astype(np.float64)
        for place, values in enumerate(maps):
            start, end = _reach(place)
            bins = ((values[image, :, :, channel].ravel() - start) * (_BINS / (end - start))).astype(np.int64)
            histograms[image, channel, place] = np.bincount(bins.clip(0, _BINS - 1), weights, _BINS)
        its = detail[image, :, :, channel].reshape(-1, _MOMENTS).astype(np.float64)
        weighted = its * weights[:, None]
        moments[image, channel] = np.concatenate([weighted.sum(axis=0), (weighted.T @ its).ravel()])
    areas = np.stack([(around / bright > part).sum(axis=(1, 2)) for part in _AREAS], axis=2)
    logarithm = np.log(blurred[1] + 0.05 * bright)
    against = (logarithm[..., :1] - logarithm[..., 1:]).astype(np.float64)
    ratios = np.stack([(weight[..., :1] * against**power).sum(axis=(1, 2)) for power in (1, 2)], axis=2)
    return np.concatenate([part.reshape(number, -1) for part in (histograms, moments, areas, ratios)], axis=1)


def _smaller(pictures: np.ndarray) -> np.ndarray:
    """Every block of pixels as its mean, so that pictures have about the width of `_WIDTH_PX`, or less."""
    number, height, width, channels = pictures.shape
    by = max(min(height, width) // _WIDTH_PX, 1)
    cut = pictures[:, : height // by * by, : width // by * by]
    return np.asarray(cut.reshape(number, height // by, by, width // by, by, channels).mean(axis=(2, 4)))


def _reach(place: int) -> tuple[float, float]:
    return _OF_CONTRAST if place < _BANDS else _OF_LIGHT


def _quantiles(histogram: np.ndarray, place: int) -> np.ndarray:
    """Quantiles (well, probability) of a map, on its scale, from its histogram (well, bin)."""
    start, end = _reach(place)
    below = np.cumsum(histogram, axis=1) / (histogram.sum(axis=1, keepdims=True) + 1e-9)
    edges = np.linspace(start, end, _BINS + 1)
    rows, found = np.arange(len(histogram)), []
    for probability in _PROBABILITIES:
        bins = (below < probability).sum(axis=1).clip(0, _BINS - 1)
        before = np.where(bins > 0, below[rows, bins - 1], 0.0)
        part = np.clip((probability - before) / np.maximum(below[rows, bins] - before, 1e-9), 0.0, 1.0)
        found.append(edges[bins] + part * (end - start) / _BINS)
    return np.stack(found, axis=1)


def _correlations(moments: np.ndarray) -> np.ndarray:
    """How the strength of one band goes with another, and its sign with that: (well, pair), from means and products."""
    mean = moments[:, :_MOMENTS]
    covariance = moments[:, _MOMENTS:].reshape(-1, _MOMENTS, _MOMENTS) - mean[:, :, None] * mean[:, None, :]
    sd = np.sqrt(np.maximum(np.einsum("wii->wi", covariance), 1e-9))
    correlation = covariance / (sd[:, :, None] * sd[:, None, :] + 1e-6)
    pairs = [(coarse, fine) for coarse in range(_BANDS) for fine in range(coarse)]
    found = [correlation[:, first + coarse, _BANDS + fine] for coarse, fine in pairs for first in (_BANDS, 0)]
    return np.stack(found, axis=1)
