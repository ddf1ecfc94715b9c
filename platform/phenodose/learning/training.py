"""Training one phase: targets, order, augmentation, the loop over epochs, and going on after a kill.

Belongs here: the loop over epochs, which is the same for every backbone and Keras backend. Does not belong here:
which wells to train on (`training_sets`), shapes of networks (`backbones`), the epochs themselves (`epochs`, `steps`,
`adam`) and stored weights (`checkpoint`).

The order of wells and their augmentation (`batches`) are drawn in numpy, keyed by seed, phase and epoch; so an epoch is
the same whether or not the training was interrupted before it.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from phenodose.errors import CheckpointError
from phenodose.io.files import clear_partials, hash_bytes, hash_json
from phenodose.learning import augment
from phenodose.learning.adam import Rates, adam
from phenodose.learning.augment import Augmentation
from phenodose.learning.batches import kept_on_device
from phenodose.learning.epochs import Epochs, array_of
from phenodose.learning.intensity import IntensityMode
from phenodose.learning.mixup import Between
from phenodose.learning.pace import Load, Pace
from phenodose.learning.preprocess import network_input
from phenodose.learning.resume_point import ResumePoint
from phenodose.progress import Progress, no_progress, tell_epoch

if TYPE_CHECKING:
    from phenodose.learning.contrastive import Contrastive
    from phenodose.training_records import TrainingSet

#: How the learning rate changes from epoch to epoch.
Decay = Literal["none", "cosine"]
#: Held-out images at once, unless batches are larger.
_HELD_OUT = 8
#: Augmented copies of a held-out image that are asked about after each epoch, at most: they cost as much as training.
_HELD_OUT_COPIES = 4
_RESUME = "resume"


@dataclass(frozen=True)
class Plan:
    """How a phase is trained.

    Attributes:
        phase: name of the phase; part of the key of all random numbers.
        backbone: name of the backbone, for its preprocessing.
        epochs: passes over the training wells.
        learning_rate: learning rate of Adam in the first epoch.
        batch_size: images a step.
        label_smoothing: alpha; controls are trained to 1 - alpha / 2 and alpha / 2.
        augmentation: ranges of the augmentation.
        mixup_fraction: part of the controls (or wells) that are blended with another.
        seed: seed of order, augmentation and blends.
        intensity_mode: what the factor of intensity is applied to.
        adam_as_batch_1: whether Adam's rates are changed so that batches train about as single images would.
        inference_copies: augmented copies over which answers are averaged in inference; held-out wells are asked in
            the same way, with at most 4 copies. 0 asks about the images as they are.
        device_images_mb: megabytes of images that are put on the device once and augmented there; a phase with more
            goes there 64 images at a time. None is `chunks.GPU_IMAGES_MB` on a GPU and 0 on processors.
        mixup_between: whether controls of different classes are blended, or all wells.
        cutmix_fraction: part of the wells that get a rectangle of another well's image.
        learning_rate_decay: none, or cosine: the learning rate falls from epoch to epoch, towards 0 after the last.
        contrastive: how the network is pre-trained before its first epoch; None if it is not.
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
    adam_as_batch_1: bool = False
    inference_copies: int = 0
    device_images_mb: int | None = None
    mixup_between: Between = "classes"
    cutmix_fraction: float = 0.0
    learning_rate_decay: Decay = "none"
    contrastive: Contrastive | None = None

    def learning_rate_in(self, epoch: int) -> float:
        """Learning rate of Adam in an epoch, counted from 0.

        Source of the half cosine: Loshchilov and Hutter 2017, SGDR, equation 5, without restarts.
        """
        if self.learning_rate_decay == "none":
            return self.rates.learning_rate
        return self.rates.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))

    @property
    def rates(self) -> Rates:
        """What Adam is told.

        Raises:
            InputError: batches are too large for `adam_as_batch_1`.
        """
        given = Rates(self.learning_rate)
        return given.as_batch_1(self.batch_size) if self.adam_as_batch_1 else given


