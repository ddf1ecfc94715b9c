"""What a quality metric is: meaning, formula, direction, limits, words, source.

Belongs here: the class, and words and sources that several metrics share. Does not belong here: the metrics themselves
(`metrics`, `curve_metrics`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "warn", "fail", "none"]
#: Which step tells a metric: the one that makes viability, the one that fits curves, or the cohort.
Step = Literal["viability", "curves", "cohort"]

OWN = "convention of this project"
REFERENCE = "Berker et al. 2022, doi 10.1109/TMI.2022.3205554, section on quality; limits: convention of this project"
PAIR_WORDS = ("replicates agree", "replicates agree moderately", "replicates disagree")


@dataclass(frozen=True)
class Metric:
    """One quality metric.

    Attributes:
        title: name for people.
        meaning: what it tells and what it finds, a sentence.
        formula: how it is computed.
        good: beyond this value the verdict is pass; None if nothing is judged.
        poor: beyond this value the verdict is fail; None if nothing fails.
        higher_is_better: direction; where it is False the absolute value is judged.
        words: the verdict in plain words: pass, warn, fail.
        source: where formula and limits come from.
        step: which step tells it.
    """

    title: str
    meaning: str
    formula: str
    good: float | None = None
    poor: float | None = None
    higher_is_better: bool = False
    words: tuple[str, str, str] = ("within the limit", "beyond the limit", "far beyond the limit")
    source: str = OWN
    step: Step = "viability"

    @property
    def limit_words(self) -> dict[str, str]:
        """The default limits in words, such as {'good': 'above 0.5', 'poor': 'below 0'}."""
        words = {"good": "above" if self.higher_is_better else "up to"}
        words["poor"] = "below" if self.higher_is_better else "above"
        values = {"good": self.good, "poor": self.poor}
        return {side: f"{words[side]} {value:g}" for side, value in values.items() if value is not None}
