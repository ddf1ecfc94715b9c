"""How well the replicates of a screen agree.

Belongs here: pairing the replicate wells and their correlations. Does not belong here: agreement of scores
between replicates (a query on the scores table), limits and words (`thresholds`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

_SAME = ["sample", "treatment", "concentration_nM", "add_on"]


def replicate_pairs(wells: pd.DataFrame) -> pd.DataFrame:
    """Pairs of therapy wells that differ only in the replicate number.

    Args:
        wells: unmasked wells with sample, well_type, treatment, concentration_nM, add_on, replicate, plate,
            raw, viability_fraction.

    Returns:
        One row a pair, the lower replicate first: plate_1, raw_1, viability_1, plate_2, raw_2, viability_2.
        Several wells of one replicate are paired with each of the other.
    """
    therapy = wells[(wells["well_type"] == "therapy") & wells["replicate"].notna()]
    values = therapy[[*_SAME, "replicate", "plate", "raw"]].assign(viability=therapy["viability_fraction"])
    values[["sample", "add_on"]] = values[["sample", "add_on"]].astype(object).fillna("")
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
    return pearson(pd.Series(x).rank().to_numpy(), pd.Series(y).rank().to_numpy())


def log10_raw_pearson(pairs: pd.DataFrame) -> tuple[float, int]:
    """Pearson correlation of log10 raw values, and the number of pairs in it (raw above 0 on both sides)."""
    first, second = pairs["raw_1"].to_numpy(), pairs["raw_2"].to_numpy()
    both = (first > 0) & (second > 0)
    return pearson(np.log10(first[both]), np.log10(second[both])), int(both.sum())
