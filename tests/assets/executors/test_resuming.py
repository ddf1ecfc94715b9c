"""What a new run worker takes over from the log of a run whose worker died."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, EngineEventData, StepOutputData
from dagster._core.execution.api import create_execution_plan
from dagster._core.execution.plan.objects import StepRetryData, StepSuccessData
from dagster._core.execution.plan.outputs import StepOutputHandle
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import StepHandler, step_delegating_executor
from dagster._utils.error import SerializableErrorInfo

from phenodose_assets.executors.resuming import ResumedExecution, ResumingExecutor

_KINDS = dg.DagsterEventType
_LIMIT = {"key": "work", "value": "light", "limit": 1}


@dg.op(out={"made": dg.Out(is_required=False), "failure": dg.Out(is_required=False)})
def plates() -> Iterator[dg.Output[int]]:
    yield dg.Output(1, "made")


@dg.op
def failed(failure: int) -> None: ...


@dg.op(tags={"work": "light"})
def layout(made: int) -> int:
    return made


@dg.op(tags={"work": "light"})
def curves(made: int) -> int:
    return made


@dg.op
def report(layout: int, curves: int) -> None: ...


@dg.job
def screen() -> None:
    made, failure = plates()
    failed(failure)
    report(layout(made), curves(made))


def _event(kind: dg.DagsterEventType, step: str, output: str = "result") -> DagsterEvent:
    facts: dict[Any, Any] = {
        _KINDS.STEP_WORKER_STARTING: EngineEventData(),
        _KINDS.STEP_SUCCESS: StepSuccessData(1.0),
        _KINDS.STEP_UP_FOR_RETRY: StepRetryData(SerializableErrorInfo("killed", [], None), 30),
        _KINDS.STEP_OUTPUT: StepOutputData(StepOutputHandle(step, output)),
    }
    return DagsterEvent(kind.value, "screen", step_key=step, message="", event_specific_data=facts.get(kind))


def _begun(step: str) -> list[DagsterEvent]:
    return [_event(_KINDS.STEP_WORKER_STARTING, step), _event(_KINDS.STEP_START, step)]


def _done(step: str, output: str = "result") -> list[DagsterEvent]:
    return [*_begun(step), _event(_KINDS.STEP_OUTPUT, step, output), _event(_KINDS.STEP_SUCCESS, step)]


_SKIPPED = [*_done("plates", "made"), _event(_KINDS.STEP_SKIPPED, "failed")]
_DIED = [*_begun("layout"), _event(_KINDS.STEP_UP_FOR_RETRY, "layout")]
_AGAIN = [_event(_KINDS.STEP_WORKER_STARTING, "layout"), _event(_KINDS.STEP_RESTARTED, "layout")]


@pytest.mark.parametrize(
    ("log", "under_way", "next_steps"),
    [
        ([], [], ["plates"]),
        (_begun("plates"), ["plates"], []),
        (_SKIPPED, [], ["curves"]),
        ([*_SKIPPED, *_begun("layout")], ["layout"], []),
        ([*_SKIPPED, *_begun("curves"), *_begun("layout")], ["curves", "layout"], []),
        ([*_SKIPPED, *_done("curves"), *_done("layout")], [], ["report"]),
        ([*_SKIPPED, *_DIED], [], ["curves"]),
        ([*_SKIPPED, *_DIED, *_AGAIN], ["layout"], []),
        ([*_SKIPPED, *_DIED, *_AGAIN, *_done("layout"), *_done("curves")], [], ["report"]),
    ],
    ids=["empty", "first", "skip", "other order", "above the limit", "all done", "waits", "again", "done again"],
)
def test_what_the_log_of_a_run_holds_is_taken_over(
    log: list[DagsterEvent], under_way: list[str], next_steps: list[str]
) -> None:
    with (
        contextlib.suppress(_Looked),
        ResumedExecution(create_execution_plan(screen), RetryMode.ENABLED, None, None, [_LIMIT]) as run,
    ):
        assert [step.key for step in run.rebuild_from_events(log)] == under_way
        assert [step.key for step in run.get_steps_to_execute()] == next_steps
        raise _Looked


def test_all_of_the_log_is_read_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_EXECUTOR_POP_EVENTS_LIMIT", "2")
    assert _heard(_done("plates", "made")) == _done("plates", "made")


_END = _event(_KINDS.STEP_SUCCESS, "layout")


@pytest.mark.parametrize(
    ("log", "heard"),
    [
        ([*_DIED, _END], _DIED),
        ([*_DIED, _END, *_AGAIN, _END], [*_DIED, *_AGAIN, _END]),
        ([*_DIED, *_AGAIN, _END, _END], [*_DIED, *_AGAIN, _END]),
        ([*_done("layout"), _DIED[-1]], _done("layout")),
    ],
    ids=["before its retry", "told in vain", "during its retry", "in the same moment"],
)
def test_a_try_that_was_taken_for_dead_ends_no_step_a_second_time(
    log: list[DagsterEvent], heard: list[DagsterEvent]
) -> None:
    assert _heard(log) == heard


def _heard(log: list[DagsterEvent]) -> list[DagsterEvent]:
    """What the executor hears of a run's log."""
    run_id = str(uuid4())
    with dg.DagsterInstance.ephemeral() as instance:
        for event in log:
            entry = dg.EventLogEntry(None, 10, "", run_id, 0.0, event.step_key, "screen", event)  # type: ignore[arg-type]
            instance.handle_new_event(entry)
        return list(_executor()._pop_events(instance, run_id, set()))


def test_the_executor_resumes_by_it() -> None:
    _executor()
    assert step_delegating_executor.ActiveExecution is ResumedExecution  # type: ignore[attr-defined]


def _executor() -> ResumingExecutor:
    class NoSteps(StepHandler):
        name = launch_step = check_step_health = terminate_step = None  # type: ignore[assignment]

    return ResumingExecutor(NoSteps(), retries=RetryMode.ENABLED)


class _Looked(Exception):
    """Leaves the run as it is: it would complain that it has not ended."""
