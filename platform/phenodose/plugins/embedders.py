"""The embedder contract: network features of wells become places on a two-dimensional map.

Belongs here: the base class. Does not belong here: which wells go on the map (`phenodose.phenotypes`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from phenodose.plugins.base import Plugin

if TYPE_CHECKING:
    import numpy as np


class Embedder(Plugin):
    """Places wells on a map so that like phenotypes lie close."""

    @abstractmethod
    def embed(self, features: np.ndarray) -> np.ndarray:
        """Place every well.

        Args:
            features: float32 array (well, feature).

        Returns:
            float64 array (well, 2): x and y.

        Raises:
            NotMade: there are too few wells for a map.
        """
