"""Assets of the group `scores`: `curves/<readout>`, the dose-response curves of every readout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.io.files import hash_file
from phenodose.pipeline.context import Context, Result
from phenodose.plugins import Parameters, Plugin, Preferences
from phenodose.store.curves import curves_key, write_points
from phenodose.tables import TABLES
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.external import QUALITY
from phenodose_assets.graph import metadata
from phenodose_assets.graph.checks import quality_block, quality_checks, quality_verdicts, stored_block
from phenodose_assets.graph.screen_asset import ScreenAsset

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
from phenodose_assets.assets.scores import _CURVES, _GROUP, _POOLED


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


def _make_curves(readout: str, step: Context) -> Result:
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
    return Result(
        show=lambda: _curve_metadata(step, readout, batch, viability, wells),
        verdicts=quality_verdicts(qc, step.limits),
        plugin=plugin,
        inputs={key: hash_file(step.store.table_part("viability", step.screen_id, key))},
        blocked=quality_block(qc, step.limits),
    )


def _curve_metadata(
    step: Context, readout: str, batch: CurveBatch, viability: pd.DataFrame, wells: pd.DataFrame
) -> dict[str, Any]:
    from phenodose.plots import dose_response_plot
    from phenodose.quality.report import masked_by_reason

    colours = Preferences.of_store(step.store).colours()
    rows = batch.to_frame()
    rows = rows[rows["replicate"] == _POOLED].sort_values(["top", "drug"], ascending=[False, True])
    pngs = {
        str(rows.loc[place, "drug"]): dose_response_plot(
            _points(batch, place, readout), rows.loc[[place]], f"{rows.loc[place, 'drug']}, {readout}", 280, colours
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
        **metadata.numbers(
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
