"""The scorer gr_nauc: the area under the growth-rate curve, as a share of the greatest area there can be.

GR(dose) = 2 * viability(dose)^(1 / doublings) - 1 (Hafner et al. 2016, Nat. Methods 13:521, equation 1) runs
from 1 (no effect) over 0 (cells stand still) to -1 (all cells die at once). The normalised area is

    gr_nauc = 100 * mean over log dose of (GR + 1) / 2

100 for a drug without effect, 50 where cells stand still at every dose, 0 where the lowest dose kills all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from phenodose.plugins import Parameters, Scorer, Scores

if TYPE_CHECKING:
    from phenodose.dose_response.curves import CurveBatch


class GrNaucParameters(Parameters):
    """What a user may set."""

    doublings: float | None = Field(
        None, gt=0, le=50, description="Doublings of untreated cells, for screens without time-zero wells"
    )
    grid_points: int = Field(64, ge=2, le=1000, description="Doses at which the curve is evaluated")


class GrNaucScorer(Scorer):
    """Normalised area under the growth-rate curve, in percent."""

    name = "gr_nauc"
    version = "1.0"
    description = "Normalised area under the growth-rate curve: 100 no effect, 50 no growth, 0 all cells die"
    unit = "percent"
    higher_is_more_sensitive = False
    formula = "100 * mean of (GR + 1) / 2 over the tested log-dose range; GR = 2 * viability^(1 / doublings) - 1"
    source = "Hafner et al. 2016, Nat. Methods 13:521, equation 1"
    span = "0 to 100 (above 100 where treated cells outgrow untreated ones)"
    Parameters = GrNaucParameters

    def score(self, curves: CurveBatch) -> Scores:
        """One score a curve; none where nobody knows how often cells doubled, or where they did not."""
        import numpy as np

        given = np.nan if self.parameters.doublings is None else self.parameters.doublings
        counted = np.full(len(curves), np.nan) if curves.doublings is None else curves.doublings
        doublings = np.where(np.isnan(counted), given, counted)
        reason = np.select(
            [np.isnan(doublings), doublings <= 0],
            ["no time-zero wells and no parameter doublings", "untreated cells did not grow"],
            "",
        ).astype(object)
        known = np.where(doublings > 0, doublings, np.nan)
        grid = curves.log10_dose_grid(self.parameters.grid_points)
        viability = np.maximum(1.0 - curves.inhibition_at(grid), 0.0)
        with np.errstate(divide="ignore"):
            growth_rate = 2.0 * np.exp(np.log(viability) / known[:, None]) - 1.0
        return Scores(50.0 * (growth_rate + 1.0).mean(axis=1), reason=reason)
