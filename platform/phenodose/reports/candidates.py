"""Candidates for a combination, in a few lines: pairs that were tested together, add-ons, drugs that look different.

Does not belong here: the sections on combinations with their tables and figures (`dose_pairs`, `combinations`,
`phenotypes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from phenodose.dose_response.combination import PREFIX
from phenodose.io.frames import rows_of
from phenodose.reports.data import Missing, text_of
from phenodose.reports.drug_pairs import known, measures_of, pairs_of, ranking
from phenodose.reports.phenotypes import distant_pairs
from phenodose.reports.words import shortened

if TYPE_CHECKING:
    from phenodose.reports.data import ScreenData

#: Lines of each kind.
MOST_LINES = 2
#: Longest line; what a long name has no room for is in the appendix.
LONGEST_LINE = 120


def candidates(data: ScreenData) -> list[str]:
    """What speaks for giving two drugs together, tested ones first; none where nothing does."""
    lines = [*_synergies(data), *_add_ons(data), *_different(data)]
    return [shortened(line, LONGEST_LINE) for line in lines]


def _synergies(data: ScreenData) -> list[str]:
    """Pairs of dose matrices that do more together than the first model that says something expects."""
    pairs = [pair for pair in pairs_of(data["combination_scores"]) if pair.readout in data.readouts]
    by = {pair.readout for pair in pairs}
    readout = next((name for name in data.readouts if name in by), None)
    pairs = [pair for pair in pairs if pair.readout == readout]
    model = next((name for name in measures_of(data).models if any(known(pair.value(name)) for pair in pairs)), None)
    if model is None:
        return []
    found = [pair for pair in ranking(pairs, model) if pair.interaction(model) == "synergy"]
    lines = []
    for pair in found[:MOST_LINES]:
        low, high = pair.value(model, "lower"), pair.value(model, "upper")
        ends = f" ({low:+.1f} to {high:+.1f})" if known(low, high) else ""
        excess = f"{pair.value(model):+.1f}{ends} points over {data.preferences.measure_label(model)}"
        lines.append(f"{pair.drug} + {pair.add_on}: synergy, {excess}")
    return [*lines, *_more(len(found), "synergistic pairs")]


def _add_ons(data: ScreenData) -> list[str]:
    """Drugs whose score rises with an add-on, by the interval of the difference."""
    scores = data["scores"]
    rows = scores[
        (scores["scorer"] == f"{PREFIX}{data.scorer}")
        & (scores["replicate"] == "pooled")
        & (scores["readout"] == data.ranking_readout)
        & (scores["lower"] > 0)
    ].sort_values(["score", "drug"], ascending=[False, True])
    lines = [
        f"{text_of(row.drug)}: {data.score_name} {row.score:+.1f} ({row.lower:+.1f} to {row.upper:+.1f}) by the add-on"
        for row in rows_of(rows.head(MOST_LINES))
    ]
    return [*lines, *_more(len(rows), "drugs that gain by an add-on")]


def _different(data: ScreenData) -> list[str]:
    """Hits that look different from each other: they may act in different ways."""
    pairs = distant_pairs(data)
    if isinstance(pairs, Missing) or not pairs["pairs"]:
        return []
    found = [" + ".join(pair["drugs"]) for pair in pairs["pairs"][:MOST_LINES]]
    more = len(pairs["pairs"]) - len(found)
    return [
        f"Not tested together, but with different phenotypes: {'; '.join(found)}{f'; and {more} more' if more else ''}"
    ]


def _more(n_found: int, what: str) -> list[str]:
    return [f"{n_found - MOST_LINES} more {what}: see Combinations"] if n_found > MOST_LINES else []
