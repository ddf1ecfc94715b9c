"""Assets of the group `phenotypes`: `embedding/<embedder>`.

Does not belong here: which wells go on the map (`phenodose.phenotypes`) and the embedders (plugins).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from phenodose.plugins import Embedder, StagedReadout
from phenodose_assets.ingest import LAYOUT
from phenodose_assets.readouts import viability_key
from phenodose_assets.screen_asset import ScreenAsset
from phenodose_assets.step import Product, Step

if TYPE_CHECKING:
    pass

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
    raise RuntimeError("waiting for phenodose.phenotypes")
