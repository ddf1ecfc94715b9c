"""Blends of controls."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from phenodose.learning.mixup import blend, draw_blends


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
