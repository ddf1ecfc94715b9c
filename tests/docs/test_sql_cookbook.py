"""docs/sql_cookbook.md is true: every query runs on the made-up cohort and finds rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from phenodose.cohort.build import rebuild_cohort
from phenodose.cohort.query import query
from phenodose.cohort.views import cohort_views
from phenodose.store.store import Store

PAGE = (Path(__file__).parents[2] / "docs" / "sql_cookbook.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
#: Asks for samples that were screened again; the made-up cohort has none.
(SCREENED_AGAIN,) = [sql for sql in QUERIES if "HAVING count(*) > 1" in sql]


def test_the_page_has_its_queries() -> None:
    assert len(QUERIES) >= 22  # twenty beside SHOW and DESCRIBE


@pytest.mark.parametrize("sql", [pytest.param(q, id=q.split("\n")[0][:60]) for q in QUERIES if q != SCREENED_AGAIN])
def test_every_query_finds_rows(made_up_root: Path, sql: str) -> None:
    result = query(Store.open(made_up_root), sql)
    assert result.table.num_rows > 0
    assert not result.truncated


def test_a_sample_that_was_screened_again_is_found(made_up_store: Store) -> None:
    first = made_up_store.screens()[0]
    for table in ("screens", "scores"):
        rows = made_up_store.read_table(table, first).assign(screen="AGAIN_V1_DS2")
        made_up_store.write_table(table, "AGAIN_V1_DS2", "layout", rows)
    rebuild_cohort(made_up_store)
    found = query(made_up_store, SCREENED_AGAIN).table.to_pylist()
    assert found
    assert all(row["screens"] == 2 and row["lowest"] == row["highest"] for row in found)


def test_every_query_can_be_asked_of_a_store_that_knows_one_readout_alone(made_up_store: Store) -> None:
    for screen in made_up_store.screens():
        for path in sorted((made_up_store.root / "tables" / "scores" / f"screen={screen}").glob("*.parquet")):
            rows = pq.ParquetFile(path).read().replace_schema_metadata()  # without the seal of the whole file
            pq.write_table(rows.filter(pc.equal(rows["readout"], "ctg")), path)
    assert rebuild_cohort(made_up_store).faults == ()
    assert query(made_up_store, QUERIES[2]).table.column_names == ["drug", "ctg"]
    for sql in QUERIES:
        query(made_up_store, sql)


def test_the_file_is_read_from_python(made_up_root: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = {}
    exec(code.replace("store/cohort.duckdb", str(Store.open(made_up_root).root / "cohort.duckdb")), found)
    pooled = query(Store.open(made_up_root), "SELECT count(*) AS n FROM scores WHERE replicate = 'pooled'").table
    assert len(found["scores"]) == pooled["n"][0].as_py() > 0
    assert found["hits"].column_names == ["screen", "drug", "score"]
    assert found["hits"].num_rows > 0


def test_every_view_is_described() -> None:
    described = re.findall(r"^\| (\w+) \| a ", PAGE, re.MULTILINE)
    assert described == [view.name for view in cohort_views([], [])]
