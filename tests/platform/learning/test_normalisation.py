"""Statistics of batch normalisation taken from control wells, and kept fixed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.learning import backbones
from phenodose.learning.backbones import NESTED, Architecture, build, initialise
from phenodose.learning.inference import predict
from phenodose.learning.normalisation import normalising_layers, take_statistics
from phenodose.learning.preprocess import network_input
from phenodose.plugins import TrainingSet
from phenodose_readouts.cnn import CnnReadout

FAST = "mobilenet_v3"
SIZE = 32


def wells(seed: int = 0) -> TrainingSet:
    """Twelve controls, of which the first two are held out, and four drug wells."""
    rng = np.random.default_rng(seed)
    images = 0.1 * rng.random((16, SIZE, SIZE, 3), dtype=np.float32)
    labels = np.array([0, 1] * 6 + [0.3, 0.4, 0.5, 0.6], dtype=np.float32)
    images[labels > 0.5, 8:24, 8:24] += 0.2
    place = np.arange(16)
    return TrainingSet(
        images=images,
        labels=labels,
        is_control=place < 12,
        validation=place < 2,
        wells=tuple(f"P1/B{n + 2:02d}" for n in place),
    )


def new_network(backbone: str = FAST) -> Any:
    architecture = Architecture.of(backbone, (SIZE, SIZE, 3), dense=(16,))
    network = build(architecture)
    initialise(network, architecture, "none", seed=0)
    return network


def statistics(network: Any) -> list[np.ndarray]:
    layers = normalising_layers(network)
    return [np.array(value) for layer in layers for value in (layer.moving_mean, layer.moving_variance)]


def same(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.fixture(scope="module")
def blind_then_seeing() -> tuple[np.ndarray, Any]:
    """What a network says of all wells that starts random, and the network with the statistics of the controls."""
    made = new_network()
    blind = np.asarray(made(network_input(wells().images, FAST)))
    assert take_statistics(made, wells(), FAST) == 10
    return blind, made


@pytest.fixture
def network(blind_then_seeing: tuple[np.ndarray, Any]) -> Any:
    """The network with the statistics of the controls; for reading only."""
    return blind_then_seeing[1]


def test_every_layer_makes_the_controls_it_was_shown_mean_0_and_variance_1(network: Any) -> None:
    import keras

    inner = network.get_layer(NESTED).model
    layers = normalising_layers(network)
    shown = wells().images[2:12]
    found = keras.Model(inner.inputs, [layer.output for layer in layers])(network_input(shown, FAST))
    assert len(found) == 46  # of MobileNetV3-Large
    assert backbones.BACKBONES[FAST].normalised
    for layer, values in zip(layers, map(np.asarray, found), strict=True):
        variance = np.array(layer.moving_variance)
        np.testing.assert_allclose(values.mean(axis=(0, 1, 2)), 0, atol=1e-3)
        np.testing.assert_allclose(
            values.var(axis=(0, 1, 2)), variance / (variance + layer.epsilon), rtol=0.01, atol=1e-3
        )


def test_drug_wells_and_held_out_wells_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_application", two_convolutions)
    network, data = new_network(), wells()
    take_statistics(network, data, FAST)
    before = statistics(network)
    hidden = ~data.is_control | data.validation
    take_statistics(network, replace(data, images=np.where(hidden[:, None, None, None], 0.9, data.images)), FAST)
    assert same(statistics(network), before)
    take_statistics(network, replace(data, images=data.images * np.float32(0.5)), FAST)
    assert not same(statistics(network), before)
    take_statistics(network, data, FAST)
    assert same(statistics(network), before)


def test_a_network_that_starts_random_is_blind_with_the_statistics_it_starts_with(
    blind_then_seeing: tuple[np.ndarray, Any],
) -> None:
    blind, network = blind_then_seeing
    seeing = np.asarray(network(network_input(wells().images, FAST)))
    assert np.ptp(blind[:, 1] - blind[:, 0]) < 1e-5
    assert np.ptp(seeing[:, 1] - seeing[:, 0]) > 0.01


def test_what_is_said_of_a_well_does_not_depend_on_the_wells_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_application", two_convolutions)
    network, images = new_network(), wells().images
    take_statistics(network, wells(), FAST)
    together = predict(network, FAST, images, batch_size=16)
    alone = predict(network, FAST, images[5:6], batch_size=1)
    np.testing.assert_allclose(alone.raw, together.raw[5:6], atol=1e-6)


def test_networks_without_normalisation_have_none_to_take() -> None:
    micro = build(Architecture.of("micro", (SIZE, SIZE, 3), widths=(4, 8), dense=(6,)))
    assert take_statistics(micro, wells(), "micro") == 0


def two_convolutions(architecture: Architecture, weights: str | None) -> Any:
    """In place of a network of keras.applications, which takes long to compile; it also drops out."""
    import keras
    from keras import layers

    inputs = x = keras.Input(architecture.input_shape)
    for width in (4, 8):
        x = layers.BatchNormalization()(layers.Conv2D(width, 3, strides=2)(x))
        x = layers.Dropout(0.5)(layers.ReLU()(x))
    return keras.Model(inputs, x)


def test_nothing_but_the_statistics_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_application", two_convolutions)
    network = new_network()
    layers = normalising_layers(network)
    weights = [np.array(weight) for weight in network.trainable_weights]
    momenta = [layer.momentum for layer in layers]
    take_statistics(network, wells(), FAST)
    assert same([np.array(weight) for weight in network.trainable_weights], weights)
    assert [layer.momentum for layer in layers] == momenta


def test_dropout_does_not_reach_the_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_application", two_convolutions)
    taken = []
    for _ in range(2):
        network = new_network()
        take_statistics(network, wells(), FAST)
        taken.append(statistics(network))
    assert same(*taken)
    dropout = [layer.rate for layer in network.get_layer(NESTED).model.layers if hasattr(layer, "rate")]
    assert dropout == [0.5, 0.5]


def test_training_keeps_the_statistics_of_the_first_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from phenodose.learning import checkpoint

    monkeypatch.setattr(backbones, "_application", two_convolutions)
    settings = {"backbone": FAST, "weights": "none", "batch_size": 10, "learning_rate_phase1": 1e-4}
    settings |= {"epochs_phase1": 1, "epochs_phase2": 1, "normalisation_statistics": "controls"}
    readout = CnnReadout(settings)
    one, two, _ = readout.phases
    readout.train(one, wells(), None, tmp_path / "1")
    readout.train(two, wells(seed=1), tmp_path / "1", tmp_path / "2")
    first, second = (checkpoint.load(tmp_path / name)[0] for name in ("1", "2"))
    expected, *_ = readout._network(wells(), None)
    start = [np.array(weight) for weight in expected.trainable_weights]
    take_statistics(expected, wells(), FAST)
    assert same(statistics(first), statistics(expected))
    assert same(statistics(second), statistics(expected))
    assert not same([np.array(weight) for weight in first.trainable_weights], start)
    # Phase II was left at the rate made for VGG.
    (warning,) = [record.getMessage() for record in caplog.records if record.name == "phenodose_readouts.cnn"]
    assert warning.startswith("learning_rate_phase2 = 3e-07")
