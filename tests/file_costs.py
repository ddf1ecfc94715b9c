"""What every test file costs: its time, printed at the end, and its operations, which have a budget.

An operation is a process started, a run of the graph, or a network trained. They are counted in the process of the
tests; what a started process does is its own. A file that needs more than `BUDGETS` gives it fails the session, on any
machine; seconds are printed and judged by nobody.

Belongs here: counting, the table, the summary. Does not belong here: how a test saves an operation.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Generator
from functools import wraps
from typing import Any, NamedTuple

import pytest


class Budget(NamedTuple):
    """The most operations of a file, counted in the process of the tests.

    Attributes:
        processes: processes started.
        runs: runs of Dagster's graph.
        trainings: networks trained.
    """

    processes: int = 0
    runs: int = 0
    trainings: int = 0


#: Files that mostly wait for servers of their own: they begin first, and others go on beside them.
EARLY = ("tests/assets/test_graphql.py",)
#: For a file that is not in the table: a few operations need no permission. Imports and the first plots start some.
USUAL = Budget(processes=6, runs=2, trainings=4)
#: What is made once for all tests counts where it is made, in whichever file comes first.
SHARED = Budget(processes=20, runs=4, trainings=6)
#: Of the tests of `make test`. A number that goes up needs a reason.
BUDGETS: dict[str, Budget] = {
    # A browser is asked for its version, and prints.
    "tests/platform/reports/test_report_pdf.py": Budget(processes=18),
    "tests/platform/sandbox/test_encoding.py": Budget(processes=12),
    "tests/platform/sandbox/test_worker.py": Budget(processes=24),
    "tests/docs/test_python_page.py": Budget(processes=16, runs=3),
    # Slurm's commands are processes: small ones, of files.
    "tests/assets/executors/test_slurm.py": Budget(processes=50),
    "tests/assets/executors/test_slurm_steps.py": Budget(processes=14),
    "tests/assets/test_hand_over.py": Budget(runs=8),
    "tests/assets/test_event_log.py": Budget(processes=8, runs=6),
    # Runs of processes that were killed at every moment, each made by hand.
    "tests/assets/test_instance.py": Budget(processes=16, runs=14),
    "tests/assets/test_checks.py": Budget(processes=4, runs=3),
    # Runs of assets that do nothing: a cohort is judged by when its run began.
    "tests/assets/test_cohort_follows_screens.py": Budget(runs=6),
    # Each faulty plugin is asked what it declares, and for its result.
    "tests/assets/test_broken_plugins.py": Budget(processes=8, runs=4),
    "tests/assets/test_broken_plugins_of_images.py": Budget(processes=8),
    "tests/assets/test_graph.py": Budget(processes=8),
    "tests/assets/test_image_screen.py": Budget(processes=8, runs=4, trainings=4),
    "tests/assets/test_needy_scorers.py": Budget(processes=4, runs=3),
    # A tick looks at new folders in a process of its own.
    "tests/assets/test_new_screens_sensor.py": Budget(processes=8),
    "tests/assets/test_parameters.py": Budget(processes=4, runs=9),
    "tests/assets/test_plate_correction.py": Budget(processes=4, runs=3),
    "tests/assets/test_quality_gates.py": Budget(processes=4, runs=13),
    "tests/assets/test_readers_in_the_graph.py": Budget(processes=4, runs=4),
    "tests/assets/test_screens_in_a_bucket.py": Budget(processes=8, runs=2),
    "tests/assets/test_skipping.py": Budget(processes=10, runs=6),
    "tests/assets/test_staleness.py": Budget(processes=30, runs=9),
    # What a killed, refused or skipped training leaves is looked at in runs of its own.
    "tests/assets/test_training_process.py": Budget(processes=8, runs=6),
    # A screen that breaks, is mended, edited and made again; every run keeps what its process prints.
    "tests/walks/test_three_walks.py": Budget(processes=34, runs=6),
    "tests/cli/test_hostile_input.py": Budget(processes=8, runs=2),
    "tests/cli/test_plugins_command.py": Budget(processes=12),
    # Two runs of a screen and of its cohort.
    "tests/cli/test_curate_command.py": Budget(processes=24, runs=4),
    "tests/cli/test_run_command.py": Budget(processes=24, runs=4),
    "tests/cli/score/test_options.py": Budget(processes=8),
    "tests/cli/test_screen_remove.py": Budget(processes=20, runs=4),
    "tests/cli/test_sql.py": Budget(processes=24),
    "tests/conformance/test_cohort_of_morphologies.py": Budget(processes=4, trainings=4),
    "tests/docs/test_demo_and_tutorials.py": Budget(processes=20, runs=3, trainings=3),
    "tests/docs/test_plugins_page.py": Budget(processes=4),
    "tests/examples/test_examples.py": Budget(processes=6),
    "tests/platform/sandbox/test_import_trials.py": Budget(processes=14),
    # Each nasty plugin is asked what it declares, and for its result.
    "tests/platform/sandbox/test_nasty_plugins.py": Budget(processes=12),
    "tests/platform/sandbox/test_plugin_process.py": Budget(processes=18),
    "tests/platform/learning/test_adam.py": Budget(processes=4, trainings=24),
    "tests/platform/learning/test_checkpoint.py": Budget(processes=4, trainings=6),
    "tests/platform/learning/test_batches.py": Budget(processes=4, trainings=8),
    # A training that is killed in its pre-training and after it, and gone on from, beside one that is not.
    "tests/platform/learning/test_contrastive.py": Budget(processes=4, trainings=12),
    "tests/platform/learning/test_ensemble.py": Budget(processes=4, trainings=12),
    "tests/platform/learning/test_normalisation.py": Budget(processes=4, trainings=4),
    "tests/platform/learning/test_steps.py": Budget(processes=4, trainings=6),
    "tests/platform/learning/test_training.py": Budget(processes=4, trainings=24),
    "tests/platform/learning/test_transfer_study.py": Budget(processes=4, trainings=18),
    "tests/platform/plots/test_plots.py": Budget(processes=6),
    "tests/platform/settings/test_plugin_choices.py": Budget(processes=24),
    "tests/platform/plugins/test_registry.py": Budget(processes=24),
    "tests/platform/plugins/test_scaffold.py": Budget(processes=4),
    "tests/platform/plates/test_faults.py": Budget(processes=8),
    "tests/platform/plates/test_ingest.py": Budget(processes=16),
    "tests/platform/cohort/test_query_limits.py": Budget(processes=12),
    "tests/platform/plates/test_writers_and_readers.py": Budget(processes=12),
    "tests/platform/io/test_files.py": Budget(processes=24),
    "tests/platform/testing/test_broken_plugins_are_told.py": Budget(processes=12),
    "tests/platform/testing/test_built_in_plugins_keep_the_contract.py": Budget(processes=3, trainings=6),
    # The same layouts by three faces: each is a run.
    "tests/platform/pipeline/test_one_pipeline.py": Budget(processes=8, runs=6),
    "tests/plugins/test_choose_reader.py": Budget(processes=24),
    "tests/plugins/test_cnn_readout.py": Budget(processes=5, trainings=9),
}


class FileCosts:
    """The plugin: counts where tests run, sums where they are reported (with xdist another process)."""

    def __init__(self, judging: bool = True) -> None:
        """Count; without `judging`, as in `make test-slow`, no file is over its budget."""
        self._judging = judging
        self._counted: Counter[str] = Counter()
        self._cpu_s = _cpu_s()
        self._files: defaultdict[str, Counter[str]] = defaultdict(Counter)
        # Not an audit hook: it would be called for every id() and getattr of the whole session.
        self._counting(subprocess.Popen, "__init__", "processes")
        os.register_at_fork(before=self._forks)

    def _forks(self) -> None:
        self._counted["processes"] += 1

    def _counting(self, owner: Any, method: str, name: str) -> None:
        """Count the calls of a method."""
        original = getattr(owner, method)
        if hasattr(original, "counted_as"):
            return

        @wraps(original)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._counted[name] += 1
            return original(*args, **kwargs)

        counted.counted_as = name  # type: ignore[attr-defined]
        setattr(owner, method, counted)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The dearest files first: then no worker is left with one at the end."""
        items.sort(key=lambda item: _place(file_of(item.nodeid)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self) -> None:
        """Both are imported late, or never."""
        if "dagster" in sys.modules:
            self._counting(sys.modules["dagster"].DagsterInstance, "create_run_for_job", "runs")
        if "keras" in sys.modules:
            # A network is compiled once, with a fresh optimiser, before it is trained.
            self._counting(sys.modules["keras"].Model, "compile", "trainings")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A report says what its phase has cost; xdist carries it over."""
        report = yield
        now = _cpu_s()
        report.costs = {**self._counted, "cpu_s": round(now - self._cpu_s, 3)}  # type: ignore[attr-defined]
        self._cpu_s = now
        self._counted.clear()
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum by file."""
        file = self._files[file_of(report.nodeid)]
        file.update(getattr(report, "costs", {}))
        file["wall_s"] += report.duration  # type: ignore[assignment]
        file["tests"] += report.when == "setup"

    def over_budget(self) -> list[str]:
        """One sentence for each operation of which a file needs more than its budget."""
        if not self._judging:
            return []
        return [
            f"{name}: {file[operation]} {operation}, and its budget is {most} (and {shared} of what all share); share "
            f"what is made, use fewer, or give it more in tests/file_costs.py and say why"
            for name, file in sorted(self._files.items())
            for (operation, most), shared in zip(BUDGETS.get(name, USUAL)._asdict().items(), SHARED, strict=True)
            if file[operation] > most + shared
        ]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the session of a file that is over its budget."""
        if self.over_budget() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Files by time, the dearest first."""
        write = terminalreporter.write_line
        files = sorted(self._files.items(), key=lambda item: -item[1]["wall_s"])
        terminalreporter.section("time and operations of test files")
        write(f"{'wall s':>7} {'CPU s':>7} {'tests':>6} {'processes':>9} {'runs':>5} {'trainings':>9}  file")
        for name, file in files:
            counts = f"{file['processes']:9} {file['runs']:5} {file['trainings']:9}"
            write(f"{file['wall_s']:7.1f} {file['cpu_s']:7.1f} {file['tests']:6} {counts}  {name}")
        for sentence in self.over_budget():
            write(f"OVER BUDGET: {sentence}", red=True)


def file_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.partition("::")[0]


def _place(name: str) -> tuple[bool, int]:
    """Where a file comes: the one that waits first, then the dearer before the cheaper, in processes about."""
    budget = BUDGETS.get(name, USUAL)
    return name not in EARLY, -(budget.processes + 2 * budget.runs + budget.trainings)


def _cpu_s() -> float:
    """Processor time of this process and of those it has waited for."""
    return sum(os.times()[:4])
