"""The epochs of a training, one after the other, and how fast they go.

Belongs here: running the compiled loop over an epoch's images. Does not belong here: what becomes of the figures,
held-out wells and resume points (`training`), and the arithmetic of times (`pace`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.learning import augment
from phenodose.learning.batches import Chunk, Chunks
from phenodose.learning.pace import Pace, seconds_each, step_seconds
from phenodose.learning.prefetch import prefetch
from phenodose.learning.preprocess import network_input
from phenodose.learning.steps import Steps, steps

if TYPE_CHECKING:
    from phenodose.learning.training import Plan
    from phenodose.training_records import TrainingSet

#: Images that a network is asked about to see how long it takes.
_ASKED = 8


class Epochs:
    """The epochs of a training, with the loop that is compiled once for all of them.

    Attributes:
        steps: training steps of an epoch.
    """

    def __init__(self, network: Any, data: TrainingSet, plan: Plan, wanted: np.ndarray) -> None:
        self._network, self._data, self._plan = network, data, plan
        self._chunks = Chunks(data, plan, wanted)
        self._steps = steps(network, self._chunks.make)
        self.steps = -(-int((~data.validation).sum()) // plan.batch_size)

    def train(self, first_epoch: int = 0) -> Generator[dict[str, float]]:
        """Train one epoch for every item that is taken: its mean loss and accuracy over the training wells.

        Args:
            first_epoch: epochs that were trained before, whose weights and optimiser's state the network has.
        """
        with closing(prefetch(self._chunks.from_epoch(first_epoch))) as coming:
            for epoch in range(first_epoch, self._plan.epochs):
                self._network.optimizer.learning_rate = self._plan.learning_rate_in(epoch)
                yield _epoch(self._steps, islice(coming, self._chunks.in_an_epoch))

    def pace(self) -> Pace:
        """How fast this machine trains and asks the network; its weights and a fresh optimiser stay as they are.

        Steps are taken with a learning rate of 0, which moves no weight; then what Adam remembers is forgotten.
        """
        some = self._data.images[: max(self._plan.batch_size, _ASKED)]
        drawn = augment.draw(self._plan.augmentation, len(some), some.shape[1:3], seed=0, phase="pace", epoch=0)

        def run(chunk: Chunk, number: int) -> None:
            array_of(self._steps(chunk.source, chunk.wanted, chunk.weights, number))

        def ask() -> int:
            array_of(self._network(network_input(some, self._plan.backbone), training=False))
            return len(some)

        def copy() -> int:
            array_of(augment.apply(some, drawn))
            return len(some)

        optimizer = self._network.optimizer
        # Copied: an array of a tensor may be the tensor's own memory.
        fresh = {id(variable): array_of(variable).copy() for variable in optimizer.variables if not len(variable.shape)}
        optimizer.learning_rate = 0.0
        with closing(prefetch(self._chunks.from_epoch(0))) as coming:
            step_s = step_seconds(run, coming)
        for variable in optimizer.variables:
            variable.assign(fresh.get(id(variable), np.zeros(tuple(variable.shape), dtype=str(variable.dtype))))
        return Pace(step_s, seconds_each(ask), seconds_each(copy) if self._plan.inference_copies else 0.0)


def _epoch(train: Steps, chunks: Iterator[Chunk]) -> dict[str, float]:
    sums, n = [], 0.0
    for chunk in chunks:
        sums.append(train(chunk.source, chunk.wanted, chunk.weights, chunk.steps))
        n += float(chunk.weights.sum())
    # Read only now: to read a number is to wait for the device.
    loss, right = np.stack([array_of(pair) for pair in sums]).sum(axis=0, dtype=np.float64)
    return {"loss": float(loss) / n, "accuracy": float(right) / n}


def array_of(tensor: Any) -> np.ndarray:
    """A tensor as an array, waited for."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(tensor))
