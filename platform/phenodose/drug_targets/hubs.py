"""Hubs: genes that interact with the targets of more hits than those of drugs drawn at random would give.

Belongs here: interactions between the targets of hits, betweenness, and the test. Does not belong here: reading the
interactions (`interactions`) and the sensitivity at single targets (`sensitivity`).

Well-studied genes interact with everything, so the number of a gene's interactions alone says little. Here as many
drugs as there are hits are drawn from the drugs with a score and a known target, each with all its targets, and p is
the share of draws in which the gene interacts with at least as many targets. The network is the same in every draw, so
that a gene of many interactions has many in the draws too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("target", "is_target", "of_hit", "n_interactions", "n_hit_interactions", "expected_hit_interactions"),
    *("hub_p_value", "hub_q_value", "betweenness"),
)
#: Genes that are no target stay if they interact with the targets of so many hits ...
LEAST_HIT_INTERACTIONS = 2
#: ... and no more of them than so many, the least p first.
MOST_CONNECTORS = 40
_CELLS_AT_A_TIME = 20_000_000


@dataclass(frozen=True)
class Hubs:
    """Genes and their place in the network.

    Attributes:
        genes: one row a gene with `COLUMNS`: every target of the scored drugs, and the connectors: genes that are no
            target and interact with targets of hits. `n_interactions` counts the targets of scored drugs that it
            interacts with, `n_hit_interactions` those of hits, `expected_hit_interactions` is the mean of the draws;
            `betweenness` is the share of shortest paths between the targets of hits (and connectors) that lead through
            it, NaN where it is neither. p and q are NaN where nothing can be tested. q (Benjamini and Hochberg) is over
            the targets, and for the connectors over all genes that could be one.
        n_left_out: connectors beyond `MOST_CONNECTORS`.
    """

    genes: pd.DataFrame
    n_left_out: int = 0


def find_hubs(
    targets: Mapping[str, Sequence[str]],
    hits: Sequence[str],
    edges: pd.DataFrame,
    draws: int = 9999,
    seed: int = 0,
    connectors: bool = True,
) -> Hubs:
    """The place of every target in the network of the targets of hits.

    Args:
        targets: genes by drug, of the drugs with a score and at least one known target.
        hits: the drugs among them that are hits.
        edges: interactions (`interactions.COLUMNS`) with at least one target in each.
        draws: number of random draws.
        seed: of the draws.
        connectors: whether genes that are no target are looked at too.
    """
    import pandas as pd

    drugs = sorted(targets)
    names = sorted({gene for genes in targets.values() for gene in genes})
    place = {gene: number for number, gene in enumerate(names)}
    of_drug = np.zeros((len(drugs), len(names)), dtype=np.float32)
    for row, drug in enumerate(drugs):
        of_drug[row, [place[gene] for gene in targets[drug]]] = 1
    is_hit = np.array([drug in set(hits) for drug in drugs], dtype=bool)
    of_hits = of_drug[is_hit].any(axis=0) if is_hit.any() else np.zeros(len(names), dtype=bool)
    genes, beside = _beside(names, place, edges, connectors)
    degree = beside.sum(axis=0)
    seen = of_hits.astype(np.float32) @ beside
    p, expected = _p_values(of_drug, int(is_hit.sum()), beside, seen, draws, seed)
    frame = pd.DataFrame(
        {
            "target": genes,
            "is_target": [gene in place for gene in genes],
            "of_hit": [gene in place and bool(of_hits[place[gene]]) for gene in genes],
            "n_interactions": degree.astype(np.int64),
            "n_hit_interactions": seen.astype(np.int64),
            "expected_hit_interactions": expected,
            "hub_p_value": np.where(degree > 0, p, np.nan),
        }
    )
    frame["hub_q_value"] = _q_values(frame)
    linking = ~frame["is_target"] & (frame["n_hit_interactions"] >= LEAST_HIT_INTERACTIONS)
    best = frame[linking].sort_values(["hub_p_value", "n_hit_interactions", "target"], ascending=[True, False, True])
    frame = frame[frame["is_target"] | frame["target"].isin(best["target"].head(MOST_CONNECTORS))]
    frame["betweenness"] = frame["target"].map(_betweenness(frame, edges)).astype("float64")
    return Hubs(frame[list(COLUMNS)].reset_index(drop=True), max(0, len(best) - MOST_CONNECTORS))


def _beside(
    names: Sequence[str], place: Mapping[str, int], edges: pd.DataFrame, connectors: bool
) -> tuple[list[str], np.ndarray]:
    """The genes (targets first), and float32 (target, gene): 1 where the two interact.

    Of genes that are no target only those are kept that interact with so many targets that they could link hits.
    """
    source, target = edges["source"].tolist(), edges["target"].tolist()
    pairs = {(place[a], b) for a, b in zip(source + target, target + source, strict=True) if a in place}
    counts: dict[str, int] = {}
    for _, gene in pairs:
        counts[gene] = counts.get(gene, 0) + 1
    others = sorted(gene for gene, n in counts.items() if gene not in place and n >= LEAST_HIT_INTERACTIONS)
    genes = [*names, *(others if connectors else [])]
    column = {gene: number for number, gene in enumerate(genes)}
    beside = np.zeros((len(names), len(genes)), dtype=np.float32)
    for row, gene in pairs:
        if gene in column:
            beside[row, column[gene]] = 1
    return genes, beside


def _p_values(
    of_drug: np.ndarray, n_hits: int, beside: np.ndarray, seen: np.ndarray, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The p of every gene, and the mean number of interactions in the draws; NaN where no or every drug is a hit."""
    n_drugs, n_genes = len(of_drug), beside.shape[1]
    if not 0 < n_hits < n_drugs or not n_genes:
        return np.full(n_genes, np.nan), np.full(n_genes, np.nan)
    rng = np.random.default_rng(seed)
    at_least, total = np.zeros(n_genes, dtype=np.int64), np.zeros(n_genes)
    portion = max(1, _CELLS_AT_A_TIME // max(n_genes, n_drugs))
    first = np.arange(n_drugs) < n_hits
    for start in range(0, draws, portion):
        drawn = rng.permuted(np.tile(first, (min(portion, draws - start), 1)), axis=1).astype(np.float32)
        found = (drawn @ of_drug > 0).astype(np.float32) @ beside
        at_least += (found >= seen).sum(axis=0)
        total += found.sum(axis=0, dtype=np.float64)
    return (at_least + 1) / (draws + 1), total / draws


def _q_values(genes: pd.DataFrame) -> np.ndarray:
    """The q of the targets among themselves, and of the others among themselves."""
    from scipy.stats import false_discovery_control

    p, is_target = genes["hub_p_value"].to_numpy(), genes["is_target"].to_numpy(dtype=bool)
    q = np.full(len(genes), np.nan)
    for family in (is_target, ~is_target):
        tested = family & np.isfinite(p)
        if tested.any():
            q[tested] = false_discovery_control(p[tested])
    return q


def _betweenness(genes: pd.DataFrame, edges: pd.DataFrame) -> dict[str, float]:
    """Betweenness in the network of the targets of hits and the connectors (Freeman, Sociometry 40:35, 1977)."""
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(genes.loc[genes["of_hit"] | ~genes["is_target"], "target"])
    pairs = zip(edges["source"].tolist(), edges["target"].tolist(), strict=True)
    graph.add_edges_from((a, b) for a, b in pairs if a in graph and b in graph)
    found: dict[str, float] = nx.betweenness_centrality(graph)
    return found
