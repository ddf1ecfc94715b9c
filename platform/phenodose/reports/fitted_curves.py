"""The curves of a screen as points to draw: fitted lines, and the bands in which they lie.

Does not belong here: drawing (`phenodose.plots`), fitting (`phenodose.dose_response`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phenodose.errors import StoreError
from phenodose.io.frames import rows_of
from phenodose.store.curves import band, read_curves

if TYPE_CHECKING:
    from phenodose.plots.svg_figures import Band, Line
    from phenodose.reports.data import ScreenData

_BAND_POINTS = 25


@dataclass(frozen=True)
class FittedCurves:
    """What is drawn of the fitted curves.

    Attributes:
        lines: (drug, readout, replicate) -> the fitted curve, dose in log10 nM and inhibition in percent.
        bands: (drug, readout) -> log10 doses, lower and upper inhibition in percent of its pooled curve.
    """

    lines: dict[tuple[str, str, str], Line]
    bands: dict[tuple[str, str], Band]


def fitted_curves(data: ScreenData) -> FittedCurves:
    """The curves of all drugs and readouts of a screen."""
    return FittedCurves(_curve_lines(data), _bands(data))


def _curve_lines(data: ScreenData) -> dict[tuple[str, str, str], Line]:
    from phenodose.dose_response.curves import CurveBatch

    curves = data["curves"]
    curves = curves[curves["model"].fillna(0) > 0]
    lines: dict[tuple[str, str, str], Line] = {}
    for _, rows in curves.groupby("fit"):
        batch = CurveBatch.from_frame(rows)
        grid = batch.log10_dose_grid(40)
        inhibition = 100 * batch.inhibition_at(grid)
        for i, row in enumerate(rows_of(rows)):
            lines[row.drug, row.readout, row.replicate] = (grid[i].tolist(), inhibition[i].tolist())
    return lines


def _bands(data: ScreenData) -> dict[tuple[str, str], Band]:
    found: dict[tuple[str, str], Band] = {}
    for readout in data.readouts:
        try:
            batch = read_curves(data.store, data.screen, readout)
        except StoreError:
            continue  # the curves are drawn without a band
        if batch is None:
            continue
        grid = batch.log10_dose_grid(_BAND_POINTS)
        for index, row in enumerate(rows_of(batch.keys)):
            wanted = row.replicate == "pooled" and data.only in ("", row.sample)
            ends = band(batch, index, grid[index]) if wanted else None
            if ends is not None:
                found[row.drug, readout] = (grid[index].tolist(), *((100 * end).tolist() for end in ends))
    return found
