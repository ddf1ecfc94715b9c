"""Scores beside the one that ranks: those of every other scorer that the screen was scored with.

Does not belong here: the ranking score and the half-effect dose, which have columns of their own (`sections`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.dose_response.combination import PREFIX
from phenodose.io.frames import rows_of
from phenodose.reports.data import number_of, text_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from phenodose.reports.data import ScreenData


def other_scores(data: ScreenData, without: Collection[str] = ()) -> dict[str, Any]:
    """The pooled scores of the ranking readout by every scorer that names no column elsewhere, in order of precedence.

    Args:
        data: the rows of the screen.
        without: scorers that are left out.

    Returns:
        `scorers`: name, label with unit, and what it says, of each; `of`: drug -> a cell for each of them.
    """
    rows = data["scores"]
    rows = rows[(rows["replicate"] == "pooled") & (rows["readout"] == data.ranking_readout)]
    scored = set(rows["scorer"])
    # What add-ons change of a score has its own section.
    left_out = {*without, data.scorer, *(f"{PREFIX}{name}" for name in scored)}
    names = data.preferences.ordered_scorers(scored - left_out)
    cells = {(row.drug, row.scorer): row for row in rows_of(rows)}
    units = {row.scorer: text_of(row.unit) for row in rows_of(rows)}
    return {
        "scorers": [(name, data.preferences.scorer_label(name), units[name], _meaning(data, name)) for name in names],
        "of": {drug: [_cell(cells.get((drug, name))) for name in names] for drug in data.drugs},
    }


def _meaning(data: ScreenData, scorer: str) -> str:
    plugin = data.preferences.scorers.get(scorer)
    return f"{scorer}: {plugin.description}" if plugin else scorer


def _cell(row: Any) -> dict[str, Any]:
    """A score as a table shows it; `sort` has all digits."""
    if row is None or row.score is None or row.score != row.score:
        return {"text": "–", "interval": "" if row is None else text_of(row.status), "sort": ""}
    bound = "" if row.bound == "=" else f"{row.bound} "
    known = row.lower == row.lower and row.upper == row.upper
    interval = f"{number_of(row.lower, 3)} to {number_of(row.upper, 3)}" if known else ""
    return {"text": f"{bound}{number_of(row.score, 3)}", "interval": interval, "sort": row.score}
