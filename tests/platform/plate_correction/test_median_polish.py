"""The B-score: rows and columns are taken off, a hit stays, and a plate sorted by dose loses its signal."""

from __future__ import annotations

import numpy as np
import pytest

from phenodose.plate_correction.median_polish import median_polish


def plate(seed: int = 0) -> np.ndarray:
    return 1000 + 30 * np.random.default_rng(seed).normal(size=(8, 12))


def test_a_plate_is_its_parts() -> None:
    values = plate()
    found = median_polish(values)
    assert found.overall + found.place_effect + found.residuals == pytest.approx(values)
    assert np.median(found.residuals, axis=0) == pytest.approx(0, abs=1)
    assert np.median(found.residuals, axis=1) == pytest.approx(0, abs=1)


def test_rows_and_columns_are_found_and_a_hit_does_not_move_them() -> None:
    values = plate() + np.where(np.arange(8) == 2, 200.0, 0.0)[:, None] - np.where(np.arange(12) == 5, 150.0, 0.0)
    values[4, 7] -= 700
    found = median_polish(values)
    assert found.rows[2] - np.median(found.rows) == pytest.approx(200, abs=40)
    assert found.columns[5] - np.median(found.columns) == pytest.approx(-150, abs=40)
    assert found.b_scores[4, 7] < -15
    assert np.abs(np.delete(found.b_scores.ravel(), 4 * 12 + 7)).max() < 6


def test_the_published_polish_of_a_small_table() -> None:
    # Worked by hand: rows differ by 0, 3, 6 and columns by 0, 1, 2; nothing is left over.
    found = median_polish(np.add.outer([0.0, 3.0, 6.0], [10.0, 11.0, 12.0]))
    assert found.overall == 14
    assert found.rows.tolist() == [-3, 0, 3]
    assert found.columns.tolist() == [-1, 0, 1]
    assert np.all(found.residuals == 0)
    assert np.isnan(found.b_scores).all()


def test_unknown_wells_and_lines_have_no_effect() -> None:
    values = plate()
    values[3, :] = np.nan
    values[0, 0] = np.nan
    found = median_polish(values)
    assert found.rows[3] == 0
    assert np.isnan(found.residuals[3]).all()
    assert np.isfinite(found.residuals[0, 1:]).all()


def test_a_plate_sorted_by_dose_loses_its_signal() -> None:
    killed = np.linspace(0, 0.9, 12)[None, :] * np.ones((8, 1))
    values = plate() * (1 - killed)
    assert np.ptp(np.median(values, axis=0)) > 800
    assert np.ptp(np.median(median_polish(values).residuals, axis=0)) < 10
