"""Whether two readouts say the same of a drug, with the uncertainty of both: agree, differ or undecided.

Belongs here: the comparison of two scores of one drug. Does not belong here: which readouts are compared (reports, and
the view `agreement` of the cohort, which follows the same rule in SQL).

What a reader decides on is the hit, so with p1 and p2 the probabilities that each score reaches the threshold,

    p_same = p1 p2 + (1 - p1) (1 - p2)

is the probability that both say the same of it, as if both errors were independent. Two readouts differ where p_same is
at most 5 %, or where their scores lie apart by more than the hit threshold with 95 %: the interval of the difference is
that of two estimates from their own intervals (MOVER: Zou and Donner, Statistics in Medicine 27:1693, 2008). They agree
where they do not differ and p_same is at least 95 %. All else is undecided: wide intervals neither agree nor differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

#: Probability of both saying the same from which on they agree; they differ at one less it.
SURE = 0.95
AGREE, DIFFER, UNDECIDED = "agree", "differ", "undecided"


def compared(both: pd.DataFrame, threshold: float | None, first: str = "_i", second: str = "_m") -> pd.DataFrame:
    """Compare two readouts drug by drug.

    Args:
        both: one row a drug; score, lower, upper, p_hit_fraction and readout_failed (`phenodose.pipeline.hits`) of both
            readouts, with these endings.
        threshold: score from which a drug is a hit; None if it is not known, then sizes are not compared.
        first: ending of the columns of one readout.
        second: of the other.

    Returns:
        The rows with difference (first minus second), difference_lower, difference_upper, p_same_fraction and agreement
        ('agree', 'differ', 'undecided'; undecided where something is missing, or a readout failed its quality check).
    """

    def of(name: str, ending: str) -> np.ndarray:
        return both[f"{name}{ending}"].to_numpy(dtype=np.float64, na_value=np.nan)

    (s1, l1, u1, p1), (s2, l2, u2, p2) = (
        [of(name, ending) for name in ("score", "lower", "upper", "p_hit_fraction")] for ending in (first, second)
    )
    difference = s1 - s2
    lower = difference - np.hypot(s1 - l1, u2 - s2)
    upper = difference + np.hypot(u1 - s1, s2 - l2)
    same = p1 * p2 + (1 - p1) * (1 - p2)
    usable = np.isfinite(same) & ~np.array(
        both[f"readout_failed{first}"].eq(True) | both[f"readout_failed{second}"].eq(True), dtype=bool
    )
    tiny = 1e-9
    differ = same <= 1 - SURE + tiny
    if threshold is not None:
        differ |= (lower > threshold) | (upper < -threshold)
    words = np.select([usable & differ, usable & (same >= SURE - tiny)], [DIFFER, AGREE], UNDECIDED)
    return both.assign(
        difference=difference,
        difference_lower=lower,
        difference_upper=upper,
        p_same_fraction=same,
        agreement=words.astype(object),
    )
