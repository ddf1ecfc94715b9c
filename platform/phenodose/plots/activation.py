"""The picture of a class-activation map: a well's projection, and the same with the map over it.

Does not belong here: computing the map (`phenodose.learning.activation_maps`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.plots.png import figure_png, image_png, new_figure, tidy

if TYPE_CHECKING:
    import numpy as np

#: Colours of a map, from nothing to most; colour-blind people tell them apart, and they grow brighter in grey print.
_COLOURS = "viridis"
#: Strongest cover of the image by the map.
_MOST_COVER = 0.5
#: The same where the image is small and shown without the map too.
_MOST_OVERLAY = 0.75
_OVERLAY_COLOURS = 64


def activation_picture(image: np.ndarray, activation: np.ndarray, title: str = "", width_px: int = 420) -> bytes:
    """Image and map side by side.

    Args:
        image: array (y, x), 0 is black, 1 and more white.
        activation: array (y, x), 0 to 1; where it is 0 the image shows through.
        title: what is shown.
        width_px: width of the picture.
    """
    import numpy as np

    figure = new_figure(width_px, int(width_px * 0.56))
    plain, covered = figure.subplots(1, 2)
    for axes, name in ((plain, title), (covered, "")):
        tidy(axes, name)
        axes.imshow(np.clip(image, 0, 1), cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()
    covered.imshow(activation, cmap=_COLOURS, vmin=0, vmax=1, alpha=_MOST_COVER * np.clip(activation, 0, 1))
    return figure_png(figure)


def activation_overlay(activation: np.ndarray, size_px: int) -> bytes:
    """A map as a PNG to lay over the image of its well: clear where it is 0.

    Args:
        activation: array (y, x), 0 to 1.
        size_px: longest side of the picture.
    """
    import numpy as np
    from matplotlib import colormaps
    from PIL import Image

    y, x = activation.shape
    scale = min(1.0, size_px / max(y, x))
    size = max(1, round(x * scale)), max(1, round(y * scale))
    level = Image.fromarray(np.clip(activation, 0, 1).astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    shown = np.asarray(level)
    rgba = colormaps[_COLOURS](shown)
    rgba[..., 3] = _MOST_OVERLAY * shown
    picture = Image.fromarray(np.round(255 * rgba).astype(np.uint8), "RGBA")
    return image_png(picture.quantize(_OVERLAY_COLOURS, method=Image.Quantize.FASTOCTREE))
