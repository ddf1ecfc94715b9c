"""The budget of operations of test files: it counts, and it fails the session of a file that needs more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest


@pytest.fixture
def plugin(request: pytest.FixtureRequest) -> Any:
    return request.config.pluginmanager.get_plugin("file-costs")


def reported(plugin: Any, file: str, **costs: float) -> Any:
    """A plugin that was told of one test."""
    other = type(plugin)()
    report = SimpleNamespace(nodeid=f"{file}::test_it", when="call", duration=2.0, costs={"cpu_s": 1.0, **costs})
    other.pytest_runtest_logreport(report)
    return other


def test_processes_and_runs_are_counted(plugin: Any) -> None:
    before = dict(plugin._counted)
    subprocess.run([sys.executable, "-c", ""], check=True)
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)

    @dg.job
    def nothing() -> None:
        pass

    plugin.pytest_fixture_setup()
    assert nothing.execute_in_process().success
    assert plugin._counted["processes"] == before.get("processes", 0) + 2
    assert plugin._counted["runs"] == before.get("runs", 0) + 1


@pytest.mark.parametrize(
    ("costs", "over"), [({"processes": 4, "runs": 2}, []), ({"runs": 7}, ["7 runs, and its budget is 2"])]
)
def test_a_file_over_its_budget_fails_the_session(plugin: Any, costs: dict[str, float], over: list[str]) -> None:
    other = reported(plugin, "tests/test_new.py", **costs)
    told = other.over_budget()
    assert len(told) == len(over)
    assert all(f"tests/test_new.py: {said}" in sentence for said, sentence in zip(over, told, strict=True))
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    other.pytest_sessionfinish(session)
    assert session.exitstatus == (pytest.ExitCode.TESTS_FAILED if over else pytest.ExitCode.OK)


def test_every_file_is_shown_with_its_time(plugin: Any) -> None:
    lines: list[str] = []
    terminal = SimpleNamespace(section=lines.append, write_line=lambda line, **_: lines.append(line))
    reported(plugin, "tests/test_new.py", processes=40).pytest_terminal_summary(terminal)
    assert lines[2].split() == ["2.0", "1.0", "0", "40", "0", "0", "tests/test_new.py"]
    assert lines[3].startswith("OVER BUDGET: tests/test_new.py: 40 processes")


def test_the_table_names_files_that_are_there(plugin: Any) -> None:
    budgets = sys.modules[type(plugin).__module__].BUDGETS  # type: ignore[attr-defined]
    root = Path(__file__).parents[1]
    assert [name for name in budgets if not (root / name).is_file()] == []


def test_what_make_test_slow_runs_is_counted_and_not_judged(plugin: Any) -> None:
    other = type(plugin)(judging=False)
    report = SimpleNamespace(nodeid="tests/test_new.py::test_it", when="call", duration=2.0, costs={"runs": 70})
    other.pytest_runtest_logreport(report)
    assert other._files["tests/test_new.py"]["runs"] == 70
    assert other.over_budget() == []
