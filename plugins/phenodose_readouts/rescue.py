"""The readout `rescue`: viability as the images would say it had the plate reader taught them.

Belongs here: putting the steps together. Does not belong here: the model (`phenodose.learning.taught`) and the features
(`features`).

It is for screens whose drugs kill otherwise than the killing control, which `features` and `cnn` cannot know. It knows
only what the plate reader knows: where the two agree, that is no confirmation of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phenodose.plugins import Inference, Progress, TensorReadout, no_progress

if TYPE_CHECKING:
    from phenodose.plugins import TensorWells

#: As `features`: there is room for what lies beyond the controls.
_KILLED, _LIVING = 0.2, 0.8


class RescueReadout(TensorReadout):
    """Raw viability = 0.2 + 0.6 times what a ridge regression on the features of `features` predicts."""

    name: ClassVar[str] = "rescue"
    label: ClassVar[str] = "image, frozen network taught by ATP"
    version: ClassVar[str] = "1"
    contract: ClassVar[int | str] = "1.3"
    description: ClassVar[str] = (
        "Viability by the features of a frozen network, taught by the plate reader; no drug is read by a model that "
        "has seen it"
    )
    unit: ClassVar[str] = "taught viability"
    precedence: ClassVar[int] = 60
    colour: ClassVar[str | None] = "#882255"
    by_choice: ClassVar[bool] = True
    features_of: ClassVar[str] = "features"
    taught: ClassVar[bool] = True

    def read(self, wells: TensorWells, progress: Progress = no_progress) -> Inference:
        """What the models of all other drugs say of each drug; see `TensorReadout.read`.

        Raises:
            NotMade: there are too few controls or drugs to learn from.
        """
        import numpy as np

        from phenodose.errors import NotMade
        from phenodose.learning.likeness import require_controls
        from phenodose.learning.taught import taught

        require_controls(wells.negative, wells.positive)
        if wells.features is None or wells.measured is None or wells.compounds is None:
            raise NotMade("there are no stored features or no measured viabilities to learn from.")
        seen = np.isfinite(wells.features).all(axis=1)
        found = taught(wells.features[seen], wells.measured[seen], wells.compounds[seen])
        size = _LIVING - _KILLED
        raw, raw_sd = np.full(len(seen), np.nan), np.full(len(seen), np.nan)
        raw[seen] = np.clip(_KILLED + size * found.viability, 0.0, 1.0)
        raw_sd[seen] = size * found.error
        return Inference(raw=raw, features=np.asarray(wells.features, dtype=np.float32), raw_sd=raw_sd)
