"""Phenotype maps: which wells are placed on them.

Belongs here: the choice of wells. Does not belong here: features (a staged readout gives them) and the
way from features to places (embedder plugins).

Source: Berker et al. 2022: the map shows the highest concentration of every drug and the controls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenodose.names import ADD_ON_DOSE

if TYPE_CHECKING:
    import pandas as pd

#: Well types that are never on a map: they hold no cells, or a series that would crowd it.
_NEVER = ("empty", "trc")
_DRUG = ("treatment", "add_on", ADD_ON_DOSE)


def wells_on_map(wells: pd.DataFrame) -> np.ndarray:
    """Which wells go on the map: all replicates of every drug's highest concentration, and the controls.

    Args:
        wells: rows of the layout: well_type, treatment, concentration_nM and, if there is one, add_on.

    Returns:
        bool array (well,) in the order of the rows.
    """
    kind = wells["well_type"].astype(str).str.lower()
    therapy = (kind == "therapy").to_numpy()
    by = [column for column in _DRUG if column in wells.columns]
    highest = wells[therapy].groupby(by, dropna=False, sort=False)["concentration_nM"].transform("max")
    on_map = (~therapy) & ~kind.isin(_NEVER).to_numpy()
    on_map[therapy] = (wells.loc[therapy, "concentration_nM"] == highest).to_numpy()
    return np.asarray(on_map, dtype=bool)
