"""The same step for many inputs, in several processes.

Belongs here: starting processes and keeping the order of results. Does not belong here: the steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Input = TypeVar("Input")
Output = TypeVar("Output")


def usable_cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(step: Callable[[Input], Output], inputs: Sequence[Input], workers: int) -> Iterator[Output]:
    """Results of a step in the order of its inputs, whatever the number of processes.

    Processes are started afresh, not forked: a fork of a process with threads may hang. The step, its inputs
    and its results must be picklable; with one worker nothing is pickled.

    Args:
        step: a function of a module.
        inputs: what it is called with, one by one.
        workers: number of processes; one works in this process.
    """
    if workers <= 1 or len(inputs) <= 1:
        yield from map(step, inputs)
        return
    with ProcessPoolExecutor(min(workers, len(inputs)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(step, inputs)
