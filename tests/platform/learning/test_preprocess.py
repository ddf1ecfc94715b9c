"""Scaling from counts to network input."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phenodose.learning.preprocess import network_input, to_signal


def test_counts_become_signal() -> None:
    signal = to_signal(np.array([0, 65535], dtype=np.uint16))
    assert signal.dtype == np.float32
    np.testing.assert_array_equal(signal, [0.0, 1.0])


def test_vgg_sees_half_the_range_more_minus_the_means_of_imagenet() -> None:
    signal = np.zeros((1, 2, 2, 3), np.float32)
    signal[0, 0, 0] = 1.0
    given_to = np.asarray(network_input(signal, "vgg19"))
    means = np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(given_to[0, 1, 1], 127.5 - means, rtol=1e-5)
    np.testing.assert_allclose(given_to[0, 0, 0], 1.5 * 255 - means, rtol=1e-5)


def test_every_backbone_has_its_own_preprocessing() -> None:
    signal = np.full((1, 2, 2, 3), 0.5, np.float32)
    np.testing.assert_allclose(np.asarray(network_input(signal, "resnet50_v2")), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.asarray(network_input(signal, "mobilenet_v3")), 255.0, atol=1e-3)


@settings(max_examples=30)
@given(gain=st.floats(0.2, 5), offset=st.floats(0, 0.2), seed=st.integers(0, 100))
def test_how_strongly_a_well_was_stained_does_not_reach_a_network_without_first_weights(
    gain: float, offset: float, seed: int
) -> None:
    signal = 0.01 + 0.1 * np.random.default_rng(seed).random((2, 8, 8, 3), dtype=np.float32)
    plain = np.asarray(network_input(signal, "micro"))
    stained = np.asarray(network_input(np.float32(gain) * signal + np.float32(offset), "micro"))
    np.testing.assert_allclose(stained, plain, atol=5e-3)
    np.testing.assert_allclose(plain.mean(axis=(1, 2)), 0, atol=1e-4)


def test_an_empty_image_stays_finite() -> None:
    assert np.isfinite(np.asarray(network_input(np.zeros((1, 8, 8, 3), np.float32), "micro"))).all()


def test_channels_of_a_vgg_network_are_reversed_as_its_weights_want() -> None:
    signal = np.random.default_rng(0).random((2, 4, 4, 3), dtype=np.float32)
    wanted = ((signal + 0.5) * 255)[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)
    np.testing.assert_allclose(np.asarray(network_input(signal, "vgg19")), wanted, atol=1e-3)
