"""Blends of controls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.learning.augment import Augmentation
from phenodose.learning.batches import Chunks
from phenodose.learning.mixup import blend, draw_blends, draw_patches, patch
from phenodose.learning.training import Plan, targets
from phenodose.plugins import TrainingSet


def chunk(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images that show their own target: positive controls 0, negative controls 1, drug wells 5."""
    kind = np.arange(n) % 3  # 0 positive, 1 negative, 2 drug
    wanted = np.array([0.2, 0.8, 0.6], np.float32)[kind]
    images = np.array([0.0, 1.0, 5.0], np.float32)[kind][:, None, None, None] * np.ones((1, 2, 2, 3), np.float32)
    return images, np.stack([1 - wanted, wanted], axis=-1), kind != 2


def blend_controls(
    images: np.ndarray, wanted: np.ndarray, is_control: np.ndarray, fraction: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    blends = draw_blends(wanted, is_control, fraction, generator)
    assert blends.partner.shape == blends.share.shape == (len(images),)
    return np.asarray(blend(images, *vars(blends).values())), np.asarray(blend(wanted, *vars(blends).values()))


@given(st.integers(0, 1000), st.integers(2, 40), st.floats(0, 1))
def test_a_blend_is_labelled_in_proportion_and_drug_wells_are_left_alone(seed: int, n: int, fraction: float) -> None:
    images, wanted, is_control = chunk(n)
    blended, goals = blend_controls(images, wanted, is_control, fraction, np.random.default_rng(seed))
    assert blended.dtype == goals.dtype == np.float32
    np.testing.assert_allclose(goals[is_control, 1], 0.2 + 0.6 * blended[is_control, 0, 0, 0], atol=1e-5)
    np.testing.assert_array_equal(blended[~is_control], images[~is_control])
    np.testing.assert_array_equal(goals[~is_control], wanted[~is_control])
    np.testing.assert_allclose(goals.sum(axis=1), 1, atol=1e-6)


def test_all_are_blended_or_none() -> None:
    images, wanted, is_control = chunk(30)
    same, _ = blend_controls(images, wanted, is_control, 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(same, images)
    blended, _ = blend_controls(images, wanted, is_control, 1.0, np.random.default_rng(0))
    between = blended[is_control, 0, 0, 0]
    assert np.all((between > 0) & (between < 1))


def test_one_class_alone_cannot_be_blended() -> None:
    images, wanted, _ = chunk(3)
    one = np.repeat(images[:1], 5, axis=0), np.repeat(wanted[:1], 5, axis=0), np.ones(5, dtype=bool)
    blended, goals = blend_controls(*one, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(blended, one[0])
    np.testing.assert_array_equal(goals, one[1])


def test_the_same_generator_gives_the_same_blends() -> None:
    images, wanted, is_control = chunk(20)
    first, again, other = (blend_controls(images, wanted, is_control, 0.7, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@given(st.integers(0, 1000), st.integers(1, 40))
def test_between_wells_every_well_meets_any_other(seed: int, n: int) -> None:
    _, wanted, is_control = chunk(n)
    blends = draw_blends(wanted, is_control, 1.0, np.random.default_rng(seed), "wells")
    own = np.arange(n)
    assert (blends.partner == own).all() if n == 1 else (blends.partner != own).all()
    np.testing.assert_array_equal(blends.share[blends.partner == own], 1)


def test_drug_wells_are_blended_where_all_wells_are() -> None:
    images, wanted, is_control = chunk(60)
    blends = draw_blends(wanted, is_control, 1.0, np.random.default_rng(3), "wells")
    assert {int(kind) for kind in blends.partner[~is_control] % 3} == {0, 1, 2}
    blended = np.asarray(blend(images, blends.partner, blends.share))
    assert not np.array_equal(blended[~is_control], images[~is_control])


@given(st.integers(0, 1000), st.integers(1, 20), st.floats(0, 1), st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_a_patch_is_labelled_by_its_area(seed: int, n: int, fraction: float, size: tuple[int, int]) -> None:
    patches = draw_patches(n, fraction, size, np.random.default_rng(seed))
    images = np.arange(n, dtype=np.float32)[:, None, None, None] * np.ones((1, *size, 3), np.float32)
    made = np.asarray(patch(images, patches.partner, patches.box))
    own = (made == images).mean(axis=(1, 2, 3))
    same = patches.partner == np.arange(n)
    np.testing.assert_allclose(own[~same], patches.share[~same], atol=1e-6)
    np.testing.assert_array_equal(made[same], images[same])
    top, bottom, left, right = patches.box.T
    for image, other, t, b, le, r in zip(made, patches.partner, top, bottom, left, right, strict=True):
        np.testing.assert_array_equal(image[t:b, le:r], np.float32(other))


def test_no_patches_or_all() -> None:
    none = draw_patches(50, 0.0, (8, 8), np.random.default_rng(0))
    np.testing.assert_array_equal(none.share, 1)
    every = draw_patches(50, 1.0, (8, 8), np.random.default_rng(0))
    assert (every.partner != np.arange(50)).all()
    assert 0.05 < 1 - every.share.mean() < 0.6


@pytest.mark.parametrize("device_images_mb", [0, 1])
def test_batches_are_patched_and_blended_between_all_wells(device_images_mb: int) -> None:
    """Of wells whose grey value is their label, what is wanted of an image follows from its mean."""
    n, alpha = 24, 0.4
    labels = (np.arange(n) % 2).astype(np.float32)
    images = (0.2 + 0.4 * labels)[:, None, None, None] * np.ones((1, 16, 16, 3), np.float32)
    names = tuple(f"P1/B{i:02d}" for i in range(n))
    none = np.zeros(n, dtype=bool)
    data = TrainingSet(images, labels, none, none, names)
    still = Augmentation(
        flip=False, rotation_degrees=0, shift_fraction=0, zoom_min=1, zoom_max=1, intensity_min=1, intensity_max=1
    )
    plan = Plan(
        phase="phase3", backbone="vgg19", epochs=1, learning_rate=1e-3, batch_size=8, label_smoothing=alpha,
        augmentation=still, mixup_fraction=0.5, mixup_between="wells", cutmix_fraction=0.7, seed=0,
        device_images_mb=device_images_mb,
    )  # fmt: skip
    chunks = Chunks(data, plan, targets(data, alpha))
    (chunk,) = chunks.from_epoch(0)
    made = np.asarray(chunks.make(chunk.source)).reshape(n, -1).mean(axis=1)
    wanted = chunk.wanted.reshape(n, 2)[:, 1]
    assert ((wanted > 0.01) & (wanted < 0.99)).sum() > 10
    slope, offset = np.polyfit(made, wanted, 1)
    np.testing.assert_allclose(slope * made + offset, wanted, atol=1e-3)
