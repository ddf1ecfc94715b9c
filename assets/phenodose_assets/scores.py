"""Assets of the group `scores`: `curves/<readout>` and `scores/<scorer>`.

Belongs here: which wells become curves, which curves a scorer sees, and where its reference samples lie. Does not
belong here: fitting, intervals (`phenodose.dose_response`), where fits are kept (`phenodose.stored_curves`) and scores
(plugins).

Curves are fitted once, with their draws; every scorer reads these, so that all scores of a curve
rest on the same fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.files import hash_file
from phenodose.plugins import REFERENCE, Parameters, Plugin, Scorer, SelectiveScorer
from phenodose.stored_curves import curves_key, read_curves, write_points
from phenodose.tables import TABLES
from phenodose_assets import metadata
from phenodose_assets.checks import quality_block, quality_checks, quality_verdicts, stored_block
from phenodose_assets.ingest import LAYOUT
from phenodose_assets.outside import QUALITY, REFERENCE_NAMES
from phenodose_assets.screen_asset import ScreenAsset
from phenodose_assets.step import Product, Step

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch

_GROUP = "scores"
_CURVES = "curves"
_POOLED = "pooled"


class CurveParameters(Parameters):
    """How viabilities become curves."""

    fit: Literal["robust", "nplr"] = Field("robust", description="Fit: robust, or the weighted one of the literature")
    bootstrap: int = Field(200, ge=0, le=10_000, description="Draws of each curve, for the scores' 95 % intervals")
    seed: int = Field(0, ge=0, description="Seed of the draws")


class CurveFitting(Plugin):
    """The platform's own curve fitting, so that curves have a provenance like every plugin's rows."""

    name: ClassVar[str] = _CURVES
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "Dose-response curves of 2 to 5 parameters"
    Parameters: ClassVar[type[Parameters]] = CurveParameters
    parameters: CurveParameters


def scores_key(scorer: str) -> str:
    """Asset key of a scorer's scores, also the part of the table that holds them."""
    return f"scores/{scorer}"


# --- curves ---------------------------------------------------------------------------------------


def curve_assets(viabilities: Sequence[ScreenAsset]) -> list[ScreenAsset]:
    """Curves of every readout."""
    assets = []
    for viability in viabilities:
        readout = viability.key.removeprefix("viability/")
        key = curves_key(readout)
        assets.append(
            ScreenAsset(
                key=key,
                group=_GROUP,
                description=f"Dose-response curves of {readout}: every drug, replicates pooled and one by one.",
                make=partial(_make_curves, readout),
                needs=(LAYOUT, viability.key),
                settings=((_CURVES, CurveParameters),),
                kinds=frozenset({"parquet"}),
                checks=quality_checks("curves"),
                reads=(QUALITY,),
                tables=((_CURVES, key), ("qc", key)),
                code_version=CurveFitting.version,
            )
        )
    return assets


def _make_curves(readout: str, step: Step) -> Product:
    key = f"viability/{readout}"
    wells = step.wells()
    if not (wells["well_type"] == "therapy").any():
        raise NotMade(f"the layout of {step.screen_id} holds no drug wells (WellType therapy), so there are no curves.")
    viability = step.store.read_table("viability", step.screen_id, key)
    if viability.empty:
        raise NotMade(f"{step.screen_id} has no viability of {readout}; materialize `{key}` first.")
    if blocked := stored_block(step, key):
        raise NotMade(blocked)
    from phenodose.dose_response.fit import fit_curves
    from phenodose.dose_response.points import curve_points
    from phenodose.quality.report import curve_qc_rows

    plugin = step.create(CurveFitting)
    settings = plugin.parameters
    checkpoint = viability["checkpoint"].dropna()
    provenance = step.provenance(plugin, str(checkpoint.iloc[0]) if len(checkpoint) else None)
    batch = fit_curves(
        curve_points(viability, wells, per_replicate=True),
        fit=settings.fit,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
        noise="batch",
    )
    rows = provenance.stamp(batch.to_frame().assign(screen=step.screen_id))
    step.store.write_table(_CURVES, step.screen_id, curves_key(readout), rows[TABLES[_CURVES].column_names])
    write_points(step.store, step.screen_id, readout, batch)
    qc = curve_qc_rows(viability, wells, batch, readout, step.limits).assign(screen=step.screen_id)
    qc = provenance.stamp(qc)
    step.store.write_table("qc", step.screen_id, curves_key(readout), qc)
    return Product(
        show=lambda: _curve_metadata(readout, batch, viability, wells),
        verdicts=quality_verdicts(qc, step.limits),
        plugin=plugin,
        inputs={key: hash_file(step.store.table_part("viability", step.screen_id, key))},
        blocked=quality_block(qc, step.limits),
    )


