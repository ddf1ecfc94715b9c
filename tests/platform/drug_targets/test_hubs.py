"""Hubs: genes beside the targets of hits, more of them than beside the targets of random drugs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from phenodose.drug_targets.hubs import MOST_CONNECTORS, find_hubs

TARGETS = {f"drug{n}": [f"T{n}"] for n in range(30)}
HITS = ["drug1", "drug2", "drug3", "drug4"]


def edges(pairs):
    return pd.DataFrame(pairs, columns=["source", "target"])


def hubs(pairs, targets=TARGETS, hits=HITS, **options):
    return find_hubs(targets, hits, edges(pairs), **({"draws": 1999} | options)).genes.set_index("target")


def test_a_gene_beside_the_targets_of_hits_alone_is_a_hub_and_one_beside_everything_is_none():
    found = hubs([("LINK", f"T{n}") for n in (1, 2, 3, 4)] + [("ALL", f"T{n}") for n in range(30)])
    assert found.loc["LINK", "n_hit_interactions"] == found.loc["ALL", "n_hit_interactions"] == 4
    assert found.loc["LINK", "hub_q_value"] < 0.01
    assert found.loc["ALL", "hub_p_value"] == 1
    assert found.loc["ALL", "expected_hit_interactions"] == 4
    assert found.loc["LINK", "expected_hit_interactions"] < 1


def test_a_target_counts_the_other_targets_and_lies_between_them():
    found = hubs([("T1", "T2"), ("T1", "T3"), ("T4", "T1"), ("T1", "T20")])
    assert tuple(found.loc["T1", ["n_interactions", "n_hit_interactions"]]) == (4, 3)
    assert found.loc["T1", "betweenness"] == 1
    assert found.loc["T2", "betweenness"] == 0
    assert np.isnan(found.loc["T20", "betweenness"])
    assert np.isnan(found.loc["T15", "hub_p_value"]), "it interacts with nothing"


def test_random_hits_make_no_hub_more_often_than_they_should():
    rng = np.random.default_rng(2)
    drugs, low, n = list(TARGETS), 0, 0
    for _ in range(40):
        pairs = [(f"T{a}", f"T{b}") for a, b in rng.integers(0, 30, (60, 2)) if a != b]
        found = hubs(pairs, hits=list(rng.choice(drugs, 6, replace=False)), draws=199)
        p = found["hub_p_value"].dropna()
        low, n = low + int((p <= 0.05).sum()), n + len(p)
    assert low / n <= 0.07


def test_drugs_of_one_mechanism_are_drawn_with_all_their_targets():
    # Two targets of one drug that interact with each other are no finding.
    targets = {f"drug{n}": [f"A{n}", f"B{n}"] for n in range(10)}
    found = hubs([(f"A{n}", f"B{n}") for n in range(10)], targets, ["drug0"])
    assert found.loc["A0", "n_hit_interactions"] == 1
    assert 0.05 < found.loc["A0", "hub_p_value"] < 0.2, "one drug of ten"


def test_no_hit_and_nothing_but_hits_give_no_p():
    for hits in ([], list(TARGETS)):
        assert hubs([("T1", "T2")], hits=hits)["hub_p_value"].isna().all()


def test_connectors_are_counted_and_can_be_left_out():
    pairs = [(f"C{n}", target) for n in range(MOST_CONNECTORS + 7) for target in ("T1", "T2")]
    found = find_hubs(TARGETS, HITS, edges(pairs), draws=199)
    assert int((~found.genes["is_target"]).sum()) == MOST_CONNECTORS
    assert found.n_left_out == 7
    assert find_hubs(TARGETS, HITS, edges(pairs), draws=199, connectors=False).genes["is_target"].all()


def test_a_network_without_interactions_is_none():
    found = hubs([])
    assert len(found) == 30
    assert found["hub_p_value"].isna().all()
