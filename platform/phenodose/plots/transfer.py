"""Picture of the transfer study: how well phase II ends by the epochs of phase I.

Does not belong here: the trainings (`phenodose.learning.transfer_study`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.plots import palette
from phenodose.plots.png import figure_png, legend, new_figure, say, tidy

if TYPE_CHECKING:
    import pandas as pd

_PANELS = (
    ("validation_loss", "validation loss"),
    ("validation_accuracy", "validation accuracy"),
    ("validation_auroc", "validation AUROC"),
)


def transfer_curves(rows: pd.DataFrame, title: str = "", width_px: int = 900) -> bytes:
    """Validation loss, accuracy and AUROC of phase II over the epochs of phase I, a line a network.

    The line is the mean over screens, a small dot is a screen; networks that start random are dashed.

    Args:
        rows: columns screen, backbone, first_weights, phase1_epochs, validation_loss, validation_accuracy,
            validation_auroc.
        title: what was studied.
        width_px: width of the picture.
    """
    figure = new_figure(width_px, int(width_px * 0.36))
    if title:
        figure.suptitle(title, fontsize=9)
    looks = {backbone: palette.look(index) for index, backbone in enumerate(dict.fromkeys(rows["backbone"]))}
    for axes, (column, label) in zip(figure.subplots(1, 3), _PANELS, strict=True):
        tidy(axes, x="epochs of phase I", y=f"{label} of phase II")
        known = rows.dropna(subset=[column])
        if known.empty:
            say(axes, f"no {label} is known")
        for (backbone, weights), arm in known.groupby(["backbone", "first_weights"], sort=False):
            look = looks[str(backbone)]
            mean = arm.groupby("phase1_epochs")[column].mean()
            axes.scatter(arm["phase1_epochs"], arm[column], s=5, color=look.colour, alpha=0.4, linewidths=0)
            axes.plot(
                mean.index.to_numpy(),
                mean.to_numpy(),
                color=look.colour,
                marker=look.marker,
                markersize=4,
                linewidth=1.2,
                linestyle="--" if weights == "none" else "-",
                label=f"{backbone}, {'random start' if weights == 'none' else weights}",
            )
        legend(axes, "upper right" if column == "validation_loss" else "lower right")
    return figure_png(figure)
