"""Pictures of phenotype maps: wells in the plane, like phenotypes close together.

Does not belong here: making the map (`phenodose.pipeline.wells_on_map` and the embedder plugins).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.plots import palette
from phenodose.plots.png import figure_png, new_figure, say, tidy

if TYPE_CHECKING:
    import pandas as pd

_MOST_GROUPS_IN_LEGEND = 24
_MOST_LABELS = 60


def embedding_map(frame: pd.DataFrame, title: str = "", width_px: int = 640) -> bytes:
    """Wells on the phenotype map.

    Args:
        frame: columns x, y, label (short text beside the well, None for none) and colour (the group
            that the well belongs to, such as a drug class; groups differ in colour and marker).
        title: sample, readout and embedder.
        width_px: width of the picture.
    """
    figure = new_figure(width_px, int(width_px * 0.72))
    axes = figure.subplots()
    tidy(axes, title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if frame.empty:
        say(axes, "no well is on the map")
        return figure_png(figure)
    groups = frame["colour"].fillna("not annotated").astype(str)
    for index, (name, members) in enumerate(frame.groupby(groups, sort=True)):
        look = palette.look(index)
        label = str(name) if index < _MOST_GROUPS_IN_LEGEND else None
        axes.scatter(members["x"], members["y"], s=16, color=look.colour, marker=look.marker, linewidths=0, label=label)
    for text, x, y in _labels(frame):
        axes.annotate(text, (x, y), xytext=(3, 2), textcoords="offset points", fontsize=5.5, color=palette.INK)
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(fontsize=6, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure_png(figure)


def _labels(frame: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Each different label once, at the first of its wells; the first labels if there are too many."""
    named = frame[frame["label"].notna() & (frame["label"].astype(str) != "")]
    first = named.drop_duplicates("label").head(_MOST_LABELS)
    return [(str(text), float(x), float(y)) for text, x, y in zip(first["label"], first["x"], first["y"], strict=True)]
