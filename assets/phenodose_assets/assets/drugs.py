"""The assets `drugs` and `reachable_effects`: what is known of a screen's drugs, and their effect at C max.

Belongs here: what they wait for, and what the UI shows. Does not belong here: the steps themselves
(`phenodose.pipeline.drugs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from phenodose.names import corrected_name
from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.drugs import DRUGS, REACHABLE, ReachableEffects, make_drugs, make_reachable
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.assets.scores import GROUP
from phenodose_assets.external import DRUG_LIBRARY, SAMPLE
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset

_KNOWN = ("drug", "library_name", "matched_by", "drug_class", "targets", "c_max_nM", "c_max_source")
_EFFECTS = (
    "readout",
    "drug",
    "c_max_nM",
    "bound",
    "effect_at_c_max_fraction",
    "half_effect_nM",
    "needs_more_than_c_max",
)


def drug_asset(group: str) -> ScreenAsset:
    """What is known of the drugs of the layout."""
    return ScreenAsset(
        key=DRUGS,
        group=group,
        description="Class, targets and concentration in patients' plasma of every drug, from the drug library.",
        make=_make_drugs,
        needs=(LAYOUT,),
        reads=(SAMPLE, DRUG_LIBRARY),
        kinds=frozenset({"parquet"}),
        tables=((DRUGS, DRUGS),),
    )


def reachable_assets(curves: Sequence[ScreenAsset]) -> list[ScreenAsset]:
    """The effects at C max, by the curves of whatever readouts there are, made in the step that makes scores."""
    if not curves:
        return []
    names = [asset.key.removeprefix("curves/") for asset in curves]
    return [
        ScreenAsset(
            key=REACHABLE,
            group=GROUP,
            description="Inhibition at the concentration that patients' plasma reaches, and what needs more.",
            make=partial(_make_reachable, [one for name in names for one in (name, corrected_name(name))]),
            needs=(LAYOUT,),
            any_of=tuple(asset.key for asset in curves),
            kinds=frozenset({"parquet"}),
            tables=((REACHABLE, REACHABLE),),
            code_version=ReachableEffects.version,
            reads=(DRUG_LIBRARY,),
            batch=GROUP,
        )
    ]


def _make_drugs(step: Context) -> Result:
    made = make_drugs(step)
    found = made.rows["library_name"].notna()

    def show() -> dict[str, Any]:
        counts = {"n drugs": len(found), "n in the library": int(found.sum())}
        counts["n with C max"] = int(made.rows["c_max_nM"].notna().sum())
        return {"drugs": metadata.table(made.rows, _KNOWN), **metadata.numbers(counts)}

    return Result(show=show, inputs=made.inputs, notes=made.notes)


def _make_reachable(readouts: Sequence[str], step: Context) -> Result:
    made = make_reachable(step, readouts)

    def show() -> dict[str, Any]:
        rows = made.rows.sort_values("effect_at_c_max_fraction", ascending=False)
        more = int(rows["needs_more_than_c_max"].eq(True).sum())
        counts = metadata.numbers({"n curves": len(rows), "n that need more than C max": more})
        return {"strongest at C max": metadata.table(rows, _EFFECTS, rows=15), **counts}

    return Result(show=show, plugin=made.plugin, inputs=made.inputs)
