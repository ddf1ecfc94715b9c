"""Simulated dose matrices: their truth is what they are made as, and the excess finds it."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose import excess_of
from phenodose.errors import InputError
from phenodose.simulation.dose_matrices import simulate_matrices


def test_the_truth_is_what_the_pair_is_made_as() -> None:
    for kind, model, sign in (("bliss", "bliss", 0), ("loewe", "loewe", 0), ("synergy", "bliss", 1)):
        for pair in simulate_matrices(kind, 5, seed=2):  # type: ignore[arg-type]
            excess = pair.inhibition[1:, 1:] - pair.expected[model]
            assert np.allclose(excess, 0, atol=1e-9) if not sign else excess.min() > -1e-9 and excess.max() > 0
    for pair in simulate_matrices("antagonism", 5, seed=2):
        assert (pair.inhibition[1:, 1:] - pair.expected["bliss"]).max() < 1e-9


def test_wells_scatter_about_the_true_surface_and_a_seed_repeats_them() -> None:
    one, again, other = (simulate_matrices("loewe", 3, seed, replicates=2, noise=0.02) for seed in (1, 1, 2))
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first.matrix.inhibition, second.matrix.inhibition)
    assert one[0].matrix.inhibition[0] != other[0].matrix.inhibition[0]
    off = np.concatenate([p.matrix.inhibition - np.tile(p.inhibition.ravel(), 2) for p in one])
    assert len(off) == 3 * 2 * 36
    assert off.std() == pytest.approx(0.02, rel=0.2)


def test_the_intervals_hold_the_truth_of_additive_and_interacting_pairs() -> None:
    pairs = [*simulate_matrices("bliss", 3, 4), *simulate_matrices("loewe", 3, 4), *simulate_matrices("synergy", 3, 4)]
    found = excess_of([pair.matrix for pair in pairs])
    for model in ("hsa", "bliss", "loewe"):
        true = np.concatenate([100 * (p.inhibition[1:, 1:] - p.expected[model]).ravel() for p in pairs])
        rows = found.pairs[found.pairs["model"] == model]
        held = (rows["lower_percent"].to_numpy() <= true) & (true <= rows["upper_percent"].to_numpy())
        assert held.mean() > 0.88
        means = found.sums.loc[found.sums["measure"] == model, "value"].to_numpy()
        assert np.abs(means - true.reshape(len(pairs), -1).mean(axis=1)).mean() < 4


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="kind 'additive'"):
        simulate_matrices("additive", 1, 0)  # type: ignore[arg-type]
