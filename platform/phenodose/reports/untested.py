"""What a screen could not test, in a few lines: drugs without a score, wells that were left out, steps not made.

Does not belong here: the verdict (`phenodose.pipeline.verdict`), the full lists (`evidence`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.io.frames import rows_of
from phenodose.names import in_a_row
from phenodose.reports.data import text_of
from phenodose.reports.words import shortened

if TYPE_CHECKING:
    from phenodose.reports.data import ScreenData

_MOST_DRUGS, _MOST_REASONS, _MOST_STEPS = 6, 3, 2
#: Longest name of a drug, and longest reason.
_LONGEST_NAME, _LONGEST_REASON = 28, 70
#: Assets that a reader of the answer looks for.
_READ = ("viability/", "checkpoint/", "curves/")


def untested(data: ScreenData) -> list[str]:
    """Lines on what the answer does not cover; none where it covers everything."""
    return [*_drugs(data), *_wells(data), *_steps(data)]


def _drugs(data: ScreenData) -> list[str]:
    scored = set(data.ranking.loc[data.ranking["score"].notna(), "drug"])
    reasons = {row.drug: text_of(row.status) for row in rows_of(data.ranking)}
    without = [drug for drug in data.drugs if drug not in scored]
    if not without:
        return []
    named = [
        f"{shortened(drug, _LONGEST_NAME)}{f' ({shortened(reasons[drug], 40)})' if reasons.get(drug) else ''}"
        for drug in without[:_MOST_DRUGS]
    ]
    more = f" and {len(without) - _MOST_DRUGS} more" if len(without) > _MOST_DRUGS else ""
    are = "drug has" if len(without) == 1 else "drugs have"
    return [f"{len(without)} {are} no score: {in_a_row(named)}{more}."]


def _wells(data: ScreenData) -> list[str]:
    """Wells with a drug that the ranking readout leaves out, by reason."""
    wells = data["wells"]
    drugs = wells.loc[wells["well_type"] == "therapy", ["plate", "well"]]
    viability = data["viability"]
    read = viability[(viability["readout"] == data.ranking_readout) & viability["masked"].astype(bool)]
    lost = read.merge(drugs, on=["plate", "well"])
    if lost.empty:
        return []
    reasons = lost["mask_reason"].fillna("no reason given").value_counts()
    said = [
        f"{count} {shortened(str(reason), _LONGEST_REASON)}" for reason, count in reasons.head(_MOST_REASONS).items()
    ]
    more = f"; {len(reasons) - _MOST_REASONS} more reasons" if len(reasons) > _MOST_REASONS else ""
    return [f"{len(lost)} of {len(drugs)} wells with a drug are left out: {'; '.join(said)}{more}."]


def _steps(data: ScreenData) -> list[str]:
    """Readouts and networks that were not made; everything that failed."""
    rows = data["not_made"].sort_values("asset")
    found = [row for row in rows_of(rows) if row.outcome == "failed" or str(row.asset).startswith(_READ)]
    found.sort(key=lambda row: row.outcome != "failed")
    lines = [
        f"{row.asset} was {_OUTCOMES[row.outcome]}: {shortened(text_of(row.reason), _LONGEST_REASON)}" for row in found
    ]
    more = [f"{len(lines) - _MOST_STEPS} more steps were not made: see Methods"] if len(lines) > _MOST_STEPS else []
    return [*lines[:_MOST_STEPS], *more]


_OUTCOMES = {"failed": "tried and failed", "skipped": "not made"}
