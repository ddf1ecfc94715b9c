"""Materializing a screen from Python: what `phenodose run` and `phenodose demo` do.

Belongs here: running the graph in this process against the Dagster instance that the UI shows, and the
account of what was made, skipped or failed. Does not belong here: printing (the commands).
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from phenodose.errors import InputError, PluginError, StoreError
from phenodose.files import write_text
from phenodose.store import Store
from phenodose_assets.build import SCREEN_JOB, build_definitions, screen_assets
from phenodose_assets.cohort import COHORT_DB
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME
from phenodose_assets.resources import Listener, StepEvent, no_listener
from phenodose_assets.screen_asset import ScreenAsset

_PROCESS_TAG = "phenodose/process"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_INSTANCE = "telemetry:\n  enabled: false\nnux:\n  enabled: false\nconcurrency:\n  pools:\n    default_limit: 1\n"


@dataclass(frozen=True)
class StepFault:
    """Why an asset failed.

    Attributes:
        message: the error.
        mendable: True if the user can mend it, False if it is a bug.
    """

    message: str
    mendable: bool


@dataclass(frozen=True)
class RunOutcome:
    """What became of every asset of a run.

    Attributes:
        run_id: Dagster run id.
        screen: screen id; empty for the cohort.
        made: assets that were made, in order.
        skipped: reason why an asset was not made, by asset.
        failed: fault of every asset that failed.
        seconds: time the run took.
    """

    run_id: str
    screen: str
    made: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, StepFault] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def success(self) -> bool:
        """True if nothing failed; a skipped asset is no failure."""
        return not self.failed

    def raise_if_failed(self) -> None:
        """Raise what failed.

        Raises:
            StoreError: every fault can be mended by the user.
            RuntimeError: at least one is a bug.
        """
        if self.success:
            return
        told = "\n  - ".join(["", *(f"{asset}: {fault.message}" for asset, fault in self.failed.items())])
        message = f"screen {self.screen}: {len(self.failed)} assets failed (run {self.run_id}):{told}"
        if len(self.failed) == 1:
            asset, fault = next(iter(self.failed.items()))
            message = f"{asset} of screen {self.screen} failed: {fault.message}"
        if all(fault.mendable for fault in self.failed.values()):
            raise StoreError(message)
        raise RuntimeError(message)


def materialize_screen(
    store: Store,
    screen_id: str,
    *,
    select: str | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    instance: dg.DagsterInstance | None = None,
    progress: Listener | None = None,
) -> RunOutcome:
    """Make the assets of one registered screen, in this process.

    Args:
        store: where products lie.
        screen_id: a screen registered in the store.
        select: assets to make, separated by commas: keys (`viability/ctg`), groups (`readouts`), or
            Dagster's selection syntax (`viability/ctg+`); default all.
        parameters: parameters by plugin; they win over screen.toml.
        instance: Dagster instance; default the one that the UI of this folder or store shows.
        progress: told of every step.

    Raises:
        InputError: the selection names no asset.
        PluginError: a parameter belongs to no plugin of the graph.
        StoreError: the screen is not registered.
    """
    store.source_of(screen_id)
    assets = screen_assets()
    tracker = _Tracker(progress or no_listener)
    definitions = build_definitions(store=store.root, listener=tracker)
    selected = _select(definitions, assets, select)
    config = {**_QUIET, "ops": _op_config(assets, selected, parameters or {})}
    with _instance(store, instance) as running:
        running.add_dynamic_partitions(SCREEN_PARTITIONS_NAME, [screen_id])
        return _execute(running, definitions, tracker, config, selected, screen_id)


def materialize_cohort(
    store: Store, *, instance: dg.DagsterInstance | None = None, progress: Listener | None = None
) -> RunOutcome:
    """Rebuild the cohort database of a store, in this process."""
    tracker = _Tracker(progress or no_listener)
    definitions = build_definitions(store=store.root, listener=tracker)
    with _instance(store, instance) as running:
        return _execute(running, definitions, tracker, dict(_QUIET), [COHORT_DB], "")


@contextlib.contextmanager
def open_instance(store: Store) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance that keeps the runs: $DAGSTER_HOME, else ./dagster.yaml, else one in the store.

    The first two are what `dagster dev` uses when started in the same folder, so that runs of the command
    line show in its UI. The last is shown by `DAGSTER_HOME=STORE/.dagster dagster dev -m
    phenodose_assets.definitions`.
    """
    if os.environ.get("DAGSTER_HOME"):
        home = Path(os.environ["DAGSTER_HOME"])
        home.mkdir(parents=True, exist_ok=True)
        instance = dg.DagsterInstance.get()
    elif _keeps_runs(Path("dagster.yaml")):
        instance = dg.DagsterInstance.from_config(".")
    else:
        home = store.root / ".dagster"
        if not (home / "dagster.yaml").is_file():
            write_text(home / "dagster.yaml", _INSTANCE)
        instance = dg.DagsterInstance.from_config(str(home))
    with instance:
        yield instance


def _keeps_runs(path: Path) -> bool:
    """Whether a dagster.yaml says where runs are kept; without it they would land beside the file."""
    return path.is_file() and "base_dir" in path.read_text(encoding="utf-8")


@contextlib.contextmanager
def _instance(store: Store, instance: dg.DagsterInstance | None) -> Iterator[dg.DagsterInstance]:
    with contextlib.ExitStack() as stack:
        running = instance if instance is not None else stack.enter_context(open_instance(store))
        _end_dead_runs(running)
        yield running


def _this_process() -> str:
    return f"{platform.node()}:{os.getpid()}"


def _end_dead_runs(instance: dg.DagsterInstance) -> None:
    """End the runs of this command whose process was killed: they would hold their pool's slot for ever."""
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    for run in instance.get_runs(started):
        node, _, process = run.tags.get(_PROCESS_TAG, "").rpartition(":")
        if node == platform.node() and not _is_alive(int(process)):
            instance.report_run_failed(run, f"process {process} was killed; the next command ended the run.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class _Tracker:
    """Hears every step, remembers what became of it, and tells the listener."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.ended: dict[str, StepEvent] = {}

    def __call__(self, event: StepEvent) -> None:
        if event.state in ("made", "skipped", "failed"):
            self.ended[event.asset] = event
        self.listener(event)


def _execute(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    tracker: _Tracker,
    config: dict[str, Any],
    selected: Sequence[str],
    screen: str,
) -> RunOutcome:
    clock = time.monotonic()
    job = definitions.resolve_job_def(SCREEN_JOB) if screen else definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        run_config=config,
        instance=instance,
        partition_key=screen or None,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(key.split("/")) for key in selected],
        tags={_PROCESS_TAG: _this_process()},
    )
    faults = {
        str(event.step_key).split(".")[0].replace("__", "/"): event.step_failure_data
        for event in result.all_events
        if event.is_step_failure
    }
    outcome = RunOutcome(result.run_id, screen, seconds=time.monotonic() - clock)
    for key in selected:
        event = tracker.ended.get(key)
        mendable = _mendable(result.all_events, key)
        if event is not None and event.state == "failed":
            outcome.failed[key] = StepFault(event.message, mendable)
        elif key in faults:
            outcome.failed[key] = StepFault(faults[key].error_display_string, mendable)
        elif event is not None and event.state == "made":
            outcome.made.append(key)
        elif event is not None:
            outcome.skipped[key] = event.message
        else:
            outcome.skipped[key] = ""
    return outcome
