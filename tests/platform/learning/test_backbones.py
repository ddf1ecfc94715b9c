"""The registry of backbones and their first weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.errors import CheckpointError, DownloadError, InputError
from phenodose.learning import backbones
from phenodose.learning.backbones import BACKBONES, Architecture, _vgg_blocks, build, expect_file, initialise
from phenodose.learning.preprocess import network_input

MICRO = Architecture.of("micro", (32, 32, 3), widths=(4, 8), dense=(6,))


def weights_of(network: Any) -> list[np.ndarray]:
    return [np.asarray(value) for value in network.get_weights()]


def published_vgg19() -> list[tuple[str, tuple[int, int, int] | tuple[int]]]:
    """Name and shape of output of every layer of Simonyan and Zisserman 2015, table 1, column E, with two classes."""
    layers: list[tuple[str, tuple[int, int, int] | tuple[int]]] = [("image", (224, 224, 3))]
    size = 224
    for block, (convolutions, filters) in enumerate(((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)), start=1):
        layers += [(f"block{block}_conv{n}", (size, size, filters)) for n in range(1, convolutions + 1)]
        size //= 2
        layers.append((f"block{block}_pool", (size, size, filters)))
    return [*layers, ("flatten", (7 * 7 * 512,)), ("fc1", (4096,)), ("fc2", (4096,)), ("dense_logits", (2,))]


def test_vgg19_is_the_published_network_made_by_the_builder_of_micro() -> None:
    network = build(Architecture.of("vgg19", (224, 224, 3)))
    assert [(layer.name, layer.output.shape[1:]) for layer in network.layers] == published_vgg19()
    convolutions = [layer for layer in network.layers if "_conv" in layer.name]
    assert {(layer.kernel_size, layer.strides, layer.padding) for layer in convolutions} == {((3, 3), (1, 1), "same")}
    assert {layer.activation.__name__ for layer in [*convolutions, *network.layers[-3:-1]]} == {"relu"}
    assert network.layers[-1].activation.__name__ == "linear"
    dense = [layer.count_params() for layer in network.layers[-3:]]
    assert dense == [25_088 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * 2 + 2]
    assert sum(layer.count_params() for layer in convolutions) == 20_024_384
    assert network.count_params() == 139_578_434
    assert network.output_shape == (None, 2)
    named = {layer.name for layer in network.layers}
    assert {layer.name for layer in build(MICRO).layers} <= named


def test_vgg16_has_three_convolutions_less() -> None:
    sixteen, nineteen = (sum(n for n, _ in BACKBONES[name].blocks) for name in ("vgg16", "vgg19"))
    assert (sixteen, nineteen) == (13, 16)


@pytest.mark.parametrize("name", sorted(name for name, entry in BACKBONES.items() if entry.application))
def test_keras_has_the_network_that_a_backbone_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to its first layer: to build the whole takes seconds for each."""

    class Begun(Exception):
        pass

    def begin(*_: object, shape: tuple[int, int, int], **__: object) -> None:
        assert shape == (32, 32, 3)
        raise Begun

    monkeypatch.setattr("keras.src.layers.Input", begin)
    with pytest.raises(Begun):
        backbones._application(Architecture.of(name, (32, 32, 3)), None)
    assert np.isfinite(np.asarray(network_input(np.zeros((1, 32, 32, 3), np.float32), name))).all()


@pytest.mark.parametrize("backbone", ["mobilenet_v3", pytest.param("resnet50_v2", marks=pytest.mark.slow)])
def test_batches_do_not_change_what_a_backbone_with_normalisation_says(backbone: str) -> None:
    architecture = Architecture.of(backbone, (32, 32, 3), dense=(8,))
    network = build(architecture)
    initialise(network, architecture, "none", seed=0)
    images = np.random.default_rng(0).normal(0, 1, (4, 32, 32, 3)).astype(np.float32)
    training, prediction = np.asarray(network(images, training=True)), np.asarray(network(images, training=False))
    np.testing.assert_array_equal(training, prediction)
    assert prediction.shape == (4, 2)


def test_first_weights_follow_from_the_seed_alone() -> None:
    drawn = []
    for seed in (0, 0, 1):
        network = build(MICRO)
        assert initialise(network, MICRO, "none", seed) == "none"
        drawn.append(weights_of(network))
    for first, again, other in zip(*drawn, strict=True):
        np.testing.assert_array_equal(first, again)
        assert first.ndim == 1 or not np.array_equal(first, other)


