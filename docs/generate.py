"""Regenerate the documentation pages that are made from code: `make docs`."""

from pathlib import Path

from phenodose.tables import schema_markdown

DOCS = Path(__file__).parent


def main() -> None:
    """Write docs/tables.md from the table declarations."""
    (DOCS / "tables.md").write_text(schema_markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
