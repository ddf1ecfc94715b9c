"""The Dagster instance: where runs of the command line are kept, so that the UI shows them.

Belongs here: choosing and opening the instance. Does not belong here: running anything (`run`), and runs whose process
was killed (`dead_runs`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import yaml

from phenodose.errors import InputError
from phenodose.io.files import write_text
from phenodose.io.locks import locked
from phenodose.io.processes import file_system, is_on_network
from phenodose.store.store import Store
from phenodose_assets.event_log import connections_kept

#: Several processes may open a new instance at once: one makes its databases, the others wait so long.
_LOCK, _WAIT_SECONDS = ".phenodose/instance.lock", 300.0
_SETTINGS = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    default_limit: 1
# There are no automation conditions: no thread that looks for some.
auto_materialize:
  enabled: false
  use_sensors: false
"""
_SETTINGS_FILES = ("dagster.yaml", "dagster.yml")
#: Wins over any dagster.yaml: what is run here tells nobody, and leaves no id or event log of it behind.
_NO_TELEMETRY = {"telemetry": {"enabled": False}}


@contextlib.contextmanager
def open_instance(store: Store) -> Iterator[dg.DagsterInstance]:
    """The instance that keeps the runs: $DAGSTER_HOME, else ./dagster.yaml, else one inside the store.

    Dagster's telemetry is off in all of them: a home without a dagster.yaml gets one that says so, and for a home whose
    own says nothing (or yes) it is off in this process.
    """
    with _opened(instance_home(store)) as instance, connections_kept(instance.event_log_storage):
        yield instance


def instance_home(store: Store) -> Path:
    """The folder of the instance of `open_instance`, with a dagster.yaml in it; `phenodose ui` shows it.

    The first two are what `dagster dev` uses when it is started in the same folder. The last is inside the store, of a
    bucket inside the store's folder on this machine.

    Raises:
        InputError: DAGSTER_HOME is no absolute path, or runs would be kept in SQLite on a file server.
    """
    if os.environ.get("DAGSTER_HOME"):
        home = _given_home(os.environ["DAGSTER_HOME"])
    elif _keeps_runs(Path("dagster.yaml")):
        home = Path()
    else:
        home = store.local / ".dagster"
    _expect_no_file_server(home)
    if not any((home / name).is_file() for name in _SETTINGS_FILES):
        write_text(home / "dagster.yaml", _SETTINGS)
    return home


def _opened(home: Path) -> dg.DagsterInstance:
    """The instance of a folder, with its databases, which only one process at a time may make."""
    lock = home / _LOCK

    def busy(who: str) -> str:
        return (
            f"{home}: {who} has been making the database of runs for {_WAIT_SECONDS:.0f} s; wait until it is done, or "
            "end it."
        )

    with locked(lock, lock, busy, _WAIT_SECONDS):
        # `local_temp` is the public way to open a folder's instance with settings that win over its dagster.yaml.
        instance = dg.DagsterInstance.local_temp(str(home), overrides=_NO_TELEMETRY)
        # They are made when they are first asked for.
        _ = instance.run_storage, instance.event_log_storage, instance.schedule_storage
    return instance


def _expect_no_file_server(home: Path) -> None:
    """Refuse SQLite on a file server, whose locks may not reach other hosts: databases are torn, and runs are lost.

    Raises:
        InputError: the instance's files would lie there.
    """
    folder = _sqlite_folder(home)
    if folder is None or not is_on_network(folder):
        return
    raise InputError(
        f"{folder}: lies on a file server ({file_system(folder)}), where SQLite, in which Dagster keeps its runs, is "
        "not safe; set DAGSTER_HOME to a folder on a disk of this machine (export DAGSTER_HOME=/var/lib/phenodose), or "
        "let its dagster.yaml name PostgreSQL (docs/cluster.md)."
    )


def _sqlite_folder(home: Path) -> Path | None:
    """Where an instance keeps its runs in SQLite; None if its dagster.yaml names another database."""
    path = next((home / name for name in _SETTINGS_FILES if (home / name).is_file()), None)
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) if path else {}
    except (yaml.YAMLError, UnicodeDecodeError):
        # Dagster says what is wrong with it.
        return home
    storage = settings.get("storage") if isinstance(settings, dict) else None
    if not isinstance(storage, dict) or not storage:
        return home
    sqlite = storage.get("sqlite")
    if not isinstance(sqlite, dict):
        return None
    base = sqlite.get("base_dir", "")
    return home / base if isinstance(base, str) else home


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


def _keeps_runs(path: Path) -> bool:
    """Whether a dagster.yaml says where runs are kept; without it they would land beside the file."""
    return path.is_file() and "base_dir" in path.read_text(encoding="utf-8")
