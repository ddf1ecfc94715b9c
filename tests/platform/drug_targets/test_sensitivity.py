"""Which targets a sample is sensitive at: a made truth is found, and nothing is found where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from phenodose.drug_targets.sensitivity import target_sensitivity

N_DRUGS, N_TARGETS = 75, 60


def made_targets(rng):
    """Drug -> one to three targets, as panels have them: many targets of a single drug."""
    genes = [f"GENE{n}" for n in range(N_TARGETS)]
    weights = 1 / np.arange(1, N_TARGETS + 1)
    return {
        f"drug{n}": list(rng.choice(genes, rng.integers(1, 4), replace=False, p=weights / weights.sum()))
        for n in range(N_DRUGS)
    }


def made_scores(targets, rng, sensitive_at=None):
    score = rng.gamma(1.5, 5, len(targets))
    if sensitive_at:
        score += 20 * np.array([sensitive_at in genes for genes in targets.values()])
    return pd.DataFrame({"drug": list(targets), "score": score, "lower": score - 2, "upper": score + 1}).assign(
        hit=score >= 15
    )


def test_the_target_whose_drugs_work_comes_first_and_alone_is_found():
    rng = np.random.default_rng(3)
    for _ in range(5):
        targets = made_targets(rng)
        of_drugs = pd.Series([gene for genes in targets.values() for gene in genes]).value_counts()
        truth = of_drugs[of_drugs.between(3, 8)].index[0]
        found = target_sensitivity(made_scores(targets, rng, truth), targets, draws=1999)
        assert found["target"][0] == truth
        assert found["q_value"][0] < 0.05


def test_without_a_sensitive_target_p_is_uniform():
    rng = np.random.default_rng(4)
    p = []
    for cohort in range(60):
        targets = made_targets(rng)
        found = target_sensitivity(made_scores(targets, rng), targets, draws=499, seed=cohort)
        p.append(found["p_value"].dropna().sample(1, random_state=cohort).iloc[0])
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) <= 0.15


def test_a_target_of_one_drug_has_the_drugs_own_interval_and_no_p():
    scores = pd.DataFrame(
        {"drug": ["a", "b", "c"], "score": [30.0, 2, 1], "lower": [28.0, 1, 0], "upper": [33.0, 3, 2]}
    )
    found = target_sensitivity(scores.assign(hit=False), {"a": ["A"], "b": ["B"], "c": ["B"]}).set_index("target")
    assert tuple(found.loc["A", ["mean_score", "lower", "upper"]]) == (30.0, 28.0, 33.0)
    assert np.isnan(found.loc["A", "p_value"])
    assert found.loc["B", "p_value"] == 1.0
    assert found.loc["B", "lower"] == pytest.approx(1.5 - np.sqrt(2) / 2)


def test_the_p_value_is_the_share_of_all_pairs_that_score_so_high():
    scores = pd.DataFrame({"drug": list("abcdef"), "score": [9.0, 7, 5, 3, 2, 1]}).assign(
        lower=np.nan, upper=np.nan, hit=False
    )
    targets = {drug: ["X"] if drug in "ac" else ["other"] for drug in "abcdef"}
    found = target_sensitivity(scores, targets, draws=20000).set_index("target")
    # Of the fifteen pairs ab and ac alone reach 14.
    assert found.loc["X", "p_value"] == pytest.approx(2 / 15, abs=0.01)
    assert np.isnan(found.loc["X", "lower"])
    falling = target_sensitivity(scores.assign(score=-scores["score"]), targets, False, 20000).set_index("target")
    assert falling.loc["X", "p_value"] == found.loc["X", "p_value"]


def test_targets_of_the_same_drugs_name_each_other_and_hits_are_told():
    scores = pd.DataFrame({"drug": ["t", "c", "v"], "score": [40.0, 38, 3], "lower": np.nan, "upper": np.nan})
    targets = {"t": ["MAP2K1", "MAP2K2"], "c": ["MAP2K1", "MAP2K2"], "v": ["BRAF"], "unscored": ["ALK"]}
    found = target_sensitivity(scores.assign(hit=[True, True, False]), targets, draws=99).set_index("target")
    assert found.loc["MAP2K1", "same_drugs_as"] == "MAP2K2"
    assert found.loc["MAP2K1", "hit_drugs"] == "c; t"
    assert found.loc["BRAF", "same_drugs_as"] == ""
    assert "ALK" not in found.index


def test_the_same_seed_gives_the_same_table():
    rng = np.random.default_rng(5)
    targets = made_targets(rng)
    scores = made_scores(targets, rng)
    first, again = (target_sensitivity(scores, targets, draws=999, seed=8) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    shuffled = scores.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(first, target_sensitivity(shuffled, targets, draws=999, seed=8))


def test_no_drug_with_a_target_gives_no_row():
    scores = pd.DataFrame({"drug": ["a"], "score": [1.0], "lower": [0.0], "upper": [2.0], "hit": [False]})
    assert target_sensitivity(scores, {}).empty
