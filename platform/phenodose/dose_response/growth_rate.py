"""Growth-rate inhibition (GR) metrics: drug effect per doubling of untreated cells.

Belongs here: the formulas, and how often cells doubled. Does not belong here: scorers (plugins).

    GR = 2^(log2(x / x0) / log2(xctrl / x0)) - 1 = 2 v^(1 / n) - 1

x0 is the reading at the start of the treatment, xctrl that of untreated cells at its end, v = x / xctrl the
viability and n = log2(xctrl / x0) the doublings. GR is 1 without effect, 0 where cells stand still and
negative, down to -1, where they die. Source: Hafner et al. 2016 (Nat. Methods 13:521), equation 1. The curve that
is fitted to GR values is in `growth_rate_curves`.

Where dead cells are counted as well, growth is told from death: the static part compares how fast cells divide, the
toxic part how fast they die (`static_and_toxic`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenodose.names import add_on_keys, serving_add_on
from phenodose.tables.curations import EXCLUDED

if TYPE_CHECKING:
    import pandas as pd

#: Well type of cells read at the start of the treatment.
TIME_ZERO = "t0"
NOT_KNOWN = "no time-zero wells or doubling count"
NOT_GROWN = "untreated cells did not grow, so there is no growth rate to inhibit"
#: Most that readings may lie off a line, relative to their spread, to have one value of viability 0.
_ON_A_LINE = 1e-6


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


def doublings_of(
    groups: pd.DataFrame, viability: pd.DataFrame, wells: pd.DataFrame, starts: pd.DataFrame | None = None
) -> np.ndarray | None:
    """How often untreated cells doubled, from time-zero wells, or else from a reading at the start.

    The readings of wells of type t0 stand for x0, those of the negative controls for xctrl, both above the
    positive controls: n = log2((negative - positive) / (t0 - positive)), medians, plate by plate. Without positive
    controls the raw value of viability 0 stands for them, as it was stated when readings were scaled. A plate
    without time-zero wells takes those of the same sample on other plates. Controls of a combination are
    those with the same add-on in the same concentration, else those with the add-on whose concentration nobody says,
    as for its viability.

    Args:
        groups: plate, sample, readout, add_on ('' for none; and add_on_concentration_nM).
        viability: plate, well, readout, raw, control, masked (and viability_fraction, mask_reason).
        wells: plate, well, sample, well_type (and add_on, add_on_concentration_nM).
        starts: plate, sample, readout, raw of living wells that were read when the treatment began; time-zero wells
            count before them.

    Returns:
        float64, one a row of `groups`: NaN where it is not known, 0 where cells did not grow. None if there
        are neither time-zero wells nor starts.
    """
    zero = wells["well_type"].astype("string").str.lower().eq(TIME_ZERO).fillna(False).to_numpy(dtype=bool)
    if not {"raw", "control"} <= set(viability.columns) or not (zero.any() or starts is not None):
        return None
    add_on = add_on_keys(wells) if "add_on" in wells.columns else ""
    placed = wells[["plate", "well", "sample"]].assign(zero=zero, add_on=add_on)
    read = viability.merge(placed, on=["plate", "well"])
    read = read[read["raw"].notna()]
    masked = read["masked"].fillna(True).astype(bool)
    # a plate of time-zero wells alone has no controls, for which all its wells are masked
    alone = masked.groupby([read["plate"], read["readout"]]).transform("all") & ~_left_out(read)
    if zero.any() or starts is None:
        starts = read[read["zero"] & (~masked | alone)]
    ends = read[~masked]

    def median(rows: pd.DataFrame, *by: str, of: pd.DataFrame = groups) -> np.ndarray:
        medians = rows.groupby(list(by))["raw"].median().rename("median").reset_index()
        found = of.merge(medians, on=list(by), how="left")["median"]
        return found.to_numpy(dtype=np.float64)

    here = median(starts, "plate", "sample", "readout")
    x0 = np.where(np.isfinite(here), here, median(starts, "sample", "readout"))
    untreated, of_one = ends[ends["control"].eq("negative")], ["plate", "sample", "readout"]
    there = set(zip(untreated[of_one].itertuples(index=False, name=None), untreated["add_on"], strict=True))
    of_groups = groups[of_one].itertuples(index=False, name=None)
    served = serving_add_on(add_on_keys(groups), groups["add_on"], of_groups, there)
    negative = median(untreated, *of_one, "add_on", of=groups.assign(add_on=served))
    killed = ends[ends["control"].eq("positive")]
    positive = median(killed, "plate", "sample", "readout")
    # as for viability, killed cells of the other samples of a plate stand for those that a sample lacks
    positive = np.where(np.isfinite(positive), positive, median(killed, "plate", "readout"))
    if np.isnan(positive).any() and "viability_fraction" in viability.columns:
        positive = np.where(np.isnan(positive), raw_value_of_no_cells(ends, groups), positive)
    with np.errstate(all="ignore"):
        doublings = np.log2((negative - positive) / (x0 - positive))
    return np.where(doublings <= 0, 0.0, doublings)


def _left_out(read: pd.DataFrame) -> np.ndarray:
    """Which wells a person has left out, bool array (well,)."""
    if "mask_reason" not in read.columns:
        return np.zeros(len(read), dtype=bool)
    return np.array([str(reason).startswith(EXCLUDED) for reason in read["mask_reason"]], dtype=bool)


def static_and_toxic(
    live: np.ndarray,
    dead: np.ndarray,
    live_untreated: np.ndarray,
    dead_untreated: np.ndarray,
    live_at_start: np.ndarray,
    dead_at_start: np.ndarray,
    days: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Static and toxic part of a growth-rate effect, where dead cells are counted as well; arrays broadcast.

    With g = log2(live / live at start) and d = (dead - dead at start) / (live - live at start), the cells that died for
    each that was added, g (1 + d) is how often cells divided and g d how often they died:

        static = 2^(g (1 + d) / (g (1 + d) of untreated cells)) - 1    1 no effect, 0 no divisions
        toxic  = 2^((g d of untreated cells - g d) / days) - 1         0 no effect, -1 all cells die at once

    Where live cells are as many as at the start, g d is its limit, dead cells / (live at start * ln 2). Fewer dead
    cells than one more than at the start count as one more, as in the published implementation. Source: Mills
    et al. 2022 (Nat. Commun., doi 10.1038/s41467-022-34536-7) and the GR metrics of that group.

    Args:
        live: living cells at the end.
        dead: dead cells at the end.
        live_untreated: living cells at the end without the drug.
        dead_untreated: dead cells at the end without the drug.
        live_at_start: living cells when the treatment began.
        dead_at_start: dead cells when the treatment began.
        days: how long the treatment took.

    Returns:
        Static and toxic part, float64; NaN where cells cannot be told to have divided without the drug.

    Example:
        >>> dying = static_and_toxic(*(np.array(v) for v in (100.0, 300.0, 400.0, 1.0, 100.0, 0.0, 3.0)))
        >>> [round(float(part), 2) for part in dying]
        [3.46, -0.63]
    """
    divided, died = _divisions_and_deaths(live, dead, live_at_start, dead_at_start)
    divided_alone, died_alone = _divisions_and_deaths(live_untreated, dead_untreated, live_at_start, dead_at_start)
    with np.errstate(all="ignore"):
        static = np.where(divided_alone > 0, 2.0 ** (divided / divided_alone) - 1.0, np.nan)
        toxic = 2.0 ** ((died_alone - died) / days) - 1.0
    return np.asarray(static), np.asarray(toxic)


