"""Maps of the wells of a screen by what a network sees in them.

Belongs here: which features an embedder is given, and what its rows say of the wells. Does not belong here: which
wells go on the map (`phenodose.pipeline.wells_on_map`), the embedders (plugins), and the features that screens share
(`embeddings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phenodose.errors import NotMade
from phenodose.io.zarr_groups import is_group, open_group
from phenodose.pipeline.viability import viability_key
from phenodose.plugins import AnyEmbedder, Embedder, Phase, ReferenceEmbedder, StagedReadout

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.pipeline.context import Context

#: What a row tells of its well, so that one SELECT makes the picture.
_OF_WELL = ("plate", "well", "sample", "well_type", "treatment", "concentration_nM", "replicate", "add_on")


@dataclass(frozen=True)
class ScreenEmbedding:
    """The map of a screen, as it stands in the store.

    Attributes:
        rows: rows of the table `embeddings`.
        plugin: the embedder.
        inputs: names and hashes of what it was made from.
    """

    rows: pd.DataFrame
    plugin: AnyEmbedder
    inputs: dict[str, Any]


def embedding_key(embedder: str) -> str:
    """Asset key of an embedder's map, also the part of the table that holds it."""
    return f"embedding/{embedder}"


def make_embedding(step: Context, embedder: type[Embedder], readouts: tuple[str, ...]) -> ScreenEmbedding:
    """Place the wells of a screen by the features of one of its readouts, and write the rows.

    Args:
        step: screen, store and parameters.
        embedder: the plugin's class.
        readouts: readouts with features, the most wanted first.

    Raises:
        NotMade: the screen has none of the readouts.
    """
    from phenodose.pipeline.wells_on_map import wells_on_map

    readout, checkpoint = _readout_with_features(readouts, step)
    wells = step.wells()
    features, wells = _features_of(step, readout, wells[wells_on_map(wells)])
    plugin = step.create(embedder)
    places = plugin.embed(features)
    made = {
        "readout": readout,
        "n_components": plugin.n_components(features),
        "space": f"{step.asset} of {step.screen_id}",
    }
    return _written(step, plugin, wells, places, checkpoint, made)


def make_shared_embedding(
    step: Context, embedder: type[ReferenceEmbedder], readout: type[StagedReadout], phase: Phase
) -> ScreenEmbedding:
    """Place the wells of a screen on the map of the control experiment, and write the rows.

    Args:
        step: screen, store and parameters.
        embedder: the plugin's class.
        readout: the staged readout.
        phase: its phase that screens share.

    Raises:
        NotMade: the screen has not adopted the phase, or the control experiment has not kept its features.
    """
    from phenodose.io.files import hash_json
    from phenodose.pipeline.shared_features import reference_features, screen_features
    from phenodose.pipeline.wells_on_map import wells_on_map

    seen = screen_features(step, readout, phase)
    reference = reference_features(step, seen)
    plugin = step.create(embedder)
    wells = step.wells()
    wells = wells[wells_on_map(wells)]
    features, wells = seen.of(wells)
    places = plugin.embed_on(reference, features)
    # Whatever decides the axes: screens that agree in it lie on one map.
    axes = [seen.checkpoint.weights_hash, plugin.name, plugin.version, plugin.parameters.model_dump(mode="json")]
    made = {"readout": seen.readout, "n_components": 2, "space": hash_json(axes)[:16]}
    return _written(step, plugin, wells, places, seen.checkpoint.weights_hash, made)


def _written(
    step: Context,
    plugin: AnyEmbedder,
    wells: pd.DataFrame,
    places: np.ndarray,
    checkpoint: str,
    made: Mapping[str, Any],
) -> ScreenEmbedding:
    """Write the rows of a map."""
    drugs = step.store.read_table("drugs", step.screen_id)
    class_of = dict(zip(drugs["drug"], drugs["drug_class"], strict=True))
    drug = wells["treatment"].where(wells["well_type"] == "therapy")
    rows = wells[list(_OF_WELL)].assign(
        screen=step.screen_id,
        embedder=plugin.name,
        x=places[:, 0],
        y=places[:, 1],
        drug_class=drug.map(class_of),
        **made,
    )
    rows = step.provenance(plugin, checkpoint).stamp(rows)
    step.store.write_table("embeddings", step.screen_id, embedding_key(plugin.name), rows)
    return ScreenEmbedding(rows, plugin, {"features": made["readout"], "checkpoint": checkpoint})


def _readout_with_features(readouts: tuple[str, ...], step: Context) -> tuple[str, str]:
    """The first of these readouts that the screen has, and the hash of its network's weights.

    Raises:
        NotMade: the screen has none of them.
    """
    for readout in readouts:
        rows = step.store.read_table("viability", step.screen_id, viability_key(readout))
        features = step.store.local_copy(step.store.feature_path(step.screen_id, readout))
        if len(rows) and is_group(features):
            return readout, str(rows["checkpoint"].iloc[0])
    raise NotMade(f"{step.screen_id} has no network features; materialize one of its assets {_listed(readouts)} first.")


def _listed(readouts: tuple[str, ...]) -> str:
    return ", ".join(f"`{viability_key(readout)}`" for readout in readouts)


def _features_of(step: Context, readout: str, wells: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Features (well, feature) of the wells that have an image, and those wells' rows in the same order."""
    path = step.store.local_copy(step.store.feature_path(step.screen_id, readout))
    stored = open_group(path, f"materialize `{viability_key(readout)}` again")
    position = {str(name): place for place, name in enumerate(stored["well"].to_numpy())}
    places = [position.get(f"{plate}/{well}", -1) for plate, well in zip(wells["plate"], wells["well"], strict=True)]
    imaged = wells[[place >= 0 for place in places]]
    return stored["features"].to_numpy()[[place for place in places if place >= 0]], imaged.reset_index(drop=True)
