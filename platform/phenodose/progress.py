"""Progress of long work: what listeners are told before it, after every unit of it and after every epoch of a training.

Belongs here: who hears what, and times in words. Does not belong here: what is done with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from phenodose.training_records import TrainingTime

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


@runtime_checkable
class TimeListener(Protocol):
    """A progress listener that also hears, before a training starts, how long it is going to take."""

    def __call__(self, done: int, total: int, message: str) -> None:
        """Hear of a finished unit of work, as any `Progress`."""

    def time(self, estimate: TrainingTime) -> None:
        """Hear how long a training is going to take; what it raises ends the training before it starts."""


def tell_time(progress: Progress, time: TrainingTime) -> None:
    """Tell a listener how long a training will take, if it hears that; `StagedReadout.train` may, before it starts.

    Where it takes longer than the site allows, this raises, and nothing is trained.
    """
    if isinstance(progress, TimeListener):
        progress.time(time)


@runtime_checkable
class SentenceListener(Protocol):
    """A progress listener that also says sentences to the person."""

    def __call__(self, done: int, total: int, message: str) -> None:
        """Hear of a finished unit of work, as any `Progress`."""

    def say(self, sentence: str) -> None:
        """Say a sentence."""


def say(progress: Progress, sentence: str) -> None:
    """Have a listener say a sentence to the person, if it can."""
    if isinstance(progress, SentenceListener):
        progress.say(sentence)


def duration(seconds: float) -> str:
    """Seconds in words: '40 s', '3 min', '2 h 05 min'."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
