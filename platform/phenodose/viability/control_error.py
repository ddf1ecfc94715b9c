"""How far the controls' medians may be off, by which every well of a plate is scaled.

Belongs here: the standard error of viability 1 and 0 on each plate, from the scatter of its control wells. Does not
belong here: the scaling itself (`normalise`) and what its error does to a curve (`dose_response.reading_error`).

A plate has 4 to 32 untreated wells. The median of eight that scatter by 0.11 is off by 0.05, and with it every drug of
that plate, in the same direction at all doses: no replicate on that plate shows it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from phenodose.names import ADD_ON_DOSE, add_on_keys, serving_add_on

#: A control well farther from the median than so many standard deviations counts as one there.
_FAR = 3.0
#: What untreated wells share that serve the same wells, and killed ones, which serve whatever else a well holds.
_LIVING, _KILLED = ["sample", "plate", "held"], ["sample", "plate"]


class ControlError(NamedTuple):
    """The error of viability of wells by their controls.

    Attributes:
        group: int64 (well,), wells that share their controls.
        living: float64 (group,), standard error of viability 1 [fraction of viability]; 0 where nothing tells it.
        killed: float64 (group,), the same of viability 0.
    """

    group: np.ndarray
    living: np.ndarray
    killed: np.ndarray


def control_error(viability: pd.DataFrame, wells: pd.DataFrame) -> ControlError:
    """The standard errors of the controls' medians, which `to_viability` takes for exact.

    The scatter of control wells is that of all plates of a sample, as a few wells tell their own badly: the root mean
    square of the distances to the median of their group, none of which counts as more than three standard deviations.
    The median of n wells of standard deviation s is off by s sqrt(pi / (2 (n - 1) + pi)), which is exact of one normal
    well and of very many. Killed wells that are borrowed from another sample count as exact. Where viability is
    relative to controls by treatment, those of the plate stand for them.

    Args:
        viability: rows of one readout: plate, well, viability_fraction, control, masked.
        wells: plate, well, sample, and add_on with its concentration where there are any.

    Returns:
        Of every row of `viability`; groups are those of plate, sample and add-on.
    """
    columns = [name for name in ("sample", "add_on", ADD_ON_DOSE) if name in wells]
    rows = viability[["plate", "well"]].merge(wells[["plate", "well", *columns]], on=["plate", "well"], how="left")
    rows = rows.assign(add_on=rows.get("add_on", ""))
    held = add_on_keys(rows).to_numpy(dtype=object)
    named = rows["add_on"].astype(object).fillna("").astype(str).str.strip()
    rows = rows[["sample", "plate"]].astype(str).assign(held=held)
    value = viability["viability_fraction"].to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(value) & ~viability["masked"].fillna(True).to_numpy(dtype=bool)
    control = rows.assign(value=value, sign=viability["control"].to_numpy(dtype=object))[known]
    negative, positive = control[control["sign"] == "negative"], control[control["sign"] == "positive"]
    place = [*zip(rows["sample"], rows["plate"], strict=True)]
    there = {((sample, plate), key) for sample, plate, key in negative[_LIVING].itertuples(index=False, name=None)}
    rows["held"] = serving_add_on(held, named, place, there)
    groups = rows.groupby(_LIVING, sort=False)
    keys = rows.loc[groups.head(1).index, _LIVING]
    living = keys.merge(_errors(negative, _LIVING), on=_LIVING, how="left")["error"]
    killed = keys.merge(_errors(positive, _KILLED), on=_KILLED, how="left")["error"]
    return ControlError(
        groups.ngroup().to_numpy(dtype=np.int64), *(one.fillna(0.0).to_numpy() for one in (living, killed))
    )


def _errors(controls: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """A row a group of control wells: what names it, and the standard error of its median."""
    value = controls.groupby(by)["value"]
    number = value.transform("size")
    # distances to the median of a few wells are too small: by about (n - 1) / n in the square
    far = (controls["value"] - value.transform("median")).abs() * np.sqrt(number / (number - 1).clip(lower=1))
    sd = far[number > 1].groupby(controls["sample"]).agg(_root_mean_square)
    groups = value.size().rename("number").reset_index()
    n, scatter = groups["number"].to_numpy(), groups["sample"].map(sd).to_numpy(dtype=np.float64)
    return groups[by].assign(error=scatter * np.sqrt(np.pi / (2 * (n - 1) + np.pi)))


def _root_mean_square(distance: pd.Series[float]) -> float:
    most = _FAR * 1.4826 * distance.median()
    return float(np.sqrt(np.mean(np.square(np.minimum(distance, most)))))
