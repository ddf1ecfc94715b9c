"""Several networks of one phase that differ in their seed alone, kept as one checkpoint.

How far their answers lie apart tells how far another training would have differed. The checkpoint's folder holds the
first network as always, so whatever reads one network reads that; the others lie in folders below it, complete
checkpoints themselves, and the record of the whole names the hash of each. Every network goes on from the network of
its number in the parent phase; where the parent has fewer, such as a phase I that was trained once, they share them.

Belongs here: training the others, finding them again, and what all of them say together. Does not belong here: training
and asking one network (the readout).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phenodose.errors import CheckpointError
from phenodose.learning.checkpoint import MEMBERS, read_record
from phenodose.learning.inference import mean_class_probability
from phenodose.progress import Progress, tell_epoch, tell_time
from phenodose.training_records import Inference, TrainingRecord, TrainingTime

if TYPE_CHECKING:
    #: Trains the network of a number: number, parent's folder, folder to fill, progress.
    TrainOne = Callable[[int, Path | None, Path, Progress], TrainingRecord]


@dataclass(frozen=True)
class Share:
    """Listens to one network's progress and tells it as a part of that of all networks.

    Attributes:
        progress: hears of all networks.
        number: the network, from 0.
        of: how many there are.
    """

    progress: Progress
    number: int
    of: int

    def __call__(self, done: int, total: int, message: str) -> None:
        """See `Progress`."""
        self.progress(self.number * total + done, self.of * total, self._message(message))

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        """See `EpochListener`."""
        done, total = self.number * total + done, self.of * total
        tell_epoch(self.progress, done, total, self._message(message), figures)

    def time(self, estimate: TrainingTime) -> None:
        """See `TimeListener`: this network and those to come take about the same time."""
        left = self.of - self.number
        tell_time(
            self.progress, replace(estimate, training_s=estimate.training_s * left, how=f"{left} x {estimate.how}")
        )

    def _message(self, message: str) -> str:
        return f"network {self.number + 1} of {self.of}, {message}"


def train_others(
    train: TrainOne, networks: int, parent: Path | None, out: Path, progress: Progress
) -> tuple[dict[str, str], float]:
    """Train all networks but the first; those that are complete already are not trained again.

    Args:
        train: trains one network as a checkpoint of its own.
        networks: how many there are, the first among them.
        parent: checkpoint folder of the parent phase.
        out: folder of the whole.
        progress: told after each epoch.

    Returns:
        Folder name -> hash of the weights, and the seconds they took.
    """
    members, seconds = {}, 0.0
    for number in range(1, networks):
        folder = out / f"network-{number + 1}"
        # The first network is trained last: its record says that all are complete.
        record = train(number, member(parent, number), folder, Share(progress, number - 1, networks))
        members[folder.name] = record.weights_hash
        seconds += record.seconds
    return members, seconds


def networks_of(folder: Path) -> list[Path]:
    """The checkpoint folders of all networks of a phase, the first of them `folder` itself.

    Raises:
        CheckpointError: a network that the record names is missing, or is not the one that was recorded.
    """
    found = [folder]
    for name, weights in read_record(folder).extra.get(MEMBERS, {}).items():
        stored = read_record(folder / name).weights_hash
        if stored != weights:
            raise CheckpointError(
                f"{folder / name} holds weights {stored}, but {weights} were recorded with the other networks: it was "
                "changed; restore it from a backup or train that phase again."
            )
        found.append(folder / name)
    return found


def member(parent: Path | None, number: int) -> Path | None:
    """The network of the parent phase that the network of a number goes on from."""
    if parent is None:
        return None
    networks = networks_of(parent)
    return networks[number % len(networks)]


def together(answers: Sequence[Inference]) -> Inference:
    """What several networks say: the mean of their raw viabilities, and the features of the first.

    The variance of a well is the mean of the networks' own variances over augmented copies, if any, and the variance
    between the networks (law of total variance).
    """
    first = answers[0]
    if len(answers) == 1:
        return first
    raw = np.stack([answer.raw for answer in answers])
    own = [np.zeros_like(answer.raw) if answer.raw_sd is None else answer.raw_sd for answer in answers]
    variance = np.mean(np.square(own), axis=0) + raw.var(axis=0, ddof=1)
    return replace(
        first,
        raw=raw.mean(axis=0),
        raw_sd=np.sqrt(variance),
        class_probability=mean_class_probability(answers),
    )
