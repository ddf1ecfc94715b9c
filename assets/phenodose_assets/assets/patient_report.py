"""The asset of the group `reports`: `patient_report`.

Does not belong here: what the report says (`phenodose.reports`).
"""

from __future__ import annotations

from collections.abc import Sequence

from phenodose.io.files import hash_file
from phenodose.pipeline.context import Context, Result
from phenodose.pipeline.drugs import DRUGS
from phenodose_assets.assets.layout import LAYOUT
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset
from phenodose_assets.links import report_address

PATIENT_REPORT = "patient_report"


def report_assets(upstream: Sequence[ScreenAsset]) -> list[ScreenAsset]:
    """The report of a screen, made of whatever of `upstream` there is."""
    return [
        ScreenAsset(
            key=PATIENT_REPORT,
            group="reports",
            description="One HTML file: ranked drugs, curves, quality, phenotype map, lineage.",
            make=_make_report,
            needs=(LAYOUT, DRUGS),
            any_of=tuple(asset.key for asset in upstream),
            kinds=frozenset({"html"}),
        )
    ]


def _not_made(step: Context) -> list[str]:
    """What the screen was asked for and is not there, with the reasons."""
    rows = step.store.read_table("not_made", step.screen_id).sort_values("asset")
    return [f"{row.asset} ({row.outcome}): {row.reason}" for row in rows.itertuples()]


def _make_report(step: Context) -> Result:
    from phenodose.pipeline.verdict import verdict_of
    from phenodose.reports import build_report
    from phenodose.reports.activation import explain_report

    # Where the networks' process runs, no second one shall hold the GPU.
    no_maps = explain_report(step.store, step.screen_id, step.networks if step.networks.is_running else None)
    if no_maps:
        step.log.info(f"no activation maps: {no_maps}")
    verdict = verdict_of(step.store, step.screen_id)
    path = build_report(step.store, step.screen_id, no_maps=no_maps)
    return Result(
        show=lambda: {
            "verdict": metadata.listed(verdict.sentences, "none"),
            "look at it": metadata.link(report_address(step.screen_id)),
            "path": metadata.path(path),
            "not made": metadata.listed(_not_made(step), "nothing"),
            "hash": hash_file(path),
            **metadata.numbers({"kilobytes": path.stat().st_size / 1000}),
        },
    )
