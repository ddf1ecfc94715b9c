"""A process is told from others of its id, and seen to be gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from phenodose.io import processes
from phenodose.io.processes import Process, ended, forget, life


def test_a_process_of_the_same_id_that_began_at_another_time_is_another() -> None:
    this = Process.this()
    assert Process.read(this.text()) == this
    assert this.is_gone() is False
    if this.began:
        assert this._replace(began="1").is_gone()


def test_what_cannot_be_seen_from_here_is_not_said_to_be_gone() -> None:
    this = Process.this()
    others = [this._replace(computer="another"), this._replace(boot="another"), this._replace(numbers="another")]
    assert [one.is_gone() for one in others] == [None, None, None]
    assert Process.read("no process") is None


def test_a_killed_process_leaves_a_lock_that_is_free(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from phenodose.io.processes import life\n"
        "with life(Path(sys.argv[1])) as name:\n"
        "    print(name, flush=True); sys.stdin.read(); os._exit(9)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    # From a container, say, where the ids of other processes mean nothing.
    process = Process.this()._replace(number=other.pid, numbers="another")
    assert ended(tmp_path, name, process) is False
    other.communicate()
    assert ended(tmp_path, name, process) is True
    forget(tmp_path, name)
    assert list(tmp_path.iterdir()) == []
    assert ended(tmp_path, name, process) is None


def test_a_free_lock_on_a_file_server_says_nothing_of_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Process.this()._replace(computer="another", boot="another")
    (tmp_path / ("0" * 32)).touch()
    monkeypatch.setattr(processes, "is_of_one_machine", lambda folder: False)
    assert ended(tmp_path, "0" * 32, elsewhere) is None
    monkeypatch.setattr(processes, "is_of_one_machine", lambda folder: True)
    assert ended(tmp_path, "0" * 32, elsewhere) is True


def test_a_life_leaves_nothing(tmp_path: Path) -> None:
    with life(tmp_path) as name:
        assert ended(tmp_path, name) is False
    assert list(tmp_path.iterdir()) == []
