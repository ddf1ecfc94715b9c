"""Principal components of network features, which every embedder here starts from.

Source: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554: components that hold 95 % of the
variance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.plugins import Parameters

if TYPE_CHECKING:
    import numpy as np

#: Fewer wells make no map.
LEAST_WELLS = 5


class ComponentParameters(Parameters):
    """How many principal components a map rests on; the default is the paper's."""

    variance_fraction: float = Field(
        default=0.95, gt=0, le=1, description="Part of the variance that the principal components keep"
    )


def principal_components(features: np.ndarray, variance_fraction: float) -> np.ndarray:
    """The wells along the fewest directions that keep that part of the variance, the widest first.

    Args:
        features: float array (well, feature).
        variance_fraction: part of the variance to keep; 1 keeps all of it.

    Returns:
        float64 array (well, component); the sign of a component is fixed by its loadings.

    Raises:
        NotMade: there are fewer than 5 wells, or they do not differ.
    """
    import numpy as np
    from sklearn.decomposition import PCA

    n = len(features)
    if n < LEAST_WELLS:
        raise NotMade(f"a map needs at least {LEAST_WELLS} wells with images, there are {n}.")
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    if not centred.any():
        raise NotMade("all wells have the same features; there is nothing to map.")
    # A fraction of 1 keeps all components; scikit-learn takes 1.0 for one component.
    wanted = None if variance_fraction == 1 else variance_fraction
    return np.asarray(PCA(n_components=wanted, svd_solver="full").fit_transform(centred), dtype=np.float64)
