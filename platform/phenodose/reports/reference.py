"""The reference cohort of a report: the scores of the same drugs in the other samples of the store.

Does not belong here: selective scores against reference samples (scorers), and drawing (`svg_figures`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phenodose.reports.data import ScreenData


@dataclass(frozen=True)
class Reference:
    """Scores of other samples, by the same readout and scorer as the ranking.

    Attributes:
        scores: drug -> scores, ascending.
        screens: the screens that they come from.
        n_samples: how many samples these are.
    """

    scores: dict[str, list[float]]
    screens: list[str]
    n_samples: int


def reference_cohort(data: ScreenData) -> Reference:
    """Pooled scores of this screen's drugs in all screens of other samples; empty where there are none.

    Other screens of the same sample are no reference and are left out. The rows are those of the tables, so that a
    report does not depend on when the cohort database was rebuilt.
    """
    from phenodose.errors import StoreError

    others = [name for name in data.store.screens() if name != data.screen]
    scores: dict[str, list[float]] = {}
    screens, samples = [], set()
    for screen in others:
        try:
            rows = data.store.read_table("scores", screen, f"scores/{data.scorer}")
            rows = rows if len(rows) else data.store.read_table("scores", screen)
        except StoreError:
            continue
        chosen = rows[
            (rows["scorer"] == data.scorer)
            & (rows["readout"] == data.ranking_readout)
            & (rows["replicate"] == "pooled")
            & (rows["sample"] != data.sample)
            & rows["drug"].isin(data.drugs)
            & rows["score"].notna()
        ]
        if chosen.empty:
            continue
        screens.append(screen)
        samples |= set(chosen["sample"])
        for drug, score in zip(chosen["drug"], chosen["score"], strict=True):
            scores.setdefault(drug, []).append(float(score))
    return Reference({drug: sorted(values) for drug, values in scores.items()}, screens, len(samples))
