"""A model that is taught by measured viabilities reads no drug that it has seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from phenodose.errors import NotMade
from phenodose.learning.taught import taught

N_DRUGS, WELLS = 12, 10


def screen(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Features of which two carry viability and twenty are noise; 12 drugs of 10 wells, 40 controls."""
    rng = np.random.default_rng(seed)
    drug = np.repeat(np.arange(N_DRUGS), WELLS)
    alive = np.concatenate([np.linspace(1, rng.uniform(0, 1), WELLS) for _ in range(N_DRUGS)])
    alive = np.concatenate([alive, np.ones(20), np.zeros(20)])
    compounds = np.stack([np.concatenate([drug, np.full(40, -1)]), np.full(len(alive), -1)], axis=1)
    carrying = np.stack([alive + rng.normal(0, 0.1, len(alive)), rng.normal(0, 0.1, len(alive)) - alive], axis=1)
    return np.concatenate([carrying, rng.normal(0, 1, (len(alive), 20))], axis=1), alive, compounds


def test_it_finds_viability_of_drugs_it_has_not_seen() -> None:
    features, alive, compounds = screen()
    found = taught(features, alive + np.random.default_rng(1).normal(0, 0.05, len(alive)), compounds)
    drugs = compounds[:, 0] >= 0
    assert np.corrcoef(found.viability[drugs], alive[drugs])[0, 1] > 0.9
    assert found.error == pytest.approx(np.sqrt(np.mean((found.viability - alive)[drugs] ** 2)), rel=0.5)


def test_what_was_measured_of_a_drug_teaches_nothing_about_that_drug() -> None:
    features, alive, compounds = screen()
    first = taught(features, alive, compounds).viability
    lies = np.where(compounds[:, 0] == 3, 1.4, alive)
    again = taught(features, lies, compounds).viability
    own = compounds[:, 0] == 3
    np.testing.assert_allclose(again[own], first[own], atol=1e-9)
    assert np.abs(again[~own] - first[~own]).max() > 0.01


def test_leaving_out_equals_fitting_without() -> None:
    """What the algebra gives for a measured drug is what a model says that was fitted without it."""
    features, alive, compounds = screen()
    unknown = np.where(compounds[:, 0] == 5, np.nan, alive)
    own = compounds[:, 0] == 5
    left_out, never_seen = taught(features, alive, compounds).viability, taught(features, unknown, compounds).viability
    # The unit of the features is that of all wells with a reading, so the two are alike and not the same.
    np.testing.assert_allclose(left_out[own], never_seen[own], atol=0.03)


def test_noise_features_teach_nothing() -> None:
    features, alive, compounds = screen()
    found = taught(features[:, 2:], alive, compounds).viability
    drugs = compounds[:, 0] >= 0
    # Below 0 rather than 0: the mean of all others is the lower, the more viable the drug that is left out.
    assert np.corrcoef(found[drugs], alive[drugs])[0, 1] < 0.2


@pytest.mark.parametrize("kept", [3, 0])
def test_too_few_drugs_are_told(kept: int) -> None:
    features, alive, compounds = screen()
    measured = np.where(compounds[:, 0] < kept, alive, np.nan)
    with pytest.raises(NotMade, match=f"{kept} drugs have wells with both"):
        taught(features, measured, compounds)


def test_features_without_any_difference_are_told() -> None:
    _, alive, compounds = screen()
    with pytest.raises(NotMade, match="nothing to learn"):
        taught(np.ones((len(alive), 3)), alive, compounds)


def test_a_combination_and_its_parts_teach_nothing_of_each_other() -> None:
    """Drug 3 is given with drug 7 in some wells: neither is read by what was measured there, nor they by either."""
    features, alive, compounds = screen()
    both = np.flatnonzero(compounds[:, 0] == 3)[:5]
    compounds[both, 1] = 7
    first = taught(features, alive, compounds).viability
    holds = {drug: (compounds == drug).any(axis=1) for drug in (3, 7)}
    either = holds[3] | holds[7]
    again = taught(features, np.where(either, 1.4, alive), compounds).viability
    np.testing.assert_allclose(again[both], first[both], atol=1e-9)
    alone = np.where(holds[3], 1.4, alive)
    np.testing.assert_allclose(taught(features, alone, compounds).viability[holds[3]], first[holds[3]], atol=1e-9)


def test_one_add_on_in_all_drug_wells_leaves_the_controls_to_learn_from() -> None:
    features, alive, compounds = screen()
    compounds[compounds[:, 0] >= 0, 1] = 99
    found = taught(features, alive, compounds).viability
    assert np.isfinite(found).all()
    assert np.corrcoef(found, alive)[0, 1] > 0.7
