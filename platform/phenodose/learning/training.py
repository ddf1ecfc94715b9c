"""Training one phase: targets, order, augmentation, the loop over epochs, and going on after a kill.

Belongs here: the loop, which is the same for every backbone and Keras backend. Does not belong here:
which wells to train on (`staging`), shapes of networks (`backbones`) and stored weights (`checkpoint`).

The order of wells and their augmentation are drawn in numpy, keyed by seed, phase and epoch; so an
epoch is the same whether or not the training was interrupted before it.
"""

from __future__ import annotations

import json
import shutil
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import CheckpointError
from phenodose.files import hash_bytes, hash_json, written_aside
from phenodose.learning import augment
from phenodose.learning.augment import Augmentation
from phenodose.learning.intensity import IntensityMode, training_input
from phenodose.learning.mixup import blend_controls
from phenodose.learning.preprocess import network_input
from phenodose.plugins.readouts import Progress, no_progress

if TYPE_CHECKING:
    from phenodose.plugins.readouts import TrainingSet

#: Images augmented at once.
_CHUNK = 64
_RESUME = "resume"


@dataclass(frozen=True)
class Plan:
    """How a phase is trained.

    Attributes:
        phase: name of the phase; part of the key of all random numbers.
        backbone: name of the backbone, for its preprocessing.
        epochs: passes over the training wells.
        learning_rate: learning rate of Adam, constant.
        batch_size: images a step.
        label_smoothing: alpha; controls are trained to 1 - alpha / 2 and alpha / 2.
        augmentation: ranges of the augmentation.
        mixup_fraction: part of the controls that are blended with a control of the other class.
        seed: seed of order, augmentation and blends.
        intensity_mode: what the factor of intensity is applied to.
    """

    phase: str
    backbone: str
    epochs: int
    learning_rate: float
    batch_size: int
    label_smoothing: float
    augmentation: Augmentation
    mixup_fraction: float
    seed: int
    intensity_mode: IntensityMode = "raw"


def targets(data: TrainingSet, label_smoothing: float) -> np.ndarray:
    """Wanted class probabilities, float32 (well, 2), columns positive and negative control.

    Controls are smoothed (0 and 1 become alpha / 2 and 1 - alpha / 2); labels of drug wells are network
    outputs already and stay as they are.
    """
    labels = data.labels.astype(np.float64)
    wanted = np.where(data.is_control, labels * (1 - label_smoothing) + label_smoothing / 2, labels)
    return np.stack([1 - wanted, wanted], axis=-1).astype(np.float32)


def least_loss(wanted: np.ndarray) -> float:
    """The cross-entropy that no network can go below: the mean entropy of the targets, in nats."""
    p = wanted.astype(np.float64)
    return float(-np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0).sum(axis=-1).mean())


def auroc(viability: np.ndarray, is_negative: np.ndarray) -> float | None:
    """Area under the ROC curve of the raw viability for telling negative from positive controls.

    Returns:
        The chance that a negative control lies above a positive one, ties counted half; None if a
        class is empty.
    """
    from scipy.stats import rankdata

    negative = is_negative.astype(bool)
    n_negative, n_positive = int(negative.sum()), int((~negative).sum())
    if not n_negative or not n_positive:
        return None
    ranks = rankdata(viability)
    return float((ranks[negative].sum() - n_negative * (n_negative + 1) / 2) / (n_negative * n_positive))


