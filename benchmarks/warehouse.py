"""The cohort database at a thousand screens: rebuilding it, every query of the cookbook, and pandas beside it.

Run: python benchmarks/warehouse.py [--store STORE] [--screens 1000]

Makes a store of tables only (`thousand_screens.py`; --store goes on with one that is there), builds cohort.duckdb,
adds a screen and rebuilds, then asks every query of docs/sql_cookbook.md three times through the code behind
`phenodose sql` (the database is opened anew each time), with names of this store in place of the page's. Some of the
questions are also answered by pandas from the Parquet files, reading only the columns and rows they need: the ratio
is pandas' time over ours. Making the store takes about ten minutes.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.dataset as ds
from thousand_screens import write_store

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.dose_response.agreement import compared
from phenodose.store.store import Store

PAGE = Path(__file__).parents[1] / "docs" / "sql_cookbook.md"
#: Names of the page -> names of the store.
NAMES = {
    "BT-40_V1_DS1": "PAT_0500_V1_DS1",
    "Trametinib": "Drug07",
    "Pleomorphic xanthoastrocytoma": "Neuroblastoma",
}
MOST_QUERY_SECONDS, MOST_REBUILD_SECONDS = 0.2, 10.0


def questions() -> dict[str, str]:
    """Every query of the cookbook by its heading."""
    text = PAGE.read_text(encoding="utf-8")
    for name, ours in NAMES.items():
        text = text.replace(name, ours)
    found = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```sql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return dict(found)


# --- the same questions in pandas -----------------------------------------------------------------


def _read(store: Store, table: str, columns: list[str], rows: Any = None) -> pd.DataFrame:
    files = sorted(str(path) for path in (store.root / "tables" / table).glob("screen=*/*.parquet"))
    frame: pd.DataFrame = ds.dataset(files).to_table(columns=columns, filter=rows).to_pandas()
    return frame


def _pooled(readout: str) -> Any:
    return (ds.field("replicate") == "pooled") & (ds.field("scorer") == "dss_asym") & (ds.field("readout") == readout)


def one_drug(store: Store) -> pd.DataFrame:
    """The response to one drug in all samples, with its interval."""
    rows = _pooled("ctg") & (ds.field("drug") == "Drug07")
    return _read(store, "scores", ["sample", "screen", "lower", "score", "upper", "call"], rows).sort_values("score")


def nearest_patients(store: Store) -> pd.DataFrame:
    """The patients most like this one, by their profile of scores."""
    scores = _read(store, "scores", ["screen", "sample", "drug", "score"], _pooled("ctg"))
    wide = scores.pivot_table(index=["sample", "screen"], columns="drug", values="score")
    mine = wide.loc[("PAT_0500", "PAT_0500_V1_DS1")]
    return ((wide - mine) ** 2).mean(axis=1).pow(0.5).sort_values().head(11).to_frame("distance")


def replicates(store: Store) -> pd.DataFrame:
    """Do the replicates agree?"""
    wells = _read(
        store,
        "wells",
        ["screen", "plate", "well", "treatment", "concentration_nM", "replicate"],
        ds.field("well_type") == "therapy",
    )
    viability = _read(
        store, "viability", ["screen", "plate", "well", "readout", "viability_fraction"], ~ds.field("masked")
    )
    joined = viability.merge(wells, on=["screen", "plate", "well"])
    keys = ["screen", "readout", "treatment", "concentration_nM"]
    pairs = joined.pivot_table(index=keys, columns="replicate", values="viability_fraction")
    return pairs.groupby(["screen", "readout"]).corr()


def disagreement(store: Store) -> pd.DataFrame:
    """How often do imaging and metabolism disagree?"""
    rows = (ds.field("replicate") == "pooled") & (ds.field("scorer") == "dss_asym")
    columns = ["screen", "drug", "readout", "score", "lower", "upper", "p_hit_fraction"]
    scores = _read(store, "scores", columns, rows).assign(readout_failed=False)
    pairs = scores[scores["readout"] != "ctg"].merge(scores[scores["readout"] == "ctg"], on=["screen", "drug"])
    said = compared(pairs, 10.0, "_x", "_y")
    return said.groupby("readout_x")["agreement"].value_counts().to_frame()


def often_hit(store: Store) -> pd.DataFrame:
    """Drugs that hit in most samples."""
    rows = _pooled("cnn_phase3") & (ds.field("call") == "hit")
    scores = _read(store, "scores", ["sample", "drug", "score"], rows)
    return scores.groupby("drug").agg(samples=("sample", "nunique"), mean_score=("score", "mean"))


IN_PANDAS: dict[str, Callable[[Store], pd.DataFrame]] = {
    (function.__doc__ or "").strip().rstrip("."): function
    for function in (one_drug, nearest_patients, replicates, disagreement, often_hit)
}


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Time everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--screens", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phenodose-benchmark-") as name:
        folder = arguments.store or Path(name) / "store"
        if not folder.is_dir():
            write_store(folder, arguments.screens)
        store = Store.open(folder)
        store.cohort_path.unlink(missing_ok=True)
        before = len(store.screens())
        whole = _seconds(lambda: rebuild_cohort(store))
        write_store(folder, 1, first=before + 10_000)
        again = _seconds(lambda: rebuild_cohort(store))
        size = store.cohort_path.stat().st_size
        rows = {
            name: query(store, f"SELECT count(*) AS n FROM {name}").table["n"][0] for name in ("viability", "scores")
        }
        print(f"{before + 1} screens, {rows['viability']} rows of viability, {rows['scores']} scores")  # noqa: T201
        print(f"cohort.duckdb from nothing {whole:.1f} s, {size / 1e6:.0f} MB")  # noqa: T201
        print(f"after one new screen {again:.1f} s (wanted {MOST_REBUILD_SECONDS:g})")  # noqa: T201
        print(f"{'query':<76}{'seconds':>9}{'pandas':>9}{'ratio':>7}")  # noqa: T201
        slow = 0
        for heading, sql in questions().items():
            mine = statistics.median(
                _seconds(lambda sql=sql: query(store, sql, row_limit=10_000)) for _ in range(arguments.rounds)
            )
            slow += mine > MOST_QUERY_SECONDS
            beside = ""
            if heading.rstrip("?.") in {title.rstrip("?.") for title in IN_PANDAS}:
                function = next(f for title, f in IN_PANDAS.items() if title.rstrip("?.") == heading.rstrip("?."))
                pandas_seconds = _seconds(lambda function=function: function(store))
                beside = f"{pandas_seconds:>9.2f}{pandas_seconds / mine:>7.0f}"
            print(f"{heading[:75]:<76}{mine:>9.3f}{beside}")  # noqa: T201
        print(f"{slow} queries above {MOST_QUERY_SECONDS} s")  # noqa: T201


if __name__ == "__main__":
    main()
