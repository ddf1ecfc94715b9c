"""What an add-on changes: the score of a drug given with it minus the score of the drug alone.

Belongs here: the difference of two scores and its interval. Does not belong here: scaling combinations to
viability, which takes the add-on alone as its negative control (`phenodose.viability.normalise`).

A combination's viability is relative to the add-on alone, so that an add-on that merely adds its own effect
leaves the difference at 0; above 0 the drug works better with the add-on than without.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from phenodose.names import ADD_ON_DOSE, curve_names

#: Put before a scorer's name: 'dcdss_asym' is the difference of 'dss_asym'.
PREFIX = "dc"
#: Scores in this unit are ratios by nature; their difference says nothing.
_NO_DIFFERENCE = ("nM",)


#: Status of a score that is relative to reference samples, which seldom saw the combination.
NO_REFERENCE = "no reference"


def combination_differences(scores: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """Rows with the difference between every combination and its drug alone, joined by name.

    The interval is that of a difference of two estimates from their own intervals (Zou and Donner, Statistics
    in Medicine 27, 2008, p. 1693: MOVER): lower = d - sqrt((c - lower_c)^2 + (upper_m - m)^2), and likewise up.

    Args:
        scores: from `score_curves` on the curves of these wells, with or without calls.
        wells: sample, well_type, treatment, add_on (and add_on_concentration_nM, each of which is a combination).

    Returns:
        One row a combination with the columns of `scores`; scorer is `PREFIX` and the scorer's name, drug is
        the combination. Empty if there are no combinations.
    """
    names = combined_drugs(wells)[["sample", "treatment", "add_on", "drug"]]
    rows = scores[~scores["unit"].isin(_NO_DIFFERENCE)].merge(names, on=["sample", "drug"], how="inner")
    keys = [name for name in ("sample", "readout", "replicate", "scorer") if name in scores]
    # A combination never stands for a drug alone that has its name.
    combined = set(zip(names["sample"], names["drug"], strict=True))
    single = [pair not in combined for pair in zip(scores["sample"], scores["drug"], strict=True)]
    alone = scores.loc[single, [*keys, "drug", "score", "lower", "upper", "bound", "status"]]
    both = rows.merge(
        alone, left_on=[*keys, "treatment"], right_on=[*keys, "drug"], how="left", suffixes=("", "_alone")
    )
    score, lower, upper = (both[name].to_numpy(dtype=np.float64) for name in ("score", "lower", "upper"))
    s, low, up = (both[f"{name}_alone"].to_numpy(dtype=np.float64) for name in ("score", "lower", "upper"))
    difference = score - s
    both["score"] = difference
    both["lower"] = difference - np.hypot(score - lower, up - s)
    both["upper"] = difference + np.hypot(upper - score, s - low)
    both["bound"] = "="
    # What was told of the combination's own score and interval does not hold for a difference.
    exact = both["lower"].notna().map({True: "=", False: None})
    for name, value in (("lower_bound", exact), ("upper_bound", exact), ("published_value", np.nan)):
        if name in both:
            both[name] = value
    both["scorer"] = PREFIX + both["scorer"].astype(str)
    both["hit"] = pd.array([None] * len(both), dtype="boolean")
    both["p_hit_fraction"] = np.nan
    both["call"] = pd.array([None] * len(both), dtype=object)
    both["status"] = [_status(*pair) for pair in zip(both["status"], both["status_alone"], strict=True)]
    return both.loc[both["status"] != NO_REFERENCE, list(scores.columns)].reset_index(drop=True)


def combined_drugs(wells: pd.DataFrame) -> pd.DataFrame:
    """Every drug with an add-on, in each of its concentrations, and the name of its curve.

    Args:
        wells: as for `combination_differences`.

    Returns:
        One row a combination of a sample: sample, treatment, add_on (and add_on_concentration_nM), drug (the name of
        the combination's curve).
    """
    parts = [name for name in ("sample", "treatment", "add_on", ADD_ON_DOSE) if name in wells]
    therapy = wells.loc[wells["well_type"].eq("therapy"), parts]
    therapy = therapy.assign(drug=curve_names(therapy)).dropna(subset=["sample", "treatment"]).drop_duplicates()
    return therapy[therapy["add_on"].astype(object).fillna("").astype(str).str.strip() != ""]


def _status(combined: object, alone: object) -> str:
    if combined != "ok":
        return str(combined)
    if not isinstance(alone, str):
        return "the drug alone is not in the screen"
    return "ok" if alone == "ok" else f"drug alone: {alone}"
