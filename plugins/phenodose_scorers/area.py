"""Areas under and over the viability curve.

Belongs here: the scorers `auc` and `aoc`. Does not belong here: areas with a minimum activity (`dss`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.plugins import Scorer

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch


class AucScorer(Scorer):
    """Area under the viability curve over log dose, divided by the tested range."""

    name = "auc"
    label = "AUC"
    version = "1"
    description = "Normalised area under the viability curve: 1 without effect, 0 if all die at every dose."
    unit = "fraction"
    higher_is_more_sensitive = False
    formula = "1 - mean inhibition over the tested log-dose range"
    source = "trapezoid rule on the fitted curve; Fallahi-Sichani et al. 2013, Nat. Chem. Biol. 9:708"
    span = "0 to 1 (beyond where inhibition leaves 0 to 100 %)"

    def score(self, curves: CurveBatch) -> np.ndarray:
        """Mean viability of every curve over the tested log-dose range."""
        from phenodose.dose_response.score_functions import mean_inhibition

        return 1.0 - mean_inhibition(curves)


class AocScorer(Scorer):
    """Area over the viability curve over log dose, divided by the tested range; 1 - auc."""

    name = "aoc"
    label = "area over the curve"
    version = "1"
    description = "Normalised area over the viability curve: 0 without effect, 1 if all die at every dose."
    unit = "fraction"
    formula = "mean inhibition over the tested log-dose range; 1 - auc"
    source = "as auc"
    span = "0 to 1 (beyond where inhibition leaves 0 to 100 %)"

    def score(self, curves: CurveBatch) -> np.ndarray:
        """Mean inhibition of every curve over the tested log-dose range."""
        from phenodose.dose_response.score_functions import mean_inhibition

        return mean_inhibition(curves)
