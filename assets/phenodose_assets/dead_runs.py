"""Runs whose process is gone: found, and ended, so that they hold up nobody.

A run of the command line is tagged with its process. One that was killed, at whatever moment, stays 'not started' or
'started' for ever, and holds its places in Dagster's pools, so that others would wait for ever.

Belongs here: tagging runs, and ending those of dead processes. Does not belong here: where runs are kept (`instance`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from phenodose.io.processes import Process, ended, forget, is_alive, life

#: Run tags that name the process of a run of the command line: 'computer:id' for people; what tells it from others of
#: that id; and the lock that it holds as long as it lives.
PROCESS_TAG = "phenodose/process"
_IDENTITY_TAG = "phenodose/process_identity"
_LIFE_TAG = "phenodose/process_lock"
#: A run that nobody tagged (of the UI) and that was not started after so long never will be, seconds.
_MOST_BEFORE_START = 600.0
#: Statuses of a run that has a process, or should have one; and of every run that is not over.
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
NOT_OVER = [dg.DagsterRunStatus.QUEUED, *UNFINISHED]


@contextmanager
def tagged(instance: dg.DagsterInstance) -> Iterator[dict[str, str]]:
    """The tags of runs of this process, which is seen to be alive while the block runs."""
    this = Process.this()
    tags = {PROCESS_TAG: f"{this.computer}:{this.number}", _IDENTITY_TAG: this.text()}
    folder = _lives(instance)
    if folder is None:
        yield tags
        return
    with life(folder) as name:
        yield {**tags, _LIFE_TAG: name}


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """End the runs of the command line whose process is gone, and free the pools' slots of runs that are over.

    Returns:
        The ids of the runs ended.
    """
    folder = _lives(instance)
    over, locks = [], set()
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if why := _why_dead(run, folder, record.create_timestamp.timestamp()):
            instance.report_run_failed(run, f"{why}; the next command ended this run.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            over.append(run.run_id)
            locks.add(run.tags.get(_LIFE_TAG, ""))
    # One process may have several runs, so none is forgotten before all are ended.
    for name in locks:
        if folder is not None:
            forget(folder, name)
    _free_slots(instance)
    return over


def _why_dead(run: dg.DagsterRun, folder: Path | None, created: float) -> str:
    """Why a run that is not finished never will be; '' if it may be."""
    tag = run.tags.get(PROCESS_TAG, "")
    if not tag:
        waits = run.status is dg.DagsterRunStatus.NOT_STARTED and time.time() - created > _MOST_BEFORE_START
        return "It was never started" if waits else ""
    number = tag.rpartition(":")[2]
    process = Process.read(run.tags.get(_IDENTITY_TAG, ""))
    name = run.tags.get(_LIFE_TAG, "")
    if name and folder is not None:
        gone = ended(folder, name, process)
    elif process is not None:
        gone = process.is_gone()
    else:
        # Of an older phenodose, which told the id alone.
        this = tag == f"{Process.this().computer}:{number}" and number.isdecimal()
        gone = this and not is_alive(int(number))
    return f"Process {number} was killed" if gone else ""


def _free_slots(instance: dg.DagsterInstance) -> None:
    """Free the slots of pools that are held by runs that are finished, or that are not there any more."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    holders = set(storage.get_concurrency_run_ids())
    for key in storage.get_concurrency_keys():
        holders |= set(storage.get_concurrency_info(key).active_run_ids)
    for holder in holders:
        run = instance.get_run_by_id(holder)
        if run is None or run.is_finished:
            storage.free_concurrency_slots_for_run(holder)


def _lives(instance: dg.DagsterInstance) -> Path | None:
    """The folder of the locks of processes that run; None for an instance that keeps nothing."""
    return None if instance.is_ephemeral else Path(instance.root_directory) / ".phenodose" / "processes"
