"""Dagster's own StepDelegatingExecutor, mended so that a run is resumed whose run worker died.

A new run worker reads what the event log holds of the run and plays it again. Dagster 1.13 does so step by step through
its ordinary scheduling, and refuses a log that does not fit: every run with a skipped step ("reported as skipped from
outside the ActiveExecution"), with a step that was tried again (its delay has not passed when its next try is read),
and, by the order in which limited steps come, many others; of more than 1,000 events it reads the first 1,000 only.
Here the log is right: a step that it says began is under way, whatever the limits.

A try that was taken for dead may live (its node's slurmd died, or was cut off) and tell its end later. Dagster takes
that for a fault of its own, and the run fails; here only the first end of a try counts.

Belongs here: resuming. Does not belong here: launching steps and asking for their health (`slurm_steps`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.step import ExecutionStep
from dagster._core.executor.step_delegating import StepDelegatingExecutor, step_delegating_executor

_BEGAN = frozenset(
    {
        DagsterEventType.STEP_WORKER_STARTING,
        DagsterEventType.STEP_WORKER_STARTED,
        DagsterEventType.STEP_START,
        DagsterEventType.STEP_RESTARTED,
    }
)
#: Of a run's log; more than any run has.
_EVENTS = 1_000_000


class ResumingExecutor(StepDelegatingExecutor):
    """Dagster's executor, which can resume, and hears of each end once."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """As Dagster's own."""
        super().__init__(*arguments, **named)
        self._pop_events_limit = _EVENTS
        self._under_way: set[str] = set()
        mend_dagster()

    def _pop_events(self, *arguments: Any, **named: Any) -> Sequence[DagsterEvent]:
        """The events of the run since the last call, without ends of steps of which nothing was under way."""
        return [event for event in super()._pop_events(*arguments, **named) if self._is_new(event)]

    def _is_new(self, event: DagsterEvent) -> bool:
        key = event.step_key
        if key is None:
            return True
        if event.event_type in _BEGAN:
            self._under_way.add(key)
        if not _is_end(event):
            return True
        known = key in self._under_way
        self._under_way.discard(key)
        return known


def mend_dagster() -> None:
    """Let Dagster's executor, and what is derived from it, take over runs as `ResumedExecution` does."""
    # It makes its own by name, and has no other door.
    step_delegating_executor.ActiveExecution = ResumedExecution  # type: ignore[attr-defined]


class ResumedExecution(ActiveExecution):
    """What has become of the steps of a run, which can be read from any log."""

    def rebuild_from_events(self, dagster_events: Sequence[DagsterEvent]) -> Sequence[ExecutionStep]:
        """Take over what the log of a run holds.

        Args:
            dagster_events: all events of the run, in order.

        Returns:
            The steps that began and have not told their end.
        """
        last_sign = {event.step_key: number for number, event in enumerate(dagster_events) if _is_of_life(event)}
        for number, event in enumerate(dagster_events):
            self._update()
            key = event.step_key
            if key is None:
                continue
            if event.is_step_skipped:
                self._skip(key)
                continue
            if _is_of_life(event):
                self._begin(key)
            if event.is_step_up_for_retry and last_sign[key] > number:
                # Its next try has begun: nothing is left of the delay.
                self._retry_at_once(key)
            else:
                self.handle_event(event)
        self._update()
        return [self.get_step_by_key(key) for key in sorted(self._in_flight)]

    def _begin(self, key: str) -> None:
        """Let a step be under way, if it is not."""
        if key in self._executable:
            self._executable.remove(key)
        elif key in self._waiting_to_retry:
            del self._waiting_to_retry[key]
        else:
            return
        step = self.get_step_by_key(key)
        self._in_flight.add(key)
        self._prep_for_dynamic_outputs(step)
        if step.pool is not None and self._instance_concurrency_context is not None:
            # It has its slot since it began; so it is freed when the step ends.
            self._instance_concurrency_context._claims.add(key)

    def _skip(self, key: str) -> None:
        if key in self._pending_skip:
            self._pending_skip.remove(key)
            self._in_flight.add(key)
            self._skip_for_dynamic_outputs(self.get_step_by_key(key))
            self.mark_skipped(key)

    def _retry_at_once(self, key: str) -> None:
        self.mark_up_for_retry(key, time.time())
        if self._instance_concurrency_context is not None:
            self._instance_concurrency_context.free_step(key)


def _is_of_life(event: DagsterEvent) -> bool:
    """Whether a step must have begun for this event to be."""
    return event.step_key is not None and (_is_end(event) or event.is_successful_output or event.event_type in _BEGAN)


def _is_end(event: DagsterEvent) -> bool:
    """Whether a try of a step ends with it."""
    return event.is_step_success or event.is_step_failure or event.is_step_up_for_retry
