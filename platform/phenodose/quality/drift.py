"""Whether the controls hold their level and spread from plate to plate of one screen.

Belongs here: the metrics of drift over the plates of a screen. Does not belong here: drift over screens
(`phenodose.cohort.views`: what a screen's quality is must not depend on the company it keeps), limits
and words (`metrics`).

Metrics are in units of the window, the distance of the two controls, so that they mean the same for every
readout. Normalising by plate takes a drift of the level out of the viabilities; it tells of the assay all the
same, and it stays in where viability is normalised by treatment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

#: Spreads below this part of the window count as this much: nothing rests on them.
LEAST_SPREAD = 0.02
#: Fewest control wells of a plate whose spread is told.
LEAST_WELLS = 4


@dataclass(frozen=True)
class PlateDrift:
    """How the controls of one plate differ from those of the other plates.

    Attributes:
        plate: the plate.
        control: 'negative' or 'positive'.
        shift: median of the control minus the median over the plates, in typical windows.
        spread_ratio: its SD over that of the other plates; NaN with too few wells.
        trend: in words how the level goes over the plates; '' with fewer than three.
    """

    plate: str
    control: str
    shift: float
    spread_ratio: float
    trend: str


def plate_drift(wells: pd.DataFrame) -> list[PlateDrift]:
    """Drift of both controls over the plates, in the plates' order.

    Args:
        wells: unmasked control wells without add-on: plate, control ('negative' or 'positive'), raw.

    Returns:
        One entry a plate and control; empty with fewer than two plates that have both controls.
    """
    levels = wells.pivot_table(index="plate", columns="control", values="raw", aggfunc="median", sort=False)
    if not {"negative", "positive"} <= set(levels.columns):
        return []
    levels = levels.dropna(subset=["negative", "positive"])
    windows = levels["negative"] - levels["positive"]
    typical = float(windows.median()) if len(levels) else 0.0
    if len(levels) < 2 or typical == 0 or (windows == 0).any():
        return []
    return [entry for control in ("negative", "positive") for entry in _of_control(control, wells, levels, typical)]


def _of_control(control: str, wells: pd.DataFrame, levels: pd.DataFrame, typical: float) -> Iterator[PlateDrift]:
    level = levels[control].to_numpy()
    shift = (level - np.median(level)) / abs(typical)
    windows = (levels["negative"] - levels["positive"]).abs()
    own = wells[wells["control"] == control].groupby("plate")["raw"]
    count = own.size().reindex(levels.index).to_numpy()
    variance = (own.std().reindex(levels.index) / windows).to_numpy() ** 2
    ratio = _spread_ratios(np.where(count >= LEAST_WELLS, variance, np.nan), count)
    trend = _trend(shift, str(levels.index[0]), str(levels.index[-1]))
    for plate, moved, wider in zip(levels.index, shift, ratio, strict=True):
        yield PlateDrift(str(plate), control, float(moved), float(wider), trend)


def _spread_ratios(variance: np.ndarray, count: np.ndarray) -> np.ndarray:
    """SD of every plate over the root mean square SD of the others, weighted by degrees of freedom."""
    known = np.isfinite(variance)
    freedom = np.where(known, count - 1.0, 0.0)
    total = np.nansum(freedom * np.where(known, variance, 0.0))
    rest = freedom.sum() - freedom
    with np.errstate(all="ignore"):
        others = np.sqrt((total - freedom * np.where(known, variance, 0.0)) / rest)
        ratio = np.sqrt(variance) / np.maximum(others, LEAST_SPREAD)
    return np.where(known & (rest > 0), ratio, np.nan)


def _trend(shift: np.ndarray, first: str, last: str) -> str:
    if len(shift) < 3:
        return ""
    steps = np.diff(shift)
    if (steps > 0).all() or (steps < 0).all():
        return f"{'rises' if steps[0] > 0 else 'falls'} steadily from {first} to {last}"
    return f"no steady trend from {first} to {last}"
