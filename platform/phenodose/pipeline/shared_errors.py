"""Errors that all wells of a drug share, in the draws of the curves of a readout.

Belongs here: finding them in the tables and laying them on the curves, in one order. Does not belong here: their
arithmetic (`dose_response.reading_error`, `viability.control_error`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phenodose.dose_response.points import curve_points
from phenodose.dose_response.reading_error import with_control_error, with_reading_error, with_scale_error
from phenodose.viability.control_error import control_error

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch


def with_shared_errors(
    curves: CurveBatch,
    viability: pd.DataFrame,
    wells: pd.DataFrame,
    seed: int,
    scale_error: tuple[float, float, float] | None,
) -> CurveBatch:
    """The curves with draws that hold the readings' own uncertainty, the controls', and the readout's scale's.

    Args:
        curves: curves of one readout; without draws they come back as they are.
        viability: its rows of the table `viability`, to which they were fitted.
        wells: rows of the table `wells`.
        seed: makes the numbers repeatable.
        scale_error: how far the readout's scale is usually off (`Readout.scale_error`), if it declares that.
    """
    if curves.draws is None:
        return curves
    curves = _with_reading_error(curves, viability, wells, seed)
    if "control" in viability:
        curves = _with_control_error(curves, viability, wells, seed)
    return curves if scale_error is None else with_scale_error(curves, scale_error, seed)


def _with_reading_error(curves: CurveBatch, viability: pd.DataFrame, wells: pd.DataFrame, seed: int) -> CurveBatch:
    """The curves with the uncertainty which the readout tells of its wells, if it tells one."""
    told = viability.get("viability_sd_fraction")
    if told is None or not (told > 0).any():
        return curves
    sd = _at_points(curves, viability, wells, told.fillna(0.0).to_numpy(dtype=np.float64))
    return with_reading_error(curves, sd, seed)


def _with_control_error(curves: CurveBatch, viability: pd.DataFrame, wells: pd.DataFrame, seed: int) -> CurveBatch:
    """The curves with how far the controls may be off: of a drug on several plates, less than on each."""
    error = control_error(viability, wells)
    group = _at_points(curves, viability, wells, error.group.astype(np.float64))
    squares = np.zeros((2, len(curves)))
    for number, both in enumerate(zip(error.living, error.killed, strict=True)):
        share = (group == number).sum(axis=1) / np.maximum(np.isfinite(group).sum(axis=1), 1)
        squares += np.square(share * np.array(both)[:, None])
    living, killed = np.sqrt(squares)
    return with_control_error(curves, living, killed, seed)


def _at_points(curves: CurveBatch, viability: pd.DataFrame, wells: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Values of the rows of viability (well,) where the curves' points (n, m) are; NaN where there is no point.

    They are gathered as the inhibitions are, so that each stands where its well does.
    """
    found = curve_points(viability.assign(viability_fraction=1 - values), wells)
    place = {key: at for at, key in enumerate(found.keys.itertuples(index=False, name=None))}
    rows = [place[key] for key in curves.keys[list(found.keys.columns)].itertuples(index=False, name=None)]
    return found.inhibition[rows, : curves.inhibition.shape[1]]
