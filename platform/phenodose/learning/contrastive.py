"""Contrastive pre-training: a network learns to know wells again before it is told which of them live.

Belongs here: the loss, which wells a step sees, and the epochs. Does not belong here: which wells there are and which
are alike (`training_sets`), the compiled step (`steps`) and the training that follows (`training`).

Every well of a step is shown twice, differently turned, shifted, zoomed and lit, and the network is to find each view's
partner among all others. Source: Chen, Kornblith, Norouzi, Hinton 2020, A simple framework for contrastive learning of
visual representations (SimCLR), arXiv 2002.05709, equation 1 (NT-Xent). Wells that hold the same (duplicates of a drug
and dose, controls of a kind) are partners, too: Khosla et al. 2020, Supervised contrastive learning, arXiv 2004.11362,
equation 2, which is the former where a view has one partner. What is compared are not the features but two dense layers
on them, which are thrown away afterwards.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.errors import CheckpointError
from phenodose.io.files import hash_bytes, hash_json
from phenodose.learning import augment
from phenodose.learning.adam import Rates, adam
from phenodose.learning.backbones import LOGITS
from phenodose.learning.epochs import array_of
from phenodose.learning.intensity import training_input
from phenodose.learning.prefetch import prefetch
from phenodose.learning.resume_point import ResumePoint
from phenodose.learning.steps import steps
from phenodose.progress import Progress, no_progress

if TYPE_CHECKING:
    from phenodose.learning.training import Plan
    from phenodose.training_records import TrainingSet, UnlabelledWells

#: Folder of the resume point, beside that of the training.
RESUME = "resume_contrastive"
#: Units of the two layers on the features whose output is compared.
_PROJECTION = (128, 64)
#: Set off from what is compared, for a view itself and for fillings.
_HIDDEN = 1e9


@dataclass(frozen=True)
class Contrastive:
    """How a network is pre-trained.

    Attributes:
        epochs: passes over all wells.
        batch_size: wells of a step, each of which is seen twice.
        temperature: of the softmax over all other views; the lower, the more the nearest count.
        learning_rate: learning rate of Adam.
    """

    epochs: int
    batch_size: int
    temperature: float
    learning_rate: float


def pretrain(
    network: Any,
    data: TrainingSet,
    plan: Plan,
    work: Path | None = None,
    resume_every_s: float = 300.0,
    progress: Progress = no_progress,
) -> list[dict[str, float]]:
    """Pre-train `network` in place, as `plan.contrastive` says; its logits stay as they are.

    Args:
        network: model that ends in logits.
        data: whose wells without labels are learned from; where it has none, those that it trains on.
        plan: of the phase, of which augmentation, seed and phase count beside `contrastive`.
        work: folder in which a resume point is kept, also after the last epoch, so that a training that is killed
            later begins with the same weights; see `training.drop_resume_point`.
        resume_every_s: least seconds between two resume points.
        progress: told after each epoch.

    Returns:
        One entry an epoch: loss, and the share of views whose nearest other view is a partner (accuracy).

    Raises:
        CheckpointError: the loss is no number any more.
    """
    how = plan.contrastive
    assert how is not None
    wells = data.unlabelled or _of_controls(data)
    model = _with_projection(network, plan.seed)
    model.compile(optimizer=adam(Rates(how.learning_rate)))
    model.optimizer.build(model.trainable_variables)
    point = None if work is None else ResumePoint(work / RESUME, _key(network, plan, wells))
    history = point.restore(model) if point else []
    train = steps(model, _as_they_are, partial(contrastive_sums, temperature=how.temperature))
    in_an_epoch = -(-len(wells.images) // how.batch_size)
    saved_at = time.monotonic()
    with closing(prefetch(_batches(wells, plan, how, len(history)))) as coming:
        for epoch in range(len(history), how.epochs):
            sums, n = [], 0.0
            for _ in range(in_an_epoch):
                images, wanted, weights = next(coming)
                sums.append(train(images, wanted, weights, 1))
                n += float(weights.sum())
            loss, right = np.stack([array_of(pair) for pair in sums]).sum(axis=0, dtype=np.float64)
            history.append({"loss": float(loss) / n, "accuracy": float(right) / n})
            if not np.isfinite(history[-1]["loss"]):
                raise CheckpointError(
                    f"the contrastive pre-training of {plan.phase} diverged: the loss of epoch {epoch + 1} of "
                    f"{how.epochs} is {history[-1]['loss']}; set contrastive_learning_rate below {how.learning_rate:g}."
                )
            last = epoch + 1 == how.epochs
            if point and (last or time.monotonic() - saved_at >= resume_every_s):
                point.save(model, history)
                saved_at = time.monotonic()
            said = f"contrastive epoch {epoch + 1} of {how.epochs}, loss {history[-1]['loss']:.4f}"
            progress(0, plan.epochs, f"{plan.phase}: {said}")
    return history


def stored_history(work: Path) -> list[dict[str, float]]:
    """What `pretrain` gave in a folder, also if that was before the training was killed; [] without any."""
    record = work / RESUME / "history.json"
    if not record.is_file():
        return []
    history: list[dict[str, float]] = json.loads(record.read_text(encoding="utf-8"))["history"]
    return history


def contrastive_sums(projected: Any, wanted: Any, weights: Any, temperature: float) -> Any:
    """Weighted sums over a batch: the loss of equation 2 of Khosla et al. in nats, views nearest to a partner.

    Args:
        projected: float32 (view, unit).
        wanted: float32 (view, view), 1 / number of partners for each partner of a view, 0 for all others.
        weights: float32 (view,), 0 for a filling, which is compared with nothing.
        temperature: see `Contrastive`.

    Returns:
        float32 tensor of two.
    """
    from keras import ops

    length = ops.sqrt(ops.sum(ops.square(projected), axis=-1, keepdims=True) + 1e-12)
    towards = projected / length
    likeness = ops.matmul(towards, ops.transpose(towards)) / temperature
    hidden = ops.eye(wanted.shape[0]) + (1.0 - weights)[None, :]
    share = ops.log_softmax(likeness - _HIDDEN * hidden, axis=-1)
    loss = -ops.sum(wanted * share, axis=-1)
    nearest = ops.one_hot(ops.argmax(share, axis=-1), wanted.shape[0])
    right = ops.sum(nearest * ops.cast(wanted > 0, "float32"), axis=-1)
    return ops.stack([ops.sum(loss * weights), ops.sum(right * weights)])


def batches_of(alike: np.ndarray, batch_size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Wells of each step, every well once: pairs of wells that hold the same stay together, all else is at random.

    Args:
        alike: int array (well,): wells that hold the same share a number; -1 for a well that is like no other.
        batch_size: wells of a step.
        generator: source of the order.
    """
    units = [np.array([well]) for well in np.flatnonzero(alike < 0)]
    for number in np.unique(alike[alike >= 0]):
        members = generator.permutation(np.flatnonzero(alike == number))
        units += [members[first : first + 2] for first in range(0, len(members), 2)]
    order = np.concatenate([units[place] for place in generator.permutation(len(units))])
    return [order[first : first + batch_size] for first in range(0, len(order), batch_size)]


