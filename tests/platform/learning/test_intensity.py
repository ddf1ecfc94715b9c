"""How the factor of intensity reaches a training image, in each of the three modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from phenodose.learning.intensity import IntensityMode, through_8_bit, through_stretched_8_bit, training_input
from phenodose.learning.preprocess import network_input

#: Means of blue, green, red that the preprocessing of VGG takes off.
VGG_MEANS = (103.939, 116.779, 123.68)


def picture(*values: float) -> np.ndarray:
    """One image of one row, the same in three channels."""
    return np.repeat(np.array(values, np.float32).reshape(1, 1, -1, 1), 3, axis=-1)


def factors(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_raw_multiplies_the_signal_before_half_of_the_range_is_added() -> None:
    signal = picture(0.0, 40 / 255)
    found = np.asarray(training_input(signal, factors(1.5), "vgg19", "raw"))
    wanted = np.array([[127.5], [1.5 * 40 + 127.5]]) - np.array(VGG_MEANS)
    np.testing.assert_allclose(found[0, 0], wanted, atol=1e-3)


def test_tf28_stretches_cuts_to_8_bits_and_multiplies() -> None:
    # 10 to 60 become 0 to 255; 30 becomes 102; 13 becomes 15.3, cut to 15.
    found = through_stretched_8_bit(picture(10, 13, 30, 60), factors(0.5))
    assert found[0, 0, :, 0].tolist() == [0, 7, 51, 127]
    assert through_stretched_8_bit(picture(10, 13, 30, 60), factors(1.5))[0, 0, :, 1].tolist() == [0, 22, 153, 255]


def test_keras29_cuts_to_8_bits_and_multiplies_without_stretching() -> None:
    assert through_8_bit(picture(10.9, 13.2, 200), factors(1.5))[0, 0, :, 0].tolist() == [15, 19, 255]


def test_keras29_stretches_images_beyond_8_bits_and_shrinks_them_back() -> None:
    # -10 to 500: stretched by a half, 245 becomes 127.5, cut to 127, halved to 63 and back to 63 * 2 - 10.
    found = through_8_bit(picture(-10, 245, 500), factors(0.5))
    assert found[0, 0, :, 0].tolist() == [-10, 116, 244]


def test_an_image_in_the_dark_stays_as_the_paper_s_program_saw_it() -> None:
    """Preprocessed for VGG, a peak of 40 counts: training and prediction see different backgrounds under tf28."""
    signal = picture(0.0, 40 / 255)
    trained = np.asarray(training_input(signal, factors(1.0), "vgg19", "tf28"))[0, 0]
    asked = np.asarray(network_input(signal, "vgg19"))[0, 0]
    np.testing.assert_allclose(trained[0], [84, 29, 0], atol=1)
    np.testing.assert_allclose(asked[0], [23.6, 10.7, 3.8], atol=0.1)
    assert trained.max() == 255
    assert asked.max() < 64
    as_asked = np.asarray(training_input(signal, factors(1.0), "vgg19", "keras29"))[0, 0]
    np.testing.assert_allclose(as_asked, asked, atol=1)


@pytest.mark.parametrize("backbone", ["resnet50_v2"])
def test_tf28_trains_networks_that_expect_minus_one_to_one_on_0_to_255(backbone: str) -> None:
    signal = picture(0.0, 0.1, 0.2)
    trained = np.asarray(training_input(signal, factors(1.0), backbone, "tf28"))
    asked = np.asarray(network_input(signal, backbone))
    assert (trained.min(), trained.max()) == (0, 255)
    assert -1 <= asked.min() < asked.max() <= 1


@pytest.mark.parametrize("mode", ["tf28", "keras29"])
def test_an_image_of_one_value_stays_finite(mode: IntensityMode) -> None:
    found = np.asarray(training_input(picture(0.0, 0.0), factors(1.2), "resnet50_v2", mode))
    assert np.isfinite(found).all()


@given(
    st.lists(st.integers(-300, 300), min_size=6, max_size=6),
    st.floats(0.5, 1.5, width=32),
    st.sampled_from(["tf28", "keras29"]),
)
def test_the_modes_are_those_of_pillow(values: list[int], factor: float, mode: str) -> None:
    image = np.array(values, np.float32).reshape(1, 1, 2, 3) + np.float32(0.25)
    low, high = float(image.min()), float(image.max())
    stretch = mode == "tf28" or low < 0 or high > 255
    width = np.float32(high - low) or np.float32(1)
    counts = (image[0] - np.float32(low)) / width * np.float32(255) if stretch else image[0]
    enhanced = ImageEnhance.Brightness(Image.fromarray(counts.astype(np.uint8), "RGB")).enhance(factor)
    wanted = np.asarray(enhanced).astype(np.float32)
    if mode == "keras29" and stretch:
        wanted = wanted / np.float32(255) * np.float32(high - low) + np.float32(low)
    found = (through_stretched_8_bit if mode == "tf28" else through_8_bit)(image, factors(factor))
    np.testing.assert_allclose(found[0], wanted, atol=1e-3)


@given(st.integers(0, 1000), st.floats(0.5, 1.5, width=32), st.booleans())
def test_the_modes_are_those_of_keras_own_legacy_code(seed: int, factor: float, dark: bool) -> None:
    legacy = pytest.importorskip("keras.src.legacy.preprocessing.image", reason="this Keras has no legacy code")
    rng = np.random.default_rng(seed)
    image = rng.uniform(3, 60, (4, 5, 3)) if dark else rng.uniform(-50, 320, (4, 5, 3))
    image = image.astype(np.float32)
    for scale, mine in ((True, through_stretched_8_bit), (False, through_8_bit)):
        wanted = legacy.apply_brightness_shift(image.copy(), factor, scale)
        # Rounding before the cut to 8 bits may differ by one grey value.
        np.testing.assert_allclose(mine(image[None], factors(factor))[0], wanted, atol=2.5)
        assert np.mean(np.abs(mine(image[None], factors(factor))[0] - wanted) < 1e-3) > 0.9
