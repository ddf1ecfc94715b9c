"""What an add-on changes dose by dose: inhibition by a drug with it minus inhibition by the drug alone (dPI).

Belongs here: the difference of two fitted curves at the doses that both were tested at. Does not belong here: the
difference of their scores (`combination`).

Both curves are relative to their own untreated cells (with the add-on, and without), so that an add-on that merely
adds its own effect leaves the difference at 0 (Bliss independence). Nothing is floored: below 0 the add-on takes effect
away.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from phenodose.dose_response.combination import combined_drugs
from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.points import POOLED
from phenodose.names import ADD_ON_DOSE

#: Columns of `combination_effects`.
EFFECT_COLUMNS = (
    *("sample", "readout", "drug", "add_on", ADD_ON_DOSE, "curve", "concentration_nM"),
    *("inhibition_alone_percent", "inhibition_combined_percent", "difference_percent"),
    *("lower_percent", "upper_percent"),
)
#: Doses that differ by less are one dose [log10].
_SAME_LOG10 = 1e-9


def combination_effects(curves: CurveBatch, wells: pd.DataFrame) -> pd.DataFrame:
    """The differences of every drug with an add-on, in each of the add-on's concentrations.

    The interval holds 95 % of the differences between any draw of the one curve and any of the other, as the two come
    from other wells.

    Args:
        curves: fitted curves with the keys sample, readout, replicate and drug; those of all replicates count.
        wells: sample, well_type, treatment, add_on (and add_on_concentration_nM).

    Returns:
        One row a combination and tested dose of the drug that lies in the tested range of the drug alone, with
        `EFFECT_COLUMNS` [percent]; `curve` is the name of the combination's curve. Interval NaN without draws.
    """
    keys, usable = curves.keys, curves.fitted
    place = {
        (row.readout, row.sample, row.drug): at
        for at, row in enumerate(keys.itertuples(index=False))
        if row.replicate == POOLED and usable[at]
    }
    pairs = combined_drugs(wells)
    combined = set(zip(pairs["sample"], pairs["drug"], strict=True))
    rows: list[dict[str, object]] = []
    for readout in dict.fromkeys(keys["readout"]):
        for pair in pairs.to_dict("records"):
            both = place.get((readout, pair["sample"], pair["drug"]))
            alone = place.get((readout, pair["sample"], pair["treatment"]))
            if both is None or alone is None or (pair["sample"], pair["treatment"]) in combined:
                continue
            named = {"sample": pair["sample"], "readout": readout, "drug": pair["treatment"], "add_on": pair["add_on"]}
            named |= {ADD_ON_DOSE: pair.get(ADD_ON_DOSE, np.nan), "curve": pair["drug"]}
            rows += [named | found for found in _differences(curves, both, alone)]
    return pd.DataFrame(rows, columns=list(EFFECT_COLUMNS))


def _differences(curves: CurveBatch, both: int, alone: int) -> list[dict[str, object]]:
    """The rows of one pair of curves, in order of the dose."""
    low, high = (end[alone] for end in curves.log10_dose_range)
    tested = curves.log10_dose[both][np.isfinite(curves.inhibition[both])]
    x = np.unique(tested[(tested >= low - _SAME_LOG10) & (tested <= high + _SAME_LOG10)])
    with_it, without = (100 * inhibition(x, *curves.parameters[at]) for at in (both, alone))
    lower = upper = np.full(len(x), np.nan)
    if curves.draws is not None and len(x):
        drawn = [
            100 * inhibition(x[None, :], *(column[:, None] for column in curves.draws[at].T)) for at in (both, alone)
        ]
        every = (drawn[0][:, None, :] - drawn[1][None, :, :]).reshape(-1, len(x))
        lower, upper = np.quantile(every, [0.025, 0.975], axis=0)
    return [
        {
            "concentration_nM": float(f"{10**dose:.12g}"),
            "inhibition_alone_percent": without[at],
            "inhibition_combined_percent": with_it[at],
            "difference_percent": with_it[at] - without[at],
            "lower_percent": lower[at],
            "upper_percent": upper[at],
        }
        for at, dose in enumerate(x)
    ]
