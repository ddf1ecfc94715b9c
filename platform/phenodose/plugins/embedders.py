"""The embedder contract: network features of wells become places on a two-dimensional map.

Belongs here: the bases: `Embedder` for the map of one screen, `ReferenceEmbedder` for maps whose axes are those of a
control experiment, so that screens share them. Does not belong here: which wells go on the map
(`phenodose.pipeline.wells_on_map`).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from phenodose.plugins.base import Plugin

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class WellFeatures:
    """What a network made of the wells of an experiment.

    Attributes:
        features: float32 array (well, feature).
        negative: bool array (well,): negative controls, which hold untreated cells.
        positive: bool array (well,): positive controls, which hold killed cells.
    """

    features: np.ndarray
    negative: np.ndarray
    positive: np.ndarray


class AnyEmbedder(Plugin):
    """Base of all embedders; a plugin subclasses one of those below."""

    #: Whether the distance of two wells on the map tells how different they are, wherever they lie. Reports measure
    #: how far drugs lie apart on such maps only.
    measures_distance: ClassVar[bool] = False


class Embedder(AnyEmbedder):
    """Places wells on a map of their screen so that like phenotypes lie close."""

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

    def n_components(self, features: np.ndarray) -> int | None:
        """Principal components of these features that `embed` makes the map of; None if it takes none."""
        return None


class ReferenceEmbedder(AnyEmbedder):
    """Places wells on axes that a control experiment gives, so that the maps of screens can be laid over each other.

    The features are those of the first phase of a staged readout, which screens of one control experiment share.
    """

    @abstractmethod
    def embed_on(self, reference: WellFeatures, wells: WellFeatures) -> np.ndarray:
        """Place every well; where it lies must not depend on screens other than its own.

        Args:
            reference: control wells of the control experiment.
            wells: wells of the screen, its controls among them.

        Returns:
            float64 array (well, 2): x and y of `wells`.

        Raises:
            NotMade: there are too few wells.
        """
