"""Growth-rate inhibition metrics: GR50, GR_max and GR_AOC.

Belongs here: the three scorers. Does not belong here: the formulas and how often cells doubled
(`phenodose.dose_response.growth_rate`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from pydantic import Field

from phenodose.plugins import Parameters, Scorer, Scores

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch


class GrowthRateParameters(Parameters):
    """How often cells doubled, where no wells tell."""

    doublings: float | None = Field(
        default=None,
        gt=0,
        le=50,
        description="Doublings of untreated cells during the treatment, for screens without time-zero wells",
    )


class _GrowthRateScorer(Scorer):
    """What the three metrics share: doublings of each curve, and a reason where they are not known."""

    version = "1"
    higher_is_more_sensitive = False
    source = "Hafner et al. 2016, Nat. Methods 13:521"
    Parameters = GrowthRateParameters

    def score(self, curves: CurveBatch) -> Scores:
        """The metric of every curve; none where doublings are not known or cells did not grow."""
        import numpy as np

        from phenodose.dose_response.growth_rate import NOT_GROWN, NOT_KNOWN

        given = np.nan if self.parameters.doublings is None else self.parameters.doublings
        of_wells = np.full(len(curves), np.nan) if curves.doublings is None else curves.doublings
        doublings = np.where(np.isnan(of_wells), given, of_wells)
        reason = np.select([np.isnan(doublings), doublings <= 0], [NOT_KNOWN, NOT_GROWN], "").astype(object)
        if not (doublings > 0).any():
            return Scores(np.full(len(curves), np.nan), reason=reason)
        result = self._of(curves, np.where(doublings > 0, doublings, np.nan))
        return Scores(result.value, result.bound, reason=reason)

    @abstractmethod
    def _of(self, curves: CurveBatch, doublings: np.ndarray) -> Scores:
        """The metric for known doublings (n,); NaN where these are."""


class Gr50Scorer(_GrowthRateScorer):
    """Dose at which cells grow at half the rate of untreated ones."""

    name = "gr50"
    description = "Dose at which the growth-rate inhibition value GR is 0.5"
    unit = "nM"
    formula = "dose where GR = 0.5, that is where viability = 0.75^doublings"
    span = "the tested doses; < or > where it lies outside"

    def _of(self, curves: CurveBatch, doublings: np.ndarray) -> Scores:
        from phenodose.dose_response.growth_rate import viability_of
        from phenodose.dose_response.score_functions import inhibitory_dose

        return Scores(*inhibitory_dose(curves, 1.0 - viability_of(0.5, doublings)))


class GrMaxScorer(_GrowthRateScorer):
    """GR at the highest tested dose."""

    name = "gr_max"
    description = "Growth-rate inhibition value at the highest dose: 1 no effect, 0 no growth, below 0 cells die"
    formula = "GR at the highest dose; GR = 2 * viability^(1 / doublings) - 1"
    span = "-1 to 1 (above 1 where treated cells outgrow untreated ones)"

    def _of(self, curves: CurveBatch, doublings: np.ndarray) -> Scores:
        from phenodose.dose_response.growth_rate import growth_rate_at_highest_dose

        return Scores(growth_rate_at_highest_dose(curves, doublings))


class GrAocScorer(_GrowthRateScorer):
    """Area over the GR curve, divided by the tested range."""

    name = "gr_aoc"
    description = "Normalised area over the growth-rate curve: 0 without effect, 1 for a full stop of growth"
    higher_is_more_sensitive = True
    formula = "mean of 1 - GR over the tested log-dose range"
    span = "0 to 2 (below 0 where treated cells outgrow untreated ones)"

    def _of(self, curves: CurveBatch, doublings: np.ndarray) -> Scores:
        from phenodose.dose_response.growth_rate import mean_growth_rate_loss

        return Scores(mean_growth_rate_loss(curves, doublings))
