"""The picture of a class-activation map: a well's projection, and the same with the map over it.

Does not belong here: computing the map (`phenodose.learning.activation_maps`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.pictures.png import figure_png, new_figure, tidy

if TYPE_CHECKING:
    import numpy as np

#: Strongest cover of the image by the map.
_MOST_COVER = 0.5


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
    covered.imshow(activation, cmap="viridis", vmin=0, vmax=1, alpha=_MOST_COVER * np.clip(activation, 0, 1))
    return figure_png(figure)
