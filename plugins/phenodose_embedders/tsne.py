"""The embedder `tsne`: principal components, then t-SNE.

Source: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554: components that hold
95 % of the variance, perplexity 10, random start, seed 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from phenodose.plugins import Embedder, Parameters
from phenodose_embedders.components import ComponentParameters, principal_components

if TYPE_CHECKING:
    import numpy as np


class TsneParameters(ComponentParameters):
    """Parameters of the map; the defaults are the paper's."""

    perplexity: float = Field(
        default=10.0, ge=1, le=500, description="Effective neighbours of a well; at most a third of the wells"
    )
    iterations: int = Field(default=500, ge=50, le=10_000, description="Iterations after the early exaggeration")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the start")


class TsneEmbedder(Embedder):
    """Like phenotypes close together; distances between far groups mean little."""

    name: ClassVar[str] = "tsne"
    label: ClassVar[str] = "t-SNE"
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "t-SNE of the network's features: wells that look alike lie close"
    precedence: ClassVar[int] = 10
    Parameters: ClassVar[type[Parameters]] = TsneParameters
    parameters: TsneParameters

    def embed(self, features: np.ndarray) -> np.ndarray:
        """Place every well; the same features give the same map."""
        import numpy as np
        from openTSNE import TSNE

        p = self.parameters
        components = principal_components(features, p.variance_fraction)
        tsne = TSNE(
            perplexity=min(p.perplexity, (len(features) - 1) / 3),
            initialization="random",
            neighbors="exact",
            n_iter=p.iterations,
            random_state=p.seed,
            n_jobs=1,
        )
        return np.asarray(tsne.fit(components), dtype=np.float64)

    def n_components(self, features: np.ndarray) -> int:
        """Components that hold the wanted part of the variance."""
        return int(principal_components(features, self.parameters.variance_fraction).shape[1])
