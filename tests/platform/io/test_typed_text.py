"""What people type is kept without signs that nobody can see."""

from __future__ import annotations

import pytest

from phenodose.io.typed_text import one_line, plain


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("lint", "lint"),
        ("  two \t words\n", "two words"),
        ("\x1b]0;title\x07lint\u202e", "]0;titlelint"),
        ("A\u200b. Müller", "A. Müller"),
        ("\u202e\x00", ""),
        ("one\r\ntwo\rthree", "one two three"),
    ],
)
def test_a_line_holds_what_is_seen(typed: str, kept: str) -> None:
    assert one_line(typed) == kept


def test_lines_stay() -> None:
    assert plain("one\r\ntwo\x07") == "one\ntwo"
