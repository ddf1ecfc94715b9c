"""Settings of the readout `cnn` that belong together, each under one name: the parameter `preset`.

Belongs here: their values, and where they come from. Does not belong here: what a parameter means (`cnn_parameters`)
and how a preset is laid under what a person says (`phenodose.plugins.base.Parameters`).

Every preset says all of the same parameters, so that one takes the place of another whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554; the defaults are the same.
PAPER: Mapping[str, Any] = {
    "backbone": "vgg19",
    "weights": "imagenet",
    "micro_widths": (8, 16, 32, 64),
    "micro_pooling": "flatten",
    "epochs_phase1": 200,
    "epochs_phase2": 200,
    "epochs_phase3": 200,
    "learning_rate_phase1": 1e-7,
    "learning_rate_phase2": 3e-7,
    "learning_rate_phase3": 3e-7,
    "learning_rate_decay": "none",
    "batch_size": 1,
    "mixup_fraction": 0.0,
    "inference_copies": 0,
}

#: For images of 64 x 64 px, minutes on two processor cores, without ImageNet.
#:
#: The network starts random, so phase I has the learning rate of training from scratch, and phase II half of it and
#: more epochs: a screen whose cells die in another way than those of phase I has much to learn anew. There it falls
#: towards 0: with a constant one, the last few steps decided what some screens looked like. Its feature maps are
#: averaged: a few dozen control wells cannot teach what each place of an image means. Blends of controls teach it the
#: scale between alive and dead, and it is asked about augmented copies because it has seen no other images.
SMALL: Mapping[str, Any] = {
    "backbone": "micro",
    "weights": "none",
    "micro_widths": (16, 32, 64, 128),
    "micro_pooling": "average",
    "epochs_phase1": 40,
    "epochs_phase2": 60,
    "epochs_phase3": 20,
    "learning_rate_phase1": 1e-3,
    "learning_rate_phase2": 5e-4,
    "learning_rate_phase3": 5e-4,
    "learning_rate_decay": "cosine",
    "batch_size": 8,
    "mixup_fraction": 0.8,
    "inference_copies": 16,
}

PRESETS: Mapping[str, Mapping[str, Any]] = {"paper": PAPER, "small": SMALL}