def fit(
    network: Any,
    data: TrainingSet,
    plan: Plan,
    work: Path | None = None,
    resume_every_s: float = 300.0,
    progress: Progress = no_progress,
) -> list[dict[str, float]]:
    """Train `network` in place.

    Args:
        network: uncompiled model that ends in two logits; it is compiled here with a fresh Adam.
        data: images, labels and split.
        plan: how to train.
        work: folder in which a resume point is kept; a point left there by an interrupted training of the same
            plan and data is gone on from. It stays until `drop_resume_point`, so that nothing is lost before the
            weights are stored. None keeps none.
        resume_every_s: least seconds between two resume points.
        progress: told after each epoch.

    Returns:
        One entry an epoch: loss, accuracy and, with held-out wells, validation_loss, validation_accuracy.

    Raises:
        CheckpointError: the loss is no number any more.
    """
    import keras

    network.compile(
        optimizer=keras.optimizers.Adam(learning_rate=plan.learning_rate),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    network.optimizer.build(network.trainable_variables)
    wanted = targets(data, plan.label_smoothing)
    if work is not None:
        _clear_half_written(work)
    point = None if work is None else _ResumePoint(work / _RESUME, _key(network, plan, data))
    history = point.restore(network) if point else []
    training, held_out = np.flatnonzero(~data.validation), np.flatnonzero(data.validation)
    saved_at = time.monotonic()
    for epoch in range(len(history), plan.epochs):
        entry = _epoch(network, data, wanted, training, plan, epoch)
        if len(held_out):
            entry |= _validate(network, data.images, wanted, held_out, plan)
        if not np.isfinite(entry["loss"]):
            raise CheckpointError(
                f"{plan.phase} diverged: the loss of epoch {epoch + 1} of {plan.epochs} is {entry['loss']}; set a "
                f"learning_rate_{plan.phase} below {plan.learning_rate:g}, and check the weights it starts from."
            )
        history.append(entry)
        if point and epoch + 1 < plan.epochs and time.monotonic() - saved_at >= resume_every_s:
            point.save(network, history)
            saved_at = time.monotonic()
        progress(epoch + 1, plan.epochs, f"{plan.phase}: loss {entry['loss']:.4f}, accuracy {entry['accuracy']:.3f}")
    return history


def _key(network: Any, plan: Plan, data: TrainingSet) -> str:
    """What a resume point must agree in to be gone on from: everything that decides the weights to come."""
    from phenodose.learning.checkpoint import versions

    first_weights = hash_bytes(*(np.ascontiguousarray(value).tobytes() for value in network.get_weights()))
    return hash_json([asdict(plan), inputs_hash(data), first_weights, versions()])


def drop_resume_point(work: Path) -> None:
    """Remove the resume point of a training whose weights are stored: the optimiser's state is not kept."""
    shutil.rmtree(work / _RESUME, ignore_errors=True)
    _clear_half_written(work)


def _clear_half_written(work: Path) -> None:
    """Remove what kills left half written; a resume point is three times the size of the weights."""
    for left_over in work.glob(".*.partial"):
        if left_over.is_dir():
            shutil.rmtree(left_over, ignore_errors=True)
        else:
            left_over.unlink(missing_ok=True)


def inputs_hash(data: TrainingSet) -> str:
    """Hash of images, labels, split and names of a training set."""
    arrays = (data.images, data.labels, data.is_control, data.validation)
    return hash_bytes(*(np.ascontiguousarray(array).tobytes() for array in arrays), "\n".join(data.wells).encode())


def _epoch(
    network: Any, data: TrainingSet, wanted: np.ndarray, wells: np.ndarray, plan: Plan, epoch: int
) -> dict[str, float]:
    images = data.images
    generator = np.random.default_rng([plan.seed, zlib.crc32(plan.phase.encode()), epoch, 1])
    order = generator.permutation(wells)
    size_px = (images.shape[1], images.shape[2])
    drawn = augment.draw(plan.augmentation, len(images), size_px, seed=plan.seed, phase=plan.phase, epoch=epoch)
    chunk = max(1, _CHUNK // plan.batch_size) * plan.batch_size
    sums = {"loss": 0.0, "accuracy": 0.0}
    for start in range(0, len(order), chunk):
        members = order[start : start + chunk]
        moved = augment.move(images[members], drawn[members])
        inputs = training_input(moved, drawn[members].intensity, plan.backbone, plan.intensity_mode)
        goals = wanted[members]
        if plan.mixup_fraction:
            controls = data.is_control[members]
            inputs, goals = blend_controls(_array(inputs), goals, controls, plan.mixup_fraction, generator)
        for first in range(0, len(members), plan.batch_size):
            batch = slice(first, first + plan.batch_size)
            logs = network.train_on_batch(inputs[batch], goals[batch], return_dict=True)
            for name in sums:
                sums[name] += float(logs[name]) * len(members[batch])
    return {name: total / len(order) for name, total in sums.items()}


def _array(tensor: Any) -> np.ndarray:
    from keras import ops

    return np.asarray(ops.convert_to_numpy(tensor))


def _validate(network: Any, images: np.ndarray, wanted: np.ndarray, wells: np.ndarray, plan: Plan) -> dict[str, float]:
    sums = {"loss": 0.0, "accuracy": 0.0}
    for first in range(0, len(wells), max(plan.batch_size, 8)):
        members = wells[first : first + max(plan.batch_size, 8)]
        logs = network.test_on_batch(network_input(images[members], plan.backbone), wanted[members], return_dict=True)
        for name in sums:
            sums[name] += float(logs[name]) * len(members)
    return {f"validation_{name}": total / len(wells) for name, total in sums.items()}


class _ResumePoint:
    """Weights, optimiser state and history of the last saved epoch, one folder that is replaced whole."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key

    def restore(self, network: Any) -> list[dict[str, float]]:
        """Put the saved state into `network`; the history so far, empty if there is nothing to go on from."""
        record = self.folder / "history.json"
        if not record.is_file():
            return []
        saved = json.loads(record.read_text(encoding="utf-8"))
        if saved["key"] != self.key:
            return []
        network.load_weights(self.folder / "state.weights.h5")
        history: list[dict[str, float]] = saved["history"]
        return history

    def save(self, network: Any, history: list[dict[str, float]]) -> None:
        with written_aside(self.folder) as aside:
            aside.mkdir()
            network.save_weights(aside / "state.weights.h5")
            (aside / "history.json").write_text(json.dumps({"key": self.key, "history": history}), encoding="utf-8")
