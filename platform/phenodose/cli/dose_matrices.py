"""What the commands say of dose matrices: for people a line a pair, for machines a record a measure.

Belongs here: words. Does not belong here: the numbers (`phenodose.pipeline.dose_matrices`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_MOST_SHOWN = 10


def matrix_lines(sums: pd.DataFrame) -> list[str]:
    """A line a dose matrix, the largest value of the first measure first; of many the first ones, and how many more."""
    import numpy as np

    shown = []
    keys = ["sample", "readout", "drug", "add_on"]
    several = [name for name in keys[:2] if len(sums[name].unique()) > 1]
    for names, rows in sums.groupby(keys, sort=False):
        of = dict(zip(keys, names, strict=True))
        figures = [_figure(row) for row in rows.to_dict("records") if row["status"] == "ok"]
        ranking = float(rows["value"].iloc[0])
        rank = -ranking if np.isfinite(ranking) else np.inf
        place = "".join(f"{of[name]}, " for name in several)
        text = f"{place}{of['drug']} with {of['add_on']}: {', '.join(figures) or 'nothing can be computed'}"
        shown.append((rank, text))
    lines = [text for _, text in sorted(shown, key=lambda one: one[0])]
    more = len(lines) - _MOST_SHOWN
    return lines[:_MOST_SHOWN] + ([f"and {more} more dose matrices"] if more > 0 else [])


def matrix_records(sums: pd.DataFrame) -> list[dict[str, Any]]:
    """A record a dose matrix and measure; what is not there is None."""
    cells = sums.astype(object).where(sums.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in cells.to_dict("records")]


def _figure(row: Mapping[Hashable, Any]) -> str:
    """The measure, its value, its interval and what it says: '12.3 (8.1 to 16.5) synergy'."""
    ends = f" ({row['lower']:.1f} to {row['upper']:.1f})" if row["lower"] == row["lower"] else ""
    said = f" {row['interaction']}" if row["interaction"] else ""
    return f"{row['measure']} {row['value']:.1f}{ends}{said}"
