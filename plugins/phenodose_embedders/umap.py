"""The embedder `umap`: principal components, then UMAP, if the optional package is installed.

Source: McInnes, Healy, Melville 2018, arXiv 1802.03426. Not in the paper of the method.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.plugins import Embedder, Parameters
from phenodose_embedders.components import ComponentParameters, principal_components

if TYPE_CHECKING:
    import numpy as np


class UmapParameters(ComponentParameters):
    """Parameters of the map; neighbours and distance are the package's defaults."""

    neighbours: int = Field(default=15, ge=2, le=500, description="Neighbours of a well; fewer than there are wells")
    least_distance: float = Field(default=0.1, ge=0, le=1, description="Least distance of two wells on the map")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the start")


class UmapEmbedder(Embedder):
    """Like phenotypes close together; keeps more of the distance between groups than t-SNE."""

    name: ClassVar[str] = "umap"
    label: ClassVar[str] = "UMAP"
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "UMAP of the network's features (needs the optional package)"
    Parameters: ClassVar[type[Parameters]] = UmapParameters
    parameters: UmapParameters

    def embed(self, features: np.ndarray) -> np.ndarray:
        """Place every well; the same features give the same map.

        Raises:
            NotMade: also if the package is not installed.
        """
        import numpy as np

        p = self.parameters
        components = principal_components(features, p.variance_fraction)
        with warnings.catch_warnings():
            # Seeded, it runs on one core, and says so; few wells get their exact neighbours, which it says too.
            warnings.simplefilter("ignore")
            umap = _umap()(
                n_neighbors=min(p.neighbours, len(features) - 1),
                min_dist=p.least_distance,
                init="pca" if components.shape[1] > 1 else "random",
                random_state=p.seed,
                n_jobs=1,
            )
            return np.asarray(umap.fit_transform(components), dtype=np.float64)

    def n_components(self, features: np.ndarray) -> int:
        """Components that hold the wanted part of the variance."""
        return int(principal_components(features, self.parameters.variance_fraction).shape[1])


def _umap() -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise NotMade(
            f"the map `umap` needs a package that is not installed ({error}): pip install 'phenodose[umap]'; `tsne` "
            "and `pca` need none."
        ) from error
    return UMAP
