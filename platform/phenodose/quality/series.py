"""Whether inhibition rises with dose in the dilution series of a killing control (trc wells).

Belongs here: the metrics of one series. Does not belong here: fitting it (`phenodose.dose_response`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from phenodose.quality.replicates import spearman


@dataclass(frozen=True)
class Series:
    """One dilution series.

    Attributes:
        treatment: what is diluted.
        spearman: rank correlation of dose and inhibition over its wells.
        largest_fall: largest fall of the median inhibition from one dose to the next higher; 0 if it never
            falls [fraction].
        n_doses: different doses.
    """

    treatment: str
    spearman: float
    largest_fall: float
    n_doses: int


def dilution_series(wells: pd.DataFrame) -> list[Series]:
    """The trc series among some wells, one a treatment.

    Args:
        wells: unmasked wells with well_type, treatment, concentration_nM, viability_fraction.
    """
    found = []
    for treatment, rows in wells[wells["well_type"] == "trc"].groupby("treatment"):
        dose = rows["concentration_nM"].to_numpy(dtype=np.float64)
        inhibition = 1 - rows["viability_fraction"].to_numpy(dtype=np.float64)
        doses = np.unique(dose)
        if len(doses) < 2:
            continue
        medians = np.array([np.median(inhibition[dose == d]) for d in doses])
        fall = float(max(0.0, -np.diff(medians).min()))
        found.append(Series(str(treatment), spearman(dose, inhibition), fall, len(doses)))
    return found
