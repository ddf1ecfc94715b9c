"""The tables of a screen as Parquet, and what their columns mean.

Belongs here: one Parquet file a table, the ranking of the drugs for people without Parquet, the data dictionary. Does
not belong here: which tables there are (`phenodose.tables`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from phenodose.crate.hide import Hider
from phenodose.io.spreadsheet_text import harmless, harmless_frame
from phenodose.pipeline.verdict import ScreenJudge, ranked_drugs
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.crate.parcel import Parcel
    from phenodose.store.store import Store

DICTIONARY = "tables/data_dictionary.csv"
RANKING = "ranking.csv"
#: Columns of the ranking, those that there are.
_RANKING = ("drug", "sample", "readout", "scorer", "score", "lower", "upper", "unit", "hit", "call", "status")


def table_file(table: str) -> str:
    """Where a table lies in a crate."""
    return f"tables/{table}.parquet"


def read_tables(store: Store, screen: str, hider: Hider) -> dict[str, pd.DataFrame]:
    """The rows of every table of a screen that has some, without places and people.

    What only the cohort tells of a screen is filled in: its verdict, what ranks, the number of hits.

    Raises:
        StoreError: a file of a table is damaged.
    """
    found = {name: rows for name in TABLES if len(rows := store.read_table(name, screen))}
    if "screens" in found:
        found["screens"] = found["screens"].assign(**ScreenJudge(store).judge(screen))
    for rows in found.values():
        hider.meet(rows)
    return {
        name: hider.rows(rows.sort_values(list(TABLES[name].key), kind="stable", ignore_index=True), TABLES[name])
        for name, rows in found.items()
    }


def put_tables(parcel: Parcel, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write every table as Parquet, units and meanings with it, and the data dictionary."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name, rows in tables.items():
        sink = pa.BufferOutputStream()
        pq.write_table(TABLES[name].conform(rows), sink, compression="zstd")
        parcel.put(table_file(name), sink.getvalue().to_pybytes())
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["table", "column", "type", "unit", "may_be_empty", "key", "meaning"])
    for name in tables:
        table = TABLES[name]
        for column in table.columns:
            row = [name, column.name, column.type, column.unit, "no" if column.required else "yes"]
            lines.writerow([*row, "yes" if column.name in table.key else "no", harmless(column.description)])
    parcel.put(DICTIONARY, text.getvalue().encode())


def put_ranking(parcel: Parcel, store: Store, screen: str) -> bool:
    """Write the drugs as they are ranked, the most sensitive first, as CSV; False where no drug has a score."""
    ranked = ranked_drugs(store, screen)
    if ranked.empty:
        return False
    shown = ranked[[name for name in _RANKING if name in ranked]]
    parcel.put(RANKING, harmless_frame(shown).to_csv(index=False).encode())
    return True
