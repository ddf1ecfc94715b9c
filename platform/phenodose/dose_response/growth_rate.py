"""Growth-rate inhibition (GR) metrics: drug effect per doubling of untreated cells.

Belongs here: the formulas, and how often cells doubled. Does not belong here: scorers (plugins).

    GR = 2^(log2(x / x0) / log2(xctrl / x0)) - 1 = 2 v^(1 / n) - 1

x0 is the reading at the start of the treatment, xctrl that of untreated cells at its end, v = x / xctrl the
viability and n = log2(xctrl / x0) the doublings. GR is 1 without effect, 0 where cells stand still and
negative, down to -1, where they die. Source: Hafner et al. 2016 (Nat. Methods 13:521), equation 1. There GR
values are fitted by a curve of their own; here the fitted viability curve is turned into GR, so that all
scores of a drug rest on one fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenodose.dose_response.curves import CurveBatch
from phenodose.names import add_on_keys

if TYPE_CHECKING:
    import pandas as pd

#: Well type of cells read at the start of the treatment.
TIME_ZERO = "t0"
NOT_KNOWN = "no time-zero wells or doubling count"
NOT_GROWN = "untreated cells did not grow, so there is no growth rate to inhibit"
#: Points on which GR is integrated: fewer than for other areas, for powers take long; GR has no kink but at -1.
_GRID_POINTS = 64


def growth_rate(viability: np.ndarray, doublings: np.ndarray) -> np.ndarray:
    """GR of a viability (fraction) after so many doublings; arrays broadcast. Viability below 0 counts as 0.

    NaN where the doublings are not known.

    Example:
        >>> growth_rate(np.array([1.0, 0.5, 0.25, 0.0]), np.array(1.0)).tolist()
        [1.0, 0.0, -0.5, -1.0]
    """
    # a power would differ in its last bit with its place in the array
    with np.errstate(divide="ignore"):
        return np.asarray(2.0 * np.exp(np.log(np.maximum(viability, 0.0)) / doublings) - 1.0)


def viability_of(rate: float, doublings: np.ndarray) -> np.ndarray:
    """Viability (fraction) at which GR is `rate`: the inverse of `growth_rate`."""
    return np.asarray(np.exp(np.log((1.0 + rate) / 2.0) * doublings))


def doublings_of(groups: pd.DataFrame, viability: pd.DataFrame, wells: pd.DataFrame) -> np.ndarray | None:
    """How often untreated cells doubled, from time-zero wells.

    The readings of wells of type t0 stand for x0, those of the negative controls for xctrl, both above the
    positive controls: n = log2((negative - positive) / (t0 - positive)), medians, plate by plate. A plate
    without time-zero wells takes those of the same sample on other plates. Controls of a combination are
    those with the same add-on in the same concentration, else those with the add-on whose concentration nobody says,
    as for its viability.

    Args:
        groups: plate, sample, readout, add_on ('' for none; and add_on_concentration_nM).
        viability: plate, well, readout, raw, control, masked.
        wells: plate, well, sample, well_type (and add_on, add_on_concentration_nM).

    Returns:
        float64, one a row of `groups`: NaN where it is not known, 0 where cells did not grow. None if there
        are no time-zero wells.
    """
    zero = wells["well_type"].astype("string").str.lower().eq(TIME_ZERO).fillna(False).to_numpy(dtype=bool)
    if not zero.any() or not {"raw", "control"} <= set(viability.columns):
        return None
    add_on = add_on_keys(wells) if "add_on" in wells.columns else ""
    placed = wells[["plate", "well", "sample"]].assign(zero=zero, add_on=add_on)
    read = viability.merge(placed, on=["plate", "well"])
    read = read[read["raw"].notna()]
    masked = read["masked"].fillna(True).astype(bool)
    # a plate of time-zero wells alone has no controls, for which all its wells are masked
    alone = masked.groupby([read["plate"], read["readout"]]).transform("all")
    starts = read[read["zero"] & (~masked | alone)]
    ends = read[~masked]

    def median(rows: pd.DataFrame, *by: str, of: pd.DataFrame = groups) -> np.ndarray:
        medians = rows.groupby(list(by))["raw"].median().rename("median").reset_index()
        found = of.merge(medians, on=list(by), how="left")["median"]
        return found.to_numpy(dtype=np.float64)

    here = median(starts, "plate", "sample", "readout")
    x0 = np.where(np.isfinite(here), here, median(starts, "sample", "readout"))
    untreated, by = ends[ends["control"].eq("negative")], ("plate", "readout", "add_on")
    own = median(untreated, *by, of=groups.assign(add_on=add_on_keys(groups)))
    negative = np.where(np.isfinite(own), own, median(untreated, *by))
    positive = median(ends[ends["control"].eq("positive")], "plate", "readout")
    with np.errstate(all="ignore"):
        doublings = np.log2((negative - positive) / (x0 - positive))
    return np.where(doublings <= 0, 0.0, doublings)


def mean_growth_rate_loss(curves: CurveBatch, doublings: np.ndarray) -> np.ndarray:
    """Mean of 1 - GR over the tested log-dose range (GR_AOC), float64 (n,): 0 without effect, up to 2."""
    x = curves.log10_dose_grid(_GRID_POINTS)
    loss = 1.0 - growth_rate(1.0 - curves.inhibition_at(x), doublings[:, None])
    inner = np.ascontiguousarray(loss[:, 1:] + loss[:, :-1]).sum(axis=1)
    return np.asarray(inner / (2 * (_GRID_POINTS - 1)))


def growth_rate_at_highest_dose(curves: CurveBatch, doublings: np.ndarray) -> np.ndarray:
    """GR of the fitted curve at the highest tested dose (GR_max), float64 (n,)."""
    highest = np.log10(curves.max_dose_nM)[:, None]
    return growth_rate(1.0 - curves.inhibition_at(highest)[:, 0], doublings)
