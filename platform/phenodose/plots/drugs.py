"""Pictures of drugs: the ranking of a screen and the dose-response curves of one drug, as SVG.

Does not belong here: fitting and scoring (`phenodose.dose_response`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from phenodose.io.frames import rows_of
from phenodose.plots import palette
from phenodose.plots.svg import Canvas
from phenodose.plots.svg_figures import Line, dose_response, nice_ticks

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_NAME = 24
#: Width of a letter of a drug's name beside its bar, about.
_LETTER_PX = 6.2
_ROW_PX = 18.0


def ranking_bars(
    frame: pd.DataFrame,
    title: str = "",
    unit: str = "score",
    top: int = 15,
    threshold: float | None = None,
    width_px: int = 560,
) -> bytes:
    """The best drugs of a screen as bars with their intervals; hits are full, the others pale.

    Args:
        frame: columns drug, score, lower, upper, hit; one row a drug; drugs without a score are left out.
        title: sample, readout and scorer.
        unit: name and unit of the score, below the bars.
        top: number of drugs shown.
        threshold: score from which a drug is a hit, drawn as a line.
        width_px: width of the picture.
    """
    best = frame.dropna(subset=["score"]).sort_values(["score", "drug"], ascending=[False, True]).head(top)
    above, height = 24.0, _ROW_PX * max(len(best), 3)
    canvas = Canvas(width_px, above + height + 36, title or unit)
    canvas.text(8, 15, title, "start", css="title")
    if best.empty:
        canvas.text(canvas.width / 2, canvas.height / 2, "no drug has a score")
        return canvas.picture()
    left = 12 + _LETTER_PX * max(len(_short(str(name))) for name in best["drug"])
    width = canvas.width - left - 14
    ends = [float(value) for name in ("score", "lower", "upper") for value in best[name].dropna()]
    ticks = nice_ticks(min(0.0, *ends), max(threshold or 0.0, 1e-9, *ends), 5)

    def x(value: float) -> float:
        return left + width * (value - ticks[0]) / (ticks[-1] - ticks[0])

    for tick in ticks:
        canvas.line(x(tick), above, x(tick), above + height, "grid")
        canvas.text(x(tick), above + height + 14, f"{tick:g}")
    for index, row in enumerate(rows_of(best.assign(hit=best["hit"].eq(True)))):
        y, css = above + _ROW_PX * (index + 0.5), "bar hit" if row.hit else "bar"
        start, end = x(min(0.0, row.score)), x(max(0.0, row.score))
        canvas.rectangle(start, y - 6, max(end - start, 0.5), 12, css, f"{row.drug}: {row.score:.1f}")
        if row.lower == row.lower and row.upper == row.upper:
            canvas.line(x(row.lower), y, x(row.upper), y, "whisker")
        canvas.text(left - 5, y + 3.5, _short(str(row.drug)), "end")
    if threshold is not None:
        canvas.line(x(threshold), above, x(threshold), above + height, "limit")
        canvas.text(x(threshold), above - 3, f"hit from {threshold:g}")
    canvas.text(left + width / 2, above + height + 29, unit)
    return canvas.picture()


def dose_response_plot(
    points: pd.DataFrame,
    curves: pd.DataFrame | None = None,
    title: str = "",
    colours: Mapping[str, str] | None = None,
) -> bytes:
    """Inhibition over log dose: measured wells as points, fitted curves as lines, a look a readout.

    Args:
        points: columns concentration_nM, viability_fraction and readout; one row a well.
        curves: rows of the table `curves` for the same drug, one a readout; None or no rows draws the points alone.
        title: drug and sample.
        colours: colour by readout, see `palette.readout_looks`.
    """
    looks = palette.readout_looks(points["readout"], colours or {})
    shown = points[(points["concentration_nM"] > 0) & points["viability_fraction"].notna()].assign(replicate=1)
    lines = {} if curves is None else _lines(curves)
    canvas = dose_response(title, shown, lines, looks)
    if shown.empty:
        canvas.text(canvas.width / 2, canvas.height / 2, "no well has a dose and a viability")
    return canvas.picture()


def _lines(curves: pd.DataFrame) -> dict[str, Line]:
    """Readout -> log10 dose in nM and inhibition in percent along its fitted curve."""
    from phenodose.dose_response.curves import CurveBatch

    if curves.empty:
        return {}
    batch = CurveBatch.from_frame(curves)
    grid = batch.log10_dose_grid(80)
    inhibition = 100 * batch.inhibition_at(grid)
    found = enumerate(zip(curves["readout"], batch.fitted, strict=True))
    return {str(readout): (grid[i].tolist(), inhibition[i].tolist()) for i, (readout, fitted) in found if fitted}


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
