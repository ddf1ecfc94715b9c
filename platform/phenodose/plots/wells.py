"""Pictures of a readout's wells: histogram with controls, and replicate against replicate.

Does not belong here: normalisation and quality figures (`phenodose.viability`, `phenodose.quality`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.plots import palette
from phenodose.plots.png import figure_png, legend, new_figure, say, tidy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def viability_histogram(
    frame: pd.DataFrame,
    title: str = "",
    value: str = "raw",
    limits: tuple[float, float] | None = None,
    bins: int = 50,
    width_px: int = 560,
) -> bytes:
    """How a readout spreads over all wells (above) and over its controls (below).

    Args:
        frame: columns named by `value` and control ('negative', 'positive' or None); one row a well.
        title: what is shown.
        value: 'raw' for the readout's own number, 'viability_fraction' for the normalised one.
        limits: range outside which a value is suspicious, drawn as two dotted lines.
        bins: number of bars.
        width_px: width of the picture.
    """
    import numpy as np

    values = frame[value].to_numpy(dtype=np.float64, na_value=np.nan)
    finite = np.isfinite(values)
    figure = new_figure(width_px, int(width_px * 0.55))
    every, controls = figure.subplots(2, 1, sharex=True)
    tidy(every, title, y="wells")
    tidy(controls, x="raw readout" if value == "raw" else "viability (fraction)", y="control wells")
    if not finite.any():
        say(every, "no well has a value")
        return figure_png(figure)
    edges = np.histogram_bin_edges(values[finite], bins=bins)
    every.hist(values[finite], bins=edges.tolist(), color=palette.GREY, label="all wells")
    of_control = frame["control"].to_numpy(dtype=object)
    for name, colour, hatch in (("negative", palette.BLUE, ""), ("positive", palette.ORANGE, "////")):
        chosen = values[finite & (of_control == name)]
        if len(chosen):
            label = f"{name} controls ({len(chosen)})"
            controls.hist(chosen, bins=edges.tolist(), color=colour, hatch=hatch, edgecolor="white", label=label)
    for axes in (every, controls):
        for limit in limits or ():
            axes.axvline(limit, color=palette.INK, linestyle=":", linewidth=1)
        legend(axes, "upper center")
    return figure_png(figure)


def replicate_scatter(
    frame: pd.DataFrame, title: str = "", unit: str = "viability, percent", width_px: int = 360
) -> bytes:
    """Replicate 1 against replicate 2, a point a drug and concentration, with the line of agreement.

    Args:
        frame: columns first, second: the same quantity in the two replicates.
        title: what is shown.
        unit: quantity and unit, on both axes.
        width_px: width and height of the picture.
    """
    import numpy as np

    pairs = frame[["first", "second"]].dropna().to_numpy(dtype=np.float64)
    figure = new_figure(width_px, width_px)
    axes = figure.subplots()
    tidy(axes, title, x=f"replicate 1 ({unit})", y=f"replicate 2 ({unit})")
    if len(pairs):
        ends = _ends(pairs)
        axes.plot(ends, ends, color=palette.GREY, linewidth=1, linestyle="--")
        axes.scatter(pairs[:, 0], pairs[:, 1], s=9, color=palette.BLUE, alpha=0.6, linewidths=0)
        axes.set_aspect("equal")
    else:
        say(axes, "no duplicates")
    return figure_png(figure)


def _ends(pairs: np.ndarray) -> list[float]:
    return [float(pairs.min()), float(pairs.max())]
