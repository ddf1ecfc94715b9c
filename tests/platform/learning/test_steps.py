"""The loop over training steps: it is Keras' training step, and takes neither more steps nor images than told."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from phenodose.learning.adam import Rates, adam
from phenodose.learning.backbones import Architecture, build, initialise
from phenodose.learning.steps import steps

MICRO = Architecture.of("micro", (16, 16, 3), widths=(4, 4), dense=(4,))
BATCH = 4


def network(optimizer: Any, precision: str = "float32", **more: Any) -> Any:
    made = build(MICRO, precision)
    initialise(made, MICRO, "none", seed=0)
    made.compile(optimizer=optimizer, **more)
    made.optimizer.build(made.trainable_variables)
    return made


def batches(number: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(number, BATCH, 16, 16, 3)).astype(np.float32)
    negative = rng.uniform(0.2, 0.8, (number, BATCH)).astype(np.float32)
    return inputs, np.stack([1 - negative, negative], axis=-1), np.ones((number, BATCH), np.float32)


@cache
def new_loop() -> tuple[Any, Any, list[np.ndarray]]:
    """A network, its loop, which is compiled by the first call, and all that the loop changes, as it was before."""
    made = network(adam(Rates(1e-3)))
    start = [np.array(keras.ops.convert_to_numpy(value)) for value in [*made.variables, *made.optimizer.variables]]
    return made, steps(made, keras.ops.convert_to_tensor), start


def started() -> tuple[Any, Any]:
    """The network as it was before any step, and its loop."""
    made, train, start = new_loop()
    for variable, value in zip([*made.variables, *made.optimizer.variables], start, strict=True):
        variable.assign(value)
    return made, train


def trained(inputs: np.ndarray, wanted: np.ndarray, weights: np.ndarray, number: int) -> list[np.ndarray]:
    made, train = started()
    sums = train(inputs, wanted, weights, number)
    return [*made.get_weights(), np.array(keras.ops.convert_to_numpy(sums))]


def test_the_loop_does_what_the_steps_of_keras_do() -> None:
    inputs, wanted, weights = batches()
    weights[2, 3] = 0  # a last batch of three
    usual = network(
        keras.optimizers.Adam(1e-3),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    loss, right = 0.0, 0.0
    for place, n in enumerate((4, 4, 3)):
        said = usual.train_on_batch(inputs[place, :n], wanted[place, :n], return_dict=True)
        loss, right = loss + n * said["loss"], right + n * said["accuracy"]
    *mine, sums = trained(inputs, wanted, weights, 3)
    assert sums == pytest.approx([loss, right], rel=1e-5)
    for value, other in zip(mine, usual.get_weights(), strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX has two loops; set KERAS_BACKEND=jax")
def test_the_loop_for_graphics_cards_does_what_the_one_for_processors_does(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    one_by_one = trained(*batches(), 3)
    new_loop.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for value, other in zip(trained(*batches(), 3), one_by_one, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-4, atol=1e-6)
    new_loop.cache_clear()


def test_steps_beyond_the_number_are_not_taken() -> None:
    inputs, wanted, weights = batches()
    other = inputs.copy()
    other[2] = 7
    for mine, theirs in zip(trained(inputs, wanted, weights, 2), trained(other, wanted, weights, 2), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_images_of_weight_0_do_not_count() -> None:
    inputs, wanted, weights = batches()
    weights[1, 2:] = 0
    other = inputs.copy()
    other[1, 2:] = 7
    mine, theirs = trained(inputs, wanted, weights, 3), trained(other, wanted, weights, 3)
    for value, same in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(value, same, rtol=1e-5, atol=1e-7)
    assert not np.allclose(mine[0], trained(other, wanted, np.ones_like(weights), 3)[0], rtol=1e-5, atol=1e-7)


def test_calls_go_on_from_one_another() -> None:
    whole = batches(3)
    once = trained(*whole, 3)
    made, train = started()
    train(*whole, 2)
    train(*(np.roll(array, 1, axis=0) for array in whole), 1)
    for mine, other in zip(made.get_weights(), once, strict=False):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("precision", [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"])
def test_in_mixed_precision_weights_stay_float32_and_move_less_than_a_short_number_can_tell(precision: str) -> None:
    made = network(adam(Rates(1e-7)), precision)
    before = made.get_weights()
    inputs, wanted, weights = batches(1)
    train = steps(made, keras.ops.convert_to_tensor)
    for _ in range(4):
        train(inputs, wanted, weights, 1)
    for mine, first in zip(made.get_weights(), before, strict=True):
        assert mine.dtype == np.float32
        assert not np.array_equal(mine, first)
        assert np.abs(mine - first).max() <= 5e-7
