"""What the report shows of drugs with an add-on: differences to the drug alone, of the score and dose by dose.

Does not belong here: the numbers themselves (`phenodose.dose_response.combination`, `combination_effects`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.dose_response.combination import PREFIX
from phenodose.io.frames import rows_of
from phenodose.reports.data import text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData


def combinations(data: ScreenData, links: dict[str, str]) -> dict[str, Any] | None:
    """Every combination and readout, the largest differences of the ranking scorer first; None if there are none.

    Args:
        data: the rows of the screen.
        links: drug -> address of its card within the page.
    """
    scores = data["scores"]
    wanted = (scores["scorer"] == f"{PREFIX}{data.scorer}") & (scores["replicate"] == "pooled")
    differences = scores[wanted & scores["score"].notna()]
    effects = data["combination_effects"]
    if differences.empty:
        return None
    rows = []
    for row in rows_of(differences.sort_values(["score", "drug", "readout"], ascending=[False, True, True])):
        same = (effects["curve"] == row.drug) & (effects["readout"] == row.readout)
        own = effects[same & (effects["sample"] == row.sample)]
        name = text_of(row.drug)
        rows.append(
            {
                "drug": name,
                "link": links.get(name),
                "readout": row.readout,
                "score": row.score,
                "difference": f"{row.score:+.1f}{_ends(row.lower, row.upper)}",
                "most": _dose(own, largest=True),
                "least": _dose(own, largest=False),
            }
        )
    return {"rows": rows, "scorer": data.scorer}


def _dose(effects: pd.DataFrame, largest: bool) -> tuple[float, str]:
    """The largest (or smallest) difference of inhibition over the doses, to sort by and in words."""
    known = effects[effects["difference_percent"].notna()].sort_values("difference_percent", ascending=not largest)
    for row in rows_of(known.head(1)):
        ends = _ends(row.lower_percent, row.upper_percent, 0)
        return row.difference_percent, f"{row.difference_percent:+.0f}{ends} at {row.concentration_nM:g} nM"
    return 0.0, ""


def _ends(lower: float, upper: float, digits: int = 1) -> str:
    known = lower == lower and upper == upper
    return f" ({lower:+.{digits}f} to {upper:+.{digits}f})" if known else ""
