"""What comes from a file is text in the UI: no name fetches, links or runs anything."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from phenodose_assets.graph import metadata

HOSTILE = [
    "![x](/graphql?query=mutation{wipeAssets})",
    r"\![x](/graphql)",
    r"\\[x](/graphql)",
    "[x](javascript:alert)",
    "<img src=/graphql>",
    "<http://elsewhere>",
    "`code` <script>",
    "a | b",
    "one\n\n# two",
    "Pot\x1b]0;pwned\x07ent",
    "&lt;img&gt;",
]
#: As the UI reads it: tables, and tags in the text.
READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def kinds(markdown: str) -> set[str]:
    """What a text is, to a reader of Markdown."""
    return {inner.type for token in READER.parse(markdown) for inner in [token, *(token.children or [])]}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_wherever_it_stands(name: str) -> None:
    table = metadata.table(pd.DataFrame({"drug": [name], name: [1.0]}))
    listed = metadata.listed([name], "none")
    assert kinds(f"see {metadata.plain(name)}") <= {"paragraph_open", "paragraph_close", "inline", "text"}
    for value in (table, listed):
        assert not kinds(value.value or "") & {
            "image",
            "link_open",
            "html_inline",
            "html_block",
            "code_inline",
            "fence",
        }
    pictures = metadata.pictures({name: b"\x89PNG"}).value or ""
    found = [inner for token in READER.parse(pictures) for inner in token.children or [] if inner.type == "image"]
    assert [str(image.attrs["src"]).startswith("data:image/png;base64,") for image in found] == [True]


@given(st.text(max_size=40))
def test_any_text_is_one_line_of_text(name: str) -> None:
    plain = metadata.plain(name)
    assert plain.isprintable()
    assert not kinds(f"see {plain}") & {"image", "link_open", "html_inline", "html_block", "code_inline"}


def test_ordinary_names_are_shown_as_they_are() -> None:
    for name in ("cnn_phase2", "Drug A + B", "AZD-1234*", "5-FU (2)", "β-lapachone", "100 %"):
        assert metadata.plain(name) == name
    assert metadata.listed([], "none").value == "none"
