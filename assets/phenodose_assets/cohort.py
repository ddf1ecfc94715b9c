"""The asset of the cohort: `cohort_db`, all screens in one database.

Belongs here: when it is rebuilt. Does not belong here: how (`phenodose.storage.warehouse`).
"""

from collections.abc import Sequence

import dagster as dg

from phenodose_assets.metadata import figures, path, table
from phenodose_assets.resources import StepEvent
from phenodose_assets.screen_asset import OWNER, ScreenAsset

COHORT_DB = "cohort_db"
_POOL = "duckdb"


def cohort_db_asset(assets: Sequence[ScreenAsset]) -> dg.AssetsDefinition:
    """The cohort database, rebuilt after every screen; readers are never blocked.

    `eager()` alone would wait until every screen has every asset, which a screen without images never has.
    """

    @dg.asset(
        name=COHORT_DB,
        group_name="cohort",
        deps=[asset.asset_key for asset in assets if asset.tables],
        kinds={"duckdb"},
        owners=[OWNER],
        pool=_POOL,
        required_resource_keys={"store", "listener"},
        automation_condition=dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing()),
        description="All tables of all screens in one DuckDB file, rebuilt from the Parquet files, swapped in whole.",
    )
    def cohort_db(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        import pandas as pd

        from phenodose.storage.warehouse import rebuild_cohort

        listener = context.resources.listener
        listener(StepEvent(COHORT_DB, "started"))
        store = context.resources.store.open()
        summary = rebuild_cohort(store)
        for fault in summary.faults:
            context.log.warning(fault)
        rows = pd.DataFrame({"table": list(summary.rows), "rows": list(summary.rows.values())})
        listener(StepEvent(COHORT_DB, "made"))
        return dg.MaterializeResult(
            metadata={
                "path": path(summary.path),
                "tables": table(rows, rows=len(rows)),
                "left out": dg.MetadataValue.md("\n".join(f"- {fault}" for fault in summary.faults) or "nothing"),
                **figures({"screens": len(store.screens()), **{f"rows of {k}": v for k, v in summary.rows.items()}}),
            }
        )

    return cohort_db
