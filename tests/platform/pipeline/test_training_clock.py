"""How long a training will take is said before it begins, and too long a one is refused or skipped with a way out."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phenodose.errors import InputError, NotMade, PhenodoseError, TooLongError
from phenodose.pipeline.training_clock import TrainingClock, ways_out
from phenodose.plugins import ImageReadout, TimeListener, TrainingTime, registry, tell_time
from phenodose.settings.site import read_site
from phenodose.settings.training import TrainingSettings
from phenodose_readouts.cnn import CnnReadout

HOUR = 3600.0


class Person:
    """Hears what is said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __call__(self, done: int, total: int, message: str) -> None: ...

    def say(self, sentence: str) -> None:
        self.heard.append(sentence)


def clock(person: Person, longest_h: float | None = None, chosen: bool = False, **more: Any) -> TrainingClock:
    return TrainingClock(
        person,
        logging.getLogger("test"),
        "phase2 of A_V1_DS1",
        TrainingSettings(longest_h=longest_h),
        chosen,
        ["preset = 'small' under [parameters.cnn] in screen.toml"],
        **more,
    )


def tell(one: TrainingClock, hours: float, on_gpu: bool = False) -> PhenodoseError | None:
    told = TrainingTime(hours * HOUR, 1.0, on_gpu, "200 epochs of 48 steps of 900 ms", {"phase3": 180.0})
    try:
        tell_time(one, told)
    except PhenodoseError as error:
        return error
    return None


def test_it_is_said_with_the_wells_and_the_phases_to_come() -> None:
    person = Person()
    assert tell(clock(person, wells=800, later={"phase3": 804}), 2.4) is None
    assert person.heard == [
        "phase2 of A_V1_DS1: about 2 h 24 min of training on this machine (200 epochs of 48 steps of 900 ms), about "
        "13 min to ask about 800 wells, then phase3, about 40 h 25 min"
    ]


@pytest.mark.parametrize(
    ("hours", "longest_h", "on_gpu", "refused"),
    [
        (7.9, None, False, False),
        (8.1, None, False, True),
        (8.1, None, True, False),
        (8.1, 9.0, False, False),
        (9.1, 9.0, True, True),
        (0.2, 0.1, False, True),
    ],
)
def test_the_limit(hours: float, longest_h: float | None, on_gpu: bool, refused: bool) -> None:
    assert (tell(clock(Person(), longest_h), hours, on_gpu) is not None) == refused


def test_the_wells_that_are_asked_about_afterwards_count() -> None:
    assert tell(clock(Person(), wells=800), 7.9) is not None


def test_the_reason_names_the_ways_out() -> None:
    reason = tell(clock(Person()), 40.0)
    assert str(reason) == (
        "phase2 of A_V1_DS1 would take about 40 h 00 min on this machine (200 epochs of 48 steps of 900 ms), and a "
        "machine without a graphics card is given 8 h; take preset = 'small' under [parameters.cnn] in screen.toml, or "
        "a machine with a graphics card, or a larger longest_h under [training] in site.toml."
    )


def test_what_nobody_chose_is_skipped_and_what_somebody_chose_is_an_error() -> None:
    assert isinstance(tell(clock(Person(), chosen=False), 40.0), NotMade)
    assert isinstance(tell(clock(Person(), chosen=True), 40.0), TooLongError)


def test_what_it_says_is_said_even_if_it_is_refused_and_only_once() -> None:
    person = Person()
    one = clock(person)
    assert isinstance(one, TimeListener)
    assert tell(one, 40.0) is not None
    assert tell(one, 41.0) is None
    assert len(person.heard) == 1
    assert one.estimate is not None
    assert one.estimate.training_s == 40 * HOUR


def test_the_small_network_is_no_way_out_of_itself() -> None:
    plugins = registry()
    assert ways_out(CnnReadout(), plugins)[0].startswith("preset = 'small'")
    assert not [way for way in ways_out(CnnReadout({"preset": "small"}), plugins) if "preset" in way]


def test_a_readout_that_needs_no_training_is_a_way_out() -> None:
    class Quick(ImageReadout):
        name = "quick"
        untrained = "a frozen network, in minutes"

    plugins = SimpleNamespace(usable=lambda kind: {"quick": Quick, "cnn": CnnReadout})
    assert ways_out(CnnReadout(), plugins)[1:] == [  # type: ignore[arg-type]
        "the readout quick (a frozen network, in minutes)"
    ]


def test_the_site_says_how_long(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("[training]\nlongest_h = 30\n")
    assert read_site(tmp_path).training.most_h(on_gpu=True) == 30
    (tmp_path / "site.toml").write_text("[training]\nlongest = 30\n")
    with pytest.raises(InputError, match=r"training\.longest: there is no such setting here; known are longest_h"):
        read_site(tmp_path)
