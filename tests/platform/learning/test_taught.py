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
    treatment = np.concatenate([drug, np.full(40, -1)])
    carrying = np.stack([alive + rng.normal(0, 0.1, len(alive)), rng.normal(0, 0.1, len(alive)) - alive], axis=1)
    return np.concatenate([carrying, rng.normal(0, 1, (len(alive), 20))], axis=1), alive, treatment


def test_it_finds_viability_of_drugs_it_has_not_seen() -> None:
    features, alive, treatment = screen()
    found = taught(features, alive + np.random.default_rng(1).normal(0, 0.05, len(alive)), treatment)
    drugs = treatment >= 0
    assert np.corrcoef(found.viability[drugs], alive[drugs])[0, 1] > 0.9
    assert found.error == pytest.approx(np.sqrt(np.mean((found.viability - alive)[drugs] ** 2)), rel=0.5)


def test_what_was_measured_of_a_drug_teaches_nothing_about_that_drug() -> None:
    features, alive, treatment = screen()
    first = taught(features, alive, treatment).viability
    lies = np.where(treatment == 3, 1.4, alive)
    again = taught(features, lies, treatment).viability
    own = treatment == 3
    np.testing.assert_allclose(again[own], first[own], atol=1e-9)
    assert np.abs(again[~own] - first[~own]).max() > 0.01


def test_leaving_out_equals_fitting_without() -> None:
    """What the algebra gives for a measured drug is what a model says that was fitted without it."""
    features, alive, treatment = screen()
    unknown = np.where(treatment == 5, np.nan, alive)
    own = treatment == 5
    left_out, never_seen = taught(features, alive, treatment).viability, taught(features, unknown, treatment).viability
    # The unit of the features is that of all wells with a reading, so the two are alike and not the same.
    np.testing.assert_allclose(left_out[own], never_seen[own], atol=0.03)


def test_noise_features_teach_nothing() -> None:
    features, alive, treatment = screen()
    found = taught(features[:, 2:], alive, treatment).viability
    drugs = treatment >= 0
    # Below 0 rather than 0: the mean of all others is the lower, the more viable the drug that is left out.
    assert np.corrcoef(found[drugs], alive[drugs])[0, 1] < 0.2


@pytest.mark.parametrize("kept", [3, 0])
def test_too_few_drugs_are_told(kept: int) -> None:
    features, alive, treatment = screen()
    measured = np.where((treatment < kept), alive, np.nan)
    with pytest.raises(NotMade, match=f"{kept} drugs have wells with both"):
        taught(features, measured, treatment)


def test_features_without_any_difference_are_told() -> None:
    _, alive, treatment = screen()
    with pytest.raises(NotMade, match="nothing to learn"):
        taught(np.ones((len(alive), 3)), alive, treatment)
