"""A step of a cluster waits for the lock of a dead node, once; of one machine it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from phenodose.errors import BusyError
from phenodose.io.leases import STALE_S
from phenodose_assets.graph.patience import patiently

_LOCKED = {"asset": "pseudo_rgb", "message": "being made by process 3 on n1.", "error": BusyError.__name__}


class Step:
    """A step that tells in turn what it was given, and what it said and waited for."""

    def __init__(self, *failures: dict[str, Any] | None) -> None:
        self.failures = list(failures)
        self.said: list[str] = []
        self.waited: list[float] = []

    def make(self) -> Iterator[Any]:
        yield dg.Output(self.failures.pop(0), "failure")

    def told(self, waits: bool) -> list[Any]:
        return [event.value for event in patiently(self.make, self.said.append, waits, self.waited.append)]


def test_the_lock_of_a_dead_node_has_given_way_at_the_second_time() -> None:
    step = Step(_LOCKED, None)
    assert step.told(waits=True) == [None]
    assert step.waited > [STALE_S]
    assert step.said == [
        "being made by process 3 on n1. It is tried again in 75 s, when a lock of a dead node has given way."
    ]


def test_a_lock_that_somebody_holds_is_told_after_one_wait() -> None:
    step = Step(_LOCKED, _LOCKED, None)
    assert step.told(waits=True) == [_LOCKED]
    assert len(step.waited) == 1


@pytest.mark.parametrize(
    ("waits", "failure"), [(False, _LOCKED), (True, {**_LOCKED, "error": "InputError"}), (True, None)]
)
def test_nothing_else_is_waited_for(waits: bool, failure: dict[str, Any] | None) -> None:
    step = Step(failure)
    assert step.told(waits) == [failure]
    assert step.waited == []
