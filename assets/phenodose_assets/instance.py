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

from phenodose.errors import InputError
from phenodose.io.files import write_text
from phenodose.store.store import Store

#: Run tag that names the process of a run of the command line.
PROCESS_TAG = "phenodose/process"

_SETTINGS = "telemetry:\n  enabled: false\nnux:\n  enabled: false\nconcurrency:\n  pools:\n    default_limit: 1\n"
_SETTINGS_FILES = ("dagster.yaml", "dagster.yml")
#: Wins over any dagster.yaml: what is run here tells nobody, and leaves no id or event log of it behind.
_NO_TELEMETRY = {"telemetry": {"enabled": False}}


@contextlib.contextmanager
def open_instance(store: Store) -> Iterator[dg.DagsterInstance]:
    """The instance that keeps the runs: $DAGSTER_HOME, else ./dagster.yaml, else one inside the store.

    Dagster's telemetry is off in all of them: a home without a dagster.yaml gets one that says so, and for a home whose
    own says nothing (or yes) it is off in this process.
    """
    # `local_temp` is the public way to open a folder's instance with settings that win over its dagster.yaml.
    with dg.DagsterInstance.local_temp(str(instance_home(store)), overrides=_NO_TELEMETRY) as instance:
        yield instance


def instance_home(store: Store) -> Path:
    """The folder of the instance of `open_instance`, with a dagster.yaml in it; `phenodose ui` shows it.

    The first two are what `dagster dev` uses when it is started in the same folder. The last is inside the store, of a
    bucket inside the store's folder on this machine.
    """
    if os.environ.get("DAGSTER_HOME"):
        home = _given_home(os.environ["DAGSTER_HOME"])
    elif _keeps_runs(Path("dagster.yaml")):
        home = Path()
    else:
        home = store.local / ".dagster"
    if not any((home / name).is_file() for name in _SETTINGS_FILES):
        write_text(home / "dagster.yaml", _SETTINGS)
    return home


def _given_home(text: str) -> Path:
    """The folder that DAGSTER_HOME names; it is made if it is not there.

    Raises:
        InputError: it is a relative path, which Dagster does not take, or it cannot be made.
    """
    home = Path(text).expanduser()
    if not home.is_absolute():
        raise InputError(f"DAGSTER_HOME={text}: is a relative path; Dagster wants an absolute one ({home.resolve()}).")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"DAGSTER_HOME={text}: cannot be made a folder ({error.strerror}); name another.") from error
    return home


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