def _curve_metadata(readout: str, batch: CurveBatch, viability: pd.DataFrame, wells: pd.DataFrame) -> dict[str, Any]:
    from phenodose.pictures import dose_response_plot
    from phenodose.quality.report import masked_by_reason

    rows = batch.to_frame()
    rows = rows[rows["replicate"] == _POOLED].sort_values(["top", "drug"], ascending=[False, True])
    pngs = {
        str(rows.loc[place, "drug"]): dose_response_plot(
            _points(batch, place, readout), rows.loc[[place]], f"{rows.loc[place, 'drug']}, {readout}", width_px=280
        )
        for place in rows.index[:3]
    }
    shown = [
        "drug",
        "n_points",
        "model",
        "bottom",
        "top",
        "log10_mid",
        "slope",
        "gof",
        "status",
        "reason",
        "identifiable",
    ]
    gof = rows["gof"].dropna()
    therapy = wells.loc[wells["well_type"] == "therapy", ["plate", "well"]]
    masked = masked_by_reason(viability.merge(therapy, on=["plate", "well"]))
    return {
        "strongest drugs": metadata.pictures(pngs),
        "curves": metadata.table(rows, shown),
        "wells left out": metadata.markdown("\n".join(f"- {n}: {reason}" for reason, n in masked.items()) or "none"),
        **metadata.figures(
            {
                "n curves": len(batch),
                "n failed": (rows["status"] == "failed").sum(),
                "median gof": gof.median() if len(gof) else None,
            }
        ),
    }


def _points(batch: CurveBatch, place: int, readout: str) -> pd.DataFrame:
    """The points of one curve, as the wells they come from."""
    import pandas as pd

    points = {"concentration_nM": 10 ** batch.log10_dose[place], "viability_fraction": 1 - batch.inhibition[place]}
    return pd.DataFrame(points).dropna().assign(readout=readout)


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
        )
        for name, scorer in scorers.items()
    ]


def _make_scores(scorer: type[Scorer], readouts: Sequence[str], step: Step) -> Product:
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
    return Product(show=lambda: _score_metadata(step, plugin), plugin=plugin, inputs=inputs)


def _scorer(scorer: type[Scorer], step: Step) -> tuple[Scorer, dict[str, str]]:
    """The scorer with its parameters, and the hash of its reference samples if it compares with some.

    Raises:
        NotMade: it compares with reference samples, and there are none that it can use.
    """
    parameters = step.parameters(scorer.name)
    if REFERENCE not in scorer.Parameters.model_fields:
        return step.guarded(scorer, parameters), {}
    named = parameters.get(REFERENCE)
    of_store = (step.store.local_copy(step.store.root / name) for name in REFERENCE_NAMES)
    path = step.screen.folder / named if named else next((path for path in of_store if path.is_file()), None)
    plugin = step.guarded(scorer, {**parameters, REFERENCE: None if path is None else str(path)})
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


def _score_metadata(step: Step, plugin: Scorer) -> dict[str, Any]:
    from phenodose.pictures import ranking_bars

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
        **metadata.figures(
            {"n drugs": len(side_by_side), **{f"hits {readout}": hits.get(readout, 0) for readout in readouts}}
        ),
    }
