"""The readout's own error in the draws of a curve: what all wells of a drug may have in common.

Belongs here: widening draws by the uncertainty that a readout tells of its wells (a network's spread over seeds, copies
and resamplings), by how far its scale is usually off, and by the error of the plate's controls. Does not belong here:
the scatter of wells (`posterior`, `noise`), and where these errors come from (the readouts, `viability.control_error`).

Wells of a drug look alike, so a network that takes one of them for too dead takes the others for too dead as well: the
error does not average out over doses and replicates, and the scatter of the wells does not show it. So every draw of a
curve is moved as a whole, by one normal number z times the standard deviation s of the wells. As s changes smoothly
with the effect, it is taken as s0 without effect and s1 with the whole effect, by least squares over the wells; then

    bottom' = bottom + z s0,    top' = top + z s1,

which moves the curve at every dose by z times s there. Where wells have the same effect, s0 = s1 is their mean.

Between the two controls nothing on a plate says how likeness to them goes with viability: half-dead wells may read too
alive in one sample and too dead in another. A readout declares by how much that was off where viability was known
(`Readout.scale_error`), and every draw gets a scale of its own,

    g(i) = i + e0 (1 - i) + e1 i + 4 b i (1 - i),

with inhibition i between 0 and 1 (the bend outside is that of the end), and e0, e1, b normal about 0. The new curve
goes through g at its bottom, half-way and at its top, with the slope and asymmetry that it had.

The controls by which wells are scaled are a few wells, and what their medians are off by shifts all doses of a drug. To
first order in these errors, of viability 1 by e0 and of viability 0 by e1, i becomes i + e0 (1 - i) + e1 i, which takes
a curve to a curve: only bottom and top change.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xxhash

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.models import effect_fraction

#: Weight of s0 = s1 against the wells: decides where all wells have about the same effect.
_TOGETHER = 0.002
#: Beyond this bend of the scale half-way, more effect would read as less.
MOST_BEND = 0.24
#: A curve of less height has no half-way to speak of.
LEAST_HEIGHT = 0.02


def with_scale_error(curves: CurveBatch, scale_error: tuple[float, float, float], seed: int) -> CurveBatch:
    """The curves with draws that hold how far the readout's scale may be off; see the module's text.

    Args:
        curves: curves with draws.
        scale_error: standard deviation at the living end, half-way, and at the killed end [fraction of viability].
        seed: makes the numbers repeatable. The k-th draws of all curves have the same scale, as a screen has one.

    Returns:
        The same curves, with other draws.
    """
    if curves.draws is None or not any(scale_error):
        return curves
    living, half, killed = scale_error
    rng = np.random.Generator(np.random.Philox(seed))
    normal = rng.standard_normal((3, curves.draws.shape[1]))
    e0, e1, bend = living * normal[0], killed * normal[1], np.clip(half * normal[2], -MOST_BEND, MOST_BEND)

    def scaled(level: np.ndarray) -> np.ndarray:
        within = np.clip(level, 0.0, 1.0)
        return np.asarray(level + e0 * (1 - within) + e1 * within + 4 * bend * within * (1 - within))

    bottom, top, mid, slope, asymmetry = np.moveaxis(curves.draws, 2, 0)
    new_bottom, new_top, new_half = scaled(bottom), scaled(top), scaled((bottom + top) / 2)
    with np.errstate(all="ignore"):
        share = (new_half - new_bottom) / (new_top - new_bottom)
        usable = (np.abs(top - bottom) > LEAST_HEIGHT) & (share > 0.02) & (share < 0.98)
        share = np.where(usable, share, 0.5)
        # where the old curve was half-way, the new one is at `share`
        new_mid = mid + (_log10_of(share, asymmetry) - _log10_of(0.5, asymmetry)) / slope
    return replace(curves, draws=np.stack([new_bottom, new_top, new_mid, slope, asymmetry], axis=2))


def _log10_of(share: np.ndarray | float, asymmetry: np.ndarray) -> np.ndarray:
    """(mid - x) * slope where a curve is at that share of its height: log10(share^(-1/s) - 1)."""
    return np.asarray(np.log10(np.expm1(-np.log(share) / asymmetry)))


def with_control_error(curves: CurveBatch, living: np.ndarray, killed: np.ndarray, seed: int) -> CurveBatch:
    """The curves with draws that hold how far the controls may be off by which their wells were scaled.

    Args:
        curves: curves with draws.
        living: float64 (n,), standard error of viability 1 for all wells of a curve together [fraction of viability].
        killed: float64 (n,), the same of viability 0.
        seed: makes the numbers repeatable. The k-th draws of all curves have the same, as a plate has.

    Returns:
        The same curves, with other draws.
    """
    if curves.draws is None or not (living.any() or killed.any()):
        return curves
    digest = xxhash.xxh3_64(seed.to_bytes(8, "little", signed=True))
    digest.update(b"controls")
    normal = np.random.Generator(np.random.Philox(key=digest.intdigest())).standard_normal((2, curves.draws.shape[1]))
    e0, e1 = living[:, None] * normal[0], killed[:, None] * normal[1]
    draws = curves.draws.copy()
    for end in (0, 1):
        draws[:, :, end] += e0 * (1 - draws[:, :, end]) + e1 * draws[:, :, end]
    return replace(curves, draws=draws)


def with_reading_error(curves: CurveBatch, sd: np.ndarray, seed: int) -> CurveBatch:
    """The curves with draws that hold the uncertainty of their readings.

    Args:
        curves: curves with points and draws.
        sd: float64 (n, m), standard deviation of the reading of every point [fraction]; NaN counts as 0.
        seed: makes the numbers repeatable; those of a curve depend on its own points alone.

    Returns:
        The same curves; where all `sd` of a curve are 0, with the same draws.
    """
    if curves.draws is None:
        return curves
    known: np.ndarray = np.where(np.isfinite(curves.inhibition) & np.isfinite(sd), sd, 0.0)
    which = np.flatnonzero(curves.fitted & (known > 0).any(axis=1))
    if not len(which):
        return curves
    draws = curves.draws.copy()
    for i in which:
        wells = np.isfinite(curves.inhibition[i]) & np.isfinite(curves.log10_dose[i])
        ends = _ends(curves, int(i), wells, known[i, wells])
        digest = xxhash.xxh3_64(seed.to_bytes(8, "little", signed=True))
        digest.update(np.sort(curves.inhibition[i, wells]).tobytes())
        normal = np.random.Generator(np.random.Philox(key=digest.intdigest()))
        draws[i, :, :2] += normal.standard_normal((draws.shape[1], 1)) * ends
    return replace(curves, draws=draws)


def _ends(curves: CurveBatch, i: int, wells: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Standard deviation (2,) of a reading without effect, and with the whole effect of the curve."""
    _, _, mid, slope, asymmetry = curves.parameters[i]
    fraction = effect_fraction(curves.log10_dose[i, wells], mid, slope, asymmetry)
    design = np.stack([1 - fraction, fraction], axis=1)
    together = _TOGETHER * len(sd) * np.array([[1.0, -1.0], [-1.0, 1.0]])
    found = np.linalg.solve(design.T @ design + together + 1e-12 * np.eye(2), design.T @ sd)
    return np.asarray(np.clip(found, 0.0, sd.max()))
