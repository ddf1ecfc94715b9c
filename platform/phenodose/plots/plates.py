"""Pictures of plates: the mosaic of all images, one image of a well, a number a well large and small.

Does not belong here: reading a plate (`phenodose.plates.plate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from phenodose.errors import InputError
from phenodose.names import PLATE_FORMATS, row_index, row_label
from phenodose.plots import palette
from phenodose.plots.png import MOST_BYTES, image_png
from phenodose.plots.svg import Canvas

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from PIL.Image import Image

_GREY_LEVELS = 32
#: Colours of a heat map.
_SHADES = 32
_NO_VALUE = "#F4F4F4"
#: Width of a heat map's colour scale with its numbers and unit.
_SCALE_PX = 66.0
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
    """A number a well, as colours on the plate, as an SVG; wells without a number are pale with a cross.

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
    known = np.isfinite(values)
    low, high = limits if limits else _limits(values[known])
    left, top = 26.0, 40.0
    cell = (width_px - left - _SCALE_PX) / n_columns
    width, height = cell * n_columns, cell * n_rows
    canvas = Canvas(width_px, top + height + 8, title)
    canvas.text(8, 15, title, "start", css="title")
    for column in range(0, n_columns, 1 if cell >= 22 else 2 if cell >= 9 else 4):
        canvas.text(left + cell * (column + 0.5), top - 5, str(column + 1))
    for row in range(0, n_rows, 1 if cell >= 11 else 2):
        canvas.text(left - 5, top + cell * (row + 0.5) + 3.5, row_label(row), "end")
    colours = _viridis(_SHADES)
    shade = np.clip(np.where(known, (values - low) / (high - low), 0) * _SHADES, 0, _SHADES - 1).astype(int)
    outlines = [(f'fill="{_NO_VALUE}"', f"M0 0h{n_columns}v{n_rows}h-{n_columns}z")]
    for chosen in np.unique(shade[known]).tolist():
        outlines.append((f'fill="{colours[chosen]}"', _each("M{x} {y}h1v1h-1z", known & (shade == chosen))))
    flagged = frame[frame["flag"].notna()] if "flag" in frame else frame.iloc[:0]
    doubtful = np.zeros_like(known)
    doubtful[[row_index(str(row)) for row in flagged["row"]], [int(column) - 1 for column in flagged["column"]]] = True
    signs = (
        ("× left out", palette.GREY, _each("M{x}.3 {y}.3l.4.4m0-.4l-.4.4", present & ~known)),
        ("○ doubtful", palette.VERMILLION, _each("M{x}.1 {y}.5a.4.4 0 1 0 .8 0a.4.4 0 1 0-.8 0", doubtful)),
    )
    end = left + width
    for name, colour, outline in signs:
        if outline:
            outlines.append((f'fill="none" stroke="{colour}" stroke-width="{1.2 / cell:.3f}"', outline))
            key = Markup('<text x="{}" y="15" text-anchor="end" style="fill:{}">{}</text>')
            canvas.add(key.format(f"{end:.0f}", colour, name))
            end -= 62
    for paint, outline in outlines:
        place = f'transform="translate({left:g} {top:g}) scale({cell:.3f})"'
        canvas.add(Markup(f'<path d="{outline}" {paint} {place}/>'))
    _colour_scale(canvas, (left + width + 8, top, height), colours, (low, high), bool(limits))
    canvas.text(canvas.width - 5, top + height / 2, unit, rotate=-90)
    return canvas.picture()


def _each(shape: str, chosen: np.ndarray) -> str:
    """The shape at every chosen position (y, x)."""
    import numpy as np

    return "".join(shape.format(x=x, y=y) for y, x in np.argwhere(chosen).tolist())


def _colour_scale(
    canvas: Canvas,
    place: tuple[float, float, float],
    colours: list[str],
    ends: tuple[float, float],
    open_ended: bool,
) -> None:
    """The colours from low (below) to high (above); both ends and the middle have their values beside them."""
    x, top, height = place
    step = height / len(colours)
    for number, colour in enumerate(colours):
        y = top + height - step * (number + 1)
        canvas.add(Markup(f'<path d="M{x:.1f} {y:.1f}h9v{step + 0.3:.1f}h-9z" fill="{colour}"/>'))
    low, high = ends
    named = ((high, top + 8, "≥"), ((low + high) / 2, top + height / 2 + 3.5, ""), (low, top + height, "≤"))
    for value, y, sign in named:
        canvas.text(x + 12, y, f"{sign if open_ended else ''}{value:.3g}", "start")


def _viridis(colours: int) -> list[str]:
    """That many colours of matplotlib's scale from dark (low) to bright (high)."""
    import numpy as np
    from matplotlib import colormaps

    shades = colormaps["viridis"](np.linspace(0, 1, colours), bytes=True)[:, :3]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in shades.tolist()]


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
