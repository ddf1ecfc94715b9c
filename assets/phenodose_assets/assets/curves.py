"""Assets of the group `scores`: `curves/<readout>`, the dose-response curves of every readout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from phenodose.names import corrected_name
from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.curves import CurveFitting, CurveParameters, curve_parts, make_corrected_curves, make_curves
from phenodose.plugins import CombinationMeasure, Preferences
from phenodose.quality.blocking import quality_block
from phenodose.store.curves import curves_key
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.external import QUALITY
from phenodose_assets.graph import metadata
from phenodose_assets.graph.checks import quality_checks, quality_verdicts
from phenodose_assets.graph.screen_asset import ScreenAsset

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.dose_response.curves import CurveBatch
from phenodose_assets.assets.scores import _POOLED, GROUP

_CURVES = "curves"


def curve_assets(
    viabilities: Sequence[ScreenAsset], measures: Mapping[str, type[CombinationMeasure]]
) -> list[ScreenAsset]:
    """Curves of every readout, with what the measures tell of two drugs together."""
    assets = []
    of_measures = tuple((name, cls.Parameters) for name, cls in measures.items() if name != _CURVES)
    versions = "".join(f", {name} {cls.version}" for name, cls in sorted(measures.items()))
    for viability in viabilities:
        readout = viability.key.removeprefix("viability/")
        key = curves_key(readout)
        assets.append(
            ScreenAsset(
                key=key,
                group=GROUP,
                description=f"Dose-response curves of {readout}: every drug, replicates pooled and one by one.",
                make=partial(_make_curves, readout),
                needs=(LAYOUT, viability.key),
                settings=((_CURVES, CurveParameters), *of_measures),
                kinds=frozenset({"parquet"}),
                checks=quality_checks("curves"),
                reads=(QUALITY,),
                tables=curve_parts(readout),
                optional_tables=curve_parts(corrected_name(readout)),
                code_version=f"{CurveFitting.version}{versions}",
            )
        )
    return assets


def _make_curves(readout: str, step: Context) -> Result:
    made = make_curves(step, readout)
    corrected = make_corrected_curves(step, readout)
    return Result(
        show=lambda: _curve_metadata(step, readout, made.batch, made.viability, made.wells),
        verdicts=quality_verdicts(made.qc, step.limits),
        plugin=made.plugin,
        inputs=made.inputs | (corrected.inputs if corrected else {}),
        blocked=quality_block(made.qc, step.limits),
        notes=[*made.notes, *(corrected.notes if corrected else [])],
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
            _points(batch, place, readout), rows.loc[[place]], f"{rows.loc[place, 'drug']}, {readout}", colours
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
        "wells left out": metadata.listed([f"{n}: {reason}" for reason, n in masked.items()], "none"),
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
