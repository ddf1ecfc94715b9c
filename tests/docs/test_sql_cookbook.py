"""docs/sql_cookbook.md is true: every query runs on the made-up cohort and finds rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phenodose.storage.cohort_views import cohort_views
from phenodose.storage.warehouse import query
from phenodose.store import Store

PAGE = (Path(__file__).parents[2] / "docs" / "sql_cookbook.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_has_its_queries() -> None:
    assert len(QUERIES) >= 22  # twenty beside SHOW and DESCRIBE


@pytest.mark.parametrize("sql", QUERIES, ids=[q.split("\n")[0][:60] for q in QUERIES])
def test_every_query_finds_rows(made_up_root: Path, sql: str) -> None:
    result = query(Store.open(made_up_root), sql)
    assert result.table.num_rows > 0
    assert not result.truncated


def test_every_view_is_described() -> None:
    described = re.findall(r"^\| (\w+) \| a ", PAGE, re.MULTILINE)
    assert described == [view.name for view in cohort_views([], [])]
