"""Bright objects on a dark, uneven background: spheroids, organoids, and what is left of them.

1. The image is smoothed, and a polynomial of second order in x and y is laid through what is dark and taken off, so
   that uneven light moves no outline.
2. Intensities are expressed in standard deviations of the background's noise, robustly.
3. The threshold is Otsu's (1979, IEEE Trans. Syst. Man Cybern. 9:62) on the inverse hyperbolic sine of these, which is
   linear in the noise and a logarithm above: dim objects beside bright ones are not lost. It lies above the noise by
   a least contrast, so that an image without objects has none.
4. The outline of an object is where its light has fallen to half of its median, so that neither staining nor the
   brightness of its neighbours moves it.
5. Holes (the lumen of an organoid) are filled, small objects are dropped.

Every image stands for itself: no other well and no control has a say.

Belongs here: arrays to labels, and what is measured of a label. Does not belong here: plates and units (`spheroids`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: The background is fitted on a grid of about so many points along the shorter side.
_GRID = 64
_ROUNDS = 4
#: What is brighter than the background by so many SDs of its noise is no background.
_CLIP_SD = 3.0
#: From a standard deviation to the median absolute deviation, of a normal distribution.
_SD_OF_MAD = 1.4826
#: The outline of an object is at so much of its median light.
_OF_MEDIAN = 0.5
#: Where the inverse hyperbolic sine bends, in SDs of the noise.
_BEND_SD = 3.0


def bright_objects(image: np.ndarray, smoothing_px: float, least_contrast: float, smallest_px: float) -> np.ndarray:
    """The objects of an image.

    Args:
        image: floats, dims y, x.
        smoothing_px: standard deviation of the Gaussian.
        least_contrast: objects are brighter than the background by so many SDs of its noise at least.
        smallest_px: area of the smallest object.

    Returns:
        Integers, dims y, x: 0 is background, the largest object is 1, the next 2 and so on.
    """
    import numpy as np
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    smooth = ndimage.gaussian_filter(image, smoothing_px)
    if smooth.max() <= smooth.min():
        return np.zeros(image.shape, dtype=np.int32)
    contrast = _contrast(smooth)
    bent = np.arcsinh(contrast / _BEND_SD)
    cut = _BEND_SD * float(np.sinh(threshold_otsu(bent)))
    touching = np.ones((3, 3))
    labels, count = ndimage.label(contrast > max(cut, least_contrast), structure=touching)
    if not count:
        return np.zeros(image.shape, dtype=np.int32)
    light = np.zeros(count + 1)
    inside = labels > 0  # of the whole image, its background would be sorted too
    light[1:] = ndimage.median(contrast[inside], labels[inside], np.arange(1, count + 1))
    outlined = ndimage.binary_fill_holes(inside & (contrast > _OF_MEDIAN * light[labels]))
    labels, count = ndimage.label(outlined, structure=touching)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    order = np.argsort(-areas, kind="stable")
    kept = order[areas[order] >= max(smallest_px, 1)]
    numbers = np.zeros(count + 1, dtype=np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(numbers[labels])


def describe(labels: np.ndarray, image: np.ndarray, gap_px: float = 0.0) -> dict[str, np.ndarray]:
    """What is measured of every object, in the order of their numbers.

    Args:
        labels: from `bright_objects`.
        image: the same image before smoothing.
        gap_px: inlets of an outline up to twice as wide are closed before its roundness is measured: those between
            stained nuclei, which say nothing of the spheroid's shape.

    Returns:
        area [px], roundness (4 pi area / perimeter^2 of the closed outline with Crofton's perimeter: 1 for a circle,
        less for any other, up to a few percent more for that of few pixels), mean_intensity [grey value], x and y of
        the centroid [px].
    """
    import numpy as np
    from scipy import ndimage
    from skimage.measure import perimeter_crofton, regionprops_table

    if not labels.any():
        return {name: np.empty(0) for name in ("area", "roundness", "mean_intensity", "x", "y")}
    table = regionprops_table(labels, image, properties=("area", "intensity_mean", "centroid"))
    roundness = []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        outline = _closed(np.pad(labels[box] == number, int(gap_px) + 2), gap_px)
        roundness.append(4 * np.pi * float(outline.sum()) / max(float(perimeter_crofton(outline)), 1.0) ** 2)
    return {
        "area": np.asarray(table["area"], dtype=np.float64),
        "roundness": np.array(roundness),
        "mean_intensity": np.asarray(table["intensity_mean"], dtype=np.float64),
        "x": np.asarray(table["centroid-1"], dtype=np.float64),
        "y": np.asarray(table["centroid-0"], dtype=np.float64),
    }


def _closed(mask: np.ndarray, radius_px: float) -> np.ndarray:
    """A mask, dims y, x, widened by a disc and narrowed again, its holes filled; the rim of the mask is background."""
    import numpy as np
    from scipy import ndimage

    if radius_px > 0:
        wide = ndimage.distance_transform_edt(~mask) <= radius_px
        mask = ndimage.distance_transform_edt(wide) > radius_px
    return np.asarray(ndimage.binary_fill_holes(mask))


def _contrast(smooth: np.ndarray) -> np.ndarray:
    """How far every pixel lies above the background, in robust SDs of the background's noise."""
    import numpy as np
    from skimage.filters import threshold_otsu

    height, width = smooth.shape
    step = max(1, min(height, width) // _GRID)
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)
    coarse, values = terms[::step, ::step].reshape(-1, terms.shape[-1]), smooth[::step, ::step].ravel()
    dark = values <= threshold_otsu(values)
    fit, level, noise = np.zeros(terms.shape[-1]), 0.0, 1.0
    for _ in range(_ROUNDS):
        fit = np.linalg.lstsq(coarse[dark], values[dark], rcond=None)[0]
        left = values - coarse @ fit
        level = float(np.median(left[dark]))
        noise = _SD_OF_MAD * float(np.median(np.abs(left[dark] - level)))
        noise = max(noise, float(np.finfo(np.float32).eps) * max(1.0, float(np.abs(values).max())))
        dark = left < level + _CLIP_SD * noise
    return np.asarray((smooth - terms @ fit - level) / noise)
