"""Slurm by its three commands: sbatch, squeue and scancel.

A job is known by its name, which says what it is for, and not by a number that somebody would have to remember: whoever
asks again after a crash, or after an answer of sbatch that never came, finds the job that is there.

Belongs here: the commands and what they answer. Does not belong here: what the jobs do (`slurm_steps`, `slurm_runs`).
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phenodose.errors import StoreError

#: States of a job that has ended, of squeue's manual; any other one, known or not, is of a job that may still run.
ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
        *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
    }
)
#: What Slurm's commands say while the controller cannot be asked; asking again is the remedy.
_PASSING = (
    "unable to contact slurm controller",
    "socket timed out",
    "connection refused",
    "resource temporarily unavailable",
    "zero bytes were transmitted",
    "communication connection failure",
    "connection timed out",
    "slurm backup controller in standby mode",
    "connect failure",
    "slurm temporarily unable to accept job",
)
_ANSWER_S, _PAUSE_S = 60.0, 5.0


class SlurmError(StoreError):
    """Slurm refused, or could not be asked."""


@dataclass(frozen=True)
class Job:
    """A job as squeue shows it.

    Attributes:
        number: Slurm's id of the job.
        name: its name.
        state: its state, in capitals.
        node: the node that it runs or ran on; '' before it starts.
        reason: why it waits or ended, as Slurm says.
    """

    number: int
    name: str
    state: str
    node: str = ""
    reason: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it runs or will run."""
        return self.state in ENDED


@dataclass
class Slurm:
    """Slurm's commands.

    Attributes:
        unreachable_s: how long the controller may be out of reach before it is given up, seconds.
        fresh_s: an answer of squeue serves so long, seconds, so that a round of questions costs one call.
        pause: waits so many seconds.
    """

    unreachable_s: float = 300.0
    fresh_s: float = 5.0
    pause: Callable[[float], None] = time.sleep
    _seen: tuple[float, list[Job]] | None = field(default=None, repr=False)

    def submit(self, name: str, command: Sequence[str], options: Sequence[str] = (), output: Path | None = None) -> Job:
        """Submit a job, unless one of its name waits or runs; either way the job that then stands for it.

        Args:
            name: of the job.
            command: what it runs.
            options: long options of sbatch.
            output: file for what it prints, in which Slurm writes the job's id for %j; None to keep nothing.

        Raises:
            SlurmError: Slurm refused the job, or could not be asked for `unreachable_s`.
        """
        script = f"#!/bin/sh\nexec {shlex.join(command)}\n"
        arguments = [
            *("sbatch", "--parsable", "--no-requeue", f"--job-name={name}", f"--output={output or '/dev/null'}"),
            *options,
        ]
        # Before every try: after an answer of sbatch that did not come, the job may be there all the same.
        answer = self._patiently(arguments, script, unless=lambda: self.live(name))
        if isinstance(answer, Job):
            return answer
        self._seen = None
        number = answer.strip().splitlines()[-1].partition(";")[0] if answer.strip() else ""
        if not number.isdecimal():
            raise SlurmError(f"sbatch answered {answer!r:.200}, where the id of a job was expected.")
        return Job(int(number), name, "PENDING")

    def jobs(self, fresh: bool = False) -> list[Job]:
        """This user's jobs that squeue knows, those that ended a short time ago among them.

        Args:
            fresh: whether an answer of a moment ago will not do.

        Raises:
            SlurmError: squeue fails, or Slurm could not be asked for `unreachable_s`.
        """
        if self._seen is not None and not fresh and time.monotonic() - self._seen[0] < self.fresh_s:
            return self._seen[1]
        answer = self._patiently(["squeue", "--me", "--noheader", "--states=all", "--format=%i|%j|%T|%N|%r"])
        found = [job for line in str(answer).splitlines() if (job := _job(line)) is not None]
        self._seen = (time.monotonic(), found)
        return found

    def live(self, name: str) -> Job | None:
        """The job of a name that waits or runs; None if there is none."""
        return next((job for job in self.jobs(fresh=True) if job.name == name and not job.has_ended), None)

    def newest(self, name: str) -> Job | None:
        """The job of a name that waits or runs, else the one that was submitted last; None if squeue knows none."""
        named = [job for job in self.jobs() if job.name == name]
        if all(job.has_ended for job in named):
            # The answer of a moment ago may be older than the job.
            named = [job for job in self.jobs(fresh=True) if job.name == name]
        return max(named, key=lambda job: (not job.has_ended, job.number), default=None)

    def cancel(self, name: str) -> bool:
        """Cancel the jobs of a name that wait or run; whether there were any.

        Raises:
            SlurmError: scancel fails, or Slurm could not be asked.
        """
        numbers = [str(job.number) for job in self.jobs(fresh=True) if job.name == name and not job.has_ended]
        if not numbers:
            return False
        self._patiently(["scancel", *numbers])
        self._seen = None
        return True

    def _patiently(
        self, arguments: Sequence[str], stdin: str = "", unless: Callable[[], Job | None] = lambda: None
    ) -> str | Job:
        """What a command answers, asked again while Slurm is out of reach; or the job that makes asking needless."""
        until = time.monotonic() + self.unreachable_s
        while True:
            if (job := unless()) is not None:
                return job
            try:
                return _ask(arguments, stdin)
            except _Passing as passing:
                if time.monotonic() >= until:
                    gone = f"Slurm was out of reach for {self.unreachable_s:g} s; see whether slurmctld runs."
                    raise SlurmError(f"{arguments[0]}: {passing}; {gone}") from None
                self.pause(_PAUSE_S)


def dagster_command(arguments: Sequence[str], python: str | None) -> list[str]:
    """A command of Dagster's as a node runs it: by a Python whose path is known, and not by what PATH has there.

    Args:
        arguments: the command as Dagster would run it, `... api execute_step ...`.
        python: Python with phenodose on the nodes; None for that of this process.
    """
    return [python or sys.executable, "-m", "dagster", *arguments[list(arguments).index("api") :]]


class _Passing(Exception):
    """Slurm could not be asked now."""


def _ask(arguments: Sequence[str], stdin: str = "") -> str:
    """What a command answers.

    Raises:
        _Passing: the controller could not be asked.
        SlurmError: the command is not there, or refused.
    """
    try:
        done = subprocess.run(
            arguments, input=stdin, capture_output=True, text=True, timeout=_ANSWER_S, errors="replace", check=False
        )
    except FileNotFoundError:
        raise SlurmError(
            f"{arguments[0]} is not on PATH; install Slurm's client (Debian: slurm-client), or set [cluster] "
            'executor = "local" in site.toml.'
        ) from None
    except subprocess.TimeoutExpired:
        raise _Passing(f"no answer in {_ANSWER_S:g} s") from None
    if done.returncode == 0:
        return done.stdout
    said = " ".join((done.stderr or done.stdout).split())
    if any(text in said.lower() for text in _PASSING):
        raise _Passing(said)
    raise SlurmError(f"{arguments[0]}: {said or f'failed with {done.returncode}'}.")


def _job(line: str) -> Job | None:
    """A line of squeue; None for one that is of no single job, as those of arrays."""
    parts = line.strip().split("|")
    if len(parts) != 5 or not parts[0].isdecimal():
        return None
    return Job(int(parts[0]), parts[1], parts[2].upper(), parts[3], parts[4])
