"""The plugin engine: the contracts of the five kinds, and the registry that finds them.

Readers, readouts, scorers, measures of two drugs together and embedders are found by the entry-point groups
`phenodose.readers`, `phenodose.readouts`, `phenodose.scorers`, `phenodose.measures` and `phenodose.embedders`. The
built-in ones live in `plugins/` and register the same way as anyone's.
"""

from phenodose.plates.plane_index import PLANES, missing_images, planes_frame
from phenodose.plugins.base import CONTRACT, Parameters, Plugin, contract_fault, contract_text
from phenodose.plugins.embedders import AnyEmbedder, Embedder, ReferenceEmbedder, WellFeatures
from phenodose.plugins.measures import CombinationMeasure, ExcessMeasure, MatrixMeasure
from phenodose.plugins.preferences import Preferences
from phenodose.plugins.readers import Reader, choose_reader
from phenodose.plugins.readouts import (
    ImageReadout,
    ObjectReadout,
    PlateReaderReadout,
    Readout,
    StagedReadout,
    TensorReadout,
)
from phenodose.plugins.registry import KINDS, Found, Kind, Registry, group_of, plugins_of, registry
from phenodose.plugins.scorers import Scorer, Scores, scorer
from phenodose.plugins.selective import REFERENCE, ReferenceParameters, SelectiveScorer
from phenodose.progress import EpochListener, Progress, TimeListener, no_progress, tell_epoch, tell_time
from phenodose.settings.plugin_choices import PluginChoices
from phenodose.training_records import Inference, Phase, TensorWells, TrainingRecord, TrainingSet, TrainingTime

__all__ = [
    "CONTRACT",
    "KINDS",
    "PLANES",
    "REFERENCE",
    "AnyEmbedder",
    "CombinationMeasure",
    "Embedder",
    "EpochListener",
    "ExcessMeasure",
    "Found",
    "ImageReadout",
    "Inference",
    "Kind",
    "MatrixMeasure",
    "ObjectReadout",
    "Parameters",
    "Phase",
    "PlateReaderReadout",
    "Plugin",
    "PluginChoices",
    "Preferences",
    "Progress",
    "Reader",
    "Readout",
    "ReferenceEmbedder",
    "ReferenceParameters",
    "Registry",
    "Scorer",
    "Scores",
    "SelectiveScorer",
    "StagedReadout",
    "TensorReadout",
    "TensorWells",
    "TimeListener",
    "TrainingRecord",
    "TrainingSet",
    "TrainingTime",
    "WellFeatures",
    "choose_reader",
    "contract_fault",
    "contract_text",
    "group_of",
    "missing_images",
    "no_progress",
    "planes_frame",
    "plugins_of",
    "registry",
    "scorer",
    "tell_epoch",
    "tell_time",
]
