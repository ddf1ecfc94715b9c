"""The Dagster instance: where runs of the command line are kept, so that the UI shows them.

Belongs here: choosing and opening the instance, and ending runs whose process was killed. Does not belong
here: running anything (`run`).
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from phenodose.io.files import write_text
from phenodose.store.store import Store

#: Run tag that names the process of a run of the command line.
PROCESS_TAG = "phenodose/process"

_SETTINGS = "telemetry:\n  enabled: false\nnux:\n  enabled: false\nconcurrency:\n  pools:\n    default_limit: 1\n"


@contextlib.contextmanager
def open_instance(store: Store) -> Iterator[dg.DagsterInstance]:
    """The instance that keeps the runs: $DAGSTER_HOME, else ./dagster.yaml, else one inside the store.

    The first two are what `dagster dev` uses when it is started in the same folder. The last is shown by
    `DAGSTER_HOME=STORE/.dagster dagster dev -m phenodose_assets.definitions`; of a bucket it is inside the store's
    folder on this machine.
    """
    with contextlib.ExitStack() as stack:
        if os.environ.get("DAGSTER_HOME"):
            Path(os.environ["DAGSTER_HOME"]).mkdir(parents=True, exist_ok=True)
            instance = dg.DagsterInstance.get()
        elif _keeps_runs(Path("dagster.yaml")):
            instance = dg.DagsterInstance.from_config(".")
        else:
            home = store.local / ".dagster"
            if not (home / "dagster.yaml").is_file():
                write_text(home / "dagster.yaml", _SETTINGS)
            instance = dg.DagsterInstance.from_config(str(home))
        yield stack.enter_context(instance)


def this_process() -> str:
    """Computer and process id, as runs are tagged with them."""
    return f"{platform.node()}:{os.getpid()}"


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """End the runs of the command line whose process was killed, and free their pools' slots.

    Such a run stays 'started' for ever, and holds its slot, so that the next run would wait for ever.

    Returns:
        The ids of the runs ended.
    """
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        computer, _, process = run.tags.get(PROCESS_TAG, "").rpartition(":")
        if computer == platform.node() and not _is_alive(int(process)):
            instance.report_run_failed(run, f"Process {process} was killed; the next command ended this run.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def _keeps_runs(path: Path) -> bool:
    """Whether a dagster.yaml says where runs are kept; without it they would land beside the file."""
    return path.is_file() and "base_dir" in path.read_text(encoding="utf-8")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
