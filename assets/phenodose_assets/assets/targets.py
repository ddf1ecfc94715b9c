"""The asset `targets`: at which targets of drugs a sample is sensitive, and how the targets of its hits hang together.

Belongs here: what it waits for, and what the UI shows. Does not belong here: the step itself
(`phenodose.pipeline.targets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.drugs import DRUGS
from phenodose.pipeline.targets import INTERACTIONS, TARGETS, ScreenTargets, TargetParameters, make_targets
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.external import TARGET_TABLES
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset

_COLUMNS = ("readout", "target", "n_drugs", "n_hits", "mean_score", "p_value", "q_value", "n_hit_interactions")


def target_assets(scored: Sequence[ScreenAsset]) -> list[ScreenAsset]:
    """The targets of a screen, by whatever scores there are."""
    if not scored:
        return []
    return [
        ScreenAsset(
            key=TARGETS,
            group="scores",
            description="Target genes whose drugs score higher than drugs drawn at random, and hubs among them.",
            make=_make,
            needs=(LAYOUT, DRUGS),
            any_of=tuple(asset.key for asset in scored),
            settings=((TARGETS, TargetParameters),),
            kinds=frozenset({"parquet"}),
            tables=((TARGETS, TARGETS), (INTERACTIONS, TARGETS)),
            reads=(TARGET_TABLES,),
        )
    ]


def _make(step: Context) -> Result:
    made = make_targets(step)
    return Result(show=lambda: _metadata(made), inputs=made.inputs, notes=made.notes)


def _metadata(made: ScreenTargets) -> dict[str, Any]:
    rows = made.rows[made.rows["n_drugs"] > 0]
    best = rows.sort_values(["p_value", "mean_score"], ascending=[True, False], na_position="last")
    return {
        "most sensitive": metadata.table(best, _COLUMNS, rows=15),
        **metadata.numbers({"n targets": rows["target"].nunique(), "n interactions": len(made.interactions)}),
    }
