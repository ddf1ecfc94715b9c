"""Augmentation: what is drawn, and what it does to images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from phenodose.learning.augment import Augmentation, apply, draw

SIZE = (24, 20)


def images(n: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, *SIZE, 3), dtype=np.float32)


def augmented(signal: np.ndarray, augmentation: Augmentation, epoch: int = 0) -> np.ndarray:
    drawn = draw(augmentation, len(signal), SIZE, seed=1, phase="phase1", epoch=epoch)
    return np.asarray(apply(signal, drawn))


def test_ranges_of_nothing_leave_images_as_they_are() -> None:
    signal = images()
    np.testing.assert_allclose(augmented(signal, Augmentation.none()), signal, atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 500), n=st.integers(1, 40), more=st.integers(0, 40))
def test_parameters_of_a_well_depend_on_seed_phase_epoch_and_place_alone(
    seed: int, epoch: int, n: int, more: int
) -> None:
    few = draw(Augmentation(), n, SIZE, seed=seed, phase="phase2", epoch=epoch)
    many = draw(Augmentation(), n + more, SIZE, seed=seed, phase="phase2", epoch=epoch)
    np.testing.assert_array_equal(few.transform, many.transform[:n])
    np.testing.assert_array_equal(few.intensity, many.intensity[:n])
    for other in (
        draw(Augmentation(), n, SIZE, seed=seed + 1, phase="phase2", epoch=epoch),
        draw(Augmentation(), n, SIZE, seed=seed, phase="phase3", epoch=epoch),
        draw(Augmentation(), n, SIZE, seed=seed, phase="phase2", epoch=epoch + 1),
    ):
        assert not np.array_equal(few.transform, other.transform)


@given(st.integers(0, 1000))
def test_intensity_and_shift_stay_in_their_ranges(epoch: int) -> None:
    shifts_only = Augmentation(flip=False, rotation_degrees=0, zoom_min=1, zoom_max=1)
    drawn = draw(shifts_only, 50, SIZE, seed=3, phase="phase1", epoch=epoch)
    assert drawn.intensity.min() >= 0.5
    assert drawn.intensity.max() <= 1.5
    np.testing.assert_array_less(np.abs(drawn.transform[:, 2]), 0.1 * SIZE[1] + 1e-5)
    np.testing.assert_array_less(np.abs(drawn.transform[:, 5]), 0.1 * SIZE[0] + 1e-5)
    assert np.ptp(drawn.transform[:, 2]) > 0


def test_flips_alone_give_the_four_mirror_images() -> None:
    flips = Augmentation(True, 0, 0, 1, 1, 1, 1)
    signal = np.repeat(images(1), 40, axis=0)
    mirrored = [signal[0], signal[0][::-1], signal[0][:, ::-1], signal[0][::-1, ::-1]]
    seen = set()
    for image in augmented(signal, flips):
        distances = [float(np.abs(image - other).max()) for other in mirrored]
        seen.add(int(np.argmin(distances)))
        assert min(distances) < 1e-5
    assert seen == {0, 1, 2, 3}


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_borders_are_reflected_so_that_an_even_image_stays_even(epoch: int) -> None:
    even = np.full((4, *SIZE, 3), 0.25, np.float32)
    strong = Augmentation(True, 30, 0.5, 0.5, 1.1, 1, 1)
    np.testing.assert_allclose(augmented(even, strong, epoch), even, atol=1e-5)


def test_the_one_resampling_is_that_of_scipy() -> None:
    signal = images()
    drawn = draw(Augmentation(intensity_min=1, intensity_max=1), len(signal), SIZE, seed=5, phase="phase1", epoch=2)
    result = np.asarray(apply(signal, drawn))
    for image, moved, (a0, a1, a2, b0, b1, b2, _, _) in zip(signal, result, drawn.transform, strict=True):
        matrix, offset = np.array([[b1, b0], [a1, a0]]), np.array([b2, a2])  # on (row, column)
        for channel in range(3):
            wanted = ndimage.affine_transform(image[..., channel], matrix, offset, order=1, mode="reflect")
            np.testing.assert_allclose(moved[..., channel], wanted, atol=1e-4)


def test_a_zoom_above_one_comes_nearer() -> None:
    nearer = Augmentation(False, 0, 0, 1, 2, 1, 1)
    drawn = draw(nearer, 30, SIZE, seed=0, phase="phase1", epoch=0)
    assert np.all(drawn.transform[:, 0] < 1)
    assert np.all(drawn.transform[:, 4] < 1)
    centre = (SIZE[1] - 1) / 2
    np.testing.assert_allclose(drawn.transform[:, 0] * centre + drawn.transform[:, 2], centre, rtol=1e-5)


@pytest.mark.parametrize("factor", [0.5, 1.5])
def test_intensity_multiplies_the_signal(factor: float) -> None:
    signal = images()
    only = Augmentation(False, 0, 0, 1, 1, factor, factor)
    np.testing.assert_allclose(augmented(signal, only), factor * signal, rtol=1e-5)


@given(largest=st.floats(0, 180), epoch=st.integers(0, 500))
def test_rotations_are_rigid_about_the_centre_and_within_their_range(largest: float, epoch: int) -> None:
    turns = Augmentation(False, largest, 0, 1, 1, 1, 1)
    transform = draw(turns, 20, SIZE, seed=4, phase="phase1", epoch=epoch).transform.astype(np.float64)
    linear = transform[:, [0, 1, 3, 4]].reshape(-1, 2, 2)  # on (x, y)
    np.testing.assert_allclose(linear @ linear.transpose(0, 2, 1), np.broadcast_to(np.eye(2), (20, 2, 2)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.det(linear), 1, atol=1e-5)
    angle = np.rad2deg(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    assert np.abs(angle).max() <= largest + 1e-3
    centre = (np.array(SIZE[::-1]) - 1) / 2
    np.testing.assert_allclose(linear @ centre + transform[:, [2, 5]], np.tile(centre, (20, 1)), atol=1e-3)


def test_a_round_picture_stays_as_it_is_when_turned_and_mirrored() -> None:
    y, x = (np.arange(size) - (size - 1) / 2 for size in SIZE)
    squared_radius = y[:, None] ** 2 + x[None, :] ** 2
    round_picture = np.exp(-squared_radius / 30).astype(np.float32)
    signal = np.repeat(np.repeat(round_picture[None, ..., None], 3, axis=-1), 8, axis=0)
    turned = augmented(signal, Augmentation(True, 180, 0, 1, 1, 1, 1))
    inside = squared_radius <= ((min(SIZE) - 1) / 2) ** 2  # further out, a turned picture shows reflections
    np.testing.assert_allclose(turned[:, inside], signal[:, inside], atol=0.02)  # what one resampling costs


@given(least=st.floats(0.01, 1), more=st.floats(0, 5), epoch=st.integers(0, 500))
def test_any_range_of_intensity_is_kept(least: float, more: float, epoch: int) -> None:
    ranges = Augmentation(intensity_min=least, intensity_max=least + more)
    intensity = draw(ranges, 30, SIZE, seed=0, phase="phase1", epoch=epoch).intensity
    assert intensity.min() >= np.float32(least) * (1 - 1e-6)
    assert intensity.max() <= np.float32(least + more) * (1 + 1e-6)
