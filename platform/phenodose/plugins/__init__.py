"""The plugin engine: the contracts of the four kinds, and the registry that finds them.

Readers, readouts, scorers and embedders are found by the entry-point groups `phenodose.readers`,
`phenodose.readouts`, `phenodose.scorers` and `phenodose.embedders`. The built-in ones live in
`plugins/` and register the same way as anyone's.
"""

from phenodose.plugins.base import CONTRACT, Parameters, Plugin
from phenodose.plugins.embedders import Embedder
from phenodose.plugins.readers import PLANES, Reader
from phenodose.plugins.readouts import (
    ImageReadout,
    Inference,
    Phase,
    PlateReaderReadout,
    Progress,
    Readout,
    StagedReadout,
    TrainingRecord,
    TrainingSet,
    no_progress,
)
from phenodose.plugins.registry import KINDS, Found, Kind, Registry, group_of, registry
from phenodose.plugins.scorers import Scorer, Scores, scorer

__all__ = [
    "CONTRACT",
    "KINDS",
    "PLANES",
    "Embedder",
    "Found",
    "ImageReadout",
    "Inference",
    "Kind",
    "Parameters",
    "Phase",
    "PlateReaderReadout",
    "Plugin",
    "Progress",
    "Reader",
    "Readout",
    "Registry",
    "Scorer",
    "Scores",
    "StagedReadout",
    "TrainingRecord",
    "TrainingSet",
    "group_of",
    "no_progress",
    "registry",
    "scorer",
]
