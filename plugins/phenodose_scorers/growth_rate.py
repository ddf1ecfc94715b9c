"""Growth-rate inhibition metrics, as GRmetrics gives them.

Belongs here: the scorers. Does not belong here: the GR curve and the formulas
(`phenodose.dose_response.growth_rate_curves`), and how often cells doubled (`phenodose.dose_response.growth_rate`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from pydantic import Field

from phenodose.plugins import Parameters, Scorer, Scores

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch
    from phenodose.dose_response.growth_rate_curves import GrowthRateCurves

_FEW_DOSES = "a GR curve needs three different doses"
_ONE_DOSE = "an area needs two different doses"
_FLAT = "flat: the F-test prefers no GR curve to a line"


class GrowthRateParameters(Parameters):
    """How often cells doubled, where no wells tell."""

    doublings: float | None = Field(
        default=None,
        gt=0,
        le=50,
        description="Doublings of untreated cells during the treatment, for screens without time-zero wells",
    )


class _GrowthRateScorer(Scorer):
    """What the metrics share: doublings of each curve, the GR curve, and a reason where there is none."""

    version = "2"
    higher_is_more_sensitive = False
    source = "Hafner et al. 2016, Nat. Methods 13:521"
    Parameters = GrowthRateParameters

    def score(self, curves: CurveBatch) -> Scores:
        """The metric of every curve; none where doublings are not known or cells did not grow."""
        import numpy as np

        from phenodose.dose_response.growth_rate import NOT_GROWN, NOT_KNOWN
        from phenodose.dose_response.growth_rate_curves import growth_rate_curves

        given = np.nan if self.parameters.doublings is None else self.parameters.doublings
        of_wells = np.full(len(curves), np.nan) if curves.doublings is None else curves.doublings
        doublings = np.where(np.isnan(of_wells), given, of_wells)
        if not (doublings > 0).any():
            reason = np.where(np.isnan(doublings), NOT_KNOWN, NOT_GROWN).astype(object)
            return Scores(np.full(len(curves), np.nan), reason=reason)
        rates = curves.once(("GR curves", given), lambda: growth_rate_curves(curves, doublings))
        result = self._of(rates, curves)
        why = np.full(len(curves), "", dtype=object) if result.reason is None else result.reason
        reason = np.select([np.isnan(doublings), doublings <= 0], [NOT_KNOWN, NOT_GROWN], why).astype(object)
        return Scores(result.value, result.bound, reason, result.published)

    @abstractmethod
    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        """The metric of the GR curves (n,)."""


def _of_sigmoid(value: np.ndarray, rates: GrowthRateCurves, curves: CurveBatch, if_flat: float) -> Scores:
    """A parameter of the sigmoid: none where a line does as well, for which tables print a number by convention.

    Draws keep it, for the interval is that of the wells' own curve.
    """
    import numpy as np

    flat = rates.flat & (curves.drawn_from is None)
    reason = np.select([np.isnan(rates.mean), flat], [_FEW_DOSES, _FLAT], "").astype(object)
    return Scores(np.where(flat, np.nan, value), reason=reason, published=np.where(flat, if_flat, np.nan))


class Gr50Scorer(_GrowthRateScorer):
    """Dose at which cells grow at half the rate of untreated ones."""

    name = "gr50"
    label = "GR50"
    description = "Dose at which the fitted GR curve is 0.5"
    unit = "nM"
    formula = "GEC50 * (0.5 / (0.5 - GRinf))^(1 / h_GR)"
    span = "the tested doses; < or > where it lies outside"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        import numpy as np

        flat = rates.flat & (curves.drawn_from is None)
        with np.errstate(all="ignore"):
            free = 10 ** np.where(flat, np.where(rates.mean > 0.5, np.inf, -np.inf), rates.log10_gr50())
            dose = np.clip(free, curves.min_dose_nM, curves.max_dose_nM)
        bound = np.select([free > curves.max_dose_nM, free < curves.min_dose_nM], [">", "<"], "=").astype(object)
        reason = np.where(np.isnan(rates.mean), _FEW_DOSES, "").astype(object)
        extrapolated = np.where((bound != "=") & np.isfinite(free) & (free > 0), free, np.nan)
        return Scores(dose, bound, reason, extrapolated)


class GrMaxScorer(_GrowthRateScorer):
    """GR at the highest tested doses."""

    name = "gr_max"
    label = "GRmax"
    description = "GR of the wells at the highest doses: 1 no effect, 0 no growth, below 0 cells die"
    formula = "the lower of the mean GR of the wells at the two highest doses; GR = 2 * viability^(1 / doublings) - 1"
    span = "-1 to 1 (above 1 where treated cells outgrow untreated ones)"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        return Scores(rates.gr_max)


class GrAocScorer(_GrowthRateScorer):
    """Area over the GR values, divided by the tested range."""

    name = "gr_aoc"
    label = "GR area over the curve"
    description = "Normalised area over the GR values: 0 without effect, 1 for a full stop of growth"
    higher_is_more_sensitive = True
    formula = "mean of 1 - GR over the tested log-dose range, by trapezoids between the mean GR of each dose"
    span = "0 to 2 (below 0 where treated cells outgrow untreated ones)"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        import numpy as np

        return Scores(rates.gr_aoc, reason=np.where(np.isnan(rates.gr_aoc), _ONE_DOSE, "").astype(object))


class Gec50Scorer(_GrowthRateScorer):
    """Dose of half the drug's own effect on growth."""

    name = "gec50"
    label = "GEC50"
    version = "1"
    description = "Dose half way between no effect and GRinf on the fitted GR curve"
    unit = "nM"
    formula = "GEC50 of GR = GRinf + (1 - GRinf) / (1 + (dose / GEC50)^h_GR), by least squares"
    span = "a hundredth of the lowest to a hundred times the highest dose; none where the GR curve is flat"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        return _of_sigmoid(10**rates.log10_gec50, rates, curves, if_flat=0.0)


