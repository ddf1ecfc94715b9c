"""How long a training takes: the arithmetic on a clock that does not go by itself, and no trace in the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from phenodose.learning.augment import Augmentation
from phenodose.learning.backbones import Architecture, build, initialise
from phenodose.learning.pace import Load, Pace, seconds_each, step_seconds
from phenodose.learning.training import Plan, fit
from phenodose.plugins import TrainingSet


@dataclass(frozen=True)
class Call:
    """What one call of the compiled loop trains on."""

    steps: int


class Machine:
    """A clock that goes on by what is done: compiling, steps, and making the images of a call if they are late."""

    def __init__(self, step_s: float, late_s: float = 0.0, compile_s: float = 30.0) -> None:
        self.time, self.step_s, self.late_s, self.compile_s = 0.0, step_s, late_s, compile_s
        self.steps: list[int] = []

    def now(self) -> float:
        return self.time

    def run(self, call: Call, steps: int) -> None:
        self.time += steps * self.step_s + (0 if self.steps else self.compile_s)
        self.steps.append(steps)

    def calls(self, number: int, steps: int = 64) -> Iterator[Call]:
        for _ in range(number):
            self.time += self.late_s
            yield Call(steps)


def test_of_a_slow_network_single_steps_are_timed() -> None:
    machine = Machine(step_s=0.9)
    assert step_seconds(machine.run, machine.calls(9), machine.now) == pytest.approx(0.9)
    assert machine.steps == [1, 1, 3]


def test_of_a_fast_network_whole_calls_are_timed_with_images_that_come_late() -> None:
    machine = Machine(step_s=0.01, late_s=0.32)
    assert step_seconds(machine.run, machine.calls(9), machine.now) == pytest.approx(0.01 + 0.32 / 64)
    assert machine.steps == [1, 1, 64, 64, 64]


def test_a_training_of_a_single_call_is_timed_too() -> None:
    machine = Machine(step_s=0.01)
    assert step_seconds(machine.run, machine.calls(1, steps=2), machine.now) == pytest.approx(0.01)


def test_the_first_time_does_not_count() -> None:
    clock = iter([100.0, 104.0])
    done: list[int] = []

    def do() -> int:
        done.append(8)
        return 8

    assert seconds_each(do, lambda: next(clock)) == 0.5
    assert len(done) == 2


@pytest.mark.parametrize(
    ("load", "pace", "seconds"),
    [
        (Load(epochs=200, steps=190, held_out=20), Pace(0.9, 0.18, 0.0), 200 * (190 * 0.9 + 20 * 0.18)),
        (Load(epochs=3, steps=5, held_out=0), Pace(2.0, 7.0, 9.0), 30.0),
    ],
)
def test_epochs_times_steps_and_held_out_images(load: Load, pace: Pace, seconds: float) -> None:
    assert load.seconds(pace) == pytest.approx(seconds)


def test_the_time_is_told_in_words() -> None:
    assert Load(200, 48, 6).text(Pace(0.9, 0.1, 0.0)) == "200 epochs of 48 steps of 900 ms"
    assert Load(1, 2, 0).text(Pace(1.25, 0.1, 0.0)) == "1 epochs of 2 steps of 1.25 s"


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_training_that_was_timed_ends_with_the_same_bits(precision: str) -> None:
    architecture = Architecture.of("micro", (16, 16, 3), widths=(4,), dense=(4,))
    plan = Plan("phase2", "micro", 2, 1e-3, 4, 0.4, Augmentation(), 0.5, 0, inference_copies=2)
    rng = np.random.default_rng(0)
    labels = (np.arange(10) % 2).astype(np.float32)
    images = rng.random((10, 16, 16, 3), dtype=np.float32)
    data = TrainingSet(images, labels, np.ones(10, dtype=bool), np.arange(10) < 2, tuple(map(str, range(10))))
    told: list[tuple[Pace, Load]] = []
    found = []
    for paced in (None, lambda *one: told.append(one)):
        network = build(architecture, precision)
        initialise(network, architecture, "none", 0)
        found.append((fit(network, data, plan, paced=paced), network.get_weights()))
    (plain, weights), (timed, same) = found
    assert plain == timed
    assert all(np.array_equal(one, other) for one, other in zip(weights, same, strict=True))
    ((pace, load),) = told
    assert (load.epochs, load.steps, load.held_out) == (2, 2, 4)
    assert min(pace.step_s, pace.image_s, pace.copy_s) > 0
