"""The frozen bank of random filters."""

from __future__ import annotations

import numpy as np

from phenodose.learning.filter_bank import _STRIP, WIDTHS, FilterBank


def test_the_same_seed_gives_the_same_features_and_another_seed_others() -> None:
    images = np.random.default_rng(1).random((2, 40, 40, 2), dtype=np.float32)
    np.testing.assert_array_equal(FilterBank(2, seed=3)(images), FilterBank(2, seed=3)(images))
    assert not np.array_equal(FilterBank(2, seed=3)(images), FilterBank(2, seed=4)(images))


def test_every_block_gives_mean_and_deviation_of_its_maps_until_they_are_too_small() -> None:
    blocks = (2 * 9 * 3, *WIDTHS)
    bank = FilterBank(3)
    assert bank(np.zeros((1, 64, 64, 3), np.float32)).shape == (1, 2 * sum(blocks))
    # 20 px halve to 10 and 5; maps of 2 px are not kept
    assert bank(np.zeros((1, 20, 24, 3), np.float32)).shape == (1, 2 * sum(blocks[:3]))


def test_the_first_block_sees_any_difference_in_a_neighbourhood() -> None:
    kernel = FilterBank(1)._kernels[0]
    assert np.linalg.matrix_rank(kernel) == 9
    np.testing.assert_allclose(kernel[:, :9], -kernel[:, 9:])


def by_definition(maps: np.ndarray, kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the rectified maps, side by side, and the maps with half the size."""
    y, x, channels = maps.shape
    padded = np.pad(maps, ((1, 1), (1, 1), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    found = np.maximum(patches.reshape(y, x, 9 * channels) @ kernel, 0)
    cut = found[: y // 2 * 2, : x // 2 * 2].reshape(y // 2, 2, x // 2, 2, -1)
    return np.concatenate([found.mean(axis=(0, 1)), found.std(axis=(0, 1))]), cut.mean(axis=(1, 3))


def test_every_block_is_as_by_the_definition_also_where_an_image_is_worked_on_in_strips() -> None:
    image = np.random.default_rng(2).random((37, 150, 2), dtype=np.float32)
    bank = FilterBank(2, widths=(7, 5))
    pooled, maps = [], image.astype(np.float64)
    for kernel in bank._kernels:
        figures, maps = by_definition(maps, kernel.astype(np.float64))
        pooled.append(figures)
    assert image.shape[1] * bank._kernels[0].shape[1] * image.shape[0] > _STRIP
    np.testing.assert_allclose(bank(image[None])[0], np.concatenate(pooled), rtol=2e-5, atol=1e-6)
