"""Regenerate the documentation pages that are made from code: `make docs`."""

from pathlib import Path

from phenodose.plugins.reference_page import reference_markdown
from phenodose.plugins.scores_page import with_scorers
from phenodose.quality.guide import renewed
from phenodose.tables import schema_markdown

DOCS = Path(__file__).parent


def main() -> None:
    """Write tables.md and plugin_reference.md, and the tables made from declarations in quality.md and scores.md."""
    (DOCS / "tables.md").write_text(schema_markdown(), encoding="utf-8")
    (DOCS / "plugin_reference.md").write_text(reference_markdown(), encoding="utf-8")
    quality = DOCS / "quality.md"
    quality.write_text(renewed(quality.read_text(encoding="utf-8")), encoding="utf-8")
    scores = DOCS / "scores.md"
    scores.write_text(with_scorers(scores.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
