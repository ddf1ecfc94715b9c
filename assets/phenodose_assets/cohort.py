"""Assets of the cohort: `cohort_db`, all screens in one database, and `cohort_report`.

Belongs here: when they are rebuilt. Does not belong here: how (`phenodose.storage.warehouse`,
`phenodose.reports`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from phenodose.errors import NotMade
from phenodose.store import Store
from phenodose_assets.metadata import figures, path, table
from phenodose_assets.resources import StepEvent
from phenodose_assets.screen_asset import OWNER, ScreenAsset

COHORT_DB = "cohort_db"
COHORT_REPORT = "cohort_report"
_POOL = "duckdb"


def cohort_assets(assets: Sequence[ScreenAsset]) -> list[dg.AssetsDefinition]:
    """What is rebuilt after every screen."""
    upstream = [asset.asset_key for asset in assets if asset.tables]
    return [
        _cohort_asset(
            COHORT_DB,
            "All tables of all screens in one DuckDB file, rebuilt from the Parquet files, swapped in whole.",
            "duckdb",
            upstream,
            _rebuild_database,
        ),
        _cohort_asset(COHORT_REPORT, "One HTML file: all drug screens side by side.", "html", upstream, _build_report),
    ]


def _cohort_asset(
    name: str,
    description: str,
    kind: str,
    upstream: Sequence[dg.AssetKey],
    make: Callable[[Store, dg.AssetExecutionContext], dict[str, Any]],
) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        group_name="cohort",
        deps=upstream,
        kinds={kind},
        owners=[OWNER],
        pool=_POOL,
        required_resource_keys={"store", "listener"},
        output_required=False,
        # `eager()` alone would wait until every screen has every asset, which a screen without images never has.
        automation_condition=dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing()),
        description=description,
    )
    def cohort(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
        listener, clock = context.resources.listener, time.monotonic()
        listener(StepEvent(name, "started"))
        try:
            shown = make(context.resources.store.open(), context)
        except NotMade as reason:
            context.log.warning(f"{name} is skipped: {reason}")
            listener(StepEvent(name, "skipped", message=str(reason)))
            return
        seconds = time.monotonic() - clock
        yield dg.Output(None, metadata={**shown, **figures({"seconds": seconds})})
        listener(StepEvent(name, "made", seconds=seconds))

    return cohort


def _rebuild_database(store: Store, context: dg.AssetExecutionContext) -> dict[str, Any]:
    import pandas as pd

    from phenodose.storage.warehouse import rebuild_cohort

    summary = rebuild_cohort(store)
    for fault in summary.faults:
        context.log.warning(fault)
    rows = pd.DataFrame({"table": list(summary.rows), "rows": list(summary.rows.values())})
    return {
        "path": path(summary.path),
        "tables": table(rows, rows=len(rows)),
        "left out": dg.MetadataValue.md("\n".join(f"- {fault}" for fault in summary.faults) or "nothing"),
        **figures({"screens": len(store.screens()), **{f"rows of {name}": n for name, n in summary.rows.items()}}),
    }


def _build_report(store: Store, context: dg.AssetExecutionContext) -> dict[str, Any]:
    from phenodose.reports import build_cohort_report

    if store.read_table("screens").empty:
        raise NotMade("no screen of the store has a layout yet.")
    place = build_cohort_report(store)
    return {"path": path(place), **figures({"kilobytes": place.stat().st_size / 1000})}
