"""Assets of the cohort: `cohort_db`, all screens in one database, and `cohort_report`.

Belongs here: when they are rebuilt. Does not belong here: how (`phenodose.cohort.build`,
`phenodose.reports`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from phenodose.errors import NotMade
from phenodose.io.machine_faults import fault_of_surroundings
from phenodose.quality.metrics import metrics_of
from phenodose.settings.site import read_site
from phenodose.store.store import Store
from phenodose_assets.graph.metadata import link, listed, numbers, path, table
from phenodose_assets.graph.screen_asset import OWNER, ScreenAsset
from phenodose_assets.links import report_address
from phenodose_assets.resources import StepEvent

COHORT_DB = "cohort_db"
COHORT_REPORT = "cohort_report"
#: The controls of every screen are as in the screens made before it.
CONTROL_DRIFT = "control_drift"
#: The verdict on every screen, all at once: a check of an asset of one screen shows what came last, of any screen.
EVERY_SCREEN = "every_screen"
_POOL = "duckdb"
#: Rebuilt after every screen; so long without, either no screen came or its automation is off.
_FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(days=14), fail_window=timedelta(days=60))

#: Everything that is rebuilt after screens.
COHORT = (dg.AssetKey(COHORT_DB), dg.AssetKey(COHORT_REPORT))


def upstream_of_cohort(assets: Sequence[ScreenAsset]) -> list[dg.AssetKey]:
    """What the cohort is made from: whatever writes a table."""
    return [asset.asset_key for asset in assets if asset.tables]


def cohort_assets(assets: Sequence[ScreenAsset], tried_again: bool = True) -> list[dg.AssetsDefinition]:
    """What is rebuilt after every screen; see `build_definitions` for `tried_again`."""
    upstream = upstream_of_cohort(assets)
    return [
        _cohort_asset(
            COHORT_DB,
            "All tables of all screens in one DuckDB file, rebuilt from the Parquet files, swapped in whole.",
            "duckdb",
            upstream,
            _rebuild_database,
            checks=(
                dg.AssetCheckSpec(
                    CONTROL_DRIFT,
                    asset=dg.AssetKey(COHORT_DB),
                    description=" ".join(
                        f"{metric.title}: {metric.meaning}" for metric in metrics_of("cohort").values()
                    ),
                ),
                dg.AssetCheckSpec(
                    EVERY_SCREEN,
                    asset=dg.AssetKey(COHORT_DB),
                    description="No screen has a verdict of 'fail'; every screen is listed with its verdict, whichever "
                    "was made last.",
                ),
            ),
            verdicts=lambda store: [*_control_drift(store), _every_screen(store)],
            tried_again=tried_again,
        ),
        _cohort_asset(
            COHORT_REPORT,
            "One HTML file: all drug screens side by side.",
            "html",
            upstream,
            _build_report,
            tried_again=tried_again,
        ),
    ]


def _cohort_asset(
    name: str,
    description: str,
    kind: str,
    upstream: Sequence[dg.AssetKey],
    make: Callable[[Store, dg.AssetExecutionContext], dict[str, Any]],
    checks: Sequence[dg.AssetCheckSpec] = (),
    verdicts: Callable[[Store], Sequence[dg.AssetCheckResult]] = lambda store: (),
    *,
    tried_again: bool,
) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        group_name="cohort",
        deps=upstream,
        kinds={kind},
        owners=[OWNER],
        pool=_POOL,
        retry_policy=dg.RetryPolicy(max_retries=1, delay=2) if tried_again else None,
        freshness_policy=_FRESHNESS,
        required_resource_keys={"store", "listener"},
        output_required=False,
        check_specs=checks,
        description=description,
    )
    def cohort(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None] | dg.AssetCheckResult]:
        listener, clock = context.resources.listener, time.monotonic()
        listener(StepEvent(name, "started"))
        try:
            store = context.resources.store.open()
            shown = make(store, context)
        except NotMade as reason:
            context.log.warning(f"{name} is skipped: {reason}")
            listener(StepEvent(name, "skipped", message=str(reason)))
            return
        except Exception as error:
            if fault := fault_of_surroundings(error, context.resources.store.root):
                raise fault from error
            raise
        seconds = time.monotonic() - clock
        yield dg.Output(None, metadata={**shown, **numbers({"seconds": seconds})})
        yield from verdicts(store)
        listener(StepEvent(name, "made", seconds=seconds))

    return cohort


def _rebuild_database(store: Store, context: dg.AssetExecutionContext) -> dict[str, Any]:
    import pandas as pd

    from phenodose.cohort.build import rebuild_cohort
    from phenodose.pipeline.verdict import ScreenJudge

    summary = rebuild_cohort(store, judge=ScreenJudge(store))
    for fault in summary.faults:
        context.log.warning(fault)
    rows = pd.DataFrame({"table": list(summary.rows), "rows": list(summary.rows.values())})
    return {
        "path": path(summary.path),
        "ask it": dg.MetadataValue.md("`phenodose sql \"SELECT * FROM hits WHERE call = 'hit'\"`"),
        "tables": table(rows, rows=len(rows)),
        "left out": listed(summary.faults, "nothing"),
        **numbers({"screens": len(store.screens()), **{f"rows of {name}": n for name, n in summary.rows.items()}}),
    }


def _control_drift(store: Store) -> list[dg.AssetCheckResult]:
    """Screens whose controls are not as in the screens before them."""
    from phenodose.cohort.query import query

    rows = query(
        store, "SELECT * FROM control_drift WHERE verdict IN ('warn', 'fail')", row_limit=None
    ).table.to_pylist()
    lines = [
        f"{row['screen']}, {row['readout']}: window {2 ** row['cohort_window_drift']:.2g} times and spread "
        f"{2 ** row['cohort_spread_drift']:.2g} times that of {row['n_earlier']} earlier screens."
        for row in rows
    ]
    site = read_site(store.root)
    blocks = any(site.quality[name].block for name in metrics_of("cohort") if name in site.quality)
    fails = any(row["verdict"] == "fail" for row in rows)
    return [
        dg.AssetCheckResult(
            check_name=CONTROL_DRIFT,
            passed=not rows,
            severity=dg.AssetCheckSeverity.ERROR if blocks and fails else dg.AssetCheckSeverity.WARN,
            description=" ".join(lines) or "the controls of every screen are as in the screens made before it",
            metadata={f"{row['screen']} {row['readout']}": float(row["cohort_window_drift"]) for row in rows},
        )
    ]


def _every_screen(store: Store) -> dg.AssetCheckResult:
    """The verdict on every screen that has one."""
    from phenodose.cohort.query import query

    rows = query(
        store, "SELECT screen, verdict, verdict_reason FROM screens ORDER BY screen", row_limit=None
    ).table.to_pylist()
    failed = [row for row in rows if row["verdict"] == "fail"]
    return dg.AssetCheckResult(
        check_name=EVERY_SCREEN,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(f"{row['screen']}: {row['verdict_reason']}" for row in failed)
        or f"no verdict of {len(rows)} screens is 'fail'",
        metadata={row["screen"]: f"{row['verdict']}: {row['verdict_reason'] or ''}".rstrip(": ") for row in rows},
    )


def _build_report(store: Store, context: dg.AssetExecutionContext) -> dict[str, Any]:
    from phenodose.reports import build_cohort_report

    if store.read_table("screens").empty:
        raise NotMade("no screen of the store has a layout yet.")
    place = build_cohort_report(store)
    return {
        "look at it": link(report_address(None)),
        "path": path(place),
        **numbers({"kilobytes": place.stat().st_size / 1000}),
    }
