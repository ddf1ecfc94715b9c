"""What the log says of a backbone under settings it is not known to work with."""

from __future__ import annotations

from typing import Any

import pytest

from phenodose.learning.backbones import BACKBONES
from phenodose.learning.recommended_settings import concerns
from phenodose_readouts.cnn_parameters import CnnParameters

FAST = "mobilenet_v3"


def chosen(**settings: Any) -> dict[str, Any]:
    return CnnParameters(**settings).model_dump()


def advised(backbone: str) -> dict[str, Any]:
    advice = BACKBONES[backbone].advice
    assert advice is not None
    rates = {f"learning_rate_phase{n}": rate for n, rate in enumerate(advice.learning_rates, start=1)}
    return {"batch_size": advice.batch_size, "normalisation_statistics": advice.normalisation_statistics, **rates}


@pytest.mark.parametrize("phase", ["phase1", "phase2", "phase3"])
@pytest.mark.parametrize("backbone", ["vgg19", "vgg16"])
def test_nothing_speaks_against_the_paper_s_network_and_settings(backbone: str, phase: str) -> None:
    assert concerns(backbone, phase, chosen(backbone=backbone)) == []


@pytest.mark.parametrize("phase", ["phase1", "phase2", "phase3"])
@pytest.mark.parametrize("backbone", [name for name, entry in BACKBONES.items() if entry.advice])
def test_nothing_speaks_against_the_advice(backbone: str, phase: str) -> None:
    for weights in ("imagenet", "none"):
        settings = chosen(backbone=backbone, weights=weights, **advised(backbone))
        assert concerns(backbone, phase, settings) == []


def test_the_paper_s_rates_are_too_small_for_a_narrow_network_and_the_log_says_what_to_set() -> None:
    (sentence,) = concerns(FAST, "phase2", chosen(backbone=FAST))
    assert "learning_rate_phase2 = 3e-07" in sentence
    for name in ("learning_rate_phase2", "batch_size", "normalisation_statistics"):
        value = advised(FAST)[name]
        assert f"{name} = {value!r}" in sentence or f"{name} = {value:g}" in sentence


def test_a_normalised_network_that_starts_random_needs_statistics() -> None:
    random = advised(FAST) | {"backbone": FAST, "weights": "none", "normalisation_statistics": "weights"}
    (sentence,) = concerns(FAST, "phase1", chosen(**random))
    assert "set normalisation_statistics = 'controls'" in sentence
    assert concerns(FAST, "phase1", chosen(**random | {"weights_file": "mine.weights.h5"})) == []
    assert concerns("convnext_tiny", "phase1", chosen(backbone="convnext_tiny", weights="none")) == []


@pytest.mark.parametrize("mode", ["tf28", "keras29"])
@pytest.mark.parametrize(("backbone", "warned"), [("resnet50_v2", True), ("vgg19", False), (FAST, False)])
def test_8_bits_do_not_suit_networks_that_take_small_numbers(backbone: str, warned: bool, mode: str) -> None:
    settings = chosen(backbone=backbone, intensity_mode=mode, learning_rate_phase1=1e-3)
    assert any("intensity_mode" in sentence for sentence in concerns(backbone, "phase1", settings)) is warned


@pytest.mark.parametrize(
    ("backbone", "normalised"),
    [
        *(pytest.param(name, has, marks=pytest.mark.slow) for name, has in ((FAST, True), ("convnext_tiny", False))),
        ("vgg16", False),
    ],
)
def test_the_registry_knows_which_networks_have_batch_normalisation(backbone: str, normalised: bool) -> None:
    """The layers of FAST are in test_normalisation.py; what follows for convnext_tiny is asked above."""
    from phenodose.learning.backbones import Architecture, build
    from phenodose.learning.normalisation import normalising_layers

    network = build(Architecture.of(backbone, (32, 32, 3), dense=(4,)))
    assert BACKBONES[backbone].normalised is normalised
    assert bool(normalising_layers(network)) is normalised
