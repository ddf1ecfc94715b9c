"""The picture of the network of hits: what stands in it, and that names do not lie on each other."""

from __future__ import annotations

import numpy as np

from phenodose.drug_targets.network import MOST_GENES, hit_network, placed
from phenodose.plots.target_network import target_network
from phenodose.tables import TABLES


def genes(rows):
    given = {
        "screen": "s",
        "sample": "S",
        "readout": "ctg",
        "scorer": "dss_asym",
        "run_id": "r",
        "n_hit_interactions": 1,
    }
    frame = TABLES["targets"].frame([given | row for row in rows])
    return frame.astype({"expression": "float64", "hub_p_value": "float64"})


def target(gene, drugs, **more):
    n = len(drugs)
    return {"target": gene, "n_drugs": n, "n_hits": n, "drugs": "; ".join(drugs), "hit_drugs": "; ".join(drugs), **more}


def edges(*pairs):
    rows = [
        {"screen": "s", "source": a, "target": b, "directed": d, "interaction": "pp", "run_id": "r"}
        for a, b, d in pairs
    ]
    return TABLES["target_interactions"].frame(rows).astype({"score": "float64"})


ROWS = genes(
    [
        target("MAP2K1", ["Trametinib", "<b>&Co"], mutation="Q56P", expression=2.0, expression_unit="z"),
        target("BCL2", ["Venetoclax"]),
        {"target": "EGFR", "n_drugs": 1, "n_hits": 0, "drugs": "Erlotinib"},
        {"target": "BRAF", "n_drugs": 0, "n_hits": 0, "n_hit_interactions": 2, "hub_p_value": 0.01},
    ]
)
EDGES = edges(("BRAF", "MAP2K1", True), ("EGFR", "MAP2K1", False))


def test_hits_their_targets_and_what_links_them_stand_in_it():
    network = hit_network(ROWS, EDGES)
    assert set(network.genes["target"]) == {"MAP2K1", "BCL2", "BRAF"}
    assert set(network.drugs) == {"Trametinib", "<b>&Co", "Venetoclax"}
    assert len(network.interactions) == 1
    text = target_network(network, "Network", {"Trametinib": "#drug-1"}).picture().decode()
    assert "MAP2K1 Q56P" in text
    assert "&lt;b&gt;&amp;Co" in text
    assert 'href="#drug-1"' in text
    assert "BRAF → MAP2K1: pp" in text
    assert "altered in the sample" in text


def test_the_same_network_gives_the_same_picture():
    pictures = [target_network(hit_network(ROWS, EDGES), "x").picture() for _ in range(2)]
    assert pictures[0] == pictures[1]


def test_without_hits_there_is_no_network():
    assert hit_network(genes([{"target": "EGFR", "n_drugs": 1, "n_hits": 0}]), EDGES) is None


def test_of_many_genes_those_of_most_hits_are_shown_and_the_rest_is_counted():
    many = genes([target(f"G{n:03}", ["D"] * (1 + (n == 77))) for n in range(MOST_GENES + 40)])
    network = hit_network(many, EDGES)
    assert (len(network.genes), network.n_left_out) == (MOST_GENES, 40)
    assert network.genes["target"][0] == "G077"


def test_names_do_not_lie_on_each_other_and_all_stand_in_the_picture():
    nodes = [f"N{n}" for n in range(30)]
    links = [("N0", name) for name in nodes[1:14]] + [("N14", name) for name in nodes[15:20]] + [("N20", "N21")]
    places = placed(nodes, links)
    at = np.array([places.at[name] for name in nodes])
    assert (at >= 0).all()
    assert (at <= [places.width, places.height]).all()
    apart = np.abs(at[:, None] - at[None])
    close = (apart[..., 0] < 60) & (apart[..., 1] < 30) & ~np.eye(30, dtype=bool)
    assert not close.any()
