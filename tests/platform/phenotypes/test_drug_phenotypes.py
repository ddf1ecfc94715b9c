"""Drugs that look other than untreated wells are told from those that do not, and twins find each other."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.errors import InputError
from phenodose.phenotypes.alignment import sphered, with_untreated, without_viability
from phenodose.phenotypes.average_precision import cosine_similarity
from phenodose.phenotypes.drug_phenotypes import drug_phenotypes

N_FEATURES, N_NEGATIVE = 12, 30


def screen(directions, wells=3, seed=1, strength=8.0):
    """Profiles, drug names and untreated wells: every drug shifts its wells along its direction; noise elsewhere."""
    rng = np.random.default_rng(seed)
    drugs = [""] * N_NEGATIVE + [name for name in directions for _ in range(wells)]
    profiles = rng.normal(size=(len(drugs), N_FEATURES))
    for row, name in enumerate(drugs):
        if name and directions[name] is not None:
            profiles[row, directions[name]] += strength
    return profiles, np.array(drugs, dtype=object), np.arange(len(drugs)) < N_NEGATIVE


def test_a_phenotype_is_told_from_none():
    found = drug_phenotypes(*screen({"A": 0, "B": 1, **{f"N{n}": None for n in range(8)}})).set_index("drug")
    assert (found.loc[["A", "B"], "map"] > 0.99).all()
    assert (found.loc[["A", "B"], "q_value"] < 0.01).all()
    assert (found.drop(index=["A", "B"])["q_value"] > 0.05).all()
    assert set(found["n_wells"]) == {3}


def test_twins_are_nearest_and_the_same():
    found = drug_phenotypes(*screen({"A": 0, "twin": 0, "B": 1, "C": 2, "D": 3})).set_index("drug")
    assert (found.loc["A", "nearest_drug"], found.loc["twin", "nearest_drug"]) == ("twin", "A")
    assert found.loc["A", "same_map"] > 0.9 > found.loc["B", "same_map"]
    assert found.loc["A", "same_q_value"] < 0.01 < 0.05 < found.loc["B", "same_q_value"]
    assert found.loc["A", "similarity"] > 0.8


def test_chance_is_called_a_phenotype_about_as_often_as_it_says():
    profiles, drugs, negative = screen({f"N{n}": None for n in range(200)}, wells=2)
    p = drug_phenotypes(profiles, drugs, negative)["p_value"]
    assert 0.02 < (p < 0.05).mean() < 0.12


def test_a_drug_of_one_well_or_alone_has_what_can_be_told():
    one = drug_phenotypes(*screen({"A": 0}, wells=1)).iloc[0]
    assert np.isnan(one["map"])
    assert np.isnan(one["q_value"])
    assert one["nearest_drug"] is None
    alone = drug_phenotypes(*screen({"A": 0}, wells=2)).iloc[0]
    assert alone["map"] > 0.9
    assert np.isnan(alone["same_map"])


# --- alignment ------------------------------------------------------------------------------------


def test_untreated_wells_lie_around_the_middle_and_as_wide_everywhere():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 4)) * [1, 5, 0.1, 2] + [7, -3, 0, 100]
    negative = np.arange(400) < 300
    profiles = sphered(features, negative, regularisation=0.0)
    assert np.median(profiles[negative], axis=0) == pytest.approx([0] * 4, abs=0.15)
    assert profiles[negative].std(axis=0) == pytest.approx([1] * 4, abs=0.05)


def test_a_plate_is_centred_by_its_own_untreated_wells():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(80, 3))
    plates = np.where(np.arange(80) < 40, "P1", "P2").astype(object)
    negative = np.arange(80) % 2 == 0
    shifted = features + 50 * (plates == "P2")[:, None]
    assert sphered(shifted, negative, plates) == pytest.approx(sphered(features, negative, plates))


def test_another_screen_moves_no_well():
    """Whatever is appended that is no untreated well of the screen changes no profile."""
    rng = np.random.default_rng(4)
    features, negative = rng.normal(size=(40, 3)), np.arange(40) < 20
    more = np.vstack([features, 100 + rng.normal(size=(10, 3))])
    assert sphered(more, np.append(negative, np.zeros(10, bool)))[:40] == pytest.approx(sphered(features, negative))


def test_too_few_untreated_wells_are_told():
    with pytest.raises(InputError, match="3 untreated wells have an image, and 4 are the least"):
        sphered(np.zeros((5, 2)), np.arange(5) < 3)


def test_what_viability_explains_is_taken_out():
    rng = np.random.default_rng(5)
    viability = rng.uniform(0, 1, 50)
    own = np.zeros((50, 3))
    own[:5, 2] = 4.0
    dead = np.outer(1 - viability, [3.0, -1.0, 0.0])
    left = without_viability(dead + own, viability)
    assert left[:, :2] == pytest.approx(np.zeros((50, 2)), abs=1e-9)
    assert (left[:5, 2] > 2).all()
    unknown = without_viability(dead, np.where(np.arange(50) == 7, np.nan, viability))
    assert np.isnan(unknown[7]).all()
    assert np.isfinite(np.delete(unknown, 7, axis=0)).all()


def test_weak_profiles_are_like_untreated_ones_and_strong_ones_keep_their_angle():
    rng = np.random.default_rng(6)
    noise, negative = rng.normal(size=(20, 30)), np.arange(22) < 20
    strong = 50 * np.eye(30)[:2]
    found = cosine_similarity(with_untreated(np.vstack([noise, strong]), negative))
    assert np.median(found[:20, :20]) > 0.4
    assert abs(found[20, 21]) < 0.05