def _divisions_and_deaths(
    live: np.ndarray, dead: np.ndarray, live_at_start: np.ndarray, dead_at_start: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Divisions and deaths per cell, in doublings."""
    new_dead = np.maximum(dead - dead_at_start, 1.0)
    with np.errstate(all="ignore"):
        growth = np.log2(live / live_at_start)
        per_added = np.where(
            np.isclose(live, live_at_start, rtol=1e-10, atol=0.0),
            1.0 / (live_at_start * np.log(2.0)),
            growth / (live - live_at_start),
        )
    died = new_dead * per_added
    return growth + died, died


def raw_value_of_no_cells(wells: pd.DataFrame, groups: pd.DataFrame) -> np.ndarray:
    """The raw value of viability 0, read off readings that were scaled by it, whatever said what it is.

    Raw values lie on a line over viability, whose height at 0 it is. Wells of a sample and with an add-on have
    untreated cells, and so a line, of their own, of the same height at 0.

    Args:
        wells: plate, readout, raw, viability_fraction (and sample, add_on: each has lines of its own).
        groups: plate, readout.

    Returns:
        float64, one a row of `groups`; NaN where raw values lie on no line, as those of a plate with several controls,
        or lines have different heights.
    """
    used = wells[wells["viability_fraction"].notna() & wells["raw"].notna()]
    plate = [used["plate"], used["readout"]]
    by = [*plate, *(used[name].fillna("") for name in ("sample", "add_on") if name in used)]
    raw, fraction = used["raw"].astype(np.float64), used["viability_fraction"].astype(np.float64)
    off_raw, off_fraction = (value - value.groupby(by).transform("mean") for value in (raw, fraction))
    sums = (off_fraction * off_raw).groupby(by).transform("sum"), (off_fraction**2).groupby(by).transform("sum")
    with np.errstate(all="ignore"):
        slope = sums[0] / sums[1]
    zero = (raw - off_raw) - slope * (fraction - off_fraction)
    away = (off_raw - slope * off_fraction).abs() > _ON_A_LINE * off_raw.abs().groupby(by).transform("max")
    spread = 2 * _ON_A_LINE * (raw - raw.groupby(plate).transform("mean")).abs().groupby(plate).transform("max")
    lines = zero.groupby(plate)
    away |= lines.transform("max") - lines.transform("min") > spread
    zero = zero.where(~away.groupby(plate).transform("any"))
    # the line that is known best; a single well has none
    lines_told = used[["plate", "readout"]].assign(zero=zero, known=sums[1]).dropna(subset="zero")
    found = lines_told.sort_values("known", ascending=False, kind="stable").drop_duplicates(["plate", "readout"])
    return groups.merge(found, on=["plate", "readout"], how="left")["zero"].to_numpy(dtype=np.float64)
