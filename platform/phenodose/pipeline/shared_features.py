"""Features of the phase that all screens of a control experiment share.

Belongs here: running that phase over a screen's wells, keeping what it says, and finding what it says of the control
experiment's. Does not belong here: placing the wells (`phenodose.pipeline.embeddings` and the embedder plugins).

The network is asked as its record says it was trained, whatever the screen's own parameters are, so that the features
of all screens are made in one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phenodose.errors import NotMade
from phenodose.io.files import written_aside
from phenodose.io.zarr_groups import is_group, open_group, write_group
from phenodose.names import plate_key
from phenodose.pipeline.context import Context
from phenodose.pipeline.raw_values import inferred
from phenodose.plugins import Phase, StagedReadout, WellFeatures
from phenodose.store.checkpoints import Checkpoint, checkpoint_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Attribute of the stored features: hash of the weights that made them.
_MADE_BY = "checkpoint"


@dataclass(frozen=True)
class SeenWells:
    """What the shared phase says of the wells of one screen.

    Attributes:
        readout: name that the features are kept under, such as 'cnn_phase1'.
        checkpoint: the shared phase.
        rows: wells with images, by plate key and name -> row of `wells`.
        wells: features and controls.
    """

    readout: str
    checkpoint: Checkpoint
    rows: Mapping[tuple[str, str], int]
    wells: WellFeatures

    def of(self, wells: pd.DataFrame) -> tuple[WellFeatures, pd.DataFrame]:
        """Features of those of some wells that have an image, and these wells' rows in the same order."""
        rows = [self.rows.get((plate_key(p), w), -1) for p, w in zip(wells["plate"], wells["well"], strict=True)]
        chosen = [row for row in rows if row >= 0]
        seen = WellFeatures(self.wells.features[chosen], self.wells.negative[chosen], self.wells.positive[chosen])
        return seen, wells[[row >= 0 for row in rows]].reset_index(drop=True)


def screen_features(step: Context, readout: type[StagedReadout], phase: Phase) -> SeenWells:
    """Run the shared phase over the wells of a screen and keep the features beside the screen's tensors.

    Raises:
        NotMade: the screen has not adopted the phase.
    """
    import numpy as np

    from phenodose.learning.checkpoint import read_record
    from phenodose.plates.tensors import open_tensors

    checkpoint = checkpoint_of(step.store, step.screen_id, readout.name, phase.name)
    place = step.store.local_copy(step.store.tensor_path(step.screen_id))
    tensors = open_tensors(place)
    as_trained = readout(read_record(checkpoint.folder).parameters)
    found = inferred(step, as_trained, checkpoint.folder, place, tensors)
    names = [str(name) for name in tensors["well"].to_numpy()]
    wells = step.wells()
    controls = step.controls(readout, readout.name, wells)
    kinds = {
        (plate_key(plate), well): (bool(negative), bool(positive))
        for plate, well, negative, positive in zip(
            wells["plate"], wells["well"], controls.negative, controls.positive, strict=True
        )
    }
    keys = [(plate_key(plate), well) for plate, well in (name.split("/", 1) for name in names)]
    of_control = np.array([kinds.get(key, (False, False)) for key in keys], dtype=bool).reshape(-1, 2)
    seen = SeenWells(
        f"{readout.name}_{phase.name}",
        checkpoint,
        {key: row for row, key in enumerate(keys)},
        WellFeatures(found.features, of_control[:, 0], of_control[:, 1]),
    )
    _write(step, seen, names, found.raw)
    return seen


def reference_features(step: Context, seen: SeenWells) -> WellFeatures:
    """What the same network says of the wells of the control experiment that it was trained on.

    Raises:
        NotMade: the control experiment has not kept its features, or those of another network.
    """
    trained_on = seen.checkpoint.trained_on
    if trained_on == step.screen_id:
        return seen.wells
    path = step.store.local_copy(step.store.feature_path(trained_on, seen.readout))
    remedy = f"materialize `{step.asset}` of {trained_on} first."
    if not is_group(path):
        raise NotMade(f"the control experiment {trained_on} has not placed its own wells; {remedy}")
    stored = open_group(path, remedy.rstrip("."))
    if stored.attrs.get(_MADE_BY) != seen.checkpoint.weights_hash:
        raise NotMade(f"the features of the control experiment {trained_on} are those of an older network; {remedy}")
    negative, positive = (stored[name].to_numpy().astype(bool) for name in ("negative", "positive"))
    return WellFeatures(stored["features"].to_numpy(), negative, positive)


def _write(step: Context, seen: SeenWells, names: list[str], raw: np.ndarray) -> None:
    import numpy as np
    import xarray as xr

    data = xr.Dataset(
        {
            "features": (("well", "feature"), seen.wells.features),
            "raw": ("well", raw),
            "negative": ("well", seen.wells.negative),
            "positive": ("well", seen.wells.positive),
        },
        coords={"well": ("well", np.array(names, dtype=object))},
        attrs={_MADE_BY: seen.checkpoint.weights_hash},
    )
    with written_aside(step.store.feature_path(step.screen_id, seen.readout)) as aside:
        write_group(data, aside)
