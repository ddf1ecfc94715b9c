"""What exclusions of wells would leave without controls, or without anything to score.

Belongs here: telling it before a decision is written. Does not belong here: what becomes of wells without controls when
a readout is made (`phenodose.pipeline.viability`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from phenodose.names import measured_name
from phenodose.tables.curations import EXCLUDED

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.screens.curations import Decision
    from phenodose.store.store import Store

#: Columns in which a drug well and its controls agree, by what viability is relative to.
_GROUPS = {"plate": ("plate",), "treatment": ("treatment",), "both": ("plate", "treatment")}


def left_without(
    store: Store, screen: str, layout: pd.DataFrame, before: Sequence[Decision], after: Sequence[Decision]
) -> Iterator[str]:
    """Sentences on what is lost by new decisions; none for readouts that have not been read yet.

    Args:
        store: the store.
        screen: screen id.
        layout: rows of the table `wells`.
        before: the decisions without the new ones.
        after: the decisions with them.
    """
    from phenodose.screens.curations import excluded

    viability = store.read_table("viability", screen)
    runs = store.read_table("runs", screen)
    inputs = dict(zip(runs["asset"], runs["inputs"], strict=True))
    for readout in sorted(set(map(str, viability["readout"]))):
        if measured_name(readout) != readout:
            continue
        rows = viability[viability["readout"] == readout]
        said = inputs.get(f"viability/{readout}")
        by = json.loads(said).get("normalise_by", "plate") if isinstance(said, str) else "plate"
        read = layout.merge(
            rows[["plate", "well", "control", "masked", "mask_reason"]], on=["plate", "well"], how="left"
        )
        decided = read["mask_reason"].astype(object).fillna("").astype(str).str.startswith(EXCLUDED)
        sound = ~read["masked"].eq(True).to_numpy(dtype=bool) | decided.to_numpy(dtype=bool)
        left = [sound & ~_any(excluded(each, layout, readout), len(layout)) for each in (before, after)]
        yield from _of_readout(read, readout, str(by), *left)


def _any(held: dict[int, np.ndarray], n_wells: int) -> np.ndarray:
    import numpy as np

    return np.asarray(np.any([np.zeros(n_wells, dtype=bool), *held.values()], axis=0), dtype=bool)


def _of_readout(read: pd.DataFrame, readout: str, by: str, before: np.ndarray, after: np.ndarray) -> Iterator[str]:
    """What one readout loses; `before` and `after` tell which wells count, bool arrays (well,)."""
    drugs = read["well_type"].eq("therapy").to_numpy(dtype=bool)
    if (drugs & before).any() and not (drugs & after).any():
        yield f"{readout}: no drug well would be left; exclude less."
        return
    add_on = read["add_on"].astype(object).fillna("").astype(str).str.strip()
    keys = read.assign(sample=read["sample"].astype(object).fillna(""), add_on=add_on)
    columns = list(_GROUPS.get(by, ("plate",)))
    for kind, more in (("negative", ["sample", "add_on"]), ("positive", [])):
        control = keys["control"].eq(kind).to_numpy(dtype=bool)
        names = [*columns, *more]
        had, has = (_groups(keys[control & counts], names) for counts in (before, after))
        needed = _groups(keys[drugs & after], names)
        for group in sorted((had - has) & needed, key=str):
            of = dict(zip(names, map(str, group), strict=True))
            with_add_on = f" with {of['add_on']}" if of.get("add_on") else ""
            words = ", ".join(f"{name} {of[name]}" for name in [*columns, "sample"] if of.get(name))
            yield (
                f"{readout}: no {kind} control{with_add_on} of {words} would be left, and viability is relative to "
                "it; exclude less, or also the drug wells that it serves."
            )


def _groups(rows: pd.DataFrame, names: list[str]) -> set[tuple[object, ...]]:
    return set(rows[names].drop_duplicates().itertuples(index=False, name=None))