def partners_of(alike: np.ndarray) -> np.ndarray:
    """Wanted shares (view, view) of a batch whose wells are seen twice, all first views before all second ones."""
    n = len(alike)
    same = (alike[:, None] == alike[None, :]) & (alike[:, None] >= 0) | np.eye(n, dtype=bool)
    partners = np.tile(same, (2, 2)) & ~np.eye(2 * n, dtype=bool)
    return np.asarray(partners / partners.sum(axis=1, keepdims=True), dtype=np.float32)


def _batches(
    wells: UnlabelledWells, plan: Plan, how: Contrastive, first: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Images (1, view, y, x, channel), wanted shares (1, view, view) and weights (1, view) of every step to come."""
    size_px = (wells.images.shape[1], wells.images.shape[2])
    name = f"{plan.phase} contrastive"
    for epoch in range(first, how.epochs):
        generator = np.random.default_rng([plan.seed, zlib.crc32(name.encode()), epoch, 1])
        drawn = [
            augment.draw(plan.augmentation, len(wells.images), size_px, seed=plan.seed, phase=name, epoch=number)
            for number in (2 * epoch, 2 * epoch + 1)
        ]
        for members in batches_of(wells.alike, how.batch_size, generator):
            signal = wells.images[members]
            views = []
            for draw in drawn:
                moved = augment.move(signal, draw.transform[members])
                views.append(
                    array_of(training_input(moved, draw.intensity[members], plan.backbone, plan.intensity_mode))
                )
            n, whole = 2 * len(members), 2 * how.batch_size
            images = np.zeros((whole, *signal.shape[1:]), dtype=np.float32)
            images[:n] = np.concatenate(views)
            wanted = np.zeros((whole, whole), dtype=np.float32)
            wanted[:n, :n] = partners_of(wells.alike[members])
            yield images[None], wanted[None], (np.arange(whole) < n).astype(np.float32)[None]


def _of_controls(data: TrainingSet) -> UnlabelledWells:
    """The wells that a phase trains on, controls of a class alike."""
    from phenodose.training_records import UnlabelledWells

    taught = ~data.validation
    return UnlabelledWells(data.images[taught], np.where(data.is_control, data.labels, -1)[taught].astype(np.int64))


def _with_projection(network: Any, seed: int) -> Any:
    """The network up to its features, with two dense layers on them instead of its logits."""
    import keras

    x = network.get_layer(LOGITS).input
    first = keras.layers.Dense(_PROJECTION[0], activation="relu", dtype="float32", name="projection1")
    second = keras.layers.Dense(_PROJECTION[1], dtype="float32", name="projection2")
    model = keras.Model(network.inputs, second(first(x)), name="contrastive")
    for number, layer in enumerate((first, second)):
        kernel, bias = layer.get_weights()
        limit = np.sqrt(6.0 / sum(kernel.shape))
        generator = np.random.default_rng([seed, 1, number])
        layer.set_weights([(generator.uniform(-limit, limit, kernel.shape)).astype(np.float32), bias])
    return model


def _key(network: Any, plan: Plan, wells: UnlabelledWells) -> str:
    """What a resume point must agree in to be gone on from."""
    from phenodose.learning.checkpoint import versions

    weights = hash_bytes(*(np.ascontiguousarray(value).tobytes() for value in network.get_weights()))
    seen = hash_bytes(*(np.ascontiguousarray(array).tobytes() for array in (wells.images, wells.alike)))
    return hash_json([asdict(plan), seen, weights, versions()])


def _as_they_are(images: Any) -> Any:
    from keras import ops

    return ops.convert_to_tensor(images)
