"""How far apart two drugs lie on the phenotype map, and what is far.

Belongs here: a drug's place and the duplicates that distances are judged by. Does not belong here: which pairs of drugs
a report names (`phenotypes`, `dose_pairs`), making maps (embedder plugins).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from phenodose.reports.data import Missing

if TYPE_CHECKING:
    from phenodose.reports.data import ScreenData

#: A pair differs if it is farther apart than this part of all duplicates.
_DUPLICATES_QUANTILE = 0.9


@dataclass(frozen=True)
class DrugPlaces:
    """Where the drugs of a screen lie on a map whose distances mean something.

    Attributes:
        embedder: the map.
        limit: distance below which nine of ten pairs of duplicates lie.
        where: drug -> mean place (x, y) of its wells of the highest concentration.
        own: drug -> largest distance between its duplicates; NaN without any.
    """

    embedder: str
    limit: float
    where: dict[str, np.ndarray]
    own: dict[str, float]

    def distance(self, one: str, other: str) -> float:
        """Distance of two drugs; NaN where one is not on the map."""
        if one not in self.where or other not in self.where:
            return float("nan")
        return float(np.linalg.norm(self.where[one] - self.where[other]))


def drug_places(data: ScreenData) -> DrugPlaces | Missing:
    """The places of all drugs given alone, on the first of the site's measuring maps that the screen has."""
    places = data["embeddings"]
    measuring = data.preferences.measuring_embedders()
    embedder = next((name for name in measuring if (places["embedder"] == name).any()), None)
    if embedder is None:
        return Missing(f"there is no map whose distances mean something ({' or '.join(measuring) or 'none is known'}).")
    rows = places[(places["embedder"] == embedder) & (places["well_type"] == "therapy")]
    rows = rows[rows["add_on"].fillna("") == ""]
    highest = rows.groupby("treatment")["concentration_nM"].transform("max")
    rows = rows[rows["concentration_nM"] == highest]
    where: dict[str, np.ndarray] = {}
    own: dict[str, float] = {}
    between: list[float] = []
    for drug, wells in rows.groupby("treatment"):
        at = wells[["x", "y"]].to_numpy(dtype=np.float64)
        where[str(drug)] = at.mean(axis=0)
        gaps = [float(np.linalg.norm(a - b)) for a, b in combinations(at, 2)]
        between += gaps
        own[str(drug)] = max(gaps, default=float("nan"))
    if not between:
        return Missing("no drug has duplicates on the map, so it cannot be told what is far.")
    return DrugPlaces(embedder, float(np.quantile(between, _DUPLICATES_QUANTILE)), where, own)
