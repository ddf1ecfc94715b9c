"""What a drug does at the concentration that patients reach, as the first page and the table of drugs say it.

Does not belong here: computing it (table `reachable_effects`), what concentrations are reached (table `drugs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phenodose.io.frames import rows_of
from phenodose.plots.small_curves import dose_words
from phenodose.reports.data import text_of

if TYPE_CHECKING:
    from phenodose.reports.data import ScreenData

_TABLE = "reachable_effects"


@dataclass(frozen=True)
class ReachableDose:
    """What a drug does at the concentration that patients reach.

    Attributes:
        dose_nm: that concentration in nM.
        words: the effect there with its interval, and the concentration.
        needs_more: whether the drug needs more than patients reach.
    """

    dose_nm: float
    words: str
    needs_more: bool


def reachable_doses(data: ScreenData) -> dict[str, ReachableDose]:
    """Drug -> what it does by the ranking readout at the concentration that patients reach, where one is known."""
    rows = data.tables.get(_TABLE)
    if rows is None or rows.empty:
        return {}
    rows = rows[(rows["readout"] == data.ranking_readout) & (rows["replicate"] == "pooled")]
    found: dict[str, ReachableDose] = {}
    for row in rows_of(rows):
        dose, effect = row.c_max_nM, row.effect_at_c_max_fraction
        if dose is None or not dose > 0:
            continue
        if effect == effect and effect is not None:
            ends = row.lower_fraction, row.upper_fraction
            known = all(end is not None and end == end for end in ends)
            interval = f" ({100 * ends[0]:.0f} to {100 * ends[1]:.0f})" if known else ""
            bound = {">": "at least ", "<": "at most "}.get(text_of(row.bound), "")
            words = f"{bound}{100 * effect:.0f} %{interval} at {dose_words(dose)}"
        else:
            words = f"not known at {dose_words(dose)}: {text_of(row.note) or 'no curve'}"
        found[str(row.drug)] = ReachableDose(
            float(dose), words, row.needs_more_than_c_max is True or row.needs_more_than_c_max == 1
        )
    return found
