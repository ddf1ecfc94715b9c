"""Where training images are made: on the host or on the device, they are the same and train the same."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.learning import batches
from phenodose.learning.augment import Augmentation
from phenodose.learning.backbones import BACKBONES, STANDARDISE, Architecture, build, initialise
from phenodose.learning.batches import Chunks, kept_on_device
from phenodose.learning.intensity import IntensityMode
from phenodose.learning.training import Plan, fit, targets
from phenodose.plugins import TrainingSet

MICRO = Architecture.of("micro", (16, 12, 3), widths=(4, 4), dense=(4,))
PLAN = Plan(
    phase="phase3",
    backbone="micro",
    epochs=3,
    learning_rate=1e-3,
    batch_size=4,
    label_smoothing=0.4,
    augmentation=Augmentation(),
    mixup_fraction=0.5,
    seed=0,
)
HOST, DEVICE = replace(PLAN, device_images_mb=0), replace(PLAN, device_images_mb=1)


def wells(n: int = 21) -> TrainingSet:
    rng = np.random.default_rng(0)
    labels = (np.arange(n) % 2).astype(np.float32)
    validation = np.arange(n) < 2
    images = rng.random((n, 16, 12, 3), dtype=np.float32) * (0.2 + 0.2 * labels[:, None, None, None])
    return TrainingSet(images, labels, np.arange(n) < 16, validation, tuple(f"P1/B{i:02d}" for i in range(n)))


def made(plan: Plan) -> list[tuple[np.ndarray, np.ndarray]]:
    """Inputs and wanted probabilities of all images of all epochs, without fillings."""
    data = wells()
    every = Chunks(data, plan, targets(data, plan.label_smoothing))
    found = []
    for chunk in every.from_epoch(0):
        holds = chunk.weights > 0
        found.append((np.asarray(every.make(chunk.source))[holds], chunk.wanted[holds]))
    assert len(found) == plan.epochs * every.in_an_epoch
    return found


@pytest.mark.parametrize("mixup_fraction", [0.0, 0.5])
@pytest.mark.parametrize("preprocessing", ["vgg19", STANDARDISE])
def test_images_made_on_the_device_are_those_made_on_the_host(
    preprocessing: str, mixup_fraction: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "micro", replace(BACKBONES["micro"], preprocessing=preprocessing))
    monkeypatch.setattr(batches, "_CHUNK", 8)  # two whole chunks and one with a batch that is not full
    on_host, on_device = (made(replace(plan, mixup_fraction=mixup_fraction)) for plan in (HOST, DEVICE))
    assert [len(images) for images, _ in on_host] == [8, 8, 3] * PLAN.epochs
    for (images, goals), (others, other_goals) in zip(on_host, on_device, strict=True):
        np.testing.assert_allclose(others, images, rtol=1e-4, atol=1e-3)
        np.testing.assert_array_equal(other_goals, goals)


def trained(plan: Plan, **more: Any) -> tuple[list[np.ndarray], list[dict[str, float]]]:
    network = build(MICRO)
    initialise(network, MICRO, "none", seed=0)
    history = fit(network, wells(), plan, **more)
    return network.get_weights(), history


@cache
def trained_on_device() -> tuple[list[np.ndarray], list[dict[str, float]]]:
    """For reading only."""
    return trained(DEVICE)


def test_a_training_is_the_same_wherever_its_images_are_made() -> None:
    on_host, history = trained(HOST)
    on_device, history_on_device = trained_on_device()
    for mine, other in zip(history_on_device, history, strict=True):
        assert mine == pytest.approx(other, rel=1e-4)
    for mine, other in zip(on_device, on_host, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)


class Killed(Exception):
    pass


def kill(done: int, total: int, message: str) -> None:
    if done == 2:
        raise Killed


def test_a_killed_training_on_the_device_ends_with_the_same_bits_there_and_begins_anew_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last bits of a weight depend on where images are made."""
    monkeypatch.setattr(batches, "has_gpu", lambda: True)
    with pytest.raises(Killed):
        trained(PLAN, work=tmp_path / "there", resume_every_s=0, progress=kill)
    shutil.copytree(tmp_path / "there", tmp_path / "elsewhere")
    told: list[int] = []
    resumed, resumed_history = trained(
        PLAN, work=tmp_path / "there", resume_every_s=0, progress=lambda done, total, message: told.append(done)
    )
    assert told == [3]
    whole, history = trained_on_device()
    assert resumed_history == history
    for mine, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(mine, other)
    monkeypatch.setattr(batches, "has_gpu", lambda: False)
    told.clear()
    trained(
        PLAN, work=tmp_path / "elsewhere", resume_every_s=0, progress=lambda done, total, message: told.append(done)
    )
    assert told == [1, 2, 3]


@pytest.mark.parametrize(("gpu", "budget_mb", "kept"), [(True, None, True), (False, None, False), (True, 0, False)])
def test_images_are_kept_where_they_fit_the_budget(
    gpu: bool, budget_mb: int | None, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "has_gpu", lambda: gpu)
    assert kept_on_device(wells(), replace(PLAN, device_images_mb=budget_mb)) is kept


@pytest.mark.parametrize("mode", ["tf28", "keras29"])
def test_images_that_are_cut_to_8_bits_are_made_on_the_host(mode: IntensityMode) -> None:
    assert not kept_on_device(wells(), replace(DEVICE, intensity_mode=mode))


@pytest.mark.parametrize(("megabytes", "kept"), [(1, False), (2, True)])
def test_the_budget_is_in_megabytes(megabytes: int, kept: bool) -> None:
    n = 1 + 1_000_000 // (16 * 12 * 3 * 4)
    assert kept_on_device(wells(n), replace(PLAN, device_images_mb=megabytes)) is kept
