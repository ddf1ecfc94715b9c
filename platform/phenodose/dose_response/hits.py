"""Hit, borderline or no hit: what may be said of a drug, from the probability that its score reaches the threshold.

Belongs here: the calls of a panel of drugs. Does not belong here: the probability of a curve (`scoring`), and whether a
readout is good enough that its calls count (`phenodose.pipeline.hits`).

p is the share of the curve's posterior draws whose score reaches the scorer's threshold, each weighed by how common
such scores are among drugs (`Scorer.usual_score`), so 1 - p is the probability that a drug which is called a hit is
none. A set of calls is expected to hold the mean of 1 - p over it as false ones (Newton et al., Biostatistics 5:155,
2004). So the surest drugs of a panel are called hits for as long as

    mean of 1 - p over all drugs at least as sure  <=  false discovery rate,

drugs of equal p alike. In a panel with many sure hits that alone would let pass a drug which is hardly one: twenty
drugs with p = 1 would carry one with p = 0. A board decides on single drugs, so each needs p >= 0.8 as well, which is
the best rule where a false call costs four times as much as one that was missed (Mueller et al., J. Am. Stat. Assoc.
99:990, 2004: the loss of a false call and that of a missed one give a least p, cost / (cost + 1)). 'no hit' is the same
rule for 1 - p. What is neither is 'borderline'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenodose.names import ADD_ON_DOSE

if TYPE_CHECKING:
    import pandas as pd

#: Expected share of false ones among the drugs that are called hits, and among those that are called none.
FALSE_DISCOVERY_RATE = 0.05
#: Least probability of every call by itself.
LEAST_SURE = 0.8
HIT, BORDERLINE, NO_HIT = "hit", "borderline", "no hit"


def panel_calls(p_hit: np.ndarray, rate: float = FALSE_DISCOVERY_RATE) -> np.ndarray:
    """What is said of every drug of one panel; see the module's text.

    Args:
        p_hit: float64 (n,), probability that the score reaches the threshold; NaN where it is not known.
        rate: expected share of false calls, from 0 to 1.

    Returns:
        object (n,): 'hit', 'borderline', 'no hit'; None where the probability is not known.
    """
    calls = np.full(len(p_hit), None, dtype=object)
    known = np.isfinite(p_hit)
    found = np.where(_sure(p_hit[known], rate), HIT, np.where(_sure(1 - p_hit[known], rate), NO_HIT, BORDERLINE))
    calls[known] = found
    return calls


def _sure(p: np.ndarray, rate: float) -> np.ndarray:
    """Which of these are called: bool (n,)."""
    doubt = 1 - p
    ordered = np.sort(doubt)
    # drugs of equal p share the mean over all of them, so that their order does not decide
    last = np.searchsorted(ordered, doubt, side="right")
    expected = np.cumsum(ordered)[last - 1] / last if len(p) else doubt
    tiny = 1e-12
    return np.asarray((expected <= rate + tiny) & (p >= LEAST_SURE - tiny))


def with_calls(scores: pd.DataFrame, wells: pd.DataFrame, rate: float = FALSE_DISCOVERY_RATE) -> pd.DataFrame:
    """Scores with the column `call` behind `p_hit_fraction`.

    A panel is what is decided on together: the drugs of one sample, add-on (in one concentration), readout, replicate
    and scorer. A drug without draws has no call: its score alone does not say how sure it is.

    Args:
        scores: from `phenodose.dose_response.scoring.score_with_all`, of one screen.
        wells: sample, well_type, treatment, add_on (and add_on_concentration_nM) of that screen.
        rate: expected share of false calls.
    """
    import pandas as pd

    from phenodose.dose_response.combination import combined_drugs

    p_hit = scores["p_hit_fraction"].to_numpy(dtype=np.float64)
    calls = np.full(len(scores), None, dtype=object)
    if np.isfinite(p_hit).any():
        combined = combined_drugs(wells)
        doses = combined[ADD_ON_DOSE] if ADD_ON_DOSE in combined else pd.Series("", index=combined.index)
        add_ons = {
            (sample, drug): f"{add_on} {dose}"
            for sample, drug, add_on, dose in zip(
                combined["sample"], combined["drug"], combined["add_on"], doses, strict=True
            )
        }
        keys = [name for name in ("sample", "readout", "replicate", "scorer") if name in scores]
        panels = scores[keys].assign(
            add_on=[add_ons.get(pair, "") for pair in zip(scores["sample"], scores["drug"], strict=True)]
        )
        for rows in panels.groupby([*keys, "add_on"], dropna=False).indices.values():
            calls[rows] = panel_calls(p_hit[rows], rate)
    whole = scores.drop(columns="call", errors="ignore")
    whole.insert(list(whole.columns).index("p_hit_fraction") + 1, "call", calls)
    return whole
