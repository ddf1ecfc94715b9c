"""Points before the fit: wells of one treatment gathered into dose and inhibition arrays.

Belongs here: grouping wells into curves. Does not belong here: how wells became viability
(`phenodose.viability`) and fitting (`fit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from phenodose.dose_response.growth_rate import doublings_of
from phenodose.errors import Faults, InputError
from phenodose.names import ADD_ON_DOSE, curve_names

if TYPE_CHECKING:
    import pandas as pd

#: Columns that identify a curve of a screen.
CURVE_KEYS = ("sample", "readout", "replicate", "drug")
#: Value of `replicate` for the curve of all replicates together.
POOLED = "pooled"


@dataclass(frozen=True)
class CurvePoints:
    """Points of n curves.

    Attributes:
        keys: n rows, the columns that identify a curve.
        log10_dose: float64 (n, m), log10 nM; NaN where a curve has fewer points.
        inhibition: float64 (n, m), fraction; NaN where a value is missing.
        doublings: float64 (n,), how often untreated cells doubled during the treatment, NaN where it is not
            known; None if it is known of no curve.
    """

    keys: pd.DataFrame
    log10_dose: np.ndarray
    inhibition: np.ndarray
    doublings: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.log10_dose.shape != self.inhibition.shape or self.log10_dose.ndim != 2:
            raise InputError(
                f"points: log10_dose is {self.log10_dose.shape} and inhibition {self.inhibition.shape}; "
                "both must be (curves, points)."
            )
        if len(self.keys) != len(self.log10_dose):
            raise InputError(f"points: {len(self.keys)} keys for {len(self.log10_dose)} curves; one key row a curve.")

    def __len__(self) -> int:
        return len(self.keys)


def points_from_long(
    frame: pd.DataFrame,
    keys: Sequence[str],
    dose: str = "concentration_nM",
    inhibition: str = "inhibition",
    sort: bool = True,
) -> CurvePoints:
    """Gather the points of a long table.

    Args:
        frame: one row a point.
        keys: columns that identify a curve.
        dose: column of the dose in nM; a dose that is not above 0 has no place on a log axis and counts as
            missing.
        inhibition: column of the inhibition as a fraction.
        sort: curves come in the sorted order of their keys, else in the order in which they first appear.

    Returns:
        The points; a curve whose values are all missing is there, without points.
    """
    import pandas as pd

    names = list(keys)
    frame = frame.reset_index(drop=True)
    groups = frame.groupby(names, sort=sort, dropna=False)
    curve, place = groups.ngroup().to_numpy(), groups.cumcount().to_numpy()
    n, m = (int(curve.max()) + 1, int(place.max()) + 1) if len(frame) else (0, 1)
    doses = pd.to_numeric(frame[dose]).to_numpy(dtype=np.float64, na_value=np.nan)
    values = pd.to_numeric(frame[inhibition]).to_numpy(dtype=np.float64, na_value=np.nan)
    log10_dose, inhibitions = np.full((n, m), np.nan), np.full((n, m), np.nan)
    with np.errstate(all="ignore"):
        log10_dose[curve, place] = np.where(doses > 0, np.log10(doses), np.nan)
    inhibitions[curve, place] = values
    first = np.zeros(n, dtype=np.int64)
    first[curve[::-1]] = np.arange(len(frame))[::-1]
    return CurvePoints(frame.loc[first, names].reset_index(drop=True), log10_dose, inhibitions)


def curve_points(
    viability: pd.DataFrame,
    wells: pd.DataFrame,
    per_replicate: bool = True,
    well_types: Sequence[str] = ("therapy",),
    starts: pd.DataFrame | None = None,
) -> CurvePoints:
    """Gather the treated wells of a screen into curves by sample, readout, replicate and drug.

    Masked wells count as missing. Wells with a second treatment form a curve of their own, named
    'drug + second treatment', and likewise every concentration of the second (`phenodose.names.curve_names`).

    Args:
        viability: plate, well, readout, viability_fraction, masked (and raw and control, from which and the
            wells of type t0 the doublings are computed).
        wells: plate, well, sample, well_type, treatment, concentration_nM, replicate (and add_on,
            add_on_concentration_nM).
        per_replicate: also a curve of every replicate by itself, where there are several.
        well_types: which wells are gathered: 'therapy' for drugs, 'trc' for the control series.
        starts: readings of living wells when the treatment began (`doublings_of`); None if there are none.

    Returns:
        Points with the keys `CURVE_KEYS`, sorted; `replicate` is 'pooled' or the replicate number as text.

    Raises:
        InputError: a column is missing.
    """
    import pandas as pd

    faults = Faults("curves")
    for name, table, needed in (
        ("viability", viability, ("plate", "well", "readout", "viability_fraction", "masked")),
        ("wells", wells, ("plate", "well", "sample", "well_type", "treatment", "concentration_nM", "replicate")),
    ):
        missing = [column for column in needed if column not in table.columns]
        if missing:
            faults.add(f"{name} has no column {', '.join(missing)}.")
    faults.raise_if_any()
    wanted = wells["well_type"].astype("string").str.lower().isin([kind.lower() for kind in well_types])
    treated = wells[wanted.fillna(False).to_numpy(dtype=bool) & wells["treatment"].notna().to_numpy()]
    add_on = treated["add_on"] if "add_on" in treated.columns else pd.Series(pd.NA, index=treated.index, dtype=object)
    treated = treated.assign(add_on=add_on.fillna(""), **{ADD_ON_DOSE: treated.get(ADD_ON_DOSE, np.nan)})
    columns = ["plate", "well", "sample", "treatment", "concentration_nM", "replicate", "add_on", ADD_ON_DOSE]
    treated = treated[columns].assign(drug=curve_names(treated.drop(columns="well_type")))
    values = viability[["plate", "well", "readout", "viability_fraction", "masked"]]
    points = treated.merge(values, on=["plate", "well"], how="inner")
    usable = ~points["masked"].fillna(True).to_numpy(dtype=bool)
    fraction = points["viability_fraction"].to_numpy(dtype=np.float64, na_value=np.nan)
    doublings = doublings_of(points[["plate", "sample", "readout", "add_on", ADD_ON_DOSE]], viability, wells, starts)
    points = points.assign(
        inhibition=np.where(usable, 1.0 - fraction, np.nan),
        number=points["replicate"],
        doublings=np.nan if doublings is None else np.where(usable, doublings, np.nan),
    )
    parts = [points.assign(replicate=POOLED)]
    if per_replicate and len(points["number"].dropna().unique()) > 1:
        numbered = points[points["number"].notna().to_numpy()]
        parts.append(numbered.assign(replicate=numbered["number"].astype("Int64").astype(str)))
    gathered = pd.concat(parts, ignore_index=True)
    of_curves = points_from_long(gathered, CURVE_KEYS)
    if doublings is None:
        return of_curves
    mean = gathered.groupby(list(CURVE_KEYS), dropna=False)["doublings"].mean()
    return replace(of_curves, doublings=mean.to_numpy())
