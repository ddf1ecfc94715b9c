"""Pictures of drugs: the ranking of a screen and the dose-response curves of one drug.

Does not belong here: fitting and scoring (`phenodose.dose_response`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from phenodose.plots import palette
from phenodose.plots.png import figure_png, legend, new_figure, place_axes, say, tidy

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_NAME = 24
#: Width of a letter of a drug's name beside its bar, about.
_LETTER_PX = 6.5


def ranking_bars(
    frame: pd.DataFrame,
    title: str = "",
    unit: str = "score",
    top: int = 15,
    threshold: float | None = None,
    width_px: int = 560,
) -> bytes:
    """The best drugs of a screen as bars with their intervals; hits are full, the others hatched.

    Args:
        frame: columns drug, score, lower, upper, hit; one row a drug; drugs without a score are left out.
        title: sample, readout and scorer.
        unit: name and unit of the score, below the bars.
        top: number of drugs shown.
        threshold: score from which a drug is a hit, drawn as a line.
        width_px: width of the picture.
    """
    import numpy as np

    best = frame.dropna(subset=["score"]).sort_values(["score", "drug"], ascending=[False, True]).head(top)
    figure = new_figure(width_px, 70 + 20 * max(len(best), 3))
    names = [_short(str(name)) for name in best["drug"]]
    place_axes(figure, 12 + _LETTER_PX * max(map(len, names), default=0), 12, 36, 24)
    axes = figure.subplots()
    tidy(axes, title, x=unit)
    if best.empty:
        say(axes, "no drug has a score")
        return figure_png(figure)
    places = np.arange(len(best))[::-1]
    score = best["score"].to_numpy(dtype=np.float64)
    hit = best["hit"].eq(True).to_numpy(dtype=bool)
    for chosen, colour, hatch, label in ((hit, palette.VERMILLION, "", "hit"), (~hit, palette.PALE, "////", "no hit")):
        if chosen.any():
            axes.barh(places[chosen], score[chosen], 0.7, color=colour, hatch=hatch, edgecolor="white", label=label)
    lower = best["lower"].to_numpy(dtype=np.float64, na_value=np.nan)
    upper = best["upper"].to_numpy(dtype=np.float64, na_value=np.nan)
    axes.hlines(places, lower, upper, color=palette.INK, linewidth=1)
    if threshold is not None:
        axes.axvline(threshold, color=palette.INK, linestyle=":", linewidth=1, label=f"hit from {threshold:g}")
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    legend(axes, "lower right")
    return figure_png(figure)


def dose_response_plot(
    points: pd.DataFrame,
    curves: pd.DataFrame | None = None,
    title: str = "",
    width_px: int = 420,
    colours: Mapping[str, str] | None = None,
) -> bytes:
    """Inhibition over log dose: measured wells as points, fitted curves as lines, a look a readout.

    Args:
        points: columns concentration_nM, viability_fraction and readout; one row a well.
        curves: rows of the table `curves` for the same drug; None or no rows draws the points alone.
        title: drug and sample.
        width_px: width of the picture.
        colours: colour by readout, see `palette.readout_looks`.
    """
    import numpy as np

    figure = new_figure(width_px, int(width_px * 0.75))
    axes = figure.subplots()
    tidy(axes, title, x="concentration (nM)", y="inhibition (percent)")
    dose = points["concentration_nM"].to_numpy(dtype=np.float64, na_value=np.nan)
    inhibition = 100 * (1 - points["viability_fraction"].to_numpy(dtype=np.float64, na_value=np.nan))
    drawable = np.isfinite(dose) & np.isfinite(inhibition) & (dose > 0)
    if not drawable.any():
        say(axes, "no well has a dose and a viability")
        return figure_png(figure)
    readout = points["readout"].to_numpy(dtype=object)
    for name, look in palette.readout_looks(points["readout"], colours or {}).items():
        chosen = drawable & (readout == name)
        axes.scatter(dose[chosen], inhibition[chosen], s=14, marker=look.marker, color=look.colour, label=name)
        if curves is not None:
            for x, y in _lines(curves[curves["readout"] == name]):
                axes.plot(x, y, color=look.colour, linewidth=1.3, dashes=look.dashes or (None, None))
    axes.axhline(0, color=palette.PALE, linewidth=0.8, zorder=0)
    axes.axhline(100, color=palette.PALE, linewidth=0.8, zorder=0)
    axes.set_xscale("log")
    low, high = float(inhibition[drawable].min()), float(inhibition[drawable].max())
    axes.set_ylim(min(-20.0, low - 5), max(120.0, high + 5))
    legend(axes, "upper left")
    return figure_png(figure)


def _lines(curves: pd.DataFrame) -> list[tuple[list[float], list[float]]]:
    """Dose in nM and inhibition in percent along every fitted curve."""
    from phenodose.dose_response.curves import CurveBatch

    if curves.empty:
        return []
    batch = CurveBatch.from_frame(curves)
    grid = batch.log10_dose_grid(80)
    inhibition = 100 * batch.inhibition_at(grid)
    return [((10 ** grid[i]).tolist(), inhibition[i].tolist()) for i, fitted in enumerate(batch.fitted) if fitted]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
