"""Slurm's three commands as the executors use them, against commands that answer as Slurm does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from phenodose_assets.executors.slurm import Job, Slurm, SlurmError, dagster_command


@pytest.fixture
def slurm() -> Slurm:
    """Slurm, asked without patience's pauses."""
    return Slurm(unreachable_s=30.0, fresh_s=0.0, pause=lambda seconds: None)


def test_a_job_runs_its_command_and_keeps_what_it_prints(fake_slurm, slurm: Slurm, tmp_path: Path) -> None:
    job = slurm.submit("a b", ["echo", 'it\'s "here" $HOME'], ["--partition=lab"], tmp_path / "job-%j.txt")
    assert job.number == 1
    until = time.monotonic() + 60
    while not (text := (tmp_path / "job-1.txt").read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    assert text == 'it\'s "here" $HOME\n'
    assert {"--partition=lab", "--no-requeue", "--parsable", "--job-name=a b"} <= set(fake_slurm.calls("sbatch")[0])


def test_a_job_that_waits_or_runs_is_not_submitted_twice(fake_slurm, slurm: Slurm) -> None:
    fake_slurm.says("hold")
    first, second = slurm.submit("one", ["true"]), slurm.submit("one", ["true"])
    assert (first.number, second.number) == (1, 1)
    assert fake_slurm.names() == ["one"]


def test_a_job_whose_answer_was_lost_is_found_and_not_submitted_again(fake_slurm, slurm: Slurm) -> None:
    fake_slurm.says("hold")
    fake_slurm.says("lost")
    assert slurm.submit("one", ["true"]).number == 1
    assert fake_slurm.names() == ["one"]


def test_a_job_that_has_ended_leaves_its_name_free(fake_slurm, slurm: Slurm) -> None:
    fake_slurm.job("one", "NODE_FAIL")
    fake_slurm.says("hold")
    assert slurm.submit("one", ["true"]).number == 2
    newest = slurm.newest("one")
    assert newest is not None
    assert newest.number == 2


def test_slurm_out_of_reach_for_a_while_is_waited_for(fake_slurm, slurm: Slurm) -> None:
    fake_slurm.says("hold")
    fake_slurm.says("down", "5")
    assert slurm.submit("one", ["true"]) == Job(1, "one", "PENDING")


def test_slurm_out_of_reach_for_long_is_said(fake_slurm) -> None:
    fake_slurm.says("down", "1000")
    with pytest.raises(SlurmError, match=r"squeue: .*Unable to contact.* out of reach for 0 s; see whether slurmctld"):
        Slurm(unreachable_s=0, pause=lambda seconds: None).submit("one", ["true"])


def test_what_slurm_refuses_is_said_at_once(fake_slurm, slurm: Slurm) -> None:
    fake_slurm.says("refuse", "invalid partition specified: lab")
    with pytest.raises(SlurmError, match="invalid partition specified: lab"):
        slurm.submit("one", ["true"])
    assert len(fake_slurm.calls("sbatch")) == 1


def test_a_machine_without_slurm_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, slurm: Slurm) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SlurmError, match=r'squeue is not on PATH; install .* executor = "local"'):
        slurm.jobs()


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "SOMETHING_NEW"])
def test_a_job_that_may_still_run_is_live(fake_slurm, slurm: Slurm, state: str) -> None:
    fake_slurm.job("one", state)
    assert slurm.live("one") is not None


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED"])
def test_a_job_that_has_ended_is_not_live(fake_slurm, slurm: Slurm, state: str) -> None:
    fake_slurm.job("one", state)
    assert slurm.live("one") is None


def test_jobs_of_a_name_are_cancelled_and_no_others(fake_slurm, slurm: Slurm) -> None:
    mine, other, over = (
        fake_slurm.job("one", "RUNNING"),
        fake_slurm.job("two", "RUNNING"),
        fake_slurm.job("one", "FAILED"),
    )
    assert slurm.cancel("one")
    assert [fake_slurm.state(number) for number in (mine, other, over)] == ["CANCELLED", "RUNNING", "FAILED"]
    assert not slurm.cancel("one")


def test_a_round_of_questions_is_one_call(fake_slurm) -> None:
    fake_slurm.job("one", "RUNNING")
    slurm = Slurm(fresh_s=1000)
    assert [slurm.newest("one") is not None for _ in range(5)] == [True] * 5
    assert len(fake_slurm.calls("squeue")) == 1


def test_a_job_that_is_younger_than_the_last_answer_is_found(fake_slurm) -> None:
    slurm = Slurm(fresh_s=1000)
    assert slurm.newest("one") is None
    fake_slurm.job("one", "RUNNING")
    assert slurm.newest("one") is not None


def test_a_node_runs_dagster_by_a_python_and_not_by_path() -> None:
    assert dagster_command(["dagster", "api", "execute_step", "x"], "/env/bin/python") == [
        *("/env/bin/python", "-m", "dagster"),
        *("api", "execute_step", "x"),
    ]
