"""From a drawn figure to SVG, PNG and CSV, on the page and as files: one drawing for all.

Belongs here: canvas, encoding, labels. Does not belong here: what is drawn.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A figure's rows in the page; more are thinned. `--export` writes all.
_MOST_CSV_BYTES = 1_500_000
_PNG_DPI = 200
_LONGEST_LABEL = 24
#: More points than this are counted in hexagons.
MOST_POINTS = 2_000


@dataclass(frozen=True)
class CohortFigure:
    """One figure of the report.

    Attributes:
        name: file name without suffix.
        title: heading.
        paper: its counterpart in Berker et al. 2022; '' where none is numbered in the sources at hand.
        note: what is seen, in plain words.
        rows: the data behind it.
        draw: draws it; called only where there is no `missing`.
        missing: why it cannot be shown, a sentence; '' if it can.
    """

    name: str
    title: str
    paper: str
    note: str
    rows: pd.DataFrame
    draw: Callable[[], Figure]
    missing: str = ""


def absent(name: str, title: str, paper: str, reason: str) -> CohortFigure:
    """A figure without data, and why."""
    import pandas as pd

    return CohortFigure(name, title, paper, "", pd.DataFrame(), lambda: new_figure(1, 1), reason)


def new_figure(width_px: float, height_px: float) -> Figure:
    """An empty figure of that size, which lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_px / 100, height_px / 100), dpi=100, layout="constrained")


def drawn(figure: CohortFigure, *kinds: Literal["svg", "png"]) -> list[bytes]:
    """The figure as a file of each kind, drawn once; the same rows give the same bytes. Names are text, no formulas."""
    import matplotlib as mpl

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": figure.name, "text.parse_math": False}
    files = []
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A name may hold a letter that the font lacks; it is a box in the PNG and right in the SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        laid_out = _laid_out(figure.draw())
        for kind in kinds:
            buffer = io.BytesIO()
            metadata: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
            laid_out.savefig(buffer, format=kind, dpi=_PNG_DPI, metadata=metadata)
            files.append(buffer.getvalue())
    return files


def _laid_out(figure: Figure) -> Figure:
    """The figure with its layout made and rounded: the solver's last digits change from run to run."""
    from matplotlib.transforms import Bbox

    engine = figure.get_layout_engine()
    assert engine is not None  # `new_figure` gives it one
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(4)))
    return figure


def csv_of(rows: pd.DataFrame) -> str:
    """The rows as CSV; a text that a spreadsheet would run as a formula is made harmless."""
    from phenodose.io.spreadsheet_text import harmless_frame

    return str(harmless_frame(rows).to_csv(index=False, lineterminator="\n", float_format="%.6g"))


def shown(figure: CohortFigure) -> dict[str, str]:
    """The figure as the page shows it: SVG as a data address, rows as text."""
    page = {"name": figure.name, "title": figure.title, "paper": figure.paper, "note": figure.note}
    if figure.missing:
        return page | {"missing": figure.missing}
    text, thinned = csv_of(figure.rows), ""
    if len(text) > _MOST_CSV_BYTES:
        step = -(-len(text) // _MOST_CSV_BYTES)
        text = csv_of(figure.rows.iloc[::step])
        thinned = f"The CSV in this page holds every {step}th row; `phenodose report --cohort --export DIR` writes all."
    svg = base64.b64encode(drawn(figure, "svg")[0]).decode("ascii")
    return page | {"missing": "", "svg": f"data:image/svg+xml;base64,{svg}", "csv": text, "thinned": thinned}


def label(name: object) -> str:
    """A name on a figure: short, and without characters that no printer has."""
    text = "".join(sign if sign.isprintable() else "?" for sign in str(name))
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def cloud(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str, marker: str) -> None:
    """Points, or where they are many the number of points in each hexagon."""
    from matplotlib.colors import LinearSegmentedColormap

    if len(x) <= MOST_POINTS:
        axes.scatter(x, y, s=18 if len(x) < 300 else 7, color=colour, marker=marker, alpha=0.6, linewidths=0)
        return
    shades = LinearSegmentedColormap.from_list("one hue", ["#eef0f3", colour, "#111111"])
    axes.hexbin(x, y, gridsize=36, mincnt=1, bins="log", cmap=shades, linewidths=0)


def correlation(x: np.ndarray, y: np.ndarray) -> tuple[int, float, float]:
    """Number of pairs, Pearson's R and Spearman's rho; NaN where fewer than 3 pairs, or all values alike."""
    import numpy as np
    import pandas as pd

    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return len(x), float("nan"), float("nan")
    ranks = np.corrcoef(pd.Series(x).rank(), pd.Series(y).rank())[0, 1]  # scipy.stats takes a second to import
    return len(x), float(np.corrcoef(x, y)[0, 1]), float(ranks)


def correlation_words(n: int, pearson: float, spearman: float) -> str:
    """R, rho and n as a figure says them."""
    parts = [f"{sign} = {value:.2f}" if value == value else f"{sign} not defined" for sign, value in
            (("R", pearson), ("ρ", spearman))]  # fmt: skip
    return f"{parts[0]}, {parts[1]}, n = {n}"
