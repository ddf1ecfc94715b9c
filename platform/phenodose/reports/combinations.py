"""What the report shows of drugs with an add-on: differences to the drug alone, of the score and dose by dose.

Does not belong here: the numbers themselves (`phenodose.dose_response.combination`, `combination_effects`), dose
matrices of two drugs (`dose_pairs`), drawing (`combination_figures`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.dose_response.combination import PREFIX, combined_drugs
from phenodose.io.frames import rows_of
from phenodose.names import ADD_ON_DOSE
from phenodose.plots.combination_figures import Difference, differences
from phenodose.reports.data import text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.data import ScreenData

#: Add-ons (in one concentration and readout) of which a figure is drawn.
MOST_FIGURES = 24


def combinations(data: ScreenData, links: dict[str, str]) -> dict[str, Any] | None:
    """Every combination and readout, the largest differences of the ranking scorer first; None if there are none.

    Args:
        data: the rows of the screen.
        links: drug -> address of its card within the page.
    """
    scores = data["scores"]
    wanted = (scores["scorer"] == f"{PREFIX}{data.scorer}") & (scores["replicate"] == "pooled")
    known = scores[wanted & scores["score"].notna()]
    if known.empty:
        return None
    effects = dict(iter(data["combination_effects"].groupby(["sample", "readout", "curve"], sort=False)))
    none = data["combination_effects"].iloc[:0]
    rows = []
    for row in rows_of(known.sort_values(["score", "drug", "readout"], ascending=[False, True, True])):
        own = effects.get((row.sample, row.readout, row.drug), none)
        name = text_of(row.drug)
        rows.append(
            {
                "drug": name,
                "sample": row.sample,
                "link": links.get(name),
                "readout": row.readout,
                "score": row.score,
                "ends": (row.lower, row.upper),
                "difference": f"{row.score:+.1f}{_ends(row.lower, row.upper)}",
                "mean": _mean(own),
                "most": _dose(own, largest=True),
                "least": _dose(own, largest=False),
            }
        )
    figures = _figures(data, rows)
    return {
        "rows": rows,
        "scorer": data.score_name,
        "figures": figures[:MOST_FIGURES],
        "n_not_drawn": max(len(figures) - MOST_FIGURES, 0),
    }


def _figures(data: ScreenData, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two waterfalls an add-on, concentration and readout: of the score, and of inhibition; by add-on and dose."""
    parts = {(part.sample, part.drug): part for part in rows_of(combined_drugs(data["wells"]))}
    several = len({row["sample"] for row in rows}) > 1
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        part = parts.get((row["sample"], row["drug"]))
        if part is not None:
            dose = getattr(part, ADD_ON_DOSE, float("nan"))
            key = (part.add_on, -1.0 if dose != dose else dose, row["readout"], row["sample"])
            groups.setdefault(key, []).append(row | {"treatment": part.treatment})
    order = {name: place for place, name in enumerate(data.readouts)}
    found = []
    for key in sorted(groups, key=lambda key: (key[0], order.get(key[2], len(order)), key[1], key[3])):
        add_on, dose, readout, sample = key
        named = f"{add_on}{f' {dose:.12g} nM' if dose >= 0 else ''}"
        title = f"{named} by {data.label(readout)}{f' in {sample}' if several else ''}"
        own = groups[key]
        score = [Difference(row["treatment"], row["score"], row["ends"], row["link"] or "") for row in own]
        means = [row for row in own if row["mean"][1]]
        inhibition = [Difference(row["treatment"], row["mean"][0], row["mean"][2], row["link"] or "") for row in means]
        found.append(
            {
                "title": title,
                "score": differences(
                    score, f"difference of {data.score_name}", f"What {title} changes of {data.score_name}"
                ),
                "inhibition": differences(inhibition, "inhibition (points)", f"What {title} changes of inhibition")
                if inhibition
                else "",
            }
        )
    return found


def _mean(effects: pd.DataFrame) -> tuple[float, str, tuple[float, float]]:
    """The mean difference of inhibition over the doses: to sort by, in words, and its interval (mean of the doses')."""
    known = effects[effects["difference_percent"].notna()]
    if known.empty:
        return 0.0, "", (float("nan"), float("nan"))
    ends = known[["lower_percent", "upper_percent"]].mean(skipna=False).astype(float)
    lower, upper = float(ends.iloc[0]), float(ends.iloc[1])
    mean = float(known["difference_percent"].mean())
    return mean, f"{mean:+.1f}{_ends(lower, upper)}", (lower, upper)


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
