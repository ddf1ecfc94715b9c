"""Scores against reference samples: sDSS_asym, its adjusted form, zDSS and rDSS.

Belongs here: which score is compared how. Does not belong here: reading reference samples and comparing
(`phenodose.plugins.selective`, `phenodose.dose_response.reference_samples`).
"""

from __future__ import annotations

from pydantic import Field

from phenodose.plugins import ReferenceParameters, SelectiveScorer
from phenodose_scorers.dss_asym import DssParameters


class SelectiveDssParameters(ReferenceParameters, DssParameters):
    """Reference samples, and the minimum activity of the score that is compared."""


class ComparedParameters(SelectiveDssParameters):
    """Reference samples, and which score is compared."""

    of: str = Field(
        default="dss_asym", min_length=1, description="Scorer whose scores are compared, as in the reference"
    )


class SelectiveDssAsymScorer(SelectiveScorer):
    """DSS_asym above its mean in reference samples."""

    name = "sdss_asym"
    label = "selective DSS"
    precedence = 50
    version = "1"
    description = "Selective DSS_asym: what it exceeds its mean in reference samples by"
    unit = "percent"
    formula = "dss_asym - mean of dss_asym in the reference samples"
    source = "Yadav et al. 2014, Sci. Rep. 4:5193 (sDSS); Berker et al. 2022"
    span = "-50 to 50"
    Parameters = SelectiveDssParameters
    compared = "dss_asym"
    comparison = "difference"


class SelectiveDssAsymAdjustedScorer(SelectiveScorer):
    """Adjusted DSS_asym above its mean in reference samples."""

    name = "sdss_asym_adj"
    label = "selective DSS, adjusted by the fit"
    precedence = 51
    version = "1"
    description = "Selective DSS_asym, adjusted by the goodness of fit here and in the reference samples"
    unit = "percent"
    formula = "dss_asym_adj - mean of dss_asym_adj in the reference samples"
    source = "Berker et al. 2022"
    span = "-50 to 50"
    Parameters = SelectiveDssParameters
    compared = "dss_asym_adj"
    comparison = "difference"


class _ComparedScorer(SelectiveScorer):
    """What zDSS and rDSS share: the score that they compare is a parameter."""

    version = "1"
    Parameters = ComparedParameters
    source = "Chen et al. 2024, Nat. Protoc. 19:60 (DSS-v2.0)"
    span = "any number"

    def compared_scorer(self) -> str:
        """The scorer that the parameter `of` names."""
        return str(self.parameters.of)


class ZDssScorer(_ComparedScorer):
    """How many standard deviations a score lies above its mean in reference samples."""

    name = "zdss"
    label = "z score of DSS"
    precedence = 52
    description = "z score of DSS against reference samples: standard deviations (plus 1) above their mean"
    formula = "(score - mean) / (SD + 1) over the reference samples; the score is dss_asym, or the scorer `of`"
    comparison = "z"


class RDssScorer(_ComparedScorer):
    """How many median absolute deviations a score lies above its median in reference samples."""

    name = "rdss"
    label = "robust z score of DSS"
    precedence = 53
    description = "Robust z score of DSS against reference samples: scaled MADs (plus 1) above their median"
    formula = "(score - median) / (MAD + 1) over the reference samples, MAD scaled by 1.4826; the score as for zdss"
    comparison = "robust"
