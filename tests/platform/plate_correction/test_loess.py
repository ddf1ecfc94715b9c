"""Loess surfaces: planes and bowls are found from some wells, everywhere, whatever single wells do."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.plate_correction.loess import loess_surface

EVERYWHERE = np.stack(np.meshgrid(np.arange(16.0), np.arange(24.0), indexing="ij"), axis=-1).reshape(-1, 2)


def some(n: int, seed: int = 0) -> np.ndarray:
    return EVERYWHERE[np.random.default_rng(seed).permutation(len(EVERYWHERE))[:n]]


def plane(places: np.ndarray) -> np.ndarray:
    return np.asarray(1 + 0.02 * places[:, 0] - 0.01 * places[:, 1])


def test_a_plane_is_reproduced_beyond_the_wells_that_are_known() -> None:
    wells = some(30)
    assert loess_surface(wells, plane(wells), EVERYWHERE, 0.6) == pytest.approx(plane(EVERYWHERE), abs=1e-3)


def test_a_bowl_needs_local_fits() -> None:
    def bowl(places: np.ndarray) -> np.ndarray:
        return np.asarray(1 - 0.3 * ((places - [7.5, 11.5]) ** 2 / [64, 144]).sum(axis=1))

    wells = some(200)
    found = {degree: loess_surface(wells, bowl(wells), EVERYWHERE, 0.3, degree) for degree in (1, 2)}
    assert found[2] == pytest.approx(bowl(EVERYWHERE), abs=0.02)
    assert found[1] == pytest.approx(bowl(EVERYWHERE), abs=0.1)


def test_single_wild_wells_do_not_pull() -> None:
    wells = some(120)
    values = plane(wells) + 0.01 * np.random.default_rng(1).normal(size=len(wells))
    values[:6] = 9.0
    assert loess_surface(wells, values, EVERYWHERE, 0.5) == pytest.approx(plane(EVERYWHERE), abs=0.05)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_wells_give_a_level(n: int) -> None:
    wells = some(n)
    found = loess_surface(wells, np.full(n, 0.8), EVERYWHERE, 1.0)
    assert found == pytest.approx(0.8, abs=0.01)


def test_wells_in_one_column_say_nothing_across() -> None:
    wells = np.stack([np.arange(14.0), np.full(14, 5.0)], axis=1)
    found = loess_surface(wells, 1 + 0.02 * wells[:, 0], EVERYWHERE, 1.0).reshape(16, 24)
    assert np.isfinite(found).all()
    assert found[3] == pytest.approx(found[3, 5], abs=0.02)
