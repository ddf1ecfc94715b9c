"""Loss, accuracy and AUROC of wells from what a network says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.learning import batches, checkpoint
from phenodose.learning.augment import Augmentation
from phenodose.learning.evaluation import metrics_of
from phenodose.learning.inference import Copies, predict
from phenodose.learning.mixup import blend
from phenodose.learning.training import least_loss, targets
from phenodose.plugins import TrainingSet
from phenodose_readouts.cnn import CnnReadout


def made(labels: list[float], is_control: list[bool], validation: list[bool]) -> TrainingSet:
    n = len(labels)
    images = np.random.default_rng(0).random((n, 16, 16, 3)).astype(np.float32)
    names = tuple(f"P1/B{number:02d}" for number in range(1, n + 1))
    return TrainingSet(images, np.array(labels, np.float32), np.array(is_control), np.array(validation), names)


def test_controls_that_say_their_labels_reach_the_least_loss() -> None:
    data = made([1, 0, 1, 0], [True] * 4, [False, False, True, True])
    found = metrics_of(np.array([0.8, 0.2, 0.8, 0.2]), data, 0.4)
    assert found["train_loss"] == pytest.approx(0.5004024, abs=1e-6)
    assert found["validation_loss"] == pytest.approx(least_loss(targets(data, 0.4)))
    assert (found["train_accuracy"], found["train_auroc"], found["validation_auroc"]) == (1, 1, 1)


def test_drug_wells_count_in_the_loss_alone() -> None:
    data = made([1, 0, 0.5], [True, True, False], [False] * 3)
    found = metrics_of(np.array([0.8, 0.6, 0.5]), data, 0.4)
    by_hand = (0.5004024 - (0.8 * np.log(0.4) + 0.2 * np.log(0.6)) + np.log(2)) / 3
    assert found["train_loss"] == pytest.approx(by_hand, abs=1e-6)
    assert (found["train_accuracy"], found["train_auroc"]) == (0.5, 1.0)
    assert [found[f"validation_{name}"] for name in ("loss", "accuracy", "auroc")] == [None] * 3


def test_a_network_that_is_sure_and_wrong_has_a_finite_loss() -> None:
    found = metrics_of(np.array([0.0, 1.0]), made([1, 0], [True, True], [False, False]), 0.0)
    assert found["train_loss"] == pytest.approx(-np.log(1e-12))
    assert found["train_auroc"] == 0


@pytest.mark.parametrize("copies", [0, 3])
def test_held_out_wells_are_judged_by_the_training_as_they_are_here(copies: int, tmp_path: Path) -> None:
    data = made([1, 0] * 8, [True] * 16, [True] * 6 + [False] * 10)
    small = {**CnnReadout.small_parameters(), "micro_widths": (4,), "epochs_phase2": 2, "inference_copies": copies}
    readout = CnnReadout(small)
    record = readout.train(readout.phase("phase2"), data, None, tmp_path)
    network, architecture, _ = checkpoint.load(tmp_path)
    asked = Copies(copies, Augmentation(), 0) if copies else None
    found = metrics_of(predict(network, architecture.backbone, data.images, 16, asked).raw, data, 0.4)
    assert found["validation_loss"] == pytest.approx(record.history[-1]["validation_loss"], rel=1e-5)
    assert found["validation_accuracy"] == pytest.approx(record.history[-1]["validation_accuracy"])
    assert found["validation_auroc"] == record.validation_auroc


def test_blends_are_made_of_the_raw_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dim well and a bright one give one picture of their light, not one of two pictures of equal contrast."""
    blended: list[np.ndarray] = []

    def listen(values: Any, *arguments: Any) -> Any:
        if values.ndim == 4:  # the images; wanted probabilities are blended too
            blended.append(np.asarray(values))
        return blend(values, *arguments)

    monkeypatch.setattr(batches, "blend", listen)
    data = made([1, 0] * 8, [True] * 16, [False] * 16)
    readout = CnnReadout({**CnnReadout.small_parameters(), "micro_widths": (4,), "epochs_phase2": 1})
    readout.train(readout.phase("phase2"), data, None, tmp_path)
    assert sum(map(len, blended)) == 16
    assert all(images.min() >= 0 and images.max() <= 1 for images in blended)
