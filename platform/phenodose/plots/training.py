"""Pictures of training: loss and accuracy by epoch.

Does not belong here: training (`phenodose.learning` and the readout plugins).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from phenodose.plots import palette
from phenodose.plots.png import figure_png, legend, new_figure, say, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def training_curve(
    history: Sequence[Mapping[str, float]],
    title: str = "",
    least_loss: float | None = None,
    width_px: int = 640,
    first_epoch: int = 1,
) -> bytes:
    """Loss and accuracy by epoch, training and validation wells.

    Args:
        history: one entry an epoch with any of loss, accuracy, validation_loss, validation_accuracy.
        title: what was trained, such as 'cnn phase2 of BT-40_V1_DS1'.
        least_loss: least loss that smoothed labels allow, drawn as a dotted line.
        width_px: width of the picture.
        first_epoch: epoch of the first entry.
    """
    figure = new_figure(width_px, int(width_px * 0.42))
    if title:
        figure.suptitle(title, fontsize=9)
    loss, accuracy = figure.subplots(1, 2)
    _lines(loss, history, "loss", "validation_loss", first_epoch)
    _lines(accuracy, history, "accuracy", "validation_accuracy", first_epoch)
    if least_loss is not None:
        loss.axhline(least_loss, color=palette.GREY, linestyle=":", linewidth=1, label="least possible")
    accuracy.set_ylim(-0.03, 1.03)
    tidy(loss, x="epoch", y="loss")
    tidy(accuracy, x="epoch", y="accuracy")
    legend(loss, "upper right")
    return figure_png(figure)


def _lines(
    axes: Axes, history: Sequence[Mapping[str, float]], training: str, validation: str, first_epoch: int
) -> None:
    drawn = False
    for name, label, colour, marker in (
        (training, "training", palette.BLUE, "o"),
        (validation, "validation", palette.VERMILLION, "s"),
    ):
        points = [
            (epoch, float(entry[name]))
            for epoch, entry in enumerate(history, first_epoch)
            if entry.get(name) is not None
        ]
        if points:
            few = marker if len(points) <= 30 else ""
            axes.plot(*zip(*points, strict=True), color=colour, marker=few, markersize=3, linewidth=1.2, label=label)
            drawn = True
    if not drawn:
        say(axes, f"no {training} was recorded")
