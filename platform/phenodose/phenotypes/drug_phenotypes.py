"""Which drugs have a phenotype, and which drug looks most like each.

Belongs here: the two questions, a row a drug. Does not belong here: how closeness is judged (`average_precision`),
which wells are a drug's (`phenodose.pipeline.phenotypes`).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from phenodose.phenotypes.alignment import with_untreated
from phenodose.phenotypes.average_precision import average_precision, cosine_similarity, p_value, q_values

if TYPE_CHECKING:
    import pandas as pd


def drug_phenotypes(profiles: np.ndarray, drugs: np.ndarray, negative: np.ndarray) -> pd.DataFrame:
    """One row a drug: does it have a phenotype, and which other drug is most like it.

    - A drug has a phenotype if its wells find each other before the untreated wells: the candidates of a well are the
      other wells of the drug and all untreated ones.
    - Two drugs are the same if the wells of each find those of the other before the wells of all other drugs. The
      nearest drug is the one whose median profile has the largest cosine with that of the drug; q-values count all
      pairs of drugs, as the nearest is the best of many.

    Closeness is the cosine between profiles, in which weak ones count as untreated (`with_untreated`).

    Args:
        profiles: float array (well, feature) with untreated wells around 0.
        drugs: name of the drug of each well, '' for wells without.
        negative: bool array (well,): untreated wells.

    Returns:
        Columns drug, n_wells, map, p_value, q_value, nearest_drug, similarity, same_map, same_p_value, same_q_value;
        in order of first appearance. map is NaN for a drug of one well; what is of the nearest is empty if there is no
        other drug.
    """
    import pandas as pd

    names = [name for name in dict.fromkeys(drugs) if name]
    profiles = with_untreated(profiles, negative)
    similarity = cosine_similarity(profiles)
    rows = []
    for name in names:
        own = np.flatnonzero(drugs == name)
        found, p = _closer_than(similarity, own, negative)
        rows.append({"drug": name, "n_wells": len(own), "map": found, "p_value": p})
    table = pd.DataFrame(rows, columns=["drug", "n_wells", "map", "p_value"])
    table["q_value"] = q_values(table["p_value"].to_numpy(dtype=np.float64))
    return pd.concat([table, _nearest(profiles, similarity, drugs, names)], axis=1)


def _closer_than(similarity: np.ndarray, own: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """The mAP of wells that ask for each other among `others`, and its p-value; NaN for a single well."""
    if len(own) < 2 or not others.any():
        return float("nan"), float("nan")
    like = np.zeros((len(own), len(others)), dtype=bool)
    like[:, own] = True
    like[np.arange(len(own)), own] = False
    candidate = like | others
    candidate[np.arange(len(own)), own] = False
    found = float(average_precision(similarity[own], like, candidate).mean())
    sizes = tuple((len(own) - 1, int(row.sum())) for row in candidate)
    return found, p_value(found, sizes)


def _nearest(profiles: np.ndarray, similarity: np.ndarray, drugs: np.ndarray, names: list[str]) -> pd.DataFrame:
    import pandas as pd

    columns = ["nearest_drug", "similarity", "same_map", "same_p_value", "same_q_value"]
    if len(names) < 2:
        return pd.DataFrame({name: [None if name == columns[0] else np.nan] * len(names) for name in columns})
    wells = [np.flatnonzero(drugs == name) for name in names]
    middle = cosine_similarity(np.stack([np.median(profiles[own], axis=0) for own in wells]))
    np.fill_diagonal(middle, -np.inf)
    every = np.concatenate(wells)
    precision = np.full((len(names), len(names)), np.nan)  # of the wells of the first asking for the second
    for number, own in enumerate(wells):
        candidate = np.setdiff1d(every, own)
        # Ranks of all candidates for every well of the drug, the most similar first.
        order = np.argsort(-similarity[np.ix_(own, candidate)], axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(1, len(candidate) + 1)[None, :], axis=1)
        for other, theirs in enumerate(wells):
            if other != number:
                places = np.sort(ranks[:, np.isin(candidate, theirs)], axis=1)
                precision[number, other] = (np.arange(1, len(theirs) + 1) / places).mean()
    same, p = np.full_like(precision, np.nan), np.full_like(precision, np.nan)
    pairs = list(combinations(range(len(names)), 2))
    for a, b in pairs:
        n_a, n_b = len(wells[a]), len(wells[b])
        same[a, b] = same[b, a] = (n_a * precision[a, b] + n_b * precision[b, a]) / (n_a + n_b)
        sizes = ((n_b, len(every) - n_a),) * n_a + ((n_a, len(every) - n_b),) * n_b
        p[a, b] = p[b, a] = p_value(float(same[a, b]), sizes)
    q = np.full_like(p, np.nan)
    first, second = np.array(pairs).T
    q[first, second] = q[second, first] = q_values(p[first, second])
    nearest = middle.argmax(axis=1)
    one = np.arange(len(names))
    chosen = (middle[one, nearest], same[one, nearest], p[one, nearest], q[one, nearest])
    return pd.DataFrame(dict(zip(columns, ([names[i] for i in nearest], *chosen), strict=True)))
