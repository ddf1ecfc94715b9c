"""How well a network has learned its wells: loss, accuracy and AUROC, from what it says of them.

Belongs here: these figures, of any training set. Does not belong here: agreement of replicates
(`phenodose.quality`), and where outputs and labels come from (`phenodose.pipeline.evaluation`).

Source: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554, Table S-III.
"""

from __future__ import annotations

import numpy as np

from phenodose.learning.training import auroc, targets
from phenodose.training_records import TrainingSet

#: Figures of `metrics_of`, each for the wells trained on (train_) and those held out (validation_).
FIGURES = ("loss", "accuracy", "auroc")


def metrics_of(raw: np.ndarray, data: TrainingSet, label_smoothing: float) -> dict[str, float | None]:
    """Loss, accuracy and AUROC of the wells trained on and of those held out.

    They are figures of the raw viability that is used, so of images without augmentation (or of the mean over
    augmented copies), after the last epoch; the figures of `history` are means over an epoch of changing weights and
    augmented images.

    Args:
        raw: float array (well,): what the network says of the wells of `data`.
        data: labels and split.
        label_smoothing: alpha, as in training.

    Returns:
        train_loss, validation_loss: mean cross-entropy in nats against the smoothed labels, drug wells included.
        train_accuracy, validation_accuracy: share of the control wells on the right side of one half.
        train_auroc, validation_auroc: as `training.auroc`, of the control wells. None where there are no wells.
    """
    wanted = targets(data, label_smoothing).astype(np.float64)
    said = np.clip(np.asarray(raw, dtype=np.float64), 1e-12, 1 - 1e-12)
    losses = -(wanted[:, 0] * np.log1p(-said) + wanted[:, 1] * np.log(said))
    negative = data.labels > 0.5
    right = (said > 0.5) == negative
    found: dict[str, float | None] = {}
    for name, wells in (("train", ~data.validation), ("validation", data.validation)):
        controls = wells & data.is_control
        found[f"{name}_loss"] = float(losses[wells].mean()) if wells.any() else None
        found[f"{name}_accuracy"] = float(right[controls].mean()) if controls.any() else None
        found[f"{name}_auroc"] = auroc(said[controls], negative[controls])
    return found
