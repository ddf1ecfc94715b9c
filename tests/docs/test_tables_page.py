"""docs/tables.md is what the table declarations give; `make docs` writes it."""

from __future__ import annotations

from pathlib import Path

from phenodose.tables import TABLES, schema_markdown

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert schema_markdown() == PAGE, "run `make docs`"


def test_every_table_and_column_is_on_the_page() -> None:
    for table in TABLES.values():
        assert f"## {table.name}\n" in PAGE
        section = PAGE.split(f"## {table.name}\n")[1].split("\n## ")[0]
        for column in table.columns:
            assert f"| {column.name} | {column.type} |" in section
