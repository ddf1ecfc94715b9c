"""Which targets a sample is sensitive at: do the drugs of a target score higher than drugs drawn at random?

Belongs here: the mean score of a target's drugs, its interval, and the permutation test. Does not belong here:
interactions between targets (`hubs`).

What is compared: the drugs that have a score and a known target. A target's drugs are drawn anew from them without
return, and p is the share of draws whose mean is at least as high (the draw that was seen counts as one: Phipson and
Smyth, Stat. Appl. Genet. Mol. Biol. 9:39, 2010). Of a target that one drug alone has, nothing can be said beyond the
drug: it has no p. Targets of exactly the same drugs cannot be told apart, and are named with each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("target", "n_drugs", "drugs", "n_hits", "hit_drugs"),
    *("mean_score", "lower", "upper", "sd_score", "p_value", "q_value", "same_drugs_as"),
)
#: Between names of drugs and of genes in one cell.
BETWEEN = "; "
#: With fewer drugs there is no p.
LEAST_DRUGS = 2
_DRAWN_AT_A_TIME = 2_000_000


def target_sensitivity(
    scores: pd.DataFrame,
    targets: Mapping[str, Sequence[str]],
    higher_is_more_sensitive: bool = True,
    draws: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Every target of the scored drugs, the most sensitive first.

    Args:
        scores: one row a drug of one sample: drug, score, lower, upper (95 %; NaN where not known), hit.
        targets: genes by drug; drugs without any take no part.
        higher_is_more_sensitive: False where a low score is that of an effective drug.
        draws: number of random draws.
        seed: of the draws.

    Returns:
        One row a target with `COLUMNS`. `lower` and `upper` are the 95 % interval of the mean of these drugs, from the
        drugs' own intervals, taken as independent (as in MOVER: each side by the root of the sum of squares); it tells
        how well these drugs are measured. `sd_score` is the scatter between the drugs (n - 1; NaN for one). `q_value`
        is of Benjamini and Hochberg, over the targets with a p.
    """
    import pandas as pd
    from scipy.stats import false_discovery_control

    known = scores[scores["score"].notna() & scores["drug"].map(lambda drug: bool(targets.get(drug)))]
    known = known.sort_values("drug").reset_index(drop=True)
    members = _members(known["drug"].tolist(), targets)
    if not members:
        return pd.DataFrame(columns=list(COLUMNS))
    drugs, hits = known["drug"].to_numpy(dtype=object), known["hit"].eq(True).to_numpy(dtype=bool)
    score, lower, upper = (known[name].to_numpy(dtype=np.float64) for name in ("score", "lower", "upper"))
    same: dict[tuple[int, ...], list[str]] = {}
    for target, rows in members.items():
        same.setdefault(tuple(rows), []).append(target)
    found = []
    for target, rows in members.items():
        n, mean = len(rows), float(score[rows].mean())
        below, above = (
            float(np.sqrt(np.square(side).sum())) / n for side in (score[rows] - lower[rows], upper[rows] - score[rows])
        )
        others = [other for other in same[tuple(rows)] if other != target]
        found.append(
            {
                "target": target,
                "n_drugs": n,
                "drugs": BETWEEN.join(drugs[rows]),
                "n_hits": int(hits[rows].sum()),
                "hit_drugs": BETWEEN.join(drugs[rows][hits[rows]]),
                "mean_score": mean,
                "lower": mean - below,
                "upper": mean + above,
                "sd_score": float(score[rows].std(ddof=1)) if n > 1 else np.nan,
                "p_value": np.nan,
                "same_drugs_as": BETWEEN.join(others),
            }
        )
    table = pd.DataFrame(found)
    sign = 1.0 if higher_is_more_sensitive else -1.0
    tested = (table["n_drugs"] >= LEAST_DRUGS).to_numpy()
    sums = table["mean_score"].to_numpy() * table["n_drugs"].to_numpy() * sign
    p = _p_values(score * sign, table["n_drugs"].to_numpy(), sums, draws, seed)
    table["p_value"] = np.where(tested, p, np.nan)
    table["q_value"] = np.nan
    if tested.any():
        table.loc[tested, "q_value"] = false_discovery_control(table.loc[tested, "p_value"].to_numpy())
    order = table.assign(_mean=-sign * table["mean_score"])
    order = order.sort_values(["p_value", "_mean", "target"], na_position="last")
    return order[list(COLUMNS)].reset_index(drop=True)


def _members(drugs: Sequence[str], targets: Mapping[str, Sequence[str]]) -> dict[str, list[int]]:
    """Rows of the drugs of every target."""
    found: dict[str, list[int]] = {}
    for row, drug in enumerate(drugs):
        for target in dict.fromkeys(targets[drug]):
            found.setdefault(target, []).append(row)
    return dict(sorted(found.items()))


def _p_values(score: np.ndarray, n: np.ndarray, sums: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Share of draws of n of the scores with a sum at least as high; one drawing serves every n."""
    at_least = np.zeros(len(n), dtype=np.int64)
    # Two sums of the same numbers in another order are equal.
    bound = sums - 1e-9 * max(1.0, float(np.abs(score).sum()))
    for shuffled in _shuffled(score, draws, seed):
        cumulated = np.cumsum(shuffled[:, : int(n.max())], axis=1)
        for row, (size, least) in enumerate(zip(n, bound, strict=True)):
            at_least[row] += int((cumulated[:, size - 1] >= least).sum())
    return (at_least + 1) / (draws + 1)


def _shuffled(values: np.ndarray, draws: int, seed: int) -> Iterator[np.ndarray]:
    """The values in random order, a row a draw, in portions that fit into memory."""
    rng = np.random.default_rng(seed)
    portion = max(1, _DRAWN_AT_A_TIME // max(1, len(values)))
    for start in range(0, draws, portion):
        yield rng.permuted(np.tile(values, (min(portion, draws - start), 1)), axis=1)
