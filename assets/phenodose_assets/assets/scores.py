"""Assets of the group `scores`: `curves/<readout>` and `scores/<scorer>`.

Belongs here: which assets there are, and what the UI shows of them. Does not belong here: the steps themselves
(`phenodose.pipeline.curves`, `phenodose.pipeline.scores`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from phenodose.names import corrected_name
from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.hits import is_hit, standing_calls
from phenodose.pipeline.scores import CALLS_VERSION, make_scores, scores_key
from phenodose.plugins import Scorer
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset

GROUP = "scores"
_POOLED = "pooled"


# --- curves ---------------------------------------------------------------------------------------


# --- scores ---------------------------------------------------------------------------------------


def score_assets(scorers: Mapping[str, type[Scorer]], curves: Sequence[ScreenAsset]) -> list[ScreenAsset]:
    """One asset a scorer, over the curves of whatever readouts there are; scorers of one module are a family."""
    modules = Counter(scorer.__module__ for scorer in scorers.values())
    return [
        ScreenAsset(
            key=scores_key(name),
            group=GROUP,
            description=f"{scorer.description.rstrip('.')}, for every readout and drug, with 95 % intervals.",
            make=partial(_make_scores, scorer, _readouts(curves)),
            needs=(LAYOUT,),
            any_of=tuple(asset.key for asset in curves),
            settings=((name, scorer.Parameters),),
            kinds=frozenset({"parquet"}),
            tables=((GROUP, scores_key(name)),),
            code_version=_version(scorer),
            batch=GROUP,
            family=scorer.__module__.rpartition(".")[2] if modules[scorer.__module__] > 1 else "",
        )
        for name, scorer in scorers.items()
    ]


def _version(scorer: type[Scorer]) -> str:
    """The scorer's version; of one that names hits, with that of the calls that the platform makes of its scores."""
    return scorer.version if scorer.hit_threshold is None else f"{scorer.version}, calls {CALLS_VERSION}"


def _readouts(curves: Sequence[ScreenAsset]) -> list[str]:
    """The readouts that may have curves: each, and without effects of place."""
    names = [asset.key.removeprefix("curves/") for asset in curves]
    return [one for name in names for one in (name, corrected_name(name))]


def _make_scores(scorer: type[Scorer], readouts: Sequence[str], step: Context) -> Result:
    made = make_scores(step, scorer, readouts)
    return Result(show=lambda: _score_metadata(step, made.plugin), plugin=made.plugin, inputs=made.inputs)


def _score_metadata(step: Context, plugin: Scorer) -> dict[str, Any]:
    from phenodose.plots import ranking_bars

    scores = step.store.read_table(GROUP, step.screen_id, scores_key(plugin.name))
    pooled = scores[(scores["replicate"] == _POOLED) & (scores["scorer"] == plugin.name)]
    standing = standing_calls(pooled, step.store.read_table("qc", step.screen_id))
    standing = standing.assign(hit=is_hit(standing))
    readouts = list(dict.fromkeys(pooled["readout"]))
    unit = f"{plugin.name} ({plugin.unit})" if plugin.unit else plugin.name
    pngs = {
        readout: ranking_bars(
            standing[standing["readout"] == readout],
            f"{step.screen_id}, {readout}",
            unit=unit,
            threshold=plugin.hit_threshold,
            width_px=360,
        )
        for readout in readouts
    }
    side_by_side = pooled.pivot_table(index="drug", columns="readout", values="score", dropna=False)[readouts]
    best = side_by_side.mean(axis=1).sort_values(ascending=not plugin.higher_is_more_sensitive).index
    hits = pooled[is_hit(standing)].groupby("readout").size()
    return {
        "ranking": metadata.table(side_by_side.loc[best].reset_index(), rows=15),
        "best drugs": metadata.pictures(pngs),
        **metadata.numbers(
            {"n drugs": len(side_by_side), **{f"hits {readout}": hits.get(readout, 0) for readout in readouts}}
        ),
    }
