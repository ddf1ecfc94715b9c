"""The plugin contract as tests: a plugin's author subclasses one of these classes and runs pytest.

    from phenodose.testing import ScorerConformance

    class TestMyScorer(ScorerConformance):
        plugin = MyScorer
        parameters = {"grid_points": 20}

Each test of a class is one rule of the contract. A failure says which rule is broken and shows the smallest example
that still breaks it. Nothing here needs a network, a store or a microscope; the data are made on the spot.

Belongs here: the rules of the five kinds, the data they are tried on, and the guards that watch a plugin while it is
tried. Does not belong here: the contract itself (`phenodose.plugins`), and tests of phenodose.
"""

from phenodose.testing.embedders import EmbedderConformance, ReferenceEmbedderConformance
from phenodose.testing.measures import ExcessMeasureConformance, MatrixMeasureConformance
from phenodose.testing.readers import ReaderConformance
from phenodose.testing.readouts import (
    ImageReadoutConformance,
    ObjectReadoutConformance,
    PlateReaderReadoutConformance,
    StagedReadoutConformance,
)
from phenodose.testing.rules import Broken, PluginConformance
from phenodose.testing.scorers import ScorerConformance
from phenodose.testing.tensor_readouts import TensorReadoutConformance

__all__ = [
    "Broken",
    "EmbedderConformance",
    "ExcessMeasureConformance",
    "ImageReadoutConformance",
    "MatrixMeasureConformance",
    "ObjectReadoutConformance",
    "PlateReaderReadoutConformance",
    "PluginConformance",
    "ReaderConformance",
    "ReferenceEmbedderConformance",
    "ScorerConformance",
    "StagedReadoutConformance",
    "TensorReadoutConformance",
]
