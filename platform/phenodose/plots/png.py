"""From a figure or an image to a small PNG or JPEG, and from those to what HTML and Markdown show.

Belongs here: canvas, encoding and embedding. Does not belong here: what is drawn.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

#: No picture of this package is larger at its default width.
MOST_BYTES = 40_000
_DPI = 100
#: Of 100. A picture of cells shows no blocks yet, and has a third of the bytes of its PNG.
_JPEG_QUALITY = 85
_FONT_PT = 7.5

#: Where a legend is.
Corner = Literal["upper left", "upper center", "upper right", "lower right"]


def new_figure(width_px: int, height_px: int) -> Figure:
    """An empty figure of that size which lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_px / _DPI, height_px / _DPI), dpi=_DPI, layout="constrained")


def tidy(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Give axes their titles, small type and no needless frame."""
    axes.set_title(title, fontsize=_FONT_PT + 1.5, loc="left")
    axes.set_xlabel(x, fontsize=_FONT_PT)
    axes.set_ylabel(y, fontsize=_FONT_PT)
    axes.tick_params(labelsize=_FONT_PT - 0.5)
    axes.spines[["top", "right"]].set_visible(False)


def legend(axes: Axes, loc: Corner, **options: Any) -> None:
    """A small legend without a frame, if anything on the axes has a label.

    Args:
        axes: what is explained.
        loc: where; matplotlib's "best" is not among them, as it takes seconds with many points.
        options: more of `Axes.legend`.
    """
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(handles, labels, loc=loc, fontsize=_FONT_PT - 0.5, frameon=False, **options)


def say(axes: Axes, message: str) -> None:
    """Write a message in the middle of axes that have nothing to show."""
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", fontsize=_FONT_PT)


def figure_png(figure: Figure, colours: int = 128) -> bytes:
    """The figure as a PNG with a palette of `colours` colours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    image = Image.frombuffer("RGBA", (width, height), bytes(canvas.buffer_rgba()), "raw", "RGBA", 0, 1)
    return image_png(image.convert("RGB").quantize(colours))


def image_png(image: Image) -> bytes:
    """The image as a PNG, packed as small as Pillow can."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def image_jpeg(image: Image) -> bytes:
    """The image as a JPEG: for photographs, whose noise makes a PNG large."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=_JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def data_uri(picture: bytes) -> str:
    """The picture, a PNG, a JPEG or an SVG, as a `data:` address for the `src` of an HTML image."""
    kinds = {b"\xff\xd8": "jpeg", b"<svg": "svg+xml"}
    kind = next((kind for start, kind in kinds.items() if picture.startswith(start)), "png")
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")


def markdown_image(picture: bytes, alt: str) -> str:
    """The picture as a line of Markdown that needs no file beside it."""
    words = alt.replace("[", "(").replace("]", ")").replace("\n", " ")
    return f"![{words}]({data_uri(picture)})"
