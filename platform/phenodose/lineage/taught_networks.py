"""Networks that have learned from wells which are left out since, or without wells that were taken back.

A network is not trained again for a decision on a well: that takes hours, and decisions are taken one at a time. It is
said instead, with the command that trains it again.

Belongs here: finding them, and the sentence. Does not belong here: keeping a training (`phenodose.pipeline`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from phenodose.plugins import StagedReadout, plugins_of
from phenodose.screens.curations import decisions_of, excluded_wells
from phenodose.screens.well_selectors import well_list

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.store.store import Store

#: What the record of a training's inputs calls its data, and the wells that it was done without.
TRAINING_SET, WITHOUT = "training_set", "without"
_NAMED = 4


def taught_otherwise(store: Store, screen: str, inputs: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Key and sentence of each network of a screen that a training now would teach with other wells.

    Args:
        store: the store.
        screen: screen id.
        inputs: what each step of the screen recorded of its inputs, by asset.
    """
    trained = [key for key, own in inputs.items() if key.startswith("checkpoint/") and TRAINING_SET in own]
    if not trained or not decisions_of(store, screen):
        return
    layout = store.read_table("wells", screen)
    for key in sorted(trained):
        _, readout, phase = key.split("/")
        teaching = _teaching(store, screen, layout, readout, phase)
        left_out = excluded_wells(store, screen, layout, f"{readout}_{phase}").reasons.notna().to_numpy(dtype=bool)
        could, now = set(well_list(layout, teaching)), set(well_list(layout, left_out))
        before = set(inputs[key].get(WITHOUT, []))
        wrong, missed = sorted((now - before) & could), sorted((before - now) & could)
        told = [f"has learned from {_listed(wrong)}, left out since"] if wrong else []
        told += [f"has learned without {_listed(missed)}, taken back since"] if missed else []
        if told:
            yield (
                key,
                f"`{key}` {' and '.join(told)}; it and what it reads are kept until you train it again, with "
                f"`phenodose run {screen} --select {key}+`.",
            )


def _teaching(store: Store, screen: str, layout: pd.DataFrame, readout: str, phase: str) -> np.ndarray:
    """Which wells a phase learns from: controls, and for one that is labelled by duplicates also drug wells."""
    import numpy as np

    cls = plugins_of(store).usable("readout").get(readout)
    phases = {one.name: one for one in cls.phases} if cls is not None and issubclass(cls, StagedReadout) else {}
    known = store.read_table("viability", screen)
    known = known[known["readout"].astype(str).str.startswith(f"{readout}_") & known["control"].notna()]
    controls = set(zip(known["plate"], known["well"], strict=True))
    kinds = layout["well_type"].astype(str).str.lower()
    chosen = kinds.isin(["neg", "pos"]).to_numpy(dtype=bool)
    if controls:
        chosen = np.array(
            [place in controls for place in zip(layout["plate"], layout["well"], strict=True)], dtype=bool
        )
    if phase in phases and phases[phase].labels == "duplicates":
        chosen |= kinds.eq("therapy").to_numpy(dtype=bool)
    return np.asarray(chosen)


def _listed(wells: list[str]) -> str:
    more = f" and {len(wells) - _NAMED} more" if len(wells) > _NAMED else ""
    return ", ".join(wells[:_NAMED]) + more
