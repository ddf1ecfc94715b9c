"""What a frozen network is shown of an image, and blends of controls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from phenodose.errors import InputError
from phenodose.learning.filter_bank import FilterBank
from phenodose.learning.frozen import (
    Turns,
    blends_of,
    distinct_channels,
    features_of,
    network_of,
    typical_light,
    views,
)


def pictures(n: int = 6, size: int = 24) -> np.ndarray:
    return np.random.default_rng(1).integers(100, 5000, (n, size, size, 2)).astype(np.uint16)


def test_how_strongly_a_well_was_stained_is_not_seen() -> None:
    plain = pictures()
    shown, again = (views(images, typical_light(plain))[0] for images in (plain, 2 * plain.astype(np.float32)))
    np.testing.assert_allclose(shown, again, atol=1e-3)
    np.testing.assert_allclose(shown.mean(axis=(1, 2)), 0, atol=1e-5)


def test_features_depend_neither_on_threads_nor_on_the_other_images() -> None:
    images, light = pictures(), np.array([1000.0, 1000.0], np.float32)
    bank = FilterBank(2)
    one = features_of(images, light, bank, Turns(2), threads=1)
    np.testing.assert_array_equal(one, features_of(images, light, bank, Turns(2), threads=3))
    np.testing.assert_allclose(one[4:], features_of(images[4:], light, bank, Turns(2), threads=1), rtol=1e-5)


@pytest.mark.parametrize(
    ("copies", "moved"),
    [
        (2, lambda images: images[:, ::-1, ::-1]),
        (4, lambda images: np.rot90(images, 1, axes=(1, 2))),
        (8, lambda images: np.swapaxes(images, 1, 2)),
    ],
)
def test_features_do_not_depend_on_how_a_well_lies(copies: int, moved: Callable[[np.ndarray], np.ndarray]) -> None:
    images, light = pictures(2), np.array([1000.0, 1000.0], np.float32)
    bank = FilterBank(2)
    found = features_of(images, light, bank, Turns(copies), threads=1)
    again = features_of(moved(images), light, bank, Turns(copies), threads=1)
    np.testing.assert_allclose(found, again, rtol=1e-4, atol=1e-5)
    fewer = features_of(moved(images), light, bank, Turns(copies // 2), threads=1)
    assert not np.allclose(found, fewer, rtol=1e-2)


def test_copies_of_images_that_are_no_squares_have_their_shape() -> None:
    images = pictures(2)[:, :12]
    assert [copy.shape for copy in Turns(8).of(images)] == [images.shape] * 4


def test_progress_reaches_its_end() -> None:
    told: list[tuple[int, int]] = []
    light = np.array([1000.0, 1000.0], np.float32)
    features_of(pictures(5), light, FilterBank(2), Turns(1), 1, lambda done, total, _: told.append((done, total)))
    assert told[-1] == (5, 5)


def test_a_channel_that_is_there_twice_is_shown_once() -> None:
    assert distinct_channels(("MIP", "MID", "MIP"), 3) == [0, 1]
    assert distinct_channels((), 3) == [0, 1, 2]


def test_blends_are_sums_of_a_living_and_a_killed_well_of_one_plate() -> None:
    images = np.zeros((4, 8, 8, 1), np.uint16)
    images[0], images[1], images[2], images[3] = 1000, 2000, 10, 20
    living, killed = np.array([True, True, False, False]), np.array([False, False, True, True])
    mixed, share = blends_of(images, living, killed, np.array(["P1", "P2", "P1", "P2"]), 40, seed=1)
    first, second = (np.rint(share * one + (1 - share) * other) for one, other in ((1000, 10), (2000, 20)))
    seen = mixed[:, 0, 0, 0]
    assert ((seen == first) | (seen == second)).all()
    assert 0.05 <= share.min() < 0.3
    assert 0.7 < share.max() <= 0.95


def test_the_built_in_filters_take_no_weights() -> None:
    with pytest.raises(InputError, match="take no weights"):
        network_of("filters", "imagenet", (32, 32, 2), 0)


def test_a_network_of_the_registry_gives_its_maps_of_every_size() -> None:
    network = network_of("vgg16", "none", (32, 32, 2), 1)
    images = np.random.default_rng(1).random((2, 32, 32, 2), dtype=np.float32)
    found = network(images)
    assert found.shape == (2, 2 * (64 + 128 + 256 + 512 + 512 + 512))
    np.testing.assert_array_equal(found, network_of("vgg16", "none", (32, 32, 2), 1)(images))
