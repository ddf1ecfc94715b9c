"""Every well of a layout with what does not need a curve: reading, viability, robust z, B-score, flags.

Belongs here: the table. Does not belong here: the arithmetic (`phenodose.viability.robust_z`,
`phenodose.plate_correction`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_OF_WELLS = ("well_type", "treatment", "concentration_nM", "replicate", "add_on", "add_on_concentration_nM")
WELL_COLUMNS = (
    *("sample", "plate", "well", *_OF_WELLS, "raw", "viability_fraction"),
    *("robust_z_negative", "robust_z_plate", "b_score", "masked", "mask_reason", "flag", "flag_reason", "readout"),
)


def well_table(viability: pd.DataFrame, wells: pd.DataFrame) -> pd.DataFrame:
    """The wells of one sample and readout.

    Args:
        viability: rows of one readout, as `viability_of` gives them.
        wells: `Layout.frame` with the sample named in every row, row by row the same.

    Returns:
        One row a well that has a reading, with `WELL_COLUMNS`: robust_z_negative against the negative controls of the
        plate, robust_z_plate and b_score against its sample wells; both keep the sign of the readings.
    """
    import numpy as np

    from phenodose.plate_correction.methods import plate_b_scores, sample_wells
    from phenodose.viability.robust_z import robust_z

    raw = viability["raw"].to_numpy(dtype=np.float64)
    used = ~viability["masked"].to_numpy(dtype=bool)
    plate = wells["plate"].to_numpy(dtype=object)
    frame = wells.reset_index(drop=True).reindex(columns=["sample", "plate", "well", *_OF_WELLS])
    frame = frame.assign(
        raw=raw,
        viability_fraction=viability["viability_fraction"].to_numpy(),
        robust_z_negative=robust_z(raw, plate, used & (viability["control"] == "negative").to_numpy()),
        robust_z_plate=robust_z(raw, plate, sample_wells(viability, wells)),
        b_score=plate_b_scores(viability, wells),
        **{name: viability[name].to_numpy() for name in ("masked", "mask_reason", "flag", "flag_reason", "readout")},
    )
    read: pd.DataFrame = frame.loc[np.isfinite(raw), list(WELL_COLUMNS)].reset_index(drop=True)
    return read
