"""Whether a step that Slurm runs is seen to live, to have ended, or to be dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent
from dagster._core.execution.plan.objects import StepRetryData, StepSuccessData
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._utils.error import SerializableErrorInfo

from phenodose.settings.cluster import SlurmSettings
from phenodose_assets.executors.slurm import Slurm
from phenodose_assets.executors.slurm_steps import SlurmSteps, job_name, options_of
from phenodose_assets.executors.work import TAG

_STEP = "pseudo_rgb.make"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def _context(instance: dg.DagsterInstance, work: str, run_id: str) -> Any:
    """What the executor tells its handler, as far as it is asked."""
    arguments = SimpleNamespace(step_keys_to_execute=[_STEP], run_id=run_id, known_state=KnownExecutionState())
    return SimpleNamespace(
        instance=instance, step_tags={_STEP: {TAG: work}}, execute_step_args=arguments, get_step_context=None
    )


def _told(instance: dg.DagsterInstance, run_id: str, *kinds: dg.DagsterEventType) -> None:
    """Let the event log hold events of the step."""
    for number, kind in enumerate(kinds):
        facts = {
            dg.DagsterEventType.STEP_SUCCESS: StepSuccessData(1.0),
            dg.DagsterEventType.STEP_UP_FOR_RETRY: StepRetryData(SerializableErrorInfo("killed", [], None)),
        }.get(kind)
        event = DagsterEvent(kind.value, "screen", step_key=_STEP, message=str(number), event_specific_data=facts)
        instance.handle_new_event(
            dg.EventLogEntry(None, 10, "", run_id, float(number), _STEP, "screen", event)  # type: ignore[arg-type]
        )


def _steps(logs: Path | None = None) -> SlurmSteps:
    return SlurmSteps(SlurmSettings(), logs, Slurm(fresh_s=0.0, pause=lambda seconds: None))


@pytest.mark.parametrize(("state", "lives"), [("PENDING", True), ("RUNNING", True), ("NODE_FAIL", False)])
def test_a_step_lives_as_long_as_its_job(fake_slurm, instance: dg.DagsterInstance, state: str, lives: bool) -> None:
    context = _context(instance, "tensors", str(uuid4()))
    fake_slurm.job(job_name(context), state, "n2")
    health = _steps().check_step_health(context)
    assert health.is_healthy is lives
    assert lives or health.unhealthy_reason == "job 1 of Slurm ended on n2: NODE_FAIL"


def test_a_step_that_has_told_its_end_needs_no_job(fake_slurm, instance: dg.DagsterInstance) -> None:
    context = _context(instance, "tensors", str(uuid4()))
    kinds = dg.DagsterEventType
    _told(instance, context.execute_step_args.run_id, kinds.STEP_START, kinds.STEP_SUCCESS)
    assert _steps().check_step_health(context).is_healthy


def test_an_end_before_the_last_start_is_that_of_an_earlier_try(fake_slurm, instance: dg.DagsterInstance) -> None:
    context = _context(instance, "tensors", str(uuid4()))
    kinds = dg.DagsterEventType
    _told(instance, context.execute_step_args.run_id, kinds.STEP_START, kinds.STEP_UP_FOR_RETRY, kinds.STEP_RESTARTED)
    assert _steps().check_step_health(context).unhealthy_reason == "Slurm knows no job of it any more"


def test_the_last_words_of_a_dead_job_are_told(fake_slurm, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    context = _context(instance, "gpu", str(uuid4()))
    number = fake_slurm.job(job_name(context), "OUT_OF_MEMORY")
    (tmp_path / f"{job_name(context)}-{number}.txt").write_text("epoch 3\nKilled\n")
    reason = _steps(tmp_path).check_step_health(context).unhealthy_reason
    assert reason is not None
    assert reason.endswith("OUT_OF_MEMORY; it printed last: epoch 3 / Killed")


def test_a_light_step_ends_with_the_run_worker_that_started_it(instance: dg.DagsterInstance) -> None:
    context = _context(instance, "light", str(uuid4()))
    assert "ended with the run worker" in str(_steps().check_step_health(context).unhealthy_reason)


def test_ending_a_step_cancels_its_job(fake_slurm, instance: dg.DagsterInstance) -> None:
    context = _context(instance, "plates", str(uuid4()))
    number = fake_slurm.job(job_name(context), "RUNNING")
    list(_steps().terminate_step(context))
    assert fake_slurm.state(number) == "CANCELLED"


def test_every_kind_of_work_has_its_own_options() -> None:
    settings = SlurmSettings(plates=("--constraint=raw",), tensors=("--cpus-per-task=8",))
    assert options_of(settings, "plates") == ("--constraint=raw",)
    assert options_of(settings, "gpu") == ("--gres=gpu:1",)
    assert options_of(settings, "light") == ()
