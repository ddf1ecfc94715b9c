"""The network of a sample's hits as a picture needs it: which drugs and genes stand in it, and where.

Belongs here: choosing and placing them. Does not belong here: drawing (`phenodose.plots.target_network`), and what is
known of the genes (`sensitivity`, `hubs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.drug_targets.sensitivity import BETWEEN
from phenodose.io.frames import rows_of

if TYPE_CHECKING:
    import pandas as pd

#: More genes than these nobody reads in one picture.
MOST_GENES = 48
#: Genes that no drug aims at, the most telling first.
_MOST_CONNECTORS = 12
#: Space of one node of a picture, px.
_SPACE = 84.0
_MARGIN = 52.0
#: Width and height that a node takes with its name, px.
_NAME_SIZE = np.array([74.0, 36.0])


@dataclass(frozen=True)
class HitNetwork:
    """Drugs that are hits, their targets, and what links these.

    Attributes:
        genes: rows of the table `targets` of one sample, readout and scorer: targets of hits, and genes that link them.
        drugs: the hits among the drugs.
        aims: pairs of drug and gene.
        interactions: rows of `target_interactions` between these genes.
        n_left_out: targets of hits and linking genes that are not shown.
    """

    genes: pd.DataFrame
    drugs: tuple[str, ...]
    aims: tuple[tuple[str, str], ...]
    interactions: pd.DataFrame
    n_left_out: int


def hit_network(targets: pd.DataFrame, interactions: pd.DataFrame) -> HitNetwork | None:
    """The network of the hits of one sample, readout and scorer; None if no target of a hit is known.

    Args:
        targets: rows of the table `targets`.
        interactions: rows of the table `target_interactions`.
    """
    import pandas as pd

    of_hits = targets[targets["n_hits"] > 0]
    if of_hits.empty:
        return None
    ranked = of_hits.sort_values(["n_hits", "n_hit_interactions", "target"], ascending=[False, False, True])
    links = targets[(targets["n_drugs"] == 0) & (targets["n_hit_interactions"] > 0)]
    links = links.sort_values(["hub_p_value", "n_hit_interactions", "target"], ascending=[True, False, True])
    shown = ranked.head(MOST_GENES)
    room = min(_MOST_CONNECTORS, MOST_GENES - len(shown))
    genes = pd.concat([shown, links.head(room)], ignore_index=True)
    names = set(genes["target"])
    aims = [(drug, row.target) for row in rows_of(shown) for drug in (row.hit_drugs or "").split(BETWEEN) if drug]
    between = interactions["source"].isin(names) & interactions["target"].isin(names)
    return HitNetwork(
        genes,
        tuple(dict.fromkeys(drug for drug, _ in aims)),
        tuple(aims),
        interactions[between].reset_index(drop=True),
        len(of_hits) + len(links) - len(genes),
    )


@dataclass(frozen=True)
class Places:
    """Where nodes stand, px from the upper left corner, and the size of the picture."""

    at: dict[str, tuple[float, float]]
    width: float
    height: float


def placed(nodes: Sequence[str], links: Iterable[tuple[str, str]], seed: int = 0, width: float = 900.0) -> Places:
    """Places for the nodes of a network: parts that hang together stand together, the largest first.

    Every part is laid out by itself (Fruchterman and Reingold, Softw. Pract. Exp. 21:1129, 1991), names are moved off
    each other, and the parts stand in rows. The same network and seed give the same places.

    Args:
        nodes: the nodes; their order breaks ties.
        links: pairs of nodes.
        seed: of the first guess.
        width: of the picture, px; a large part may need more.
    """
    import networkx as nx

    graph = nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(links)
    order = {node: place for place, node in enumerate(graph.nodes)}
    parts = [sorted(part, key=order.__getitem__) for part in nx.connected_components(graph)]
    parts.sort(key=lambda part: (-len(part), order[part[0]]))
    at: dict[str, tuple[float, float]] = {}
    x = y = high = wide = 0.0
    for part in parts:
        box_width, box_height, inside = _box(graph, part, seed)
        if x > 0 and x + box_width > width:
            x, y, high = 0.0, y + high, 0.0
        at |= {node: (round(x + dx, 1), round(y + dy, 1)) for node, (dx, dy) in inside.items()}
        x, high = x + box_width, max(high, box_height)
        wide = max(wide, x)
    return Places(at, max(wide, 1.0), max(y + high, 1.0))


def _box(graph: Any, part: Sequence[str], seed: int) -> tuple[float, float, dict[str, tuple[float, float]]]:
    """Width and height of the box of a part, px, and the places of its nodes in it."""
    import networkx as nx

    if len(part) <= 2:
        # A drug beside its only target.
        found = np.array([[0.0, 0.0], [1.1 * _SPACE, 0.0]])[: len(part)]
    else:
        inner = nx.Graph()
        inner.add_nodes_from(part)
        inner.add_edges_from(sorted(graph.subgraph(part).edges))
        laid = nx.spring_layout(inner, seed=seed, k=1.6 / len(part) ** 0.5, iterations=300)
        found = np.array([laid[node] for node in part])
        span = np.maximum(found.max(axis=0) - found.min(axis=0), 1e-9)
        side = _SPACE * len(part) ** 0.5
        found = _apart((found - found.min(axis=0)) / span * [1.2 * side, 0.75 * side])
    found = found - found.min(axis=0) + [_MARGIN, 0.4 * _MARGIN]
    width, height = float(found[:, 0].max()) + _MARGIN, float(found[:, 1].max()) + 0.8 * _MARGIN
    return width, height, {node: (float(x), float(y)) for node, (x, y) in zip(part, found, strict=True)}


def _apart(places: np.ndarray) -> np.ndarray:
    """Places (n, 2), px, moved until no two names lie upon each other, or almost."""
    found = places.copy()
    for _ in range(200):
        moved = False
        for first in range(len(found)):
            for second in range(first + 1, len(found)):
                distance = found[second] - found[first]
                lacking = _NAME_SIZE - np.abs(distance)
                if (lacking <= 0).any():
                    continue
                # Along the axis that needs the smaller step; equal places go apart upwards.
                axis = int(np.argmin(lacking))
                step = (lacking[axis] / 2 + 0.5) * (1.0 if distance[axis] >= 0 else -1.0)
                found[second, axis] += step
                found[first, axis] -= step
                moved = True
        if not moved:
            break
    return found
