"""The mixed model: effects that are there are found with their strength, others are left out."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.plate_correction.variance_components import Components, fit_components

N, SHAPES = 300, 12
KIND = np.repeat([0, 1], SHAPES)


def fitted(
    strength: tuple[float, float], seed: int, kept: tuple[bool, bool] = (False, False)
) -> tuple[Components, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = rng.normal(size=(N, 2 * SHAPES)) / np.sqrt(SHAPES)
    effects = rng.normal(size=2 * SHAPES) * np.sqrt(np.array(strength)[KIND])
    y = shapes @ effects + rng.normal(size=N)
    return fit_components(y, shapes, KIND, float(N), np.array(kept)), effects


def test_a_kind_that_is_there_is_found_and_the_other_left_out() -> None:
    found, effects = fitted((4.0, 0.0), 0)
    assert found.strength[0] == pytest.approx(4.0, rel=0.6)
    assert found.strength[1] < 0.1
    assert found.noise == pytest.approx(1.0, rel=0.2)
    assert found.effects[:SHAPES] == pytest.approx(effects[:SHAPES], abs=0.8)


def test_noise_has_no_effects() -> None:
    for seed in range(20):
        found, _ = fitted((0.0, 0.0), seed)
        assert not found.strength.any()
        assert not found.effects.any()


def test_effects_are_shrunk() -> None:
    found, _ = fitted((0.6, 0.0), 3, kept=(True, False))
    free = fitted((0.6, 0.0), 3)[0]
    assert np.abs(found.effects[:SHAPES]).sum() > 0
    assert found.log_likelihood >= free.log_likelihood - 9


def test_a_start_from_an_earlier_round_ends_at_the_same_place() -> None:
    rng = np.random.default_rng(5)
    shapes = rng.normal(size=(N, 2 * SHAPES)) / np.sqrt(SHAPES)
    y = shapes @ (2 * rng.normal(size=2 * SHAPES)) + rng.normal(size=N)
    none = np.zeros(2, dtype=bool)
    first = fit_components(y, shapes, KIND, float(N), none)
    again = fit_components(y, shapes, KIND, float(N), none, first.strength)
    assert again.effects == pytest.approx(first.effects, abs=0.02)
