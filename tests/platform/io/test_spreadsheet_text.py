"""Names that a spreadsheet would run as formulas go out with an apostrophe and come back without it."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from phenodose.io.spreadsheet import read_delimited
from phenodose.io.spreadsheet_text import harmless, harmless_frame, meant

LIKE_FORMULAS = ["(+)-JQ1", "-)-epicatechin", "=1+1", "@home", "+)-JQ1"]


@given(st.text().filter(lambda text: not text.startswith("'")))
def test_a_text_comes_back_as_it_was(text: str) -> None:
    assert meant(harmless(text)) == text


def test_names_and_numbers_of_a_written_table_are_read_as_they_were() -> None:
    frame = pd.DataFrame(
        {"drug": LIKE_FORMULAS, "score": [-1.5, 0.0, 3.25, -0.1, 2.0], "bound": ["=", "<", ">", "=", "="]}
    )
    written = harmless_frame(frame).to_csv(index=False)
    assert "'=1+1" in written
    assert "\n=" not in written
    header, *rows = read_delimited(written.encode(), "scores.csv").rows
    assert header == ["drug", "score", "bound"]
    assert [row[0] for row in rows] == LIKE_FORMULAS
    assert [float(str(row[1])) for row in rows] == frame["score"].tolist()
    assert [row[2] for row in rows] == frame["bound"].tolist()
