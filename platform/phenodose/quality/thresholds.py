"""The limits of the quality figures, declared once, with their sources and their plain words.

Belongs here: numbers that decide a verdict. Does not belong here: the figures (`zprime`, `controls`,
`replicates`, `series`, `edges`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "warn", "fail", "none"]

_OWN = "convention of this project"
_ZPRIME = "Zhang, Chung, Oldenburg 1999, doi 10.1177/108705719900400206"


@dataclass(frozen=True)
class Limit:
    """When a figure is good and when it is poor.

    Attributes:
        good: beyond this value the verdict is pass.
        poor: beyond this value the verdict is fail; None if nothing fails.
        higher_is_better: direction; where it is False the absolute value is judged.
        words: the verdict in plain words: pass, warn, fail.
        source: where the limits come from.
    """

    good: float
    poor: float | None
    higher_is_better: bool
    words: tuple[str, str, str]
    source: str


_Z_WORDS = ("controls are excellently separated", "controls overlap little: usable", "controls overlap: poor")
_PAIR_WORDS = ("replicates agree", "replicates agree moderately", "replicates disagree")
_PLACE_WORDS = ("no effect of place", "the place on the plate shows", "the place on the plate dominates")

LIMITS: dict[str, Limit] = {
    "zprime": Limit(0.5, 0.0, True, _Z_WORDS, _ZPRIME),
    "zprime_classic": Limit(0.5, 0.0, True, _Z_WORDS, _ZPRIME),
    "zprime_robust": Limit(0.5, 0.0, True, _Z_WORDS, _ZPRIME),
    "ssmd": Limit(
        3.0,
        2.0,
        True,
        ("killing control is strong", "killing control is weak", "killing control is poor"),
        "Zhang 2007, doi 10.1016/j.ygeno.2006.12.014, very strong control",
    ),
    "negative_cv_percent": Limit(
        20.0,
        None,
        False,
        ("negative controls vary little", "negative controls vary much", ""),
        "Assay Guidance Manual, HTS assay validation: CV of the signal at most 20 %",
    ),
    "replicate_pearson": Limit(0.8, 0.5, True, _PAIR_WORDS, _OWN),
    # Wells without effect rank by noise alone, so that ranks agree less than values.
    "replicate_spearman": Limit(0.6, 0.3, True, _PAIR_WORDS, _OWN),
    "replicate_pearson_log10_raw": Limit(0.8, 0.5, True, _PAIR_WORDS, _OWN),
    "series_spearman": Limit(
        0.8,
        0.5,
        True,
        ("inhibition rises with dose", "inhibition rises weakly with dose", "inhibition does not rise with dose"),
        _OWN,
    ),
    "series_largest_fall": Limit(
        0.1,
        0.3,
        False,
        ("inhibition never falls with dose", "inhibition falls at a dose", "inhibition falls strongly at a dose"),
        _OWN,
    ),
    "edge_effect": Limit(0.1, 0.3, False, _PLACE_WORDS, _OWN),
    # The strongest of all rows or columns is told, which noise alone drives to about 0.1.
    "row_effect": Limit(0.15, 0.3, False, _PLACE_WORDS, _OWN),
    "column_effect": Limit(0.15, 0.3, False, _PLACE_WORDS, _OWN),
    "masked_therapy_percent": Limit(
        5.0, 50.0, False, ("few wells are missing", "many wells are missing", "most wells are missing"), _OWN
    ),
}


@dataclass(frozen=True)
class Judgement:
    """What a limit says of a value: the limit, the verdict, the plain words."""

    threshold: float | None
    verdict: Verdict
    words: str


def judge(metric: str, value: float) -> Judgement:
    """The verdict on one figure; 'none' where it has no limit or no value."""
    limit = LIMITS.get(metric)
    if limit is None:
        return Judgement(None, "none", "")
    if math.isnan(value):
        return Judgement(limit.good, "none", "cannot be computed")
    if limit.higher_is_better:
        good, poor = value > limit.good, limit.poor is not None and value < limit.poor
    else:
        good, poor = abs(value) <= limit.good, limit.poor is not None and abs(value) > limit.poor
    verdict: Verdict = "pass" if good else "fail" if poor else "warn"
    return Judgement(limit.good, verdict, limit.words[("pass", "warn", "fail").index(verdict)])
