"""Robust z: how far a reading lies from those of a plate, in robust standard deviations; no killing control is needed.

Belongs here: the score of every well. Does not belong here: viability (`normalise`).

z = (R - median) / (1.4826 MAD), over the negative controls of the plate, or over all its sample wells as in a primary
screen, where most wells show no effect (Malo et al. 2006, Nat. Biotechnol. 24:167). It is no fraction of living cells:
it has no ceiling and depends on the noise of the plate, so that no curve is fitted to it and no scorer takes it. It
ranks wells of one assay.
"""

from __future__ import annotations

import numpy as np

#: Robust SD of normal values over their MAD.
_MAD_TO_SD = 1.4826
#: Fewest wells whose spread is told.
LEAST_WELLS = 4


def robust_z(raw: np.ndarray, plate: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The robust z of every well.

    Args:
        raw: float array (well,), readings; NaN where there is none.
        plate: object array (well,), name of the plate.
        like: bool array (well,), the wells that the others are compared with.

    Returns:
        float array (well,); NaN on plates with fewer than `LEAST_WELLS` such readings, or where half of them are equal.
    """
    found = np.full(len(raw), np.nan)
    for name in dict.fromkeys(plate):
        here = plate == name
        known = raw[here & like & np.isfinite(raw)]
        if len(known) < LEAST_WELLS:
            continue
        spread = _MAD_TO_SD * float(np.median(np.abs(known - np.median(known))))
        if spread > 0:
            found[here] = (raw[here] - np.median(known)) / spread
    return found
