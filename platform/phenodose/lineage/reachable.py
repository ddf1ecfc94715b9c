"""The link of a chain that tells what a curve does at C max.

Belongs here: that one link. Does not belong here: the chain (`phenodose.lineage.trace`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from phenodose.lineage.link import Link
from phenodose.lineage.rows import some

#: Columns that name a curve, as `scores` and `reachable_effects` have them.
KEY = ("sample", "readout", "replicate", "drug")
_TOLD = (
    "c_max_nM", "effect_at_c_max_fraction", "lower_fraction", "upper_fraction", "bound", "half_effect_nM",
    "half_effect_bound", "needs_more_than_c_max", "p_needs_more", "library_name", "c_max_source", "note",
)  # fmt: skip


def c_max_links(rows: Mapping[tuple[Any, ...], Sequence[dict[str, Any]]], score: Mapping[str, Any]) -> list[Link]:
    """What the score's curve does at C max; [] where that is not known.

    Args:
        rows: rows of `reachable_effects` by `KEY`.
        score: a row with these columns.
    """
    found = rows.get(tuple(score[column] for column in KEY), ())
    return [
        Link(
            f"effect at C max of {row['treatment']}", _facts(some(row, (*_TOLD, "plugin", "plugin_version", "run_id")))
        )
        for row in found
    ]


def _facts(told: dict[str, Any]) -> dict[str, Any]:
    """A value that is no bound is not said to be one."""
    return {name: value for name, value in told.items() if not (name.endswith("bound") and value == "=")}
