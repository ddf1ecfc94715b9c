"""Effects of place from the wells alone: the B-score's median polish, and loess.

Belongs here: which wells of a plate are polished or smoothed. Does not belong here: the arithmetic (`median_polish`,
`loess`), and effects from the fits' residuals (`residual_effects`), which see what these cannot.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from phenodose.names import row_index
from phenodose.plate_correction.loess import loess_surface
from phenodose.plate_correction.median_polish import median_polish
from phenodose.plate_correction.residual_effects import HIGHEST, LOWEST, PlaceEffects

#: Wells that hold no cells, killed ones, or nobody knows what: neither polished nor smoothed.
NOT_SAMPLES = ("empty", "exclude", "pos", "trc", "t0", "bzcl", "sts", "blank")
#: Fewest wells of a plate for a loess surface.
LEAST_WELLS = 6
#: Wells that their curves leave less alive than this say little of a gain.
_LEAST_ALIVE = 0.3


def polish_effects(viability: pd.DataFrame, wells: pd.DataFrame) -> PlaceEffects:
    """Effects of rows and columns by median polish of the sample wells of every plate, as the B-score takes them.

    Args:
        viability: columns of `to_viability`, one row a well of the layout.
        wells: the wells of the layout, row by row the same.
    """
    value, row, column = _places(viability, wells)
    counts = _measured(viability) & ~wells["well_type"].str.lower().isin(NOT_SAMPLES).to_numpy()
    counts &= (viability["control"] != "positive").to_numpy()
    effect = np.zeros(len(wells))
    for here in _plates(wells):
        grid = np.full((row[here].max() + 1, column[here].max() + 1), np.nan)
        some = here[counts[here]]
        grid[row[some], column[some]] = value[some]
        effect[here] = median_polish(grid).place_effect[row[here], column[here]]
    return PlaceEffects(effect, "offset", {"rows and columns": _size(effect)})


def loess_effects(
    viability: pd.DataFrame, wells: pd.DataFrame, expected: np.ndarray | None, span: float, degree: int
) -> tuple[PlaceEffects, list[str]]:
    """A gain of every place by loess, and the plates that have too few wells for it.

    Args:
        viability: columns of `to_viability`, one row a well of the layout.
        wells: the wells of the layout, row by row the same.
        expected: float array (well,), viability that the fits expect, NaN for wells that shall not count; None to
            smooth the negative controls and the untreated wells, which are expected to be alike.
        span: share of the wells that each local fit sees.
        degree: 1 or 2.
    """
    value, row, column = _places(viability, wells)
    measured = _measured(viability)
    if expected is None:
        negative = (viability["control"] == "negative").to_numpy()
        untreated = wells["well_type"].str.lower().eq("untreated").to_numpy()
        expected = np.where(negative, 1.0, np.nan)
        # Untreated cells without the solvent may stand at a level of their own.
        for here in _plates(wells):
            own = here[untreated[here] & measured[here]]
            if len(own):
                expected[own] = np.median(value[own])
    counts = measured & (np.nan_to_num(expected) >= _LEAST_ALIVE)
    effect, lacking = np.zeros(len(wells)), []
    for here in _plates(wells):
        some = here[counts[here]]
        if len(some) < LEAST_WELLS:
            lacking.append(str(wells["plate"].iloc[here[0]]))
            continue
        places, wanted = (np.stack([row[which], column[which]], axis=1).astype(np.float64) for which in (some, here))
        ratio = value[some] / expected[some] - 1
        effect[here] = loess_surface(places, ratio, wanted, span, degree)
    effect = np.where(measured, effect.clip(LOWEST, HIGHEST), 0.0)
    return PlaceEffects(effect, "gain", {"smooth": _size(effect)}), lacking


def _places(viability: pd.DataFrame, wells: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    value = viability["viability_fraction"].to_numpy(dtype=np.float64)
    row = np.array([row_index(label) for label in wells["row"]])
    return value, row, wells["column"].to_numpy(dtype=np.int64)


def _measured(viability: pd.DataFrame) -> np.ndarray:
    return np.asarray(viability["viability_fraction"].notna() & ~viability["masked"].astype(bool))


def _plates(wells: pd.DataFrame) -> list[np.ndarray]:
    plate = wells["plate"].to_numpy(dtype=object)
    return [np.flatnonzero(plate == name) for name in dict.fromkeys(plate)]


def _size(effect: np.ndarray) -> float:
    return float(np.sqrt(np.mean(effect**2))) if len(effect) else 0.0
