"""The embedder `pca`: the first two principal components. Nothing is random, and distances mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phenodose.plugins import Embedder, Parameters
from phenodose_embedders.components import principal_components

if TYPE_CHECKING:
    import numpy as np


class PcaEmbedder(Embedder):
    """The plane in which the wells differ most."""

    name: ClassVar[str] = "pca"
    label: ClassVar[str] = "PCA"
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "First two principal components of the network's features"
    precedence: ClassVar[int] = 20
    measures_distance: ClassVar[bool] = True
    Parameters: ClassVar[type[Parameters]] = Parameters

    def embed(self, features: np.ndarray) -> np.ndarray:
        """Place every well; where there is one direction only, y is 0."""
        import numpy as np

        components = principal_components(features, 1.0)[:, :2]
        return np.pad(components, ((0, 0), (0, 2 - components.shape[1])))

    def n_components(self, features: np.ndarray) -> int:
        """The two that are shown."""
        return min(2, int(principal_components(features, 1.0).shape[1]))
