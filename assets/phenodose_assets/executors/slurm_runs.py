"""Run workers as jobs of Slurm: a run launcher with health check and resume, for dagster.yaml.

    run_launcher:
      module: phenodose_assets.executors.slurm_runs
      class: SlurmRunLauncher
      config:
        options: ["--partition=lab"]
        logs: /shared/phenodose/logs

A run worker that is killed, or whose node is, is seen by Dagster's run monitoring, which resumes the run: a new worker
takes up the steps that are under way (`slurm_steps`).

Belongs here: the launcher. Does not belong here: Slurm's commands (`slurm`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    ResumeRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._grpc.types import ExecuteRunArgs, ResumeRunArgs
from dagster._serdes import ConfigurableClass
from dagster._serdes.config_class import ConfigurableClassData
from pydantic import TypeAdapter, ValidationError

from phenodose.errors import InputError
from phenodose.settings.cluster import JobOptions
from phenodose_assets.executors.slurm import Slurm, SlurmError, dagster_command

_TIMES_RESUMED = "phenodose/times_resumed"


class SlurmRunLauncher(RunLauncher[dg.DagsterInstance], ConfigurableClass):
    """Starts run workers as jobs of Slurm."""

    def __init__(
        self,
        options: Sequence[str] = (),
        python: str | None = None,
        logs: str | None = None,
        unreachable_s: float = 60.0,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        """Remember how jobs are asked for.

        Args:
            options: long options of sbatch for run workers.
            python: Python with phenodose on the nodes; None for that of the code location, by its path.
            logs: folder that the nodes can write to, for what workers print; None to keep nothing.
            unreachable_s: how long Slurm may be out of reach before it is given up, seconds.
            inst_data: what Dagster remembers of the configuration.

        Raises:
            InputError: an option is none that may be given.
        """
        try:
            self._options = TypeAdapter(JobOptions).validate_python(tuple(options))
        except ValidationError as error:
            raise InputError(f"dagster.yaml: run_launcher: options: {error.errors()[0]['msg']}.") from error
        self._python, self._logs = python, Path(logs) if logs else None
        self._slurm, self._inst_data = Slurm(unreachable_s), inst_data
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What Dagster remembers of the configuration."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """What may stand under `config`."""
        return {
            "options": dg.Field(dg.Array(str), is_required=False),
            "python": dg.Field(dg.StringSource, is_required=False),
            "logs": dg.Field(dg.StringSource, is_required=False),
            "unreachable_s": dg.Field(float, is_required=False),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> SlurmRunLauncher:
        """The launcher that dagster.yaml asks for."""
        return cls(**config_value, inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Submit a run worker.

        Raises:
            SlurmError: Slurm refuses the job, or is out of reach.
        """
        run = context.dagster_run
        arguments = ExecuteRunArgs(_origin(run), run.run_id, self._instance.get_ref(), set_exit_code_on_failure=True)
        self._submit(run, arguments.get_command_args(), 0)

    def resume_run(self, context: ResumeRunContext) -> None:
        """Submit another worker for a run whose worker is gone.

        Raises:
            SlurmError: Slurm refuses the job, or is out of reach.
        """
        run = context.dagster_run
        arguments = ResumeRunArgs(_origin(run), run.run_id, self._instance.get_ref(), set_exit_code_on_failure=True)
        self._submit(run, arguments.get_command_args(), context.resume_attempt_number or 1)

    def terminate(self, run_id: str) -> bool:
        """Cancel the worker of a run, which ends its steps; whether there was one."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return self._slurm.cancel(_job_name(run))

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster may ask for the health of a worker."""
        return True

    @property
    def supports_resume_run(self) -> bool:
        """Dagster may resume a run."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the worker of a run is there.

        Raises:
            SlurmError: Slurm is out of reach; Dagster says so and asks again.
        """
        name = _job_name(run)
        job = self._slurm.newest(name)
        if job is None:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "Slurm knows no job of this run", run_worker_id=name)
        if not job.has_ended:
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(job.number))
        status = WorkerStatus.SUCCESS if job.state == "COMPLETED" else WorkerStatus.FAILED
        where = f" on {job.node}" if job.node else ""
        said = f"job {job.number} of Slurm ended{where}: {job.state}"
        return CheckRunHealthResult(status, said, run_worker_id=str(job.number))

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """What Slurm knows of a worker, for a run that did not start in time; None if nothing."""
        try:
            job = self._slurm.newest(_job_name(run))
        except SlurmError as error:
            return str(error)
        if job is None:
            return None
        why = f" ({job.reason})" if job.reason not in ("", "None") else ""
        where = f" on {job.node}" if job.node else ""
        return (
            f"Its worker is job {job.number} of Slurm, {job.state}{where}{why}; a worker may wait for as long as "
            "run_monitoring.start_timeout_seconds of dagster.yaml says."
        )

    def _submit(self, run: dg.DagsterRun, command: Sequence[str], times_resumed: int) -> None:
        arguments = dagster_command(command, self._python or _origin(run).executable_path)
        if self._logs is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
        self._instance.add_run_tags(run.run_id, {_TIMES_RESUMED: str(times_resumed)})
        name = _named(run.run_id, times_resumed)
        output = None if self._logs is None else self._logs / f"{name}-%j.txt"
        job = self._slurm.submit(name, arguments, self._options, output)
        self._instance.report_engine_event(f"The run worker is job {job.number} of Slurm.", run, cls=type(self))


def _origin(run: dg.DagsterRun) -> Any:
    if run.job_code_origin is None:
        raise InputError(f"run {run.run_id} does not say where its code is; start it from a loaded code location.")
    return run.job_code_origin


def _job_name(run: dg.DagsterRun) -> str:
    return _named(run.run_id, int(run.tags.get(_TIMES_RESUMED, "0")))


def _named(run_id: str, times_resumed: int) -> str:
    return f"phenodose-{run_id}-worker-{times_resumed}"
