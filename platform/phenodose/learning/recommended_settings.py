"""What is known to go wrong with a backbone under the chosen settings, in sentences for the log.

Belongs here: judging settings by what the registry says of a backbone. Does not belong here: the settings themselves
(`backbones.Advice`) and how they were found (docs/learning.md, Other networks).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from phenodose.learning.backbones import BACKBONES, STANDARDISE

_WHERE = "see docs/learning.md, Other networks"
#: A rate this many times below the advised one leaves a network about where it starts.
_FAR_BELOW = 100.0
#: Black and white lie further apart than this in the input of networks that take 8 bits.
_LEAST_SPAN = 16.0


def concerns(backbone: str, phase: str, chosen: Mapping[str, Any]) -> list[str]:
    """Why a phase is not expected to train a network that generalises; empty if nothing speaks against it.

    Args:
        backbone: name in `BACKBONES`.
        phase: phase1, phase2 or phase3.
        chosen: parameters of the readout `cnn`.
    """
    entry = BACKBONES[backbone]
    random = chosen["weights"] == "none" and not chosen["weights_file"]
    found = []
    if entry.normalised and random and chosen["normalisation_statistics"] == "weights":
        found.append(
            f"{backbone} starts random and its batch normalisation holds statistics of no images, so that hardly any "
            f"signal reaches its output; set normalisation_statistics = 'controls' ({_WHERE})."
        )
    if chosen["intensity_mode"] != "raw" and _span(backbone) < _LEAST_SPAN:
        found.append(
            f"{backbone} takes numbers from -1 to 1, which intensity_mode {chosen['intensity_mode']} turns into whole "
            f"numbers, so that it is trained on other images than it is asked about; set intensity_mode = 'raw' "
            f"({_WHERE})."
        )
    if entry.advice is not None:
        name = f"learning_rate_{phase}"
        advised = dict(zip(("phase1", "phase2", "phase3"), entry.advice.learning_rates, strict=True))[phase]
        if chosen[name] < advised / _FAR_BELOW:
            found.append(
                f"{name} = {chosen[name]:g} was made for the wide layers of VGG and hardly moves {backbone}; set "
                f"{name} = {advised:g} with batch_size = {entry.advice.batch_size} and normalisation_statistics = "
                f"'{entry.advice.normalisation_statistics}' ({_WHERE})."
            )
    return found


def _span(backbone: str) -> float:
    """How far black and white lie apart in a network's input."""
    preprocessing = BACKBONES[backbone].preprocessing
    if preprocessing == STANDARDISE:
        return np.inf
    module = importlib.import_module(f"keras.applications.{preprocessing}")
    ends = np.array([0.0, 255.0], dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 1, 3), dtype=np.float32)
    return float(np.ptp(module.preprocess_input(ends, data_format="channels_last")[..., 0]))
