"""The frozen bank of random filters."""

from __future__ import annotations

import numpy as np

from phenodose.learning.filter_bank import WIDTHS, FilterBank


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


def test_an_image_is_convolved_as_by_the_definition() -> None:
    image = np.random.default_rng(2).random((8, 9, 2), dtype=np.float32)
    kernel = FilterBank(2)._kernels[0]
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1)).transpose(0, 1, 3, 4, 2)
    maps = np.maximum(patches.reshape(8, 9, 18) @ kernel, 0)
    found = FilterBank(2)(image[None])[0]
    width = kernel.shape[1]
    np.testing.assert_allclose(found[:width], maps.mean(axis=(0, 1)), rtol=1e-5)
    np.testing.assert_allclose(found[width : 2 * width], maps.std(axis=(0, 1)), rtol=1e-4)
