"""A screen of two samples, which got the same drugs, so that whatever is found by the name of a drug alone shows.

Belongs here: its tables. Does not belong here: its pages, which each test writes.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from phenodose.store.store import Store

SCREEN, OTHER = "INF_R_153_V1_DS1", "Other/1"
#: Scores of the other sample, of those of the first.
FACTOR = 0.1


def store_of_two_samples(made_up_root: Path, root: Path) -> Store:
    """A metabolic screen with all its wells, curves and scores once more, of another sample; in a store of its own.

    The other sample is on plates of its own, its scores are a tenth and its curves a decade to the right.
    """
    store = Store.open(shutil.copytree(made_up_root, root))
    for table in ("wells", "viability", "curves", "scores", "reachable_effects", "qc"):
        for part in store.table_part(table, SCREEN, "x").parent.glob("*.parquet"):
            frame = store.read_table(table, SCREEN, part.stem)
            if frame.empty:
                continue
            again = frame.copy()
            if "plate" in again:
                again["plate"] = again["plate"].where(again["plate"].eq("screen"), "Q" + again["plate"].astype(str))
            if "sample" in again:
                again["sample"] = OTHER
            if table == "scores":
                again[["score", "lower", "upper"]] *= FACTOR
            if table == "curves":
                again["log10_mid"] += 1
            store.write_table(table, SCREEN, part.stem, pd.concat([frame, again], ignore_index=True))
    return store
