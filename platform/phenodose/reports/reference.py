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
    from phenodose.pipeline.reference_samples import cohort_scores

    if data.ranking_readout is None:
        return Reference({}, [], 0)
    rows = cohort_scores(data.store, data.screen, data.ranking_readout, data.scorer)
    chosen = rows[(rows["sample"] != data.sample) & rows["drug"].isin(data.drugs)]
    scores = {str(drug): sorted(float(one) for one in of_drug) for drug, of_drug in chosen.groupby("drug")["score"]}
    return Reference(scores, list(dict.fromkeys(chosen["screen"])), len(chosen["sample"].unique()))
