"""What the drugs' own wells say of the controls: where drugs begin, and how far the strongest of them kill.

Belongs here: metrics of the drug wells that need no curve. Does not belong here: the control wells themselves
(`controls`, `zprime`), curves (`curve_shapes`), limits and words (`metrics`).

Control wells can look well separated and yet be the wrong ones: swapped, or killed by half. The drugs know: most of
them do nothing at their lowest dose, and none can leave fewer living cells than a control without any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from phenodose.names import add_on_names

#: Fewest drugs whose lowest doses are judged together: one or two may be strong throughout.
LEAST_DRUGS = 3
#: From so many drugs on, one alone (a dye, a quencher) does not show that the killing control fails.
SEVERAL_DRUGS = 5
#: A drug is named from so far beyond the killing control on [fraction of viability].
LEAST_BEYOND = 0.05


@dataclass(frozen=True)
class Level:
    """A level of viability that the drugs show.

    Attributes:
        value: fraction of inhibition; NaN with too few drugs.
        n_drugs: drugs that were judged.
        drugs: those that stand out, the farthest first.
    """

    value: float
    n_drugs: int
    drugs: tuple[str, ...] = ()


def effect_at_lowest_dose(wells: pd.DataFrame) -> Level:
    """Median over the drugs of their inhibition at the lowest dose.

    Args:
        wells: unmasked wells with well_type, treatment, add_on, concentration_nM, viability_fraction.
    """
    medians = _medians(wells)
    if medians.empty:
        return Level(float("nan"), 0)
    first = medians.groupby("drug", sort=False).first()["inhibition"]
    value = float(first.median()) if len(first) >= LEAST_DRUGS else float("nan")
    return Level(value, len(first))


def beyond_killing_control(wells: pd.DataFrame) -> Level:
    """How far below the killing control the strongest drugs bring viability, 0 if they do not.

    Of five drugs or more the second strongest counts, else the strongest; a drug is as strong as the median of its
    wells at its strongest dose.

    Args:
        wells: as for `effect_at_lowest_dose`.
    """
    medians = _medians(wells)
    if medians.empty:
        return Level(float("nan"), 0)
    beyond = medians.groupby("drug")["inhibition"].max().sub(1).sort_values(ascending=False, kind="stable")
    counts = 1 if len(beyond) >= SEVERAL_DRUGS else 0
    value = max(0.0, float(beyond.iloc[counts]))
    farthest = beyond.index[beyond >= max(value, LEAST_BEYOND)]
    return Level(value, len(beyond), tuple(str(drug) for drug in farthest))


def _medians(wells: pd.DataFrame) -> pd.DataFrame:
    """Median inhibition of every drug and dose: drug, concentration_nM, inhibition, doses ascending."""
    therapy = wells[(wells["well_type"] == "therapy") & (wells["concentration_nM"] > 0)]
    add_on = add_on_names(therapy.drop(columns="sample", errors="ignore"))
    drug = therapy["treatment"].astype(str) + add_on.where(add_on == "", " + " + add_on)
    values = therapy.assign(drug=drug, inhibition=1 - therapy["viability_fraction"].to_numpy(dtype=np.float64))
    values = values[np.isfinite(values["inhibition"])]
    medians: pd.DataFrame = values.groupby(["drug", "concentration_nM"], as_index=False)["inhibition"].median()
    return medians
