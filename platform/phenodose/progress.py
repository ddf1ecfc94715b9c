"""Progress of long work: what listeners are told after every unit of it, and after every epoch of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

#: Told after every finished unit of long work: (done, total, message).
Progress = Callable[[int, int, str], None]


def no_progress(done: int, total: int, message: str) -> None:
    """A progress listener that does nothing."""


@runtime_checkable
class EpochListener(Protocol):
    """A progress listener that also hears the figures of every epoch of a training."""

    def __call__(self, done: int, total: int, message: str) -> None:
        """Hear of a finished unit of work, as any `Progress`."""

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        """Hear of a finished epoch; called instead of the listener itself.

        Args:
            done: epochs done, counted from the start of the phase; a resumed training goes on counting.
            total: epochs of the phase.
            message: the epoch in words.
            figures: such as loss, accuracy, validation_loss, validation_accuracy and learning_rate.
        """


def tell_epoch(progress: Progress, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
    """Tell a listener of an epoch, with its figures if it hears them; `StagedReadout.train` does after each.

    Whoever hears the figures keeps them as TensorBoard logs and shows them while the training goes on.
    """
    if isinstance(progress, EpochListener):
        progress.epoch(done, total, message, figures)
    else:
        progress(done, total, message)
