"""Pictures of plates: the mosaic of all images, one image of a well, a number a well large and small.

Does not belong here: reading a plate (`phenodose.plates.plate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.errors import InputError
from phenodose.names import PLATE_FORMATS, row_index, row_label
from phenodose.plots import palette
from phenodose.plots.png import MOST_BYTES, figure_png, image_png, legend, new_figure, tidy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL.Image import Image

_GREY_LEVELS = 32
_THUMBNAIL_WELL_PX = 4
#: So small that the Dagster UI shows the picture at once and not behind a link.
MOST_THUMBNAIL_BYTES = 680


def plate_picture(mosaic: np.ndarray, width_px: int = 640, most_bytes: int = MOST_BYTES) -> bytes:
    """The mosaic of a plate as a grey PNG.

    Args:
        mosaic: uint8 array (y, x), black 0 to white 255.
        width_px: wanted width; smaller if the mosaic is narrower, or to stay below `most_bytes`.
        most_bytes: the PNG is made smaller by steps until it has at most this size.

    Raises:
        InputError: the mosaic is not a two-dimensional uint8 array with pixels.
    """
    import numpy as np
    from PIL import Image

    if mosaic.ndim != 2 or mosaic.dtype != np.uint8 or mosaic.size == 0:
        raise InputError(
            f"mosaic of shape {mosaic.shape} and type {mosaic.dtype}: a picture needs uint8 pixels (y, x)."
        )
    full = Image.fromarray(np.ascontiguousarray(mosaic))
    width = min(width_px, full.width)
    while True:
        png = image_png(_few_greys(full, width))
        if len(png) <= most_bytes or width <= 16:
            return png
        width = max(16, int(width * 0.85))


def _few_greys(full: Image, width: int) -> Image:
    from PIL import Image

    height = max(1, round(full.height * width / full.width))
    small = full if width == full.width else full.resize((width, height), Image.Resampling.BOX)
    return small.quantize(_GREY_LEVELS, dither=Image.Dither.NONE)


def well_picture(pixels: np.ndarray, window: tuple[float, float], size_px: int = 96) -> bytes:
    """One image of a well as a small grey PNG; it is not stretched.

    Args:
        pixels: array (y, x) of any number type.
        window: values shown as black and as white.
        size_px: longest side of the picture.
    """
    full = _in_window(pixels, window)
    return image_png(_few_greys(full, max(1, round(full.width * min(1.0, size_px / max(full.size))))))


def well_photograph(pixels: np.ndarray, window: tuple[float, float], size_px: int) -> Image:
    """One image of a well in grey, to be packed as a photograph (`png.image_jpeg`); it is not stretched.

    Args:
        pixels: array (y, x) of any number type.
        window: values shown as black and as white.
        size_px: longest side of the picture.
    """
    return shrunk(_in_window(pixels, window), size_px)


def shrunk(image: Image, size_px: int) -> Image:
    """The image with a longest side of at most `size_px`; every pixel is the mean of those it stands for."""
    from PIL.Image import Resampling

    part = size_px / max(image.size)
    if part >= 1:
        return image
    size = max(1, round(image.width * part)), max(1, round(image.height * part))
    return image.resize(size, Resampling.BOX)


def _in_window(pixels: np.ndarray, window: tuple[float, float]) -> Image:
    import numpy as np
    from PIL import Image

    start, end = window
    shown = np.clip((pixels.astype(np.float64) - start) / max(end - start, 1e-12), 0, 1)
    return Image.fromarray(np.round(255 * shown).astype(np.uint8))


def plate_heatmap(
    frame: pd.DataFrame,
    title: str,
    unit: str = "",
    limits: tuple[float, float] | None = None,
    width_px: int = 480,
) -> bytes:
    """A number a well, as colours on the plate; wells without a number are pale with a cross.

    Args:
        frame: columns row (letters), column (from 1), value; one row a well. With a column flag, wells that have
            one are ringed.
        title: what is shown, of which plate.
        unit: unit of the value, beside the scale.
        limits: values at the ends of the colour scale; the smallest and largest value by default.
        width_px: width of the picture.
    """
    import numpy as np

    values, present = _grid(frame)
    n_rows, n_columns = values.shape
    low, high = limits if limits else _limits(values[np.isfinite(values)])
    figure = new_figure(width_px, int(width_px * (n_rows / n_columns) * 0.86) + 50)
    axes = figure.subplots()
    image = axes.imshow(np.ma.masked_invalid(values), cmap="viridis", vmin=low, vmax=high, aspect="equal")
    axes.set_facecolor("#F4F4F4")
    empty_y, empty_x = np.nonzero(present & ~np.isfinite(values))
    if len(empty_x):
        axes.scatter(empty_x, empty_y, marker="x", s=8, linewidths=0.6, color=palette.GREY, label="left out")
        legend(axes, "upper right", bbox_to_anchor=(1.0, 1.12))
    doubtful = frame[frame["flag"].notna()] if "flag" in frame else frame.iloc[:0]
    if len(doubtful):
        x, y = doubtful["column"].to_numpy() - 1, [row_index(str(label)) for label in doubtful["row"]]
        axes.scatter(x, y, marker="o", s=22, facecolors="none", edgecolors="#D55E00", linewidths=1.1, label="doubtful")
        legend(axes, "upper right", bbox_to_anchor=(1.0, 1.12), ncols=2)
    tidy(axes, title)
    axes.spines[:].set_visible(False)
    # every tick takes time, even one that shows nothing
    columns, rows = range(0, n_columns, 1 if n_columns <= 12 else 2), range(0, n_rows, 1 if n_rows <= 16 else 2)
    axes.set_xticks(columns, [str(c + 1) for c in columns])
    axes.set_yticks(rows, [row_label(r) for r in rows])
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, extend="both" if limits else "neither")
    bar.ax.tick_params(labelsize=6.5)
    bar.set_label(unit, fontsize=7.5)
    return figure_png(figure)


def plate_thumbnail(
    frame: pd.DataFrame, limits: tuple[float, float] | None = None, most_bytes: int = MOST_THUMBNAIL_BYTES
) -> bytes:
    """A number a well as a tiny coloured square, without axes: dark is low, bright is high, pale is no number.

    Args:
        frame: columns row (letters), column (from 1), value; one row a well.
        limits: values at the ends of the colour scale; the smallest and largest value by default.
        most_bytes: fewer colours are used until the PNG has at most this size.
    """
    import numpy as np
    from matplotlib import colormaps
    from PIL import Image

    values, _ = _grid(frame)
    known = np.isfinite(values)
    low, high = limits if limits else _limits(values[known])
    part = np.clip((np.where(known, values, low) - low) / (high - low), 0, 1)
    png = b""
    for colours in (16, 8, 4, 2):
        steps = np.where(known, 1 + np.minimum(part * colours, colours - 1).astype(np.uint8), 0).astype(np.uint8)
        image = Image.fromarray(np.kron(steps, np.ones((_THUMBNAIL_WELL_PX, _THUMBNAIL_WELL_PX), np.uint8)))
        shades = colormaps["viridis"](np.linspace(0, 1, colours), bytes=True)[:, :3]
        image.putpalette([0xF4, 0xF4, 0xF4, *shades.ravel().tolist()])
        png = image_png(image)
        if len(png) <= most_bytes:
            break
    return png


def _grid(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The values in their places (NaN elsewhere), and which places the frame names."""
    import numpy as np

    rows = [row_index(str(label)) for label in frame["row"]]
    columns = [int(number) - 1 for number in frame["column"]]
    shape = _format(max(rows, default=0) + 1, max(columns, default=0) + 1)
    values, present = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    values[rows, columns] = frame["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    present[rows, columns] = True
    return values, present


def _format(n_rows: int, n_columns: int) -> tuple[int, int]:
    """The smallest usual plate that has these rows and columns."""
    fitting = [(r, c) for r, c in PLATE_FORMATS.values() if r >= n_rows and c >= n_columns]
    if not fitting:
        raise InputError(f"a plate of {n_rows} rows and {n_columns} columns: the largest has 32 rows and 48 columns.")
    return min(fitting)


def _limits(values: np.ndarray) -> tuple[float, float]:
    if values.size == 0:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)
