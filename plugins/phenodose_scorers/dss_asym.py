"""DSS_asym: the default drug sensitivity score, as it is and adjusted by the goodness of fit.

Belongs here: the scorers and the parameter that all DSS scorers share. Does not belong here: the formula
(`phenodose.dose_response.score_functions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from phenodose.plugins import Parameters, Scorer

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch


class DssParameters(Parameters):
    """Parameters of all DSS scorers."""

    amin: Literal["auto"] | Annotated[float, Field(ge=0, lt=100)] = Field(
        default="auto",
        description="Minimum activity in percent inhibition, 0 to under 100; 'auto' is a tenth of the larger "
        "of 100 % and the upper asymptote (10 to 11 %).",
    )


class HitParameters(DssParameters):
    """Parameters of the scorer that names hits."""

    false_discovery_rate: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Expected share of false ones among the drugs of a panel that are called hits, and among those "
        "that are called none; what is left over is borderline.",
    )


class DssAsymScorer(Scorer):
    """Area between the asymmetric curve and the minimum activity, as half of the largest possible, in percent."""

    name = "dss_asym"
    label = "DSS"
    version = "1"
    precedence = 10
    summary_name = "DSS"
    description = "Drug sensitivity score of the asymmetric curve: 0 (no effect) to 50 (complete at every dose)."
    unit = "percent"
    hit_threshold = 10.0
    # Milder than published panels of 75 drugs (means 3.1 and 7.8); docs/uncertainty.md has what it does to P(hit).
    usual_score = 20.0
    formula = "50 * area of the curve above Amin / ((100 - Amin) * decades tested)"
    source = "Berker et al. 2022, IEEE Trans. Med. Imaging"
    span = "0 to 50 (above where inhibition exceeds 100 %)"
    Parameters = HitParameters

    def score(self, curves: CurveBatch) -> np.ndarray:
        """DSS_asym of every curve; above 50 only where inhibition exceeds 100 %."""
        from phenodose.dose_response.score_functions import dss_asym

        return dss_asym(curves, self.parameters.amin)


class DssAsymAdjustedScorer(Scorer):
    """DSS_asym times the goodness of fit: a poorly fitted curve counts less."""

    name = "dss_asym_adj"
    label = "DSS adjusted by the fit"
    version = "1"
    summary_name = "DSS_adj"
    description = "DSS_asym times the goodness of fit of the curve, which counts 0 if negative"
    unit = "percent"
    formula = "dss_asym * max(0, GOF); GOF = 1 - SSE / SST"
    source = "Berker et al. 2022, IEEE Trans. Med. Imaging"
    span = "0 to 50 (above where inhibition exceeds 100 %)"
    Parameters = DssParameters

    def score(self, curves: CurveBatch) -> np.ndarray:
        """The score of every curve; 0 where all inhibitions are equal, for a curve explains nothing there."""
        import numpy as np

        from phenodose.dose_response.score_functions import dss_asym

        return np.asarray(dss_asym(curves, self.parameters.amin) * np.maximum(np.nan_to_num(curves.gof), 0.0))
