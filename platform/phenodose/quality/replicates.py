"""How well the replicates of a screen agree.

Belongs here: pairing the replicates' wells and scores, and their correlations. Does not belong here: computing
scores (`phenodose.dose_response`), limits and words (`metrics`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from phenodose.names import add_on_keys

_SAME = ["sample", "treatment", "concentration_nM", "add_on"]


def replicate_pairs(wells: pd.DataFrame) -> pd.DataFrame:
    """Pairs of therapy wells that differ only in the replicate number.

    Args:
        wells: unmasked wells with sample, well_type, treatment, concentration_nM, add_on (and
            add_on_concentration_nM), replicate, plate, raw, viability_fraction.

    Returns:
        One row a pair, the lower replicate first: plate_1, raw_1, viability_1, plate_2, raw_2, viability_2.
        Several wells of one replicate are paired with each of the other.
    """
    therapy = wells[(wells["well_type"] == "therapy") & wells["replicate"].notna()]
    values = therapy[[*_SAME, "replicate", "plate", "raw"]].assign(
        sample=therapy["sample"].astype(object).fillna(""),
        add_on=add_on_keys(therapy),
        viability=therapy["viability_fraction"],
    )
    pairs = values.merge(values, on=_SAME, suffixes=("_1", "_2"))
    pairs = pairs[pairs["replicate_1"] < pairs["replicate_2"]]
    return pairs[["plate_1", "raw_1", "viability_1", "plate_2", "raw_2", "viability_2"]].reset_index(drop=True)


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson correlation; NaN with fewer than three pairs or where one side does not vary."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman rank correlation, ties at their mean rank; NaN as for `pearson`."""
    return pearson(_ranks(x), _ranks(y))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties at their mean; none of the values is missing."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def log10_raw_pearson(pairs: pd.DataFrame) -> tuple[float, int]:
    """Pearson correlation of log10 raw values, and the number of pairs in it (raw above 0 on both sides)."""
    first, second = pairs["raw_1"].to_numpy(), pairs["raw_2"].to_numpy()
    both = (first > 0) & (second > 0)
    return pearson(np.log10(first[both]), np.log10(second[both])), int(both.sum())


@dataclass(frozen=True)
class ScoreAgreement:
    """How well the scores of single replicates agree.

    Attributes:
        pearson: Pearson correlation over drugs; with more than two replicates the mean over their pairs.
        spearman: the same of the ranks.
        n_drugs: drugs with a score in every replicate of the pair; of the smallest pair.
        weakest: with more than two replicates the pair of lowest Pearson correlation in words; else ''.
    """

    pearson: float
    spearman: float
    n_drugs: int
    weakest: str


def score_agreement(scores: pd.DataFrame) -> ScoreAgreement | None:
    """Agreement of the replicates' scores; None without two replicates.

    Args:
        scores: sample, drug, replicate (number as text; pooled scores left out), score.
    """
    wide = scores.pivot_table(index=["sample", "drug"], columns="replicate", values="score", dropna=False)
    if wide.shape[1] < 2:
        return None
    found = []
    # Plain arrays: a plate of 1536 wells may have 48 replicates, which are 1128 pairs.
    by_replicate = {str(name): wide[name].to_numpy(dtype=np.float64) for name in wide.columns}
    for first, second in combinations(sorted(by_replicate, key=lambda name: (len(name), name)), 2):
        one, other = by_replicate[first], by_replicate[second]
        both = ~(np.isnan(one) | np.isnan(other))
        one, other = one[both], other[both]
        found.append((pearson(one, other), spearman(one, other), len(one), f"{first} and {second}"))
    known = [one for one in found if not np.isnan(one[0])]
    fewest = min(one[2] for one in found)
    if not known:
        return ScoreAgreement(float("nan"), float("nan"), fewest, "")
    weakest = min(known, key=lambda one: one[0])
    named = f"weakest are replicates {weakest[3]} with {weakest[0]:.2f}" if len(found) > 1 else ""
    return ScoreAgreement(
        float(np.mean([one[0] for one in known])), float(np.nanmean([one[1] for one in known])), fewest, named
    )
