"""The embedder `tsne`: principal components, then t-SNE.

Source: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554: components that hold
95 % of the variance, perplexity 10, random start, seed 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.plugins import Embedder, Parameters

if TYPE_CHECKING:
    import numpy as np

#: Fewer wells make no map.
LEAST_WELLS = 5


class TsneParameters(Parameters):
    """Parameters of the map; the defaults are the paper's."""

    variance_fraction: float = Field(
        default=0.95, gt=0, le=1, description="Part of the variance that the principal components keep"
    )
    perplexity: float = Field(
        default=10.0, ge=1, le=500, description="Effective neighbours of a well; at most a third of the wells"
    )
    iterations: int = Field(default=500, ge=50, le=10_000, description="Iterations after the early exaggeration")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the start")


class TsneEmbedder(Embedder):
    """Like phenotypes close together; distances between far groups mean little."""

    name: ClassVar[str] = "tsne"
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "t-SNE of the network's features: wells that look alike lie close"
    Parameters: ClassVar[type[Parameters]] = TsneParameters
    parameters: TsneParameters

    def embed(self, features: np.ndarray) -> np.ndarray:
        """Place every well; the same features give the same map."""
        import numpy as np
        from openTSNE import TSNE
        from sklearn.decomposition import PCA

        n = len(features)
        if n < LEAST_WELLS:
            raise NotMade(f"a map needs at least {LEAST_WELLS} wells with images, there are {n}.")
        p = self.parameters
        centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
        if not centred.any():
            raise NotMade("all wells have the same features; there is nothing to map.")
        # A fraction of 1 keeps all components; scikit-learn takes 1.0 for one component.
        wanted = None if p.variance_fraction == 1 else p.variance_fraction
        components = PCA(n_components=wanted, svd_solver="full").fit_transform(centred)
        tsne = TSNE(
            perplexity=min(p.perplexity, (n - 1) / 3),
            initialization="random",
            neighbors="exact",
            n_iter=p.iterations,
            random_state=p.seed,
            n_jobs=1,
        )
        return np.asarray(tsne.fit(components), dtype=np.float64)
