"""The tables of the cohort report: screens, scores, mismatches, correlations, control drift.

Does not belong here: figures, and the list of expected hits (`expected_hits`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.dose_response.agreement import DIFFER, UNDECIDED
from phenodose.io.frames import rows_of
from phenodose.plots.cohort_drawing import correlation
from phenodose.reports.cohort.agreement_figures import modality_pairs
from phenodose.reports.data import Missing, is_true, number_of, text_of

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.cohort.source import Cohort

#: Score at which a cell of the matrix has its full colour.
_FULL_COLOUR_AT = 40.0
#: More screens than this are no table that a person reads across.
MOST_COLUMNS = 40
_MOST_ROWS = 300
_MOST_NAMES = 12
_LONGEST_VERDICT = 240


def stale(cohort: Cohort) -> list[tuple[str, str]]:
    """Every screen that is older than its inputs, and which of them have changed since."""
    rows = cohort.screens.dropna(subset=["stale"])
    return list(zip(rows["screen"], rows["stale"], strict=True))


def screens(cohort: Cohort, reports: frozenset[str]) -> list[dict[str, Any]]:
    """A row a screen: what it is, its hits by the readout that ranks it, its quality.

    Args:
        cohort: the rows.
        reports: names of the reports beside this one.
    """
    ranked = _ranked(cohort)
    hits = dict(iter(ranked[is_true(ranked["hit"])].groupby("screen"))) if len(ranked) else {}
    found = []
    for row in rows_of(cohort.screens):
        readout = cohort.ranked_by.get(row.screen, "")
        own = hits.get(row.screen)
        best = [] if own is None else [f"{hit.drug} ({hit.score:.1f})" for hit in rows_of(own.head(5))]
        found.append(
            {
                "screen": row.screen,
                "link": f"{row.screen}.html" if f"{row.screen}.html" in reports else "",
                "sample": row.sample,
                "entity": text_of(row.entity),
                "kind": row.kind,
                "made_at": f"{row.made_at:%Y-%m-%d}" if row.made_at == row.made_at and row.made_at else "",
                "readout": readout,
                "level": text_of(row.verdict) or "none",
                "verdict": _cut(text_of(row.verdict_reason)),
                "n_hits": 0 if own is None else len(own),
                "best": ", ".join(best),
            }
        )
    return found


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_VERDICT else text[: _LONGEST_VERDICT - 1] + "…"


def _ranked(cohort: Cohort) -> pd.DataFrame:
    """Scores of the readout that ranks each screen, best first."""
    scores = cohort.scores
    own = scores[(scores["readout"] == scores["screen"].map(cohort.ranked_by)) & scores["score"].notna()]
    return own.sort_values(["screen", "score", "drug"], ascending=[True, False, True])


def matrix(cohort: Cohort) -> dict[str, Any] | Missing:
    """Scores of all drugs (rows) in all screens (columns), most often hit first; many screens are only counted."""
    ranked = _ranked(cohort)
    if ranked.empty:
        return Missing("no screen has scores.")
    counts = ranked.assign(hit=is_true(ranked["hit"])).groupby("drug").agg(
        hits=("hit", "sum"), tested=("screen", "nunique"), median=("score", "median"), highest=("score", "max")
    )  # fmt: skip
    columns = sorted(set(ranked["screen"]))
    shown = columns if len(columns) <= MOST_COLUMNS else []
    cells = {(row.drug, row.screen): row for row in rows_of(ranked)} if shown else {}
    samples = dict(zip(cohort.screens["screen"], cohort.screens["sample"], strict=True))
    ordered = sorted(rows_of(counts), key=lambda row: (-row.hits, row.Index))
    return {
        "screens": [(name, samples.get(name, ""), cohort.ranked_by[name]) for name in shown],
        "n_screens": len(columns),
        "rows": [
            {
                "drug": row.Index,
                "n_hits": int(row.hits),
                "tested": int(row.tested),
                "median": f"{row.median:.1f}",
                "highest": f"{row.highest:.1f}",
                "cells": [_cell(cells.get((row.Index, name))) for name in shown],
            }
            for row in ordered
        ],
    }


def _cell(row: Any) -> dict[str, Any]:
    if row is None:
        return {"text": "", "hit": False, "failed": False, "colour": "#ffffff", "ink": "#222222", "sort": ""}
    part = min(max(row.score / _FULL_COLOUR_AT, 0.0), 1.0)
    # From white to the palette's blue: lightness alone carries the value.
    colour = "#" + "".join(f"{round(255 + part * (end - 255)):02x}" for end in (0x00, 0x5A, 0x8F))
    return {
        "text": f"{row.score:.1f}",
        "hit": bool(row.hit is True or row.hit == 1),
        "failed": bool(row.readout_failed),
        "colour": colour,
        "ink": "#ffffff" if part > 0.55 else "#222222",
        "sort": row.score,
    }


def mismatches(cohort: Cohort) -> list[dict[str, Any]]:
    """How often two readouts differ (`phenodose.dose_response.agreement`): a row a pair of readouts, over all screens.

    `first_only` and `second_only` are the drugs on which they differ, by the readout in which the score is higher.
    """
    found = []
    for first, second, both in modality_pairs(cohort):
        differ, higher = both["agreement"].eq(DIFFER), both["difference"] > 0
        n, pearson, spearman = correlation(both["first_score"].to_numpy(float), both["second_score"].to_numpy(float))
        found.append(
            {
                "first": first,
                "second": second,
                "n": n,
                "n_differ": int(differ.sum()),
                "percent": 100 * float(differ.mean()),
                "undecided": 100 * float(both["agreement"].eq(UNDECIDED).mean()),
                "pearson": number_of(pearson, 3),
                "spearman": number_of(spearman, 3),
                "first_only": _named(both[differ & higher]),
                "second_only": _named(both[differ & ~higher]),
            }
        )
    return found


def _named(rows: pd.DataFrame) -> str:
    """Drugs with the number of screens, most often first."""
    counted = {str(drug): int(n) for drug, n in rows["drug"].value_counts().items()}
    counts = sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))
    names = [f"{drug} ({n})" for drug, n in counts[:_MOST_NAMES]]
    more = len(counts) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def mismatches_by_screen(cohort: Cohort) -> dict[str, Any]:
    """The same by screen, with scores; the screens that disagree most, where they are many."""
    found: list[dict[str, Any]] = []
    for first, second, both in modality_pairs(cohort):
        differ = both["agreement"].eq(DIFFER)
        for (screen, own), (_, chosen) in zip(
            both.groupby("screen"), both.assign(differ=differ).groupby("screen"), strict=True
        ):
            named = own[chosen["differ"]].sort_values("first_score", ascending=False)
            words = [
                f"{row.drug} ({first} {row.first_score:.1f}, {second} {row.second_score:.1f})" for row in rows_of(named)
            ]
            found.append(
                {"screen": str(screen), "first": first, "second": second, "n": len(own),
                 "percent": 100 * float(chosen["differ"].mean()), "named": ", ".join(words)}
            )  # fmt: skip
    if len(found) > _MOST_ROWS:
        kept = sorted(found, key=lambda row: (-row["percent"], row["screen"]))[:_MOST_ROWS]
        return {"rows": kept, "of": len(found)}
    return {"rows": sorted(found, key=lambda row: row["screen"]), "of": len(found)}


def correlations(cohort: Cohort) -> list[dict[str, Any]]:
    """Replicates of all screens: a row a readout; R and rho of DSS, and the median over screens of both quantities."""
    found = []
    for readout, own in cohort.replicate_agreement.groupby("readout"):
        pairs = cohort.replicate_scores[cohort.replicate_scores["readout"] == readout]
        n, pearson, spearman = correlation(pairs["first"].to_numpy(float), pairs["second"].to_numpy(float))
        viability, dss = (own[own["quantity"] == quantity] for quantity in ("viability", "DSS"))
        found.append(
            {
                "readout": readout,
                "n_screens": own["screen"].nunique(),
                "n_viability": int(viability["n"].sum()),
                "n_dss": n,
                "pearson": number_of(pearson, 3),
                "spearman": number_of(spearman, 3),
                "medians": [
                    number_of(_median(part[measure]), 3)
                    for part in (viability, dss)
                    for measure in ("pearson", "spearman")
                ],
            }
        )
    return found


def _median(values: pd.Series[float]) -> float:
    known = values.to_numpy(float)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else float("nan")


def control_drift(cohort: Cohort) -> dict[str, Any]:
    """The controls of every screen against those made before it; only the conspicuous ones, where they are many."""
    rows = cohort.drift
    many = len(rows) > _MOST_ROWS
    kept = rows[rows["verdict"].isin(["warn", "fail"])].head(_MOST_ROWS) if many else rows
    return {
        "of": len(rows),
        "many": many,
        "rows": [
            {
                "screen": row.screen,
                "readout": row.readout,
                "n_earlier": row.n_earlier,
                "levels": f"{number_of(row.negative_median)} / {number_of(row.positive_median)}",
                "window": number_of(row.cohort_window_drift, 2),
                "spread": number_of(row.cohort_spread_drift, 2),
                "verdict": text_of(row.verdict),
            }
            for row in rows_of(kept)
        ],
    }
