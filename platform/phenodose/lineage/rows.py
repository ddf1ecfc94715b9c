"""Rows of tables as plain values, for the links of a chain.

Belongs here: turning frames into dictionaries. Does not belong here: what a link tells (`trace`, `controls`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, column by name."""
    rows: list[Any] = frame.to_dict("records")
    return rows


def grouped(rows: Iterable[dict[str, Any]], columns: tuple[str, ...]) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    """The rows by their values of some columns."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return groups


def some(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """These values of a row, empty ones left out, numpy's numbers as Python's."""
    import pandas as pd

    values = {name: row[name] for name in names if row.get(name) is not None and not pd.isna(row[name])}
    return {name: value.item() if hasattr(value, "item") else value for name, value in values.items()}
