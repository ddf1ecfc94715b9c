"""Adam in one pass: it is Keras' Adam; and the rates that let batches train as single images do."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenodose.errors import InputError, PluginError
from phenodose.learning.adam import Rates, adam
from phenodose.learning.augment import Augmentation
from phenodose.learning.backbones import Architecture, build, initialise
from phenodose.learning.training import Plan, fit
from phenodose.plugins import TrainingSet
from phenodose_readouts.cnn import CnnReadout

SHAPES = ((3, 4), (5,), (2, 2, 3))


def after(optimizer: Any, steps: int) -> list[np.ndarray]:
    """Weights and state of an optimiser that was given gradients of very different sizes."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in SHAPES]
    optimizer.build(variables)
    for _ in range(steps):
        scale = 10.0 ** rng.uniform(-9, 3)
        gradients = [keras.ops.convert_to_tensor((scale * rng.normal(size=s)).astype(np.float32)) for s in SHAPES]
        optimizer.apply(gradients, variables)
    state = [variable for variable in optimizer.variables if tuple(variable.shape) in SHAPES]
    assert len(state) == 2 * len(SHAPES)
    return [np.asarray(keras.ops.convert_to_numpy(variable.value)) for variable in (*variables, *state)]


@pytest.mark.parametrize("steps", [1, 2, 30])
def test_one_pass_gives_what_the_adam_of_keras_gives(steps: int) -> None:
    rates = Rates(1e-3, 0.8, 0.99, 1e-5)
    usual = keras.optimizers.Adam(rates.learning_rate, rates.beta_1, rates.beta_2, rates.epsilon)
    for mine, other in zip(after(adam(rates), steps), after(usual, steps), strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-5, atol=1e-12)


def test_the_rates_are_those_of_keras_unless_told() -> None:
    usual = keras.optimizers.Adam()
    assert Rates(1.0) == Rates(1.0, usual.beta_1, usual.beta_2, usual.epsilon)


@given(st.floats(1e-9, 1), st.integers(1, 8))
def test_memory_fades_as_fast_an_image_in_batches(learning_rate: float, batch_size: int) -> None:
    single = Rates(learning_rate)
    rates = single.as_batch_1(batch_size)
    assert (1 - rates.beta_1) / batch_size == pytest.approx(1 - single.beta_1)
    assert (1 - rates.beta_2) / batch_size == pytest.approx(1 - single.beta_2)
    assert rates.learning_rate**2 / batch_size == pytest.approx(single.learning_rate**2)
    assert rates.learning_rate * rates.epsilon == pytest.approx(single.learning_rate * single.epsilon)
    assert 0 <= rates.beta_1 < 1


def test_batches_of_one_image_keep_their_rates() -> None:
    assert astuple(Rates(1e-7).as_batch_1(1)) == pytest.approx(astuple(Rates(1e-7)))


@pytest.mark.parametrize("batch_size", [9, 64])
def test_batches_that_leave_adam_no_memory_are_refused(batch_size: int) -> None:
    with pytest.raises(InputError, match=rf"batches of {batch_size} images .* at most 8"):
        Rates(1e-7).as_batch_1(batch_size)


def test_the_readout_refuses_such_batches_too() -> None:
    CnnReadout({"adam_as_batch_1": True, "batch_size": 8})
    with pytest.raises(
        PluginError, match="at most 8 images, batch_size is 9; lower it, or set adam_as_batch_1 to false"
    ):
        CnnReadout({"adam_as_batch_1": True, "batch_size": 9})


def test_with_these_rates_batches_end_nearer_to_single_images_than_with_the_same_rates() -> None:
    """Fine-tuning at a low rate; `benchmarks/arithmetic_options.py` measures it against the noise of the order."""
    rng = np.random.default_rng(0)
    n = 32
    labels = (np.arange(n) % 2).astype(np.float32)
    images = rng.random((n, 16, 16, 3), dtype=np.float32) * (0.2 + 0.2 * labels[:, None, None, None])
    data = TrainingSet(images, labels, np.ones(n, bool), np.zeros(n, bool), ("",) * n)
    shapes = Architecture.of("micro", (16, 16, 3), widths=(4, 4), dense=(4,))
    single = Plan("phase2", "micro", 4, 1e-4, 1, 0.4, Augmentation.none(), 0.0, 0)

    def moved(plan: Plan) -> np.ndarray:
        network = build(shapes)
        initialise(network, shapes, "none", seed=0)
        first = network.get_weights()
        fit(network, data, plan)
        return np.concatenate([(a - b).ravel() for a, b in zip(network.get_weights(), first, strict=True)])

    wanted = moved(single)
    same_rates, as_batch_1 = (
        np.linalg.norm(moved(replace(single, batch_size=4, adam_as_batch_1=told)) - wanted) for told in (False, True)
    )
    assert as_batch_1 < 0.5 * same_rates
