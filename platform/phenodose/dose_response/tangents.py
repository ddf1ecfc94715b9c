"""What a fitted curve can follow: the derivatives of its wells by its free parameters.

Belongs here: the Jacobian, and an orthonormal basis of its columns. Does not belong here: what is done with them.
"""

from __future__ import annotations

import numpy as np

from phenodose.dose_response.curves import CurveBatch
from phenodose.dose_response.models import inhibition

#: Parameters that a curve of so many parameters leaves free, by their place in `CurveBatch.parameters`.
_FREE = {2: (2, 3), 3: (1, 2, 3), 4: (0, 1, 2, 3), 5: (0, 1, 2, 3, 4)}


def curve_tangents(log10_dose: np.ndarray, curve: np.ndarray, curves: CurveBatch) -> np.ndarray:
    """Derivatives of the inhibition of each well by the parameters of its curve.

    Args:
        log10_dose: float array (well,), log10 nM.
        curve: int array (well,), position of its curve in `curves`.
        curves: fitted curves.

    Returns:
        float array (well, 5), 0 for a parameter that the curve's model does not leave free.
    """
    parameters = curves.parameters[curve]
    jacobian = np.zeros((len(log10_dose), 5))
    for k in range(5):
        free = np.isin(curves.model[curve], [model for model, places in _FREE.items() if k in places])
        step = 1e-5 * np.maximum(1.0, np.abs(parameters[:, k]))
        up, down = parameters.copy(), parameters.copy()
        up[:, k] += step
        down[:, k] -= step
        with np.errstate(all="ignore"):
            slope = (inhibition(log10_dose, *up.T) - inhibition(log10_dose, *down.T)) / (2 * step)
        jacobian[:, k] = np.where(free & np.isfinite(slope), slope, 0.0)
    return jacobian


def orthonormal(columns: np.ndarray, width: int, least: float = 1e-3) -> np.ndarray:
    """An orthonormal basis of some columns, padded with zeros to `width` columns."""
    length = np.linalg.norm(columns, axis=0)
    kept = columns[:, length > 1e-9] / length[length > 1e-9]
    out = np.zeros((len(columns), width))
    if kept.shape[1]:
        u, s, _ = np.linalg.svd(kept, full_matrices=False)
        u = u[:, s > least * s.max()]
        out[:, : u.shape[1]] = u
    return out
