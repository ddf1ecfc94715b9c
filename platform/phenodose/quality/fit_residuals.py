"""What the distances of the wells from their fitted curves say of each plate.

Belongs here: residuals of the therapy wells to the pooled curves, their size against noise, and whether they
form a pattern on the plate. Does not belong here: fitting (`phenodose.dose_response`), limits (`metrics`).

A fault of place (a gradient, a block of wells without drug) moves wells of many drugs away from curves that
rest on their other doses and on their replicates elsewhere, where no control well need stand near. Three
metrics look at that: the published NRFE (mean size, in percent), the size in units of noise, and the pattern.

The pattern is Moran's I of the residuals, I = u'Wu / u'u, as a deviate from what independent noise gives. The
residuals of a fit are not independent: to first order u = K e, with K the projection away from the free
parameters of every curve (its Jacobian) and from a level and a gain of every plate, which the medians of few
control wells get wrong for all wells alike. With c = tr(WK) / tr(K), the form Q = u'Wu - c u'u has expectation
0 and variance 2 s^4 tr((WK - cK)^2) (Cliff and Ord 1981 for regression residuals).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.models import inhibition
from phenodose.dose_response.tangents import curve_tangents, orthonormal
from phenodose.names import curve_names, row_index
from phenodose.quality.zprime import mad

#: Noise below this [fraction of viability] counts as this much: no score depends on less.
LEAST_NOISE = 0.02
#: Fewest wells, and degrees of freedom, of a plate that is judged.
LEAST_WELLS, LEAST_FREEDOM = 20, 10.0
#: Width of the neighbourhood in wells, and the distance at which it ends.
NEIGHBOURS, FARTHEST = 2.0, 6.0
#: Residuals beyond so many robust SDs count as this much in the pattern, where one wild well is no pattern.
_MOST_SD = 3.0
_POOLED = "pooled"


@dataclass(frozen=True)
class PlateResiduals:
    """The residual metrics of one plate; NaN with too few wells.

    Attributes:
        plate: the plate.
        n_wells: therapy wells with a curve.
        nrfe_percent: mean of 100 |residual| (1 + f (1 - f) / 0.25).
        ratio: root mean square of residual over noise, per degree of freedom.
        pattern: deviate of Moran's I, not below 0.
        offset: median of viability minus the curve's [fraction].
    """

    plate: str
    n_wells: int
    nrfe_percent: float
    ratio: float
    pattern: float
    offset: float


def residuals_to_curves(viability: pd.DataFrame, wells: pd.DataFrame, curves: CurveBatch) -> pd.DataFrame:
    """The unmasked therapy wells with their residual to the pooled curve of their drug.

    Args:
        viability: plate, well, viability_fraction, masked.
        wells: plate, well, row, column, sample, well_type, treatment, concentration_nM, add_on.
        curves: fitted curves of one readout with the keys sample, replicate and drug.

    Returns:
        plate, well, row, column, curve (position in `curves`), log10_dose, fitted (inhibition), residual
        (inhibition minus fitted) [fractions]; wells without a fitted curve are left out.
    """
    keys = curves.keys
    pooled = np.flatnonzero((keys["replicate"] == _POOLED).to_numpy() & curves.fitted)
    place = pd.DataFrame({"sample": keys["sample"], "drug": keys["drug"]}).iloc[pooled].assign(curve=pooled)
    therapy = wells[(wells["well_type"] == "therapy") & (wells["concentration_nM"] > 0)]
    named = therapy[["plate", "well", "row", "column", "sample", "concentration_nM"]].assign(drug=curve_names(therapy))
    measured = viability.loc[~viability["masked"].astype(bool), ["plate", "well", "viability_fraction"]]
    found = named.merge(measured, on=["plate", "well"]).merge(place, on=["sample", "drug"])
    x = np.log10(found["concentration_nM"].to_numpy(dtype=np.float64))
    fitted = inhibition(x, *curves.parameters[found["curve"].to_numpy(dtype=np.int64)].T)
    found = found.assign(log10_dose=x, fitted=fitted, residual=1 - found["viability_fraction"] - fitted)
    columns = ["plate", "well", "row", "column", "curve", "log10_dose", "fitted", "residual"]
    known: pd.DataFrame = found.loc[np.isfinite(found["residual"]), columns].reset_index(drop=True)
    return known


def plate_residuals(
    residuals: pd.DataFrame, curves: CurveBatch, negative_sd: float, positive_sd: float
) -> list[PlateResiduals]:
    """The metrics of every plate.

    Args:
        residuals: from `residuals_to_curves`.
        curves: the same curves.
        negative_sd: robust SD of the viability of the negative controls [fraction]; NaN if there are none.
        positive_sd: the same of the positive controls.
    """
    if residuals.empty:
        return []
    residuals = residuals.reset_index(drop=True)
    basis = _fit_basis(residuals, curves)
    plates = list(dict.fromkeys(residuals["plate"]))
    plate, raw = residuals["plate"].to_numpy(), residuals["residual"].to_numpy(dtype=np.float64)
    level, cleaned = _without_plate_levels(residuals, basis, plates)
    predicted = _noise(residuals, cleaned, basis, negative_sd, positive_sd)
    weight = residuals["fitted"].clip(0, 1).to_numpy()
    found = []
    for name in plates:
        here = np.flatnonzero(plate == name)
        projection = _projection(here, residuals["curve"].to_numpy(), basis, level)
        freedom = float(np.trace(projection))
        if len(here) < LEAST_WELLS or freedom < LEAST_FREEDOM:
            found.append(PlateResiduals(str(name), len(here), *[float("nan")] * 4))
            continue
        nrfe = 100 * np.mean(np.abs(raw[here]) * (1 + weight[here] * (1 - weight[here]) / 0.25))
        ratio = np.sqrt(np.sum((cleaned[here] / predicted[here]) ** 2) / freedom)
        pattern = _pattern(residuals.iloc[here], cleaned[here], projection)
        offset = float(np.median(-raw[here]))
        found.append(PlateResiduals(str(name), len(here), float(nrfe), float(ratio), pattern, offset))
    return found


def _fit_basis(residuals: pd.DataFrame, curves: CurveBatch) -> np.ndarray:
    """Orthonormal directions (well, 5) that each well's curve can follow; zeros where it has fewer.

    The rows of the wells of one curve hold an orthonormal basis of the Jacobian's columns.
    """
    curve = residuals["curve"].to_numpy(dtype=np.int64)
    x = residuals["log10_dose"].to_numpy()
    jacobian = curve_tangents(x, curve, curves)
    basis = np.zeros_like(jacobian)
    for which in pd.Series(np.arange(len(x))).groupby(curve).indices.values():
        basis[which, :] = orthonormal(jacobian[which], 5)
    return basis


def _off_fits(values: np.ndarray, residuals: pd.DataFrame, basis: np.ndarray) -> np.ndarray:
    """Columns of values (well, k) without what the curves can follow."""
    out = values.copy()
    for which in residuals.groupby("curve").indices.values():
        own = basis[which]
        out[which] -= own @ (own.T @ values[which])
    return out


def _without_plate_levels(
    residuals: pd.DataFrame, basis: np.ndarray, plates: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal directions of the plates' levels and gains (well, 2 plates), and residuals without them."""
    on = residuals["plate"].to_numpy()[:, None] == np.array(plates, dtype=object)[None, :]
    columns = np.concatenate([on, on * residuals["fitted"].to_numpy()[:, None]], axis=1).astype(np.float64)
    level = orthonormal(_off_fits(columns, residuals, basis), columns.shape[1], least=1e-6)
    raw = residuals["residual"].to_numpy(dtype=np.float64)
    most = 4 * mad(raw) or np.inf
    return level, raw - level @ (level.T @ np.clip(raw, -most, most))