def test_weights_of_a_file_reach_the_convolutions_and_leave_the_top_random(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((32, 32, 3))
    donor = keras.Model(inputs, _vgg_blocks(inputs, MICRO.blocks))
    donor.set_weights([np.full(value.shape, 0.25, np.float32) for value in donor.get_weights()])
    donor.save_weights(tmp_path / "donor.weights.h5")
    plain, filled = build(MICRO), build(MICRO)
    initialise(plain, MICRO, "none", seed=3)
    source = initialise(filled, MICRO, tmp_path / "donor.weights.h5", seed=3)
    assert source.startswith("donor.weights.h5:")
    before, after = weights_of(plain), weights_of(filled)
    assert all(np.all(value == 0.25) for value in after[:4])
    for mine, other in zip(before[4:], after[4:], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    import keras

    wider = Architecture.of("micro", (32, 32, 3), widths=(5, 8))
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, _vgg_blocks(inputs, wider.blocks)).save_weights(tmp_path / "wide.weights.h5")
    with pytest.raises(InputError, match=r"wide\.weights\.h5 does not fit micro at 32 x 32 px"):
        initialise(build(MICRO), MICRO, tmp_path / "wide.weights.h5", seed=0)
    with pytest.raises(InputError, match=r"gone\.h5 is not there"):
        initialise(build(MICRO), MICRO, tmp_path / "gone.h5", seed=0)
    with pytest.raises(InputError, match="no ImageNet weights for micro"):
        initialise(build(MICRO), MICRO, "imagenet", seed=0)


def test_a_network_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"'alexnet' is unknown; there are: vgg19"):
        Architecture.of("alexnet", (64, 64, 3))
    with pytest.raises(InputError, match="needs at least 32 px"):
        Architecture.of("vgg19", (16, 16, 3))


def test_an_architecture_survives_json() -> None:
    assert Architecture.from_json(MICRO.as_json()) == MICRO
    with pytest.raises(CheckpointError, match="no network that this version knows"):
        Architecture.from_json(MICRO.as_json() | {"backbone": "other"})


def test_mixed_precision_keeps_weights_and_logits_in_float32() -> None:
    import keras

    network = build(MICRO, "mixed_bfloat16")
    assert network.get_layer("block1_conv1").compute_dtype == "bfloat16"
    assert {str(weight.dtype) for weight in network.weights} == {"float32"}
    assert network.get_layer("dense_logits").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_a_file_of_keras_applications_reaches_the_layers_of_the_same_name(tmp_path: Path) -> None:
    import keras

    donor = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    donor.save_weights(tmp_path / "vgg16.weights.h5")
    architecture = Architecture.of("vgg16", (32, 32, 3), dense=(4,))
    network = build(architecture)
    initialise(network, architecture, tmp_path / "vgg16.weights.h5", seed=0)
    convolutions = [layer for layer in donor.layers if layer.weights]
    assert len(convolutions) == 13
    for layer in convolutions:
        for mine, other in zip(network.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_a_file_that_does_not_fit_the_paper_s_network_is_named_in_one_sentence(tmp_path: Path) -> None:
    build(MICRO).save_weights(tmp_path / "other.weights.h5")
    architecture = Architecture.of("vgg16", (32, 32, 3), dense=(4,))
    with pytest.raises(InputError, match=r"other\.weights\.h5 does not fit vgg16 at 32 x 32 px") as caught:
        initialise(build(architecture), architecture, tmp_path / "other.weights.h5", seed=0)
    assert "\n" not in str(caught.value)
    assert "convolutional weights of vgg16 without top" in str(caught.value)


def test_a_weights_file_must_have_the_hash_it_shall_have(tmp_path: Path) -> None:
    file = tmp_path / "vgg.weights.h5"
    file.write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    expect_file(file, known.upper())
    file.write_bytes(b"abd")
    with pytest.raises(InputError, match=rf"vgg\.weights\.h5 has the SHA-256 \w{{64}}, but {known} is wanted"):
        expect_file(file, known)
    with pytest.raises(InputError, match=r"gone\.h5 is not there"):
        expect_file(tmp_path / "gone.h5", known)


def test_weights_that_cannot_be_fetched_are_told_apart_from_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object) -> Any:
        raise OSError("URL fetch failure: the network is unreachable")

    monkeypatch.setattr(backbones, "_application", offline)
    with pytest.raises(DownloadError, match=r"weights of vgg19 could not be fetched \(URL fetch failure.*weights_file"):
        backbones._donor(Architecture.of("vgg19", (32, 32, 3)), "imagenet")
