"""Frames read row by row, fast.

Belongs here: what every room that walks over a frame needs. Does not belong here: what the rows mean.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a frame as named tuples, as `itertuples` gives them, column by column and so many times faster."""
    row = _row(tuple(map(str, frame.columns)))
    return map(row._make, zip(frame.index.tolist(), *(_values(column) for _, column in frame.items()), strict=True))


def _values(column: pd.Series) -> list[Any]:
    # Texts of Arrow are taken out one by one by `tolist`.
    return list((column.to_numpy(dtype=object) if column.dtype == "str" else column).tolist())


@cache
def _row(columns: tuple[str, ...]) -> Any:
    return namedtuple("Row", ("Index", *columns), rename=True)
