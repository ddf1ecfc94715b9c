"""Doses of a given inhibition, with a bound where it is not reached within the tested range.

Belongs here: the scorers `abs_ic25`, `abs_ic50`, `abs_ic75` and `rel_ic50`. Does not belong here: doses
extrapolated beyond the tested range, which no well supports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phenodose.plugins import Scorer, Scores

if TYPE_CHECKING:
    import numpy as np

    from phenodose.dose_response.curves import CurveBatch


class _InhibitoryDoseScorer(Scorer):
    """What the scorers of this module share."""

    version = "1"
    unit = "nM"
    higher_is_more_sensitive = False
    source = "usual definition, read from the fitted curve"
    span = "the tested doses; < or > where it lies outside"


class _AbsoluteScorer(_InhibitoryDoseScorer):
    """Dose of a fixed inhibition."""

    target: ClassVar[float]

    def score(self, curves: CurveBatch) -> Scores:
        """The dose in nM; '>' the highest tested dose if not reached, '<' the lowest if exceeded from there."""
        import numpy as np

        return _scores(curves, np.full(len(curves), self.target))


def _scores(curves: CurveBatch, target: np.ndarray, published_target: np.ndarray | None = None) -> Scores:
    """Doses with their bounds and what published tables print; draws are never printed."""
    from phenodose.dose_response.score_functions import inhibitory_dose, published_inhibitory_dose

    dose, bound = inhibitory_dose(curves, target)
    if curves.drawn_from is not None:
        return Scores(dose, bound)
    published = published_inhibitory_dose(curves, target if published_target is None else published_target)
    return Scores(dose, bound, published=published)


class AbsIc25Scorer(_AbsoluteScorer):
    """Dose of 25 % inhibition."""

    name = "abs_ic25"
    label = "IC25 (25 % inhibition)"
    description = "Dose at which viability has fallen to 75 %."
    formula = "dose where inhibition = 25 %"
    target = 0.25


class AbsIc50Scorer(_AbsoluteScorer):
    """Dose of 50 % inhibition."""

    name = "abs_ic50"
    label = "IC50 (50 % inhibition)"
    description = "Dose at which viability has fallen to 50 %."
    formula = "dose where inhibition = 50 %"
    half_effect = "absolute"
    target = 0.50


class AbsIc75Scorer(_AbsoluteScorer):
    """Dose of 75 % inhibition."""

    name = "abs_ic75"
    label = "IC75 (75 % inhibition)"
    description = "Dose at which viability has fallen to 25 %."
    formula = "dose where inhibition = 75 %"
    target = 0.75


class RelIc50Scorer(_InhibitoryDoseScorer):
    """Dose half way between the asymptotes of the curve."""

    name = "rel_ic50"
    label = "IC50 (half of its own effect)"
    description = "Dose half way between the lower and the upper asymptote; none for a flat curve."
    formula = "dose where inhibition = (max(bottom, -10 %) + min(top, 110 %)) / 2"
    half_effect = "relative"

    def score(self, curves: CurveBatch) -> Scores:
        """The dose in nM with its bound; NaN where the curve is flat, for it has no half way."""
        from phenodose.dose_response.score_functions import half_effect_target, relative_target

        return _scores(curves, half_effect_target(curves), relative_target(curves))