def _noise(
    residuals: pd.DataFrame, cleaned: np.ndarray, basis: np.ndarray, negative_sd: float, positive_sd: float
) -> np.ndarray:
    """SD that noise predicts for every well [fraction]: by the controls, or by the screen's typical residual."""
    viability = (1 - residuals["fitted"]).clip(0, 1).to_numpy()
    top, bottom = (0.0 if np.isnan(sd) else sd for sd in (negative_sd, positive_sd))
    by_controls = np.sqrt(bottom**2 + (top**2 - bottom**2) * viability)
    leverage = np.sum(basis**2, axis=1)
    typical = np.zeros(len(residuals))
    for third in range(3):
        which = np.minimum((3 * viability).astype(int), 2) == third
        if which.sum() >= LEAST_WELLS:
            free = max(float(np.mean(1 - leverage[which])), 0.1)
            typical[which] = 1.4826 * np.median(np.abs(cleaned[which])) / np.sqrt(free)
    return np.asarray(np.maximum(np.maximum(by_controls, typical), LEAST_NOISE))


def _projection(here: np.ndarray, curve: np.ndarray, basis: np.ndarray, level: np.ndarray) -> np.ndarray:
    """K of the wells of one plate (n, n): what remains of independent noise in their residuals."""
    same = curve[here][:, None] == curve[here][None, :]
    return np.asarray(np.eye(len(here)) - same * (basis[here] @ basis[here].T) - level[here] @ level[here].T)


def _pattern(places: pd.DataFrame, residual: np.ndarray, projection: np.ndarray) -> float:
    most = _MOST_SD * 1.4826 * float(np.median(np.abs(residual)))
    u = np.clip(residual, -most, most) if most > 0 else residual
    row = np.array([row_index(label) for label in places["row"]], dtype=np.float64)
    column = places["column"].to_numpy(dtype=np.float64)
    square = (row[:, None] - row) ** 2 + (column[:, None] - column) ** 2
    near = np.where(square <= FARTHEST**2, np.exp(-square / (2 * NEIGHBOURS**2)), 0.0)
    np.fill_diagonal(near, 0.0)
    through = near @ projection
    expected = np.trace(through) / np.trace(projection)
    form = through - expected * projection
    variance = max(float(u @ u) / float(np.trace(projection)), LEAST_NOISE**2)
    deviation = variance * np.sqrt(2 * max(float(np.sum(form * form.T)), 0.0))
    if deviation == 0:
        return float("nan")
    return max(0.0, float((u @ near @ u - expected * (u @ u)) / deviation))
