"""DSS1, DSS2 and DSS3 in the form of Yadav et al., for comparing with tables made by their pipelines.

Belongs here: the three scorers. Does not belong here: their curve (`phenodose.dose_response.yadav`) and the
scores of the platform's own asymmetric curve (`dss`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phenodose.plugins import Scorer, Scores
from phenodose_scorers.dss_asym import DssParameters

if TYPE_CHECKING:
    from phenodose.dose_response.curves import CurveBatch

_FEW_DOSES = "Yadav's curve needs four different doses"


class _YadavScorer(Scorer):
    """What the three scores share."""

    version = "1"
    unit = "percent"
    source = "Yadav et al. 2014, Sci. Rep. 4:5193; curve as in Potdar et al. 2020, Bioinformatics 36:3602"
    Parameters = DssParameters
    place: ClassVar[int]

    def score(self, curves: CurveBatch) -> Scores:
        """The score of every curve; none with fewer than four doses."""
        import numpy as np

        from phenodose.dose_response.yadav import yadav_dss

        # the curve never exceeds 100 %, for which 'auto' is 10 %
        amin = 10.0 if self.parameters.amin == "auto" else self.parameters.amin
        value = curves.once(("yadav dss", amin), lambda: yadav_dss(curves, amin))[self.place]
        return Scores(value, reason=np.where(np.isfinite(value), "", _FEW_DOSES).astype(object))


class YadavDss1Scorer(_YadavScorer):
    """Area of Yadav's curve above the minimum activity."""

    name = "yadav_dss1"
    label = "DSS1 (Yadav)"
    description = "DSS1 of Yadav et al.: area above Amin of a symmetric curve that starts at 0"
    formula = "100 * area of Yadav's curve above Amin / ((100 - Amin) * decades tested); 0 if IC50 is the highest dose"
    span = "0 to 100"
    place = 0


class YadavDss2Scorer(_YadavScorer):
    """DSS1 of Yadav et al. divided by log10 of the curve's top."""

    name = "yadav_dss2"
    label = "DSS2 (Yadav)"
    description = "DSS2 of Yadav et al.: their DSS1 / log10 of the curve's top in percent"
    formula = "yadav_dss1 / log10(MAX), MAX in percent"
    span = "0 to 50"
    place = 1


class YadavDss3Scorer(_YadavScorer):
    """DSS2 of Yadav et al. times the share of the range in which the drug is active, doubled."""

    name = "yadav_dss3"
    label = "DSS3 (Yadav)"
    description = "DSS3 of Yadav et al.: twice their DSS2 times the share of the tested range above Amin"
    formula = "2 * yadav_dss2 * (log10 highest dose - log10 dose at Amin) / decades tested"
    span = "0 to 100"
    place = 2