class GrInfScorer(_GrowthRateScorer):
    """GR that the curve goes to."""

    name = "gr_inf"
    label = "GRinf"
    version = "1"
    description = "GR that the fitted GR curve goes to with rising dose; the mean GR where the curve is flat"
    formula = "GRinf of the curve of gec50"
    span = "-1 to 1"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        import numpy as np

        flat = rates.flat & (curves.drawn_from is None)
        value = np.where(flat, rates.mean, rates.gr_inf)
        return Scores(value, reason=np.where(np.isnan(value), _FEW_DOSES, "").astype(object))


class HillOfGrScorer(_GrowthRateScorer):
    """Steepness of the GR curve."""

    name = "h_gr"
    label = "Hill slope of GR"
    version = "1"
    description = "Hill slope of the fitted GR curve"
    formula = "h_GR of the curve of gec50"
    span = "0.1 to 5; none where the GR curve is flat"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        return _of_sigmoid(rates.h_gr, rates, curves, if_flat=0.01)


class GrR2Scorer(_GrowthRateScorer):
    """How much of the variation the GR curve explains."""

    name = "gr_r2"
    label = "R² of GR"
    version = "1"
    description = "R² of the GR curve over its wells; 0 where it is flat"
    formula = "1 - RSS / TSS of the GR values"
    span = "0 to 1"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        import numpy as np

        return Scores(rates.r2, reason=np.where(np.isnan(rates.r2), _FEW_DOSES, "").astype(object))


class GrPScorer(_GrowthRateScorer):
    """Whether the GR curve is more than a flat line."""

    name = "gr_p"
    label = "p of the GR curve"
    version = "1"
    description = "Chance of so good a GR curve where a flat line is right (F-test); the curve is flat from 0.05"
    formula = "F = ((RSS_flat - RSS_curve) / 2) / (RSS_curve / (wells - 2)), on 2 and wells - 2 degrees of freedom"
    span = "0 to 1"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        import numpy as np

        return Scores(rates.p, reason=np.where(np.isnan(rates.p), _FEW_DOSES, "").astype(object))


class GrStaticScorer(_GrowthRateScorer):
    """What is left of growth at the highest doses."""

    name = "gr_static"
    label = "GR static"
    version = "1"
    description = "Growth left at the highest doses: gr_max where cells still grow, 0 where they do not"
    formula = "max(gr_max, 0); gr_static + gr_toxic = gr_max"
    span = "0 to 1 (above 1 where treated cells outgrow untreated ones)"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        import numpy as np

        return Scores(np.maximum(rates.gr_max, 0.0))


class GrToxicScorer(_GrowthRateScorer):
    """Net loss of cells at the highest doses."""

    name = "gr_toxic"
    label = "GR toxic"
    version = "1"
    description = "Net loss of cells at the highest doses: gr_max where cells die, 0 where they do not"
    formula = "min(gr_max, 0); gr_static + gr_toxic = gr_max"
    span = "-1 to 0"

    def _of(self, rates: GrowthRateCurves, curves: CurveBatch) -> Scores:
        import numpy as np

        return Scores(np.minimum(rates.gr_max, 0.0))
