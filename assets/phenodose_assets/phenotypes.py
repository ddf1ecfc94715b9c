"""Assets of the group `phenotypes`: `embedding/<embedder>`.

Does not belong here: which wells go on the map (`phenodose.phenotypes`) and the embedders (plugins).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from phenodose.errors import NotMade
from phenodose.plugins import Embedder, StagedReadout
from phenodose_assets import metadata
from phenodose_assets.ingest import LAYOUT
from phenodose_assets.readouts import viability_key
from phenodose_assets.screen_asset import ScreenAsset
from phenodose_assets.step import Product, Step

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_GROUP = "phenotypes"


def embedding_key(embedder: str) -> str:
    """Asset key of an embedder's map, also the part of the table that holds it."""
    return f"embedding/{embedder}"


def embedding_assets(
    embedders: Mapping[str, type[Embedder]], staged: Mapping[str, type[StagedReadout]]
) -> list[ScreenAsset]:
    """One asset an embedder, from the features of the last phase of a staged readout that there is."""
    readouts = [name for readout in staged.values() for name in readout.readout_names()]
    if not readouts:
        return []
    return [
        ScreenAsset(
            key=embedding_key(name),
            group=_GROUP,
            description=f"{embedder.description}.",
            make=partial(_make_embedding, embedder, tuple(reversed(readouts))),
            needs=(LAYOUT,),
            any_of=tuple(viability_key(readout) for readout in readouts),
            settings=((name, embedder.Parameters),),
            kinds=frozenset({"parquet"}),
            tables=(("embeddings", embedding_key(name)),),
            code_version=embedder.version,
        )
        for name, embedder in embedders.items()
    ]


def _make_embedding(embedder: type[Embedder], readouts: tuple[str, ...], step: Step) -> Product:
    from phenodose.phenotypes import wells_on_map

    readout, checkpoint = _readout_with_features(readouts, step)
    wells = step.wells()
    features, wells = _features_of(step, readout, wells[wells_on_map(wells)])
    plugin = step.create(embedder)
    places = plugin.embed(features)
    rows = wells[["plate", "well"]].assign(
        screen=step.screen_id, embedder=plugin.name, readout=readout, x=places[:, 0], y=places[:, 1]
    )
    rows = step.provenance(plugin, checkpoint).stamp(rows)
    step.store.write_table("embeddings", step.screen_id, embedding_key(plugin.name), rows)
    return Product(
        show=lambda: _map_metadata(step, readout, wells, rows),
        plugin=plugin,
        inputs={"features": readout, "checkpoint": checkpoint},
    )


def _readout_with_features(readouts: tuple[str, ...], step: Step) -> tuple[str, str]:
    """The first of these readouts that the screen has, and the hash of its network's weights.

    Raises:
        NotMade: the screen has none of them.
    """
    for readout in readouts:
        rows = step.store.read_table("viability", step.screen_id, viability_key(readout))
        if len(rows) and step.store.feature_path(step.screen_id, readout).is_dir():
            return readout, str(rows["checkpoint"].iloc[0])
    raise NotMade(f"{step.screen_id} has no network features; materialize one of its assets {_listed(readouts)} first.")


def _listed(readouts: tuple[str, ...]) -> str:
    return ", ".join(f"`{viability_key(readout)}`" for readout in readouts)


def _features_of(step: Step, readout: str, wells: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Features (well, feature) of the wells that have an image, and those wells' rows in the same order."""
    import xarray as xr

    stored = xr.open_zarr(step.store.feature_path(step.screen_id, readout), consolidated=False, chunks=None)
    position = {str(name): place for place, name in enumerate(stored["well"].to_numpy())}
    places = [position.get(f"{plate}/{well}", -1) for plate, well in zip(wells["plate"], wells["well"], strict=True)]
    imaged = wells[[place >= 0 for place in places]]
    return stored["features"].to_numpy()[[place for place in places if place >= 0]], imaged.reset_index(drop=True)


def _map_metadata(step: Step, readout: str, wells: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    from phenodose.pictures import embedding_map

    drugs = step.store.read_table("drugs", step.screen_id)
    class_of = dict(zip(drugs["drug"], drugs["drug_class"], strict=True))
    is_drug = wells["well_type"] == "therapy"
    named = wells["treatment"].fillna(wells["well_type"])
    frame = rows[["x", "y"]].assign(
        label=named.where(is_drug, None), colour=wells["treatment"].map(class_of).where(is_drug, named)
    )
    title = f"{step.screen_id}, {readout}"
    return {
        "map": metadata.picture(embedding_map(frame, title, width_px=420), title),
        "features": readout,
        **metadata.figures({"n wells": len(rows)}),
    }
