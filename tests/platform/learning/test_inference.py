"""Inference: raw viability and features, whatever the batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.special import softmax

from phenodose.learning.augment import Augmentation
from phenodose.learning.backbones import Architecture, build, initialise
from phenodose.learning.inference import Copies, infer, predict, viability_of
from phenodose.learning.preprocess import network_input, to_signal

MICRO = Architecture.of("micro", (16, 16, 3), widths=(4, 4), dense=(5, 6))


@pytest.fixture(scope="module")
def network() -> Any:
    made = build(MICRO)
    initialise(made, MICRO, "none", seed=0)
    return made


def tensors(n: int = 7) -> xr.DataArray:
    counts = np.random.default_rng(0).integers(0, 5000, (n, 16, 16, 3)).astype(np.uint16)
    return xr.DataArray(counts, dims=("well", "y", "x", "channel"), coords={"well": [f"P1/B{i:02d}" for i in range(n)]})


def test_the_raw_viability_is_the_softmax_of_the_second_logit() -> None:
    logits = np.random.default_rng(0).normal(0, 30, (50, 2))
    np.testing.assert_allclose(viability_of(logits), softmax(logits, axis=1)[:, 1])


def test_output_and_features_are_those_of_the_network(network: Any) -> None:
    images = tensors()
    found = infer(network, "micro", images, batch_size=4)
    assert found.raw.dtype == np.float64
    assert found.features.dtype == np.float32
    assert found.features.shape == (7, 6)
    inputs = network_input(to_signal(images.to_numpy()), "micro")
    np.testing.assert_allclose(found.raw, viability_of(np.asarray(network(inputs))), rtol=1e-5)
    kernel, bias = network.get_layer("dense_logits").get_weights()
    np.testing.assert_allclose(viability_of(found.features @ kernel + bias), found.raw, rtol=1e-5)


def test_what_is_said_of_a_well_does_not_depend_on_the_wells_beside_it(network: Any) -> None:
    images = tensors()
    whole = infer(network, "micro", images, batch_size=4)
    alone = infer(network, "micro", images.isel(well=[6]), batch_size=4)
    np.testing.assert_array_equal(alone.raw, whole.raw[6:])
    np.testing.assert_array_equal(alone.features, whole.features[6:])


def test_images_in_memory_are_seen_like_tensors(network: Any) -> None:
    images = tensors()
    stored = infer(network, "micro", images, batch_size=4)
    np.testing.assert_array_equal(predict(network, "micro", to_signal(images.to_numpy()), 4).raw, stored.raw)


def test_copies_that_change_nothing_change_nothing(network: Any) -> None:
    plain = infer(network, "micro", tensors(), batch_size=4)
    copied = infer(network, "micro", tensors(), batch_size=4, copies=Copies(3, Augmentation.none(), seed=0))
    np.testing.assert_allclose(copied.raw, plain.raw, rtol=1e-4)
    np.testing.assert_allclose(copied.features, plain.features, atol=1e-4)


def test_copies_are_the_same_in_every_run_and_steadier_than_one(network: Any) -> None:
    def found(number: int, seed: int) -> np.ndarray:
        return infer(network, "micro", tensors(), batch_size=4, copies=Copies(number, Augmentation(), seed)).raw

    np.testing.assert_array_equal(found(2, 1), found(2, 1))
    one, many = (np.std([found(number, seed) for seed in range(4)], axis=0).mean() for number in (1, 6))
    assert 0 < many < one


def test_how_far_copies_lie_apart_is_the_standard_deviation_of_their_answers(network: Any) -> None:
    images = tensors()
    alone = [infer(network, "micro", images, 4, Copies(number, Augmentation(), seed=5)).raw for number in (1, 2, 3)]
    # Copies are numbered, so that the first n of more copies are the n copies of fewer.
    answers = np.stack([alone[0], 2 * alone[1] - alone[0], 3 * alone[2] - 2 * alone[1]])
    found = infer(network, "micro", images, 4, Copies(3, Augmentation(), seed=5))
    assert found.raw_sd is not None
    np.testing.assert_allclose(found.raw_sd, answers.std(axis=0, ddof=1), atol=1e-6)
    assert (found.raw_sd > 0).all()
    assert infer(network, "micro", images, 4).raw_sd is None
    assert infer(network, "micro", images, 4, Copies(1, Augmentation(), seed=5)).raw_sd is None


def test_copies_of_images_in_memory_are_those_of_tensors(network: Any) -> None:
    images, copies = tensors(), Copies(3, Augmentation(), seed=2)
    stored = infer(network, "micro", images, 4, copies)
    held = predict(network, "micro", to_signal(images.to_numpy()), 4, copies)
    np.testing.assert_array_equal(held.raw, stored.raw)
    np.testing.assert_array_equal(held.features, stored.features)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_short_arithmetic_changes_little_and_gives_numbers_of_full_length(network: Any, precision: str) -> None:
    short = build(MICRO, precision)
    short.set_weights(network.get_weights())
    usual, found = (infer(asked, "micro", tensors(), batch_size=4) for asked in (network, short))
    assert found.raw.dtype == np.float64
    assert found.features.dtype == np.float32
    assert 0 < np.abs(found.raw - usual.raw).max() < 0.02


def test_progress_is_told_after_every_batch(network: Any) -> None:
    told: list[tuple[int, int]] = []
    infer(network, "micro", tensors(), batch_size=4, progress=lambda done, total, message: told.append((done, total)))
    assert told == [(4, 7), (7, 7)]


@pytest.mark.parametrize("batch_size", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 7)), 3, 32])
def test_what_is_said_does_not_depend_on_the_size_of_batches(network: Any, batch_size: int) -> None:
    """Of 3 the last one is not full, 32 is more than there are; 1 and 7 are neither."""
    images = tensors()
    copies = Copies(2, Augmentation(), seed=3)
    for asked in (None, copies):
        usual = infer(network, "micro", images, batch_size=4, copies=asked)
        other = infer(network, "micro", images, batch_size=batch_size, copies=asked)
        assert other.raw.shape == (7,)
        assert np.all((other.raw > 0) & (other.raw < 1))
        np.testing.assert_allclose(other.raw, usual.raw, atol=1e-5)
        np.testing.assert_allclose(other.features, usual.features, atol=1e-5)
