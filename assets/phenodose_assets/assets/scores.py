"""Assets of the group `scores`: `curves/<readout>` and `scores/<scorer>`.

Belongs here: which wells become curves, which curves a scorer sees, and where its reference samples lie. Does not
belong here: fitting, intervals (`phenodose.dose_response`), where fits are kept (`phenodose.store.curves`) and scores
(plugins).

Curves are fitted once, with their draws; every scorer reads these, so that all scores of a curve
rest on the same fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from phenodose.errors import NotMade
from phenodose.io.files import hash_file
from phenodose.pipeline.context import Context, Result
from phenodose.plugins import REFERENCE, Scorer, SelectiveScorer
from phenodose.store.curves import curves_key, read_curves
from phenodose.tables import TABLES
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.external import REFERENCE_NAMES
from phenodose_assets.graph import metadata
from phenodose_assets.graph.checks import stored_block
from phenodose_assets.graph.screen_asset import ScreenAsset

if TYPE_CHECKING:
    from phenodose.dose_response.curves import CurveBatch

_GROUP = "scores"
_CURVES = "curves"
_POOLED = "pooled"


def scores_key(scorer: str) -> str:
    """Asset key of a scorer's scores, also the part of the table that holds them."""
    return f"scores/{scorer}"


# --- curves ---------------------------------------------------------------------------------------


# --- scores ---------------------------------------------------------------------------------------


def score_assets(scorers: Mapping[str, type[Scorer]], curves: Sequence[ScreenAsset]) -> list[ScreenAsset]:
    """One asset a scorer, over the curves of whatever readouts there are."""
    return [
        ScreenAsset(
            key=scores_key(name),
            group=_GROUP,
            description=f"{scorer.description.rstrip('.')}, for every readout and drug, with 95 % intervals.",
            make=partial(_make_scores, scorer, [asset.key.removeprefix("curves/") for asset in curves]),
            needs=(LAYOUT,),
            any_of=tuple(asset.key for asset in curves),
            settings=((name, scorer.Parameters),),
            kinds=frozenset({"parquet"}),
            tables=((_GROUP, scores_key(name)),),
            code_version=scorer.version,
            batch=_GROUP,
        )
        for name, scorer in scorers.items()
    ]


def _make_scores(scorer: type[Scorer], readouts: Sequence[str], step: Context) -> Result:
    plugin, inputs = _scorer(scorer, step)
    import pandas as pd

    from phenodose.dose_response.scoring import score_curves

    frames = []
    reasons = []
    for number, readout in enumerate(readouts, 1):
        batch = read_curves(step.store, step.screen_id, readout)
        if batch is None or stored_block(step, curves_key(readout)) or stored_block(step, f"viability/{readout}"):
            continue
        path = step.store.table_part(_CURVES, step.screen_id, curves_key(readout))
        inputs[curves_key(readout)] = hash_file(path)
        checkpoint = step.store.read_table(_CURVES, step.screen_id, curves_key(readout))["checkpoint"].iloc[0]
        reason = _why_no_scores(batch, plugin)
        if reason:
            reasons.append(reason)
            continue
        rows = score_curves(batch, plugin).assign(screen=step.screen_id)
        frames.append(step.provenance(plugin, checkpoint).stamp(rows))
        step.progress(number, len(readouts), readout)
    if not frames and reasons:
        raise NotMade(f"{plugin.name} scores no curve of {step.screen_id}: {'; '.join(dict.fromkeys(reasons))}.")
    if not frames:
        raise NotMade(f"{step.screen_id} has no curves; materialize one of its assets `curves/<readout>` first.")
    scores = pd.concat(frames, ignore_index=True)[TABLES[_GROUP].column_names]
    step.store.write_table(_GROUP, step.screen_id, scores_key(scorer.name), scores)
    return Result(show=lambda: _score_metadata(step, plugin), plugin=plugin, inputs=inputs)


def _scorer(scorer: type[Scorer], step: Context) -> tuple[Scorer, dict[str, str]]:
    """The scorer with its parameters, and the hash of its reference samples if it compares with some.

    Raises:
        NotMade: it compares with reference samples, and there are none that it can use.
    """
    parameters = step.parameters(scorer.name)
    if REFERENCE not in scorer.Parameters.model_fields:
        return step.sandboxed(scorer, parameters), {}
    named = parameters.get(REFERENCE)
    of_store = (step.store.local_copy(step.store.root / name) for name in REFERENCE_NAMES)
    path = step.screen.folder / named if named else next((path for path in of_store if path.is_file()), None)
    plugin = step.sandboxed(scorer, {**parameters, REFERENCE: None if path is None else str(path)})
    if isinstance(plugin, SelectiveScorer):
        _ = plugin.samples
    return plugin, {} if path is None or not path.is_file() else {path.name: hash_file(path)}


def _why_no_scores(batch: CurveBatch, plugin: Scorer) -> str:
    """Why the scorer scores none of the curves, if it says so of each; else ''."""
    reasons = getattr(plugin.score(batch), "reason", None)
    if reasons is None or not batch.fitted.any():
        return ""
    told = [str(reason) for reason in reasons[batch.fitted]]
    return "; ".join(dict.fromkeys(told)) if all(told) else ""


def _score_metadata(step: Context, plugin: Scorer) -> dict[str, Any]:
    from phenodose.plots import ranking_bars

    scores = step.store.read_table(_GROUP, step.screen_id, scores_key(plugin.name))
    pooled = scores[scores["replicate"] == _POOLED]
    readouts = list(dict.fromkeys(pooled["readout"]))
    unit = f"{plugin.name} ({plugin.unit})" if plugin.unit else plugin.name
    pngs = {
        readout: ranking_bars(
            pooled[pooled["readout"] == readout],
            f"{step.screen_id}, {readout}",
            unit=unit,
            threshold=plugin.hit_threshold,
            width_px=360,
        )
        for readout in readouts
    }
    side_by_side = pooled.pivot_table(index="drug", columns="readout", values="score", dropna=False)[readouts]
    best = side_by_side.mean(axis=1).sort_values(ascending=not plugin.higher_is_more_sensitive).index
    hits = pooled[pooled["hit"].eq(True)].groupby("readout").size()
    return {
        "ranking": metadata.table(side_by_side.loc[best].reset_index(), rows=15),
        "best drugs": metadata.pictures(pngs),
        **metadata.numbers(
            {"n drugs": len(side_by_side), **{f"hits {readout}": hits.get(readout, 0) for readout in readouts}}
        ),
    }
