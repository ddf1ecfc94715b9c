"""The asset `phenotypes`: which drugs have a phenotype, and which look alike.

Belongs here: what it waits for, and what the UI shows. Does not belong here: the step itself
(`phenodose.pipeline.phenotypes`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.drugs import DRUGS
from phenodose.pipeline.phenotypes import PHENOTYPES, ScreenPhenotypes, make_phenotypes
from phenodose.plugins import Readout, StagedReadout, TensorReadout
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.assets.pseudo_rgb import PSEUDO_RGB
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset

_COLUMNS = ("drug", "features", "map", "q_value", "nearest_drug", "similarity", "same_q_value")
#: Share of false ones among what is called a phenotype in the UI.
_Q = 0.05


def phenotype_assets(
    viabilities: Sequence[ScreenAsset],
    staged: Mapping[str, type[StagedReadout]],
    of_tensors: Mapping[str, type[TensorReadout]],
) -> list[ScreenAsset]:
    """The phenotypes of a screen, by the features of its pictures and of every network there is."""
    readouts: dict[str, type[Readout]] = {
        name: readout for readout in staged.values() for name in readout.readout_names()
    }
    readouts |= of_tensors
    if not readouts:
        return []
    return [
        ScreenAsset(
            key=PHENOTYPES,
            group="phenotypes",
            description="Drugs whose replicates look alike and unlike untreated wells, and the drugs that look alike.",
            make=partial(_make, readouts),
            needs=(LAYOUT, DRUGS, PSEUDO_RGB),
            any_of=tuple(asset.key for asset in viabilities),
            kinds=frozenset({"parquet"}),
            tables=(("phenotypes", PHENOTYPES),),
        )
    ]


def _make(readouts: Mapping[str, type[Readout]], step: Context) -> Result:
    made = make_phenotypes(step, readouts)
    return Result(show=lambda: _metadata(made), inputs=made.inputs, notes=made.notes)


def _metadata(made: ScreenPhenotypes) -> dict[str, Any]:
    rows = made.rows.sort_values(["q_value", "map"], ascending=[True, False])
    beyond = rows[rows["beyond_viability"]]
    counts = {
        f"{words} by {name}": int((group["q_value"] <= _Q).sum())
        for words, some in (("phenotypes", rows[~rows["beyond_viability"]]), ("beyond viability", beyond))
        for name, group in some.groupby("features", sort=False)
    }
    return {"beyond viability": metadata.table(beyond, _COLUMNS), **metadata.numbers(counts)}
