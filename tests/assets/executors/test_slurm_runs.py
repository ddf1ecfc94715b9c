"""Run workers as jobs of Slurm: launched once, seen to be dead, resumed, ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._serdes.config_class import ConfigurableClassData

from phenodose.errors import InputError
from phenodose_assets.executors.slurm_runs import SlurmRunLauncher

_CLASS = ("phenodose_assets.executors.slurm_runs", "SlurmRunLauncher")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance whose dagster.yaml names the launcher."""
    launcher = {"module": _CLASS[0], "class": _CLASS[1], "config": {"options": ["--partition=lab"]}}
    settings = {"run_launcher": launcher, "telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home")), overrides=settings) as opened:
        yield opened


@pytest.fixture
def run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run that is being started."""
    return instance.add_run(dg.DagsterRun("screen", status=dg.DagsterRunStatus.STARTED))


def _launcher(instance: dg.DagsterInstance) -> SlurmRunLauncher:
    launcher = instance.run_launcher
    assert isinstance(launcher, SlurmRunLauncher)
    return launcher


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("PENDING", WorkerStatus.RUNNING),
        ("RUNNING", WorkerStatus.RUNNING),
        ("NODE_FAIL", WorkerStatus.FAILED),
        ("COMPLETED", WorkerStatus.SUCCESS),
    ],
    ids=str,
)
def test_a_worker_is_what_its_job_is(
    fake_slurm: Any, instance: dg.DagsterInstance, run: dg.DagsterRun, state: str, status: WorkerStatus
) -> None:
    fake_slurm.job(f"phenodose-{run.run_id}-worker-0", state)
    assert _launcher(instance).check_run_worker_health(run).status is status


def test_a_worker_without_a_job_is_gone(fake_slurm: Any, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    assert _launcher(instance).check_run_worker_health(run).status is WorkerStatus.NOT_FOUND


def test_a_run_that_did_not_start_in_time_is_told_where_its_worker_waits(
    fake_slurm: Any, instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    assert _launcher(instance).get_run_worker_debug_info(run) is None
    fake_slurm.job(f"phenodose-{run.run_id}-worker-0", "PENDING", "", "Resources")
    told = _launcher(instance).get_run_worker_debug_info(run)
    assert told is not None
    assert told.startswith("Its worker is job 1 of Slurm, PENDING (Resources); a worker may wait for as long as")


def test_a_resumed_run_is_judged_by_its_last_worker(
    fake_slurm: Any, instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    fake_slurm.job(f"phenodose-{run.run_id}-worker-0", "NODE_FAIL")
    fake_slurm.job(f"phenodose-{run.run_id}-worker-1", "RUNNING")
    instance.add_run_tags(run.run_id, {"phenodose/times_resumed": "1"})
    resumed = instance.get_run_by_id(run.run_id)
    assert resumed is not None
    assert _launcher(instance).check_run_worker_health(resumed).status is WorkerStatus.RUNNING


def test_ending_a_run_cancels_its_worker(fake_slurm: Any, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    number = fake_slurm.job(f"phenodose-{run.run_id}-worker-0", "RUNNING")
    assert _launcher(instance).terminate(run.run_id)
    assert fake_slurm.state(number) == "CANCELLED"
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.CANCELING


def test_dagster_may_resume_and_ask(instance: dg.DagsterInstance) -> None:
    launcher = _launcher(instance)
    assert launcher.supports_resume_run
    assert launcher.supports_check_run_worker_health


def test_an_option_that_is_ours_is_refused() -> None:
    data = ConfigurableClassData(*_CLASS, "{}")
    with pytest.raises(InputError, match=r"run_launcher: options: .*--output is given by phenodose itself"):
        SlurmRunLauncher.from_config_value(data, {"options": ["--output=x"]})
