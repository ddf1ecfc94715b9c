"""A Slurm that is none: its three commands, whose jobs are files."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

_FAKE = Path(__file__).with_name("fake_slurm.py")


@dataclass(frozen=True)
class FakeSlurm:
    """The folder of the jobs.

    Attributes:
        folder: holds a file for each job, and those that say what goes wrong.
    """

    folder: Path

    def says(self, name: str, text: str = "") -> None:
        """Let something go wrong; see `fake_slurm`."""
        (self.folder / name).write_text(text)

    def job(self, name: str, state: str, node: str = "n1", reason: str = "None") -> int:
        """A job that is there already; its number."""
        number = len(self.names()) + 1
        job = {"name": name, "state": state, "node": node, "reason": reason}
        (self.folder / f"{number}.json").write_text(json.dumps(job))
        return number

    def names(self) -> list[str]:
        """Names of all jobs, in order of number."""
        paths = sorted(self.folder.glob("*.json"), key=lambda path: int(path.stem))
        return [json.loads(path.read_text())["name"] for path in paths]

    def state(self, number: int) -> str:
        """State of a job."""
        return str(json.loads((self.folder / f"{number}.json").read_text())["state"])

    def calls(self, program: str) -> list[list[str]]:
        """Arguments of every call of a program."""
        lines = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").is_file() else []
        return [call[1:] for call in map(json.loads, lines) if call[0] == program]


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """Slurm's commands come first on PATH."""
    programs, jobs = tmp_path / "bin", tmp_path / "jobs"
    programs.mkdir()
    jobs.mkdir()
    source = _FAKE.read_text().replace("#!/usr/bin/env python3", f"#!{sys.executable} -S", 1)
    for name in ("sbatch", "squeue", "scancel"):
        (programs / name).write_text(source)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{Path(shutil.which('sh') or '/bin/sh').parent}")
    monkeypatch.setenv("FAKE_SLURM", str(jobs))
    return FakeSlurm(jobs)
