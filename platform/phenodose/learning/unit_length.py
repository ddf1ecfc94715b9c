"""Features in one scale for linear models: units of their spread, a well of about the length 1.

Belongs here: that scale. Does not belong here: the models (`taught`, `well_classes`).
"""

from __future__ import annotations

import numpy as np

from phenodose.errors import NotMade


def of_unit_length(features: np.ndarray, known: np.ndarray, alike: str) -> np.ndarray:
    """Features about the mean of the known wells in units of their spread, float64 (well, varying feature).

    Args:
        features: float array (well, feature), finite.
        known: rows of the wells that a model may learn from.
        alike: the sentence for the case that no feature differs among them.

    Raises:
        NotMade: no feature differs among the known wells.
    """
    centred = features.astype(np.float64) - features[known].mean(axis=0, dtype=np.float64)
    sd = centred[known].std(axis=0)
    varied = sd > 1e-9 * max(float(sd.max()), 1e-300)
    if not varied.any():
        raise NotMade(alike)
    return np.asarray(centred[:, varied] / sd[varied] / np.sqrt(varied.sum()))
