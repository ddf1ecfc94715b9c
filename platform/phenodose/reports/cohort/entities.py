"""The cohort by entity: which drugs are hits in how many samples of the same disease.

Does not belong here: the tables of single screens (`tables`), figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.io.frames import rows_of
from phenodose.reports.data import text_of
from phenodose.reports.words import listed

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.reports.cohort.source import Cohort

#: Drugs of one entity that are shown, and entities.
MOST_DRUGS, MOST_ENTITIES = 12, 40
_MOST_NAMES = 8
_UNKNOWN = "entity not given"


def entities(cohort: Cohort) -> dict[str, Any]:
    """A part an entity, those of most samples first: its screens, and the drugs that are hits in most of its samples.

    A drug is a hit in a sample if it is one by the readout that ranks one of the sample's screens; several screens of a
    sample count once.
    """
    scores = cohort.scores
    ranked = scores[(scores["readout"] == scores["screen"].map(cohort.ranked_by)) & scores["score"].notna()]
    named = cohort.screens.assign(entity=[text_of(name) or _UNKNOWN for name in cohort.screens["entity"]])
    ranked = ranked.merge(named[["screen", "entity"]], on="screen")
    found = []
    for entity, rows in named.groupby("entity", sort=True):
        own = ranked[ranked["entity"] == entity]
        found.append(
            {
                "entity": str(entity),
                "screens": len(rows),
                "samples": int(rows["sample"].nunique()),
                "names": listed(sorted(set(rows["sample"])), _MOST_NAMES, ", "),
                "doubtful": int(rows["verdict"].isin(["warn", "fail"]).sum()),
                "drugs": _drugs(own),
            }
        )
    found.sort(key=lambda one: (one["entity"] == _UNKNOWN, -one["samples"], one["entity"]))
    return {"entities": found[:MOST_ENTITIES], "left_out": max(len(found) - MOST_ENTITIES, 0)}


def _drugs(own: pd.DataFrame) -> list[dict[str, Any]]:
    """The drugs that are hits in most samples, by median score where equal."""
    if own.empty:
        return []
    of_sample = own.groupby(["drug", "sample"]).agg(score=("score", "median"), hit=("hit", "max")).reset_index()
    counts = of_sample.groupby("drug").agg(hits=("hit", "sum"), tested=("sample", "size"), median=("score", "median"))
    ordered = sorted(
        rows_of(counts[counts["hits"] > 0]), key=lambda row: (-int(row.hits), -float(row.median), str(row.Index))
    )
    samples = of_sample[of_sample["hit"].astype(bool)].groupby("drug")["sample"].agg(sorted)
    return [
        {
            "drug": row.Index,
            "hits": int(row.hits),
            "tested": int(row.tested),
            "median": f"{row.median:.1f}",
            "samples": listed(list(samples[row.Index]), _MOST_NAMES, ", "),
        }
        for row in ordered[:MOST_DRUGS]
    ]
