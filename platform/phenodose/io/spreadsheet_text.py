"""Texts of others in CSV files that people open with a spreadsheet program.

A spreadsheet takes a cell that begins with = + - or @ for a formula and runs it: a drug named `=HYPERLINK(...)` could
send the table away (OWASP, CSV Injection). An apostrophe in front makes it a text, and is how spreadsheets themselves
write one; where phenodose reads a table, the apostrophe is taken off again.

Does not belong here: reading tables (`phenodose.io.spreadsheet`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def harmless(text: str) -> str:
    """`text`, with an apostrophe before it if a spreadsheet would take it for a formula.

    A single sign (the bound `=`) and a number (`-5`) are none.
    """
    if len(text) < 2 or not text.startswith(_FORMULA_STARTS):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


def meant(text: str) -> str:
    """The text that `harmless` made `text` of."""
    without = text.removeprefix("'")
    return without if harmless(without) == text else text


def harmless_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every text, column names included, made harmless; numbers stay."""
    from pandas.api.types import is_object_dtype, is_string_dtype

    changed = frame.copy()
    for index, kind in enumerate(frame.dtypes):
        if is_object_dtype(kind) or is_string_dtype(kind):
            values = [harmless(value) if isinstance(value, str) else value for value in frame.iloc[:, index]]
            changed.isetitem(index, values)
    changed.columns = [harmless(str(name)) for name in frame.columns]
    return changed
