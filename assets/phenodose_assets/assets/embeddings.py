"""Assets `embedding/<embedder>`: maps of the wells by what the network sees in them.

Belongs here: which readout's features an embedder is given, and what the UI shows. Does not belong here: making the
map (`phenodose.pipeline.embeddings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.drugs import DRUGS
from phenodose.pipeline.embeddings import ScreenEmbedding, embedding_key, make_embedding, make_shared_embedding
from phenodose.pipeline.viability import viability_key
from phenodose.plugins import AnyEmbedder, Embedder, Phase, ReferenceEmbedder, StagedReadout, TensorReadout
from phenodose.store.checkpoints import checkpoint_key
from phenodose_assets.assets.checkpoints import POOL
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.assets.pseudo_rgb import PSEUDO_RGB
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset

if TYPE_CHECKING:
    import pandas as pd

_GROUP = "phenotypes"


def embedding_assets(
    embedders: Mapping[str, type[AnyEmbedder]],
    staged: Mapping[str, type[StagedReadout]],
    of_tensors: Mapping[str, type[TensorReadout]],
) -> list[ScreenAsset]:
    """One asset an embedder.

    An `Embedder` gets the features of the last phase of a staged readout that there is, else those of a readout of
    tensors; a `ReferenceEmbedder` those of
    the phase that the first staged readout trains in control experiments. Which is the first, the readouts declare
    (`precedence`).
    """
    staged = dict(sorted(staged.items(), key=lambda item: (item[1].precedence, item[0])))
    wanted = tuple(name for readout in staged.values() for name in reversed(readout.readout_names()))
    wanted += tuple(sorted(of_tensors, key=lambda name: (of_tensors[name].precedence, name)))
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
        needs=(LAYOUT, DRUGS),
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
        needs=(LAYOUT, DRUGS, PSEUDO_RGB, checkpoint_key(readout.name, phase.name)),
        settings=((embedder.name, embedder.Parameters),),
        kinds=frozenset({"tensorflow", "parquet"}),
        tables=(("embeddings", key),),
        code_version=embedder.version,
        pool=POOL,
    )


def _make_embedding(embedder: type[Embedder], readouts: tuple[str, ...], step: Context) -> Result:
    return _product(make_embedding(step, embedder, readouts), step)


def _make_shared(
    embedder: type[ReferenceEmbedder], readout: type[StagedReadout], phase: Phase, step: Context
) -> Result:
    return _product(make_shared_embedding(step, embedder, readout, phase), step)


def _product(made: ScreenEmbedding, step: Context) -> Result:
    return Result(show=lambda: _map_metadata(step, made.rows), plugin=made.plugin, inputs=made.inputs)


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
