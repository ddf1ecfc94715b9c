"""How fast this machine trains and asks a network, measured on a few steps, and how long a training will take.

Belongs here: measuring and the arithmetic. Does not belong here: judging the time (`phenodose.pipeline.training_clock`)
and the training itself (`training`).

The steps are the training's own: its compiled loop, its images, made beside it as they will be. The first one, which
compiles the loop, is not timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

#: Seconds up to which whole calls of the compiled loop are timed; where one takes longer, single steps are.
_WHOLE_S = 3.0
#: Steps, and calls of the compiled loop, over which the mean is taken.
_STEPS, _CALLS = 3, 2


class _Counted(Protocol):
    @property
    def steps(self) -> int: ...


Work = TypeVar("Work", bound=_Counted)


@dataclass(frozen=True)
class Pace:
    """What was measured.

    Attributes:
        step_s: seconds of a training step with its images.
        image_s: seconds to ask the network about an image.
        copy_s: seconds to make an augmented copy of an image.
    """

    step_s: float
    image_s: float
    copy_s: float


@dataclass(frozen=True)
class Load:
    """What a phase has to do.

    Attributes:
        epochs: epochs to come.
        steps: training steps of an epoch.
        held_out: images that are asked about after each epoch, copies counted.
        before: images of the pre-training before the first epoch; each takes as long as one of a step.
        batch_size: images of a step.
    """

    epochs: int
    steps: int
    held_out: int
    before: int = 0
    batch_size: int = 1

    def seconds(self, pace: Pace) -> float:
        """Time of the epochs to come, and of what comes before them."""
        pretraining_s = self.before * pace.step_s / self.batch_size
        return pretraining_s + self.epochs * (self.steps * pace.step_s + self.held_out * pace.image_s)

    def text(self, pace: Pace) -> str:
        """What the time is made of, in words."""
        more = f" after {self.before} images of pre-training" if self.before else ""
        return f"{self.epochs} epochs of {self.steps} steps of {_seconds(pace.step_s)}{more}"


def step_seconds(
    run: Callable[[Work, int], object], coming: Iterator[Work], now: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds of a training step.

    Args:
        run: takes a number of steps on the images of one call of the compiled loop, and waits for them.
        coming: images of one call after the other, made beside the steps.
        now: the clock.
    """
    first = next(coming)
    run(first, 1)
    started = now()
    run(first, 1)
    one = now() - started
    if one * first.steps <= _WHOLE_S:
        # The images of the next call were made while the loop was compiled, those of the one after it were not.
        for call in islice(coming, 1):
            run(call, call.steps)
        started, steps = now(), 0
        for call in islice(coming, _CALLS):
            run(call, call.steps)
            steps += call.steps
        if steps:
            return (now() - started) / steps
    steps = min(_STEPS, first.steps)
    started = now()
    run(first, steps)
    return (now() - started) / steps


def seconds_each(do: Callable[[], int], now: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one of the things that a function does, once it has done them before.

    Args:
        do: does them, and tells how many.
        now: the clock.
    """
    do()
    started = now()
    number = do()
    return (now() - started) / number


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"
