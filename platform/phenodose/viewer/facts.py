"""What the tables of the store know of the wells of a screen, in the form that the viewer's page shows.

Belongs here: layout, viability, masks and flags of wells; which wells are replicates. Does not belong here: images
(`plates`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

from phenodose.names import well_sort_key
from phenodose.tables.curations import EXCLUDED

if TYPE_CHECKING:
    from phenodose.store.store import Store

#: Column of table wells -> name of the fact.
_LAYOUT = {
    "sample": "sample",
    "well_type": "well_type",
    "treatment": "treatment",
    "concentration_nM": "dose_nM",
    "add_on": "add_on",
    "add_on_concentration_nM": "add_on_dose_nM",
    "replicate": "replicate",
}
#: Wells that hold the same are replicates.
_SAME = ("sample", "well_type", "treatment", "dose_nM", "add_on", "add_on_dose_nM")


def well_facts(store: Store, screen: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Facts by plate and well, none of a screen without tables.

    They are the layout; `viability` by readout; `masked` and `flags` as sentences; `classes` by readout; `control`, the
    role (negative or positive) by readout of a well that was one; and `decide`, the command that leaves
    the well out or, where a decision does so already, takes it back.
    """
    found: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in store.read_table("wells", screen).to_dict("records"):
        layout = {fact: _plain(row[column]) for column, fact in _LAYOUT.items()}
        made: dict[str, Any] = {"viability": {}, "masked": [], "flags": [], "control": {}}
        made["decide"] = curate_command(screen, "exclude", row["plate"], row["well"])
        found[row["plate"]][row["well"]] = layout | made
    for row in store.read_table("viability", screen).to_dict("records"):
        known = found.get(row["plate"], {}).get(row["well"])
        if known is None:
            continue
        readout, value = str(row["readout"]), _plain(row["viability_fraction"])
        if value is not None:
            known["viability"][readout] = value
        if role := _plain(row["control"]):
            known["control"][readout] = role
        if name := _plain(row["well_class"]):
            known.setdefault("classes", {})[readout] = f"{name} (probability {row['class_probability']:.2f})"
        if row["masked"] is True:
            reason = str(_plain(row["mask_reason"]) or "masked")
            known["masked"].append(f"{readout}: {reason}")
            if reason.startswith(EXCLUDED):
                known["decide"] = curate_command(screen, "restore", row["plate"], row["well"])
        if flag := _plain(row["flag"]):
            known["flags"].append(f"{readout}: {flag}. {_plain(row['flag_reason']) or ''}".strip())
    return dict(found)


def curate_command(screen: str, action: str, plate: str, well: str) -> str:
    """The command that decides on a well, `exclude` or `restore`, for a shell; who runs it writes the reason."""
    return f'phenodose curate {screen} {action} {quote(f"{plate}/{well}")} --because "..."'


def replicate_groups(
    facts: Mapping[str, Mapping[str, Mapping[str, Any]]], imaged: Mapping[str, Sequence[str]]
) -> tuple[list[list[tuple[str, str]]], dict[tuple[str, str], int]]:
    """Wells with images that hold the same: sample, type, treatment, dose and second treatment.

    Returns:
        The groups of two wells and more as (plate, well), in order of plate and well; and the group of each well.
    """
    alike: defaultdict[tuple[Any, ...], list[tuple[str, str]]] = defaultdict(list)
    for plate, wells in imaged.items():
        for well in sorted(wells, key=well_sort_key):
            known = facts.get(plate, {}).get(well, {})
            if known.get("treatment"):
                alike[tuple(known[fact] for fact in _SAME)].append((plate, well))
    groups = [wells for wells in alike.values() if len(wells) > 1]
    return groups, {place: number for number, wells in enumerate(groups) for place in wells}


def _plain(value: Any) -> Any:
    """A cell of a table as JSON has it: None for an empty one."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    import pandas as pd

    if value is pd.NA:
        return None
    return value.item() if hasattr(value, "item") else value