def targets(data: TrainingSet, label_smoothing: float) -> np.ndarray:
    """Wanted class probabilities, float32 (well, class), columns positive and negative control and further classes.

    Controls are smoothed (0 and 1 become alpha / 2 and 1 - alpha / 2); labels of drug wells are network
    outputs already and stay as they are. Neither has a part in further classes, so that viability stays what it is. A
    well of a further class is trained to 1 - alpha / 2 of that class; the rest is shared by the two controls.
    """
    labels = data.labels.astype(np.float64)
    wanted = np.where(data.is_control, labels * (1 - label_smoothing) + label_smoothing / 2, labels)
    both = np.stack([1 - wanted, wanted], axis=-1).astype(np.float32)
    if data.classes is None:
        return both
    further = np.flatnonzero(data.classes > 1)
    whole = np.pad(both, ((0, 0), (0, len(data.class_names) - 2)))
    whole[further] = 0
    whole[further, :2] = label_smoothing / 4
    whole[further, data.classes[further]] = 1 - label_smoothing / 2
    return whole


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
    paced: Callable[[Pace, Load], None] | None = None,
    before: Callable[[], object] | None = None,
) -> list[dict[str, float]]:
    """Train `network` in place.

    Args:
        network: uncompiled model that ends in a logit for each class; it is compiled here with a fresh Adam.
        data: images, labels and split.
        plan: how to train.
        work: folder in which a resume point is kept; a point left there by an interrupted training of the same
            plan and data is gone on from. It stays until `drop_resume_point`, so that nothing is lost before the
            weights are stored. None keeps none.
        resume_every_s: least seconds between two resume points.
        progress: told after each epoch.
        paced: told before the first epoch how fast this machine is and what there is to do; what it raises ends the
            training. None measures nothing. The weights that come out are the same.
        before: changes the network's weights before its first epoch; not called where a resume point is gone on from.

    Returns:
        One entry an epoch: loss, accuracy and, with held-out wells, validation_loss, validation_accuracy.

    Raises:
        CheckpointError: the loss is no number any more.
    """
    prepare(network, plan)
    wanted = targets(data, plan.label_smoothing)
    if work is not None:
        clear_partials(work)  # What a kill left of a resume point is three times the size of the weights.
    point = None if work is None else ResumePoint(work / _RESUME, _key(network, plan, data))
    held_out = _held_out_signal(data.images[data.validation], plan)
    epochs = Epochs(network, data, plan, wanted)
    pace = epochs.pace() if paced else None
    history = point.restore(network) if point else []
    if paced and pace:
        paced(pace, Load(plan.epochs - len(history), epochs.steps, len(held_out)))
    if before and not history:
        before()
    saved_at = time.monotonic()
    with closing(epochs.train(first_epoch=len(history))) as coming:
        for epoch, entry in enumerate(coming, start=len(history)):
            if len(held_out):
                entry |= _validate(network, held_out, wanted[data.validation], plan)
            if not np.isfinite(entry["loss"]):
                raise CheckpointError(
                    f"{plan.phase} diverged: the loss of epoch {epoch + 1} of {plan.epochs} is {entry['loss']}; set a "
                    f"learning_rate_{plan.phase} below {plan.learning_rate:g}, and check the weights it starts from."
                )
            history.append(entry)
            if point and epoch + 1 < plan.epochs and time.monotonic() - saved_at >= resume_every_s:
                point.save(network, history)
                saved_at = time.monotonic()
            said = f"{plan.phase}: loss {entry['loss']:.4f}, accuracy {entry['accuracy']:.3f}"
            tell_epoch(progress, epoch + 1, plan.epochs, said, {**entry, "learning_rate": plan.learning_rate_in(epoch)})
    return history


def prepare(network: Any, plan: Plan) -> None:
    """Compile `network` with a fresh Adam of the plan's rates."""
    network.compile(optimizer=adam(plan.rates))
    network.optimizer.build(network.trainable_variables)


def train_epochs(network: Any, data: TrainingSet, plan: Plan, first_epoch: int = 0) -> Generator[dict[str, float]]:
    """Train one epoch for every item that is taken: its mean loss and accuracy over the training wells.

    Args:
        network: prepared, with the weights and the optimiser's state after `first_epoch` epochs.
        data: images, labels and split.
        plan: how to train.
        first_epoch: epochs that were trained before.
    """
    yield from Epochs(network, data, plan, targets(data, plan.label_smoothing)).train(first_epoch)


def _key(network: Any, plan: Plan, data: TrainingSet) -> str:
    """What a resume point must agree in to be gone on from: everything that decides the weights to come."""
    from phenodose.learning.checkpoint import versions

    first_weights = hash_bytes(*(np.ascontiguousarray(value).tobytes() for value in network.get_weights()))
    return hash_json([asdict(plan), kept_on_device(data, plan), inputs_hash(data), first_weights, versions()])


def drop_resume_point(work: Path) -> None:
    """Remove the resume point of a training whose weights are stored: the optimiser's state is not kept."""
    from phenodose.learning.contrastive import RESUME

    for folder in (_RESUME, RESUME):
        shutil.rmtree(work / folder, ignore_errors=True)
    clear_partials(work)


def inputs_hash(data: TrainingSet) -> str:
    """Hash of images, labels, split and names of a training set, and of what else it has."""
    arrays = [data.images, data.labels, data.is_control, data.validation]
    names = [*data.wells, *data.class_names]
    if data.classes is not None:
        arrays.append(data.classes)
    if data.unlabelled is not None:
        arrays += [data.unlabelled.images, data.unlabelled.alike]
    return hash_bytes(*(np.ascontiguousarray(array).tobytes() for array in arrays), "\n".join(names).encode())


def _held_out_signal(images: np.ndarray, plan: Plan) -> np.ndarray:
    """Signal of held-out wells (copy x well, y, x, channel): the images as they are, or augmented copies.

    A network that has learned from scratch knows augmented images alone; asked about others, it looks as if it had
    learned less the longer it has learned.
    """
    number = min(plan.inference_copies, _HELD_OUT_COPIES)
    if not number or not len(images):
        return images
    size_px = (images.shape[1], images.shape[2])
    ranges = plan.augmentation
    draws = [
        augment.draw(ranges, len(images), size_px, seed=plan.seed, phase="inference", epoch=copy)
        for copy in range(number)
    ]
    return np.concatenate([array_of(augment.apply(images, drawn)) for drawn in draws])


def _validate(network: Any, signal: np.ndarray, wanted: np.ndarray, plan: Plan) -> dict[str, float]:
    """Loss and accuracy of held-out wells; the answers to copies of one well are averaged."""
    from scipy.special import log_softmax, logsumexp

    size = min(max(plan.batch_size, _HELD_OUT), len(signal))
    parts = []
    for first in range(0, len(signal), size):
        some = signal[first : first + size]
        inputs = network_input(np.resize(some, (size, *signal.shape[1:])), plan.backbone)
        parts.append(array_of(network.predict_on_batch(inputs))[: len(some)])
    logits = np.concatenate(parts).astype(np.float64).reshape(-1, *wanted.shape)
    said = logsumexp(log_softmax(logits, axis=2), axis=0) - np.log(len(logits))
    loss = -(wanted * said).sum(axis=1)
    right = said.argmax(axis=1) == wanted.argmax(axis=1)
    return {"validation_loss": float(loss.mean()), "validation_accuracy": float(right.mean())}
