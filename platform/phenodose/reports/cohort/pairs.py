"""The cohort report's table of drug pairs: in how many samples two drugs are synergistic.

Does not belong here: the pairs of one screen (`phenodose.reports.dose_pairs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.io.frames import rows_of

if TYPE_CHECKING:
    from phenodose.reports.cohort.source import Cohort

_MOST_ROWS = 300
_MOST_NAMES = 12


def pairs(cohort: Cohort) -> dict[str, Any] | None:
    """Every pair and readout by the model that ranks pairs, most often synergistic first; None if there are none."""
    found = cohort.pairs
    model = next(iter(cohort.preferences.ordered_measures(found["model"])), None)
    if model is None:
        return None
    rows = [
        {
            "drugs": f"{row.first} and {row.second}",
            "readout": row.readout,
            "n_samples": int(row.n_samples),
            "synergy": len(_samples(row.synergy)),
            "antagonism": len(_samples(row.antagonism)),
            "median": row.median,
            "excess": f"{row.median:+.1f}"
            + (f" ({row.lowest:+.1f} to {row.highest:+.1f})" if row.n_samples > 1 else ""),
            "where": _named(_samples(row.synergy)),
        }
        for row in rows_of(found[found["model"] == model])
    ]
    rows.sort(key=lambda row: (-row["synergy"], row["antagonism"], -row["median"], row["drugs"], row["readout"]))
    return {"model": cohort.preferences.measure_label(model), "rows": rows[:_MOST_ROWS], "of": len(rows)}


def _range(row: Any) -> str:
    return f" ({row.lowest:+.1f} to {row.highest:+.1f})" if row.n_samples > 1 else ""


def _samples(cell: Any) -> list[str]:
    """The samples of a list of the database; an empty one is None."""
    return [] if cell is None or isinstance(cell, float) else [str(name) for name in cell]


def _named(samples: list[str]) -> str:
    more = len(samples) - _MOST_NAMES
    return ", ".join(samples[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
