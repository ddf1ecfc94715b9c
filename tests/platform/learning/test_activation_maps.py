"""Class-activation maps: where they point, and that every backbone has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from phenodose.errors import InputError
from phenodose.learning.activation_maps import METHODS, Method, activation_maps, mean_slopes, weighted_slopes
from phenodose.learning.backbones import BACKBONES, Architecture, build, initialise
from phenodose.learning.backends import gradient

SPOT = (11, 4)
ONE = Architecture.of("micro", (16, 16, 3), widths=(2,), dense=(1,))


@pytest.fixture(scope="module")
def spot_lover() -> Any:
    """A network whose living class is the brightness of the image above its mean, and nothing else."""
    network = build(ONE)
    initialise(network, ONE, "none", seed=0)
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[1, 1, 0, 0] = 1  # channel 0 copies the image, channel 1 is dead
    network.get_layer("block1_conv1").set_weights([kernel, np.zeros(2, np.float32)])
    pooled = np.zeros((8, 8, 2, 1), np.float32)
    pooled[:, :, 0] = 0.01
    network.get_layer("fc1").set_weights([pooled.reshape(-1, 1), np.zeros(1, np.float32)])
    network.get_layer("dense_logits").set_weights([np.array([[-1, 1]], np.float32), np.zeros(2, np.float32)])
    return network


def spots() -> np.ndarray:
    """Two dark images, each with one bright pixel, at `SPOT` and at its mirror place."""
    images = np.zeros((2, 16, 16, 3), np.float32)
    images[0, SPOT[0], SPOT[1]] = images[1, SPOT[1], SPOT[0]] = 0.5
    return images


@pytest.mark.parametrize("method", METHODS)
def test_the_map_of_a_class_peaks_where_its_evidence_lies(spot_lover: Any, method: Method) -> None:
    found = activation_maps(spot_lover, ONE, spots(), "neg", method)
    assert found.maps.shape == (2, 16, 16)
    assert found.maps.dtype == np.float32
    assert found.flat.tolist() == [False, False]
    peaks = [np.unravel_index(np.argmax(one), one.shape) for one in found.maps]
    assert peaks == [SPOT, SPOT[::-1]]
    assert found.maps.min() >= 0
    np.testing.assert_allclose(found.maps.max(axis=(1, 2)), 1)


@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_speaks_for_a_class_the_map_is_flat_and_says_so(spot_lover: Any, method: Method) -> None:
    found = activation_maps(spot_lover, ONE, spots(), "pos", method)
    assert found.flat.tolist() == [True, True]
    assert not found.maps.any()


@pytest.mark.parametrize("method", METHODS)
def test_a_well_s_map_does_not_depend_on_the_wells_beside_it(spot_lover: Any, method: Method) -> None:
    whole = activation_maps(spot_lover, ONE, spots(), "neg", method)
    alone = activation_maps(spot_lover, ONE, spots()[1:], "neg", method, batch_size=1)
    np.testing.assert_allclose(alone.maps[0], whole.maps[1], atol=1e-5)


def _maps_to_try() -> list[Any]:
    """A plain network by every method, one of keras.applications by a gradient.

    The others are taken apart in one of these two ways; that each can be had is in test_backbones.py.
    """
    quick = {*(("micro", method) for method in METHODS), ("vgg16", "grad-cam"), ("mobilenet_v3", "grad-cam++")}
    return [
        pytest.param(backbone, method, marks=[] if (backbone, method) in quick else [pytest.mark.slow])
        for backbone in sorted(BACKBONES)
        for method in METHODS
    ]


@pytest.mark.parametrize(("backbone", "method"), _maps_to_try())
def test_every_backbone_has_maps(networks: dict[str, Any], backbone: str, method: Method) -> None:
    if backbone not in networks:
        architecture = Architecture.of(backbone, (32, 32, 3), dense=(4,))
        networks[backbone] = build(architecture), architecture
        initialise(networks[backbone][0], architecture, "none", seed=0)
    network, architecture = networks[backbone]
    images = np.random.default_rng(0).random((2, 32, 32, 3), dtype=np.float32) / 5
    found = activation_maps(network, architecture, images, "neg", method, batch_size=2, most_channels=2)
    assert found.maps.shape == (2, 32, 32)
    assert np.isfinite(found.maps).all()
    assert found.maps.max() <= 1
    np.testing.assert_array_equal(found.maps.max(axis=(1, 2)) == 0, found.flat)


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    """Networks by backbone, built when first asked for."""
    return {}


def test_gradients_are_those_of_calculus() -> None:
    from keras import ops

    x = np.random.default_rng(0).normal(0, 1, (3, 4)).astype(np.float32)
    np.testing.assert_allclose(gradient(lambda t: ops.sum(t**3), x), 3 * x**2, rtol=1e-5)
    np.testing.assert_array_equal(gradient(lambda t: ops.sum(ops.relu(t) * 0), x), np.zeros_like(x))


def test_the_slopes_of_the_head_are_those_of_small_steps() -> None:
    """Grad-CAM's gradient against finite differences of the whole rest of the network."""
    from keras import ops

    from phenodose.learning.activation_maps import _cut, _logit

    architecture = Architecture.of("micro", (8, 8, 3), widths=(3,), dense=(5, 4))
    network = build(architecture)
    initialise(network, architecture, "none", seed=1)
    halves = _cut(network, architecture)
    maps = np.random.default_rng(0).random((1, 8, 8, 3)).astype(np.float32)
    slopes = gradient(lambda x: _logit(halves, x, 1), maps)
    step = 1e-2
    for place in [(0, 1, 2, 0), (0, 7, 7, 2), (0, 4, 3, 1)]:
        up, down = maps.copy(), maps.copy()
        up[place] += step
        down[place] -= step
        above, below = (float(ops.convert_to_numpy(_logit(halves, shifted, 1))) for shifted in (up, down))
        wanted = (above - below) / (2 * step)
        assert slopes[place] == pytest.approx(wanted, abs=2e-3)


def test_weights_follow_the_formulas_of_their_papers() -> None:
    maps = np.array([[[2.0, 0.0], [1.0, 4.0]]]).reshape(1, 2, 2, 1)
    slopes = np.array([[[0.5, -1.0], [0.0, 2.0]]]).reshape(1, 2, 2, 1)
    assert mean_slopes(slopes).tolist() == [[0.375]]
    # Shares: 0.25 / (0.5 + 7 * 0.125) for slope 0.5 and 4 / (8 + 7 * 8) for slope 2; slope 0 has none.
    assert weighted_slopes(maps, slopes)[0, 0] == pytest.approx(0.25 / 1.375 * 0.5 + 4 / 64 * 2)


def test_the_channels_that_vary_most_are_asked_about_first(spot_lover: Any) -> None:
    every = activation_maps(spot_lover, ONE, spots(), "neg", "score-cam")
    most = activation_maps(spot_lover, ONE, spots(), "neg", "score-cam", most_channels=1)
    np.testing.assert_allclose(most.maps, every.maps, atol=1e-6)
    none = activation_maps(spot_lover, ONE, spots(), "neg", "score-cam", most_channels=0)
    assert none.flat.all()


def test_an_unknown_class_or_method_is_named_with_those_there_are(spot_lover: Any) -> None:
    with pytest.raises(InputError, match="class 'alive' is unknown; there are: pos, neg"):
        activation_maps(spot_lover, ONE, spots(), "alive")
    with pytest.raises(InputError, match=r"'lime' is unknown; there are: grad-cam, grad-cam\+\+, score-cam"):
        activation_maps(spot_lover, ONE, spots(), "neg", "lime")  # type: ignore[arg-type]
