"""The largest inhibition within the tested range.

Belongs here: the scorer `emax`. Does not belong here: the upper asymptote, which may lie beyond the tested
doses and is a column of the curves table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.plugins import Scorer

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch


class EmaxScorer(Scorer):
    """Largest inhibition of the fitted curve between the lowest and the highest tested dose."""

    name = "emax"
    label = "largest effect"
    version = "1"
    description = "Largest fitted inhibition within the tested range."
    unit = "percent"
    formula = "100 * largest fitted inhibition from the lowest to the highest dose"
    source = "usual definition, read from the fitted curve"
    span = "any number, mostly 0 to 100"

    def score(self, curves: CurveBatch) -> np.ndarray:
        """Largest inhibition of every curve in percent."""
        from phenodose.dose_response.score_functions import largest_inhibition

        return 100.0 * largest_inhibition(curves)
