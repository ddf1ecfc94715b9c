"""Steps as jobs of Slurm: the handler under Dagster's own StepDelegatingExecutor.

Heavy steps (plates, tensors, networks) are jobs; light ones are processes beside the run's own, since each takes a
second and a job would take ten. What a step tells goes through the instance's event log, which all machines share
(docs/cluster.md). A step that has said it ended has ended, whatever became of its job or process; one that has not, and
whose job or process is gone, is dead, and Dagster tries it again as its retry policy says.

Belongs here: launching, looking after and ending steps. Does not belong here: Slurm's commands (`slurm`), what is heavy
(`work`), and which executor is used (`choice`).
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent
from dagster._core.executor.step_delegating.step_handler.base import (
    CheckStepHealthResult,
    StepHandler,
    StepHandlerContext,
)

from phenodose.io.files import hash_bytes
from phenodose.sandbox.process_limits import end_with_caller
from phenodose.settings.cluster import JobOptions, SlurmSettings
from phenodose_assets.executors.slurm import Job, Slurm, dagster_command
from phenodose_assets.executors.work import LIGHT, Work, work_of

_BEGAN = (
    dg.DagsterEventType.STEP_WORKER_STARTING,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_RESTARTED,
)
_ENDED = (
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
    dg.DagsterEventType.STEP_SKIPPED,
)
_PRELOADED = "phenodose_assets.definitions"
_LAST_LINES, _LAST_BYTES = 5, 4000


class SlurmSteps(StepHandler):
    """Launches heavy steps as jobs of Slurm, and light ones as processes of this machine."""

    def __init__(self, settings: SlurmSettings, logs: Path | None, slurm: Slurm | None = None) -> None:
        """Remember how jobs are asked for.

        Args:
            settings: the table [cluster.slurm] of site.toml.
            logs: folder for what jobs print; None to keep nothing.
            slurm: Slurm's commands.
        """
        self._settings, self._logs = settings, logs
        self._slurm = slurm or Slurm(settings.unreachable_s)
        self._here: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Its name in the event log."""
        return "SlurmSteps"

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Start a step, or find the job that is at it already.

        Raises:
            SlurmError: Slurm refuses the job, or is out of reach for long.
        """
        context, key = step_handler_context, _step(step_handler_context)
        work, step = work_of(context.step_tags[key]), context.get_step_context(key)
        if work == LIGHT:
            process = _processes().Process(
                target=_run_step, args=(context.execute_step_args.get_command_env()[0]["value"],), name=key
            )
            process.start()
            self._here[key] = process
            shown: dict[str, Any] = {"process": dg.MetadataValue.int(process.pid)}
            yield DagsterEvent.step_worker_starting(step, f"{key} is a process of this machine.", shown)
            return
        name = job_name(context)
        arguments = context.execute_step_args
        command = dagster_command(
            arguments.get_command_args(), self._settings.python or arguments.job_origin.executable_path
        )
        if self._logs is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
        output = None if self._logs is None else self._logs / f"{name}-%j.txt"
        job = self._slurm.submit(name, command, [*self._settings.options, *options_of(self._settings, work)], output)
        shown = {"job": dg.MetadataValue.int(job.number), "name": dg.MetadataValue.text(name)}
        if output is not None:
            shown["output"] = dg.MetadataValue.path(str(output).replace("%j", str(job.number)))
        yield DagsterEvent.step_worker_starting(step, f"{key} is job {job.number} of Slurm ({work}).", shown)

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Whether a step has told its end or may still come to it.

        Raises:
            SlurmError: Slurm is out of reach for long; Dagster says so in the log and asks again.
        """
        context, key = step_handler_context, _step(step_handler_context)
        if work_of(context.step_tags[key]) == LIGHT:
            process = self._here.get(key)
            if process is not None and process.is_alive():
                return CheckStepHealthResult.healthy()
            if _has_told_its_end(context, key):
                return CheckStepHealthResult.healthy()
            if process is None:
                return CheckStepHealthResult.unhealthy("its process ended with the run worker that had started it")
            return CheckStepHealthResult.unhealthy(f"its process ended with {process.exitcode}")
        job = self._slurm.newest(job_name(context))
        # In this order: a job that ended in between has told its end before.
        if (job is not None and not job.has_ended) or _has_told_its_end(context, key):
            return CheckStepHealthResult.healthy()
        if job is None:
            return CheckStepHealthResult.unhealthy("Slurm knows no job of it any more")
        return CheckStepHealthResult.unhealthy(self._why(job))

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """End a step."""
        context, key = step_handler_context, _step(step_handler_context)
        if work_of(context.step_tags[key]) != LIGHT:
            self._slurm.cancel(job_name(context))
        elif (process := self._here.get(key)) is not None and process.is_alive():
            process.terminate()
        yield from ()

    def _why(self, job: Job) -> str:
        """Why a job ended before its step, with what it printed last."""
        reason = f", {job.reason}" if job.reason not in ("", "None") else ""
        where = f" on {job.node}" if job.node else ""
        why = f"job {job.number} of Slurm ended{where}: {job.state}{reason}"
        path = None if self._logs is None else self._logs / f"{job.name}-{job.number}.txt"
        if path is None or not path.is_file():
            return why
        lines = path.read_bytes()[-_LAST_BYTES:].decode("utf-8", "replace").splitlines()[-_LAST_LINES:]
        return f"{why}; it printed last: {' / '.join(lines)}" if lines else why


def options_of(settings: SlurmSettings, work: Work) -> JobOptions:
    """The options of sbatch for one kind of work, beside those of every job."""
    return {"plates": settings.plates, "tensors": settings.tensors, "gpu": settings.gpu}.get(work, ())


def job_name(context: StepHandlerContext) -> str:
    """Name of the job of a step and attempt: whoever looks for it after a crash finds it by that alone."""
    key, known = _step(context), context.execute_step_args.known_state
    attempt = known.get_retry_state().get_attempt_count(key) if known is not None else 0
    run_id = context.execute_step_args.run_id
    return f"phenodose-{run_id}-{hash_bytes(key.encode())[:12]}-{attempt}"


def _step(context: StepHandlerContext) -> str:
    keys = context.execute_step_args.step_keys_to_execute or ()
    if len(keys) != 1:
        raise ValueError(f"one step at a time is launched, not {len(keys)}")
    return keys[0]


def _has_told_its_end(context: StepHandlerContext, key: str) -> bool:
    """Whether the last that the event log holds of a step's life is its end."""
    run_id = context.execute_step_args.run_id
    records = context.instance.get_records_for_run(run_id, of_type={*_BEGAN, *_ENDED}, ascending=False).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.step_key == key:
            return event.event_type in _ENDED
    return False


def _processes() -> Any:
    """Processes that are forked from one that has the definitions loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOADED])
    return context


def _run_step(arguments: str) -> None:
    """In a process of its own: make a step, as `dagster api execute_step` does; end with the run worker."""
    end_with_caller()
    from dagster._cli.api import execute_step_command

    sys.exit(execute_step_command.main(["--compressed-input-json", arguments], standalone_mode=False))
