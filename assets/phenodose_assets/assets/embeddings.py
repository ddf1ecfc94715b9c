"""Assets of the group `phenotypes`: `embedding/<embedder>`.

Belongs here: which features an embedder is given, and what its rows say of the wells. Does not belong here: which
wells go on the map (`phenodose.pipeline.wells_on_map`), the embedders (plugins), and the features that screens share
(`embeddings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from phenodose.errors import NotMade
from phenodose.pipeline.context import Context, Result
from phenodose.plugins import AnyEmbedder, Embedder, Phase, ReferenceEmbedder, StagedReadout
from phenodose.store.checkpoints import checkpoint_key
from phenodose_assets.assets.checkpoints import POOL
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.assets.pseudo_rgb import PSEUDO_RGB
from phenodose_assets.assets.viability import viability_key
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_GROUP = "phenotypes"
#: What a row tells of its well, so that one SELECT makes the picture.
_OF_WELL = ("plate", "well", "sample", "well_type", "treatment", "concentration_nM", "replicate", "add_on")


def embedding_key(embedder: str) -> str:
    """Asset key of an embedder's map, also the part of the table that holds it."""
    return f"embedding/{embedder}"


def embedding_assets(
    embedders: Mapping[str, type[AnyEmbedder]], staged: Mapping[str, type[StagedReadout]]
) -> list[ScreenAsset]:
    """One asset an embedder.

    An `Embedder` gets the features of the last phase of a staged readout that there is; a `ReferenceEmbedder` those of
    the phase that the first staged readout trains in control experiments. Which is the first, the readouts declare
    (`precedence`).
    """
    staged = dict(sorted(staged.items(), key=lambda item: (item[1].precedence, item[0])))
    wanted = tuple(name for readout in staged.values() for name in reversed(readout.readout_names()))
    first = next(
        (
            (readout, phase)
            for readout in staged.values()
            for phase in readout.phases
            if phase.scope == "control-experiment"
        ),
        None,
    )
    assets = []
    for embedder in embedders.values():
        if issubclass(embedder, ReferenceEmbedder) and first is not None:
            assets.append(_shared_asset(embedder, *first))
        elif issubclass(embedder, Embedder) and wanted:
            assets.append(_own_asset(embedder, wanted))
    return assets


def _own_asset(embedder: type[Embedder], readouts: tuple[str, ...]) -> ScreenAsset:
    key = embedding_key(embedder.name)
    return ScreenAsset(
        key=key,
        group=_GROUP,
        description=f"{embedder.description}.",
        make=partial(_make_embedding, embedder, readouts),
        needs=(LAYOUT,),
        any_of=tuple(viability_key(readout) for readout in readouts),
        settings=((embedder.name, embedder.Parameters),),
        kinds=frozenset({"parquet"}),
        tables=(("embeddings", key),),
        code_version=embedder.version,
    )


def _shared_asset(embedder: type[ReferenceEmbedder], readout: type[StagedReadout], phase: Phase) -> ScreenAsset:
    key = embedding_key(embedder.name)
    return ScreenAsset(
        key=key,
        group=_GROUP,
        description=f"{embedder.description}.",
        make=partial(_make_shared, embedder, readout, phase),
        needs=(LAYOUT, PSEUDO_RGB, checkpoint_key(readout.name, phase.name)),
        settings=((embedder.name, embedder.Parameters),),
        kinds=frozenset({"tensorflow", "parquet"}),
        tables=(("embeddings", key),),
        code_version=embedder.version,
        pool=POOL,
    )


def _make_embedding(embedder: type[Embedder], readouts: tuple[str, ...], step: Context) -> Result:
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


def _make_shared(
    embedder: type[ReferenceEmbedder], readout: type[StagedReadout], phase: Phase, step: Context
) -> Result:
    from phenodose.io.files import hash_json
    from phenodose.pipeline.embeddings import reference_features, screen_features
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
) -> Result:
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
    return Result(
        show=lambda: _map_metadata(step, rows),
        plugin=plugin,
        inputs={"features": made["readout"], "checkpoint": checkpoint},
    )


def _readout_with_features(readouts: tuple[str, ...], step: Context) -> tuple[str, str]:
    """The first of these readouts that the screen has, and the hash of its network's weights.

    Raises:
        NotMade: the screen has none of them.
    """
    for readout in readouts:
        rows = step.store.read_table("viability", step.screen_id, viability_key(readout))
        features = step.store.local_copy(step.store.feature_path(step.screen_id, readout))
        if len(rows) and (features / "zarr.json").is_file():
            return readout, str(rows["checkpoint"].iloc[0])
    raise NotMade(f"{step.screen_id} has no network features; materialize one of its assets {_listed(readouts)} first.")


def _listed(readouts: tuple[str, ...]) -> str:
    return ", ".join(f"`{viability_key(readout)}`" for readout in readouts)


def _features_of(step: Context, readout: str, wells: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Features (well, feature) of the wells that have an image, and those wells' rows in the same order."""
    import xarray as xr

    path = step.store.local_copy(step.store.feature_path(step.screen_id, readout))
    stored = xr.open_zarr(path, consolidated=False, chunks=None)
    position = {str(name): place for place, name in enumerate(stored["well"].to_numpy())}
    places = [position.get(f"{plate}/{well}", -1) for plate, well in zip(wells["plate"], wells["well"], strict=True)]
    imaged = wells[[place >= 0 for place in places]]
    return stored["features"].to_numpy()[[place for place in places if place >= 0]], imaged.reset_index(drop=True)


def _map_metadata(step: Context, rows: pd.DataFrame) -> dict[str, Any]:
    from phenodose.plots import embedding_map

    is_drug = rows["well_type"] == "therapy"
    frame = rows[["x", "y"]].assign(
        label=rows["treatment"].where(is_drug, None),
        colour=rows["drug_class"].where(is_drug, rows["treatment"].fillna(rows["well_type"])),
    )
    readout, n_components = rows["readout"].iloc[0], rows["n_components"].iloc[0]
    title = f"{step.screen_id}, {readout}"
    return {
        "map": metadata.picture(embedding_map(frame, title, width_px=420), title),
        "features": readout,
        "comparable with": f"screens whose rows have space = '{rows['space'].iloc[0]}'",
        **metadata.numbers({"n wells": len(rows), "n components": n_components}),
    }
