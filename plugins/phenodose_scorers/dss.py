"""DSS1, DSS2 and DSS3 of the asymmetric curve.

Belongs here: the three scorers. Does not belong here: the formulas
(`phenodose.dose_response.score_functions`, which also has the closed form for symmetric curves).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from phenodose.plugins import Scorer
from phenodose_scorers.dss_asym import DssParameters

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch


class _DssScorer(Scorer):
    """What the three scores share."""

    version = "1"
    unit = "percent"
    source = "Yadav et al. 2014, Sci. Rep. 4:5193, of the asymmetric curve of Berker et al. 2022"
    Parameters = DssParameters
    kind: ClassVar[Literal["dss1", "dss2", "dss3"]]

    def score(self, curves: CurveBatch) -> np.ndarray:
        """The score of every curve."""
        from phenodose.dose_response.score_functions import dss

        return dss(curves, self.kind, self.parameters.amin)


class Dss1Scorer(_DssScorer):
    """Area above the minimum activity as percent of the largest possible; twice DSS_asym."""

    name = "dss1"
    label = "DSS1"
    description = "Area of the curve above the minimum activity, in percent of the largest possible."
    formula = "100 * area of the curve above Amin / ((100 - Amin) * decades tested); 2 * dss_asym"
    span = "0 to 100 (above where inhibition exceeds 100 %)"
    kind = "dss1"


class Dss2Scorer(_DssScorer):
    """DSS1 divided by log10 of the upper asymptote in percent."""

    name = "dss2"
    label = "DSS2"
    description = "DSS1 / log10 of the upper asymptote in percent: toxic drugs count less."
    formula = "dss1 / log10(top), top in percent"
    span = "0 to 50 (above where inhibition exceeds 100 %)"
    kind = "dss2"


class Dss3Scorer(_DssScorer):
    """Twice DSS2, times the share of the tested range in which the drug is active."""

    name = "dss3"
    label = "DSS3"
    description = "Twice DSS2 times the share of the tested range above the dose of minimum activity."
    formula = "2 * dss2 * (log10 highest dose - log10 dose at Amin) / decades tested"
    span = "0 to 100 (above where inhibition exceeds 100 %)"
    kind = "dss3"
