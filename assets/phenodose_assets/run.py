"""Materializing a screen from Python: what `phenodose run` and `phenodose demo` do.

Belongs here: running the graph in this process, and the account of what was made, skipped or failed.
Does not belong here: where runs are kept (`instance`), and printing (the commands).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import dagster as dg
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from phenodose import errors
from phenodose.errors import InputError, PhenodoseError, PluginError, StoreError
from phenodose.io.machine_faults import machine_fault_in
from phenodose.plugins import KINDS, Registry, plugins_of
from phenodose.store.store import Store
from phenodose_assets.assets.cohort import COHORT_DB, COHORT_REPORT
from phenodose_assets.build import SCREEN_JOB, build_definitions, external_of, screen_assets
from phenodose_assets.dead_runs import end_dead_runs, tagged
from phenodose_assets.external import new_observations
from phenodose_assets.graph.screen_asset import ScreenAsset
from phenodose_assets.instance import open_instance
from phenodose_assets.partitions import SCREEN_PARTITIONS_NAME
from phenodose_assets.resources import Listener, StepEvent, no_listener

_COHORT = (COHORT_DB, COHORT_REPORT)
_INTERRUPTS = (dg.DagsterExecutionInterruptedError.__name__, KeyboardInterrupt.__name__)
_QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


class AssetBug(RuntimeError):
    """An asset failed for a reason that the user cannot mend."""


@dataclass(frozen=True)
class StepFault:
    """Why an asset failed.

    Attributes:
        message: the error.
        mendable: True if the user can mend it, False if it is a bug.
        details: for a bug, the lines that say where.
    """

    message: str
    mendable: bool
    details: str = ""


@dataclass(frozen=True)
class RunOutcome:
    """What became of every asset of a run.

    Attributes:
        run_id: Dagster run id.
        screen: screen id; empty for the cohort.
        made: assets that were made, in the order of the pipeline.
        skipped: reason why an asset was not made, by asset.
        failed: fault of every asset that failed.
        notes: sentences on what was left out, shared or doubtful, in the order of the pipeline.
        seconds: time the run took.
    """

    run_id: str
    screen: str
    made: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, StepFault] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def success(self) -> bool:
        """True if nothing failed; a skipped asset is no failure."""
        return not self.failed

    def raise_if_failed(self) -> None:
        """Raise what failed, in one message.

        Raises:
            StoreError: every fault can be mended by the user.
            AssetBug: at least one is a bug.
        """
        if self.success:
            return
        lines = [f"{asset}: {fault.message}" for asset, fault in self.failed.items()]
        what = f"screen {self.screen}" if self.screen else "the cohort"
        message = f"{what}: {lines[0]}" if len(lines) == 1 else "\n  - ".join([f"{what}: {len(lines)} faults:", *lines])
        if all(fault.mendable for fault in self.failed.values()):
            raise StoreError(message)
        details = next((fault.details for fault in self.failed.values() if fault.details), "")
        raise AssetBug(f"{message}\n\n{details}".rstrip())


class Graph:
    """The graph of a store, built once for several runs of one command.

    Attributes:
        listener: is told of every step of a run.
    """

    def __init__(self, store: Store, training: str | None = None) -> None:
        self.listener: Listener = no_listener
        self._store, self._training = store, training

    @cached_property
    def definitions(self) -> dg.Definitions:
        """Built when first asked for: a folder that is refused at the door needs none."""
        return build_definitions(
            store=self._store,
            listener=lambda event: self.listener(event),
            training=self._training,
            tried_again=False,
            # All steps share this process: what they hand on need not leave it.
            resources={"io_manager": dg.mem_io_manager},
        )


def materialize_screen(
    store: Store,
    screen_id: str,
    *,
    select: str | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    instance: dg.DagsterInstance | None = None,
    progress: Listener | None = None,
    training: str | None = None,
    graph: Graph | None = None,
) -> RunOutcome:
    """Make the assets of one registered screen, in this process.

    Args:
        store: where products lie.
        screen_id: a screen registered in the store.
        select: assets to make, separated by commas: keys (`viability/ctg`), groups (`viability`), or
            Dagster's selection syntax (`viability/ctg+`); default all.
        parameters: parameters by plugin (or by settings table of screen.toml); they win over screen.toml.
        instance: Dagster instance; default the one that the UI of this folder or store shows.
        progress: told of every step.
        training: where networks are trained, 'process' or 'inline'; default a process.
        graph: the store's graph, if it is built already; it knows where networks are trained.

    Raises:
        InputError: the selection names no asset.
        PluginError: a parameter belongs to nothing in the graph.
        StoreError: the screen is not registered.
        KeyboardInterrupt: the user ended the run; what was made is kept.
    """
    store.source_of(screen_id)
    assets = screen_assets(plugins_of(store))
    tracker = _Tracker(progress or no_listener)
    graph = graph or Graph(store, training)
    graph.listener = tracker
    selected = _select(assets, graph, select, plugins_of(store))
    chosen = [asset for asset in assets if asset.key in selected]
    ops = _op_config(chosen, assets, parameters or {})
    with _running_instance(store, instance) as (running, tags):
        running.add_dynamic_partitions(SCREEN_PARTITIONS_NAME, [screen_id])
        for observation in new_observations(running, store, store.source_of(screen_id), external_of(assets)):
            running.report_runless_asset_event(observation)
        job = graph.definitions.resolve_job_def(SCREEN_JOB)
        return _execute(running, job, tracker, ops, chosen, _in_vain(store, screen_id, chosen), screen_id, tags)


def materialize_cohort(
    store: Store,
    *,
    instance: dg.DagsterInstance | None = None,
    progress: Listener | None = None,
    graph: Graph | None = None,
) -> RunOutcome:
    """Rebuild the cohort database and report of a store, in this process."""
    clock = time.monotonic()
    graph = graph or Graph(store)
    graph.listener = progress or no_listener
    with _running_instance(store, instance) as (running, tags):
        result = graph.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"loggers": _QUIET},
            instance=running,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in _COHORT],
            tags=tags,
        )
    faults = _step_failures(result)
    return RunOutcome(
        result.run_id,
        screen="",
        made=[name for name in _COHORT if name not in faults],
        failed=faults,
        seconds=time.monotonic() - clock,
    )


def selected_keys(store: Store, select: str | None, graph: Graph | None = None) -> set[str]:
    """Keys of the assets of a screen of a store that a selection names; all if it is None.

    Raises:
        InputError: an item of the selection names no asset of a screen.
    """
    assets = screen_assets(plugins_of(store))
    if select is None:
        return {asset.key for asset in assets}
    return _select(assets, graph or Graph(store), select, plugins_of(store))


def _select(assets: Sequence[ScreenAsset], graph: Graph, select: str | None, plugins: Registry) -> set[str]:
    keys = {asset.key for asset in assets}
    if select is None:
        return keys
    groups = {asset.group for asset in assets}
    chosen: set[str] = set()
    for item in (part.strip() for part in select.split(",")):
        if item in groups:
            found = {asset.key for asset in assets if asset.group == item}
        elif item in keys:
            found = {item}
        else:
            try:
                selection = dg.AssetSelection.from_string(item)
                resolved = selection.resolve(graph.definitions.resolve_asset_graph())
                found = {key.to_user_string() for key in resolved} & keys
            except dg.DagsterError:
                found = set()
        if not found:
            by_choice = [f"{kind}:{name}" for kind in KINDS for name in plugins.not_enabled(kind)]
            if wanted := [label for label in by_choice if label.partition(":")[2] in item.split("/")]:
                raise InputError(
                    f"--select {item!r}: this plugin is used by choice; write [plugins] enable = {wanted} into the "
                    "store's site.toml."
                )
            raise InputError(
                f"--select {item!r} names no asset of a screen; groups are {', '.join(sorted(groups))}; "
                f"assets are {', '.join(sorted(keys))}."
            )
        chosen |= found
    return chosen


def _in_vain(store: Store, screen: str, selected: Sequence[ScreenAsset]) -> set[str]:
    """Assets that need what this screen surely lacks: they need not be started to be skipped.

    A metabolic screen has no images, and half of the graph is made from images. What is lacking itself is started, so
    that the UI shows why.
    """
    lacking = {asset.key for asset in selected if asset.lacks is not None and asset.lacks(store, screen)}
    vain: set[str] = set()
    before = -1
    while len(vain) > before:
        before, gone = len(vain), lacking | vain
        for asset in selected:
            if not gone.isdisjoint(asset.needs) or (asset.any_of and gone.issuperset(asset.any_of)):
                vain.add(asset.key)
    return vain


def _op_config(
    selected: Sequence[ScreenAsset], assets: Sequence[ScreenAsset], parameters: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The run configuration that gives every selected asset the parameters of its plugin.

    Raises:
        PluginError: a name is no plugin of the graph, or a plugin has no such parameter or refuses the value.
    """
    known = {name: model for asset in assets for name, model in asset.settings}
    for name, values in parameters.items():
        model = known.get(name)
        if model is None:
            raise PluginError(
                f"parameters of {name!r}: there is no such plugin in the graph; there are {', '.join(known)}."
            )
        for key, value in values.items():
            if key not in model.model_fields:
                names = ", ".join(model.model_fields) or "none"
                raise PluginError(f"{name}.{key}: {name} has no such parameter; its parameters are: {names}.")
            _check_value(f"{name}.{key}", model.model_fields[key], value)
    ops: dict[str, Any] = {}
    for asset in selected:
        config = {key: value for name, _ in asset.settings for key, value in parameters.get(name, {}).items()}
        if config:
            if asset.batch:
                ops.setdefault(asset.batch, {"config": {}})["config"][asset.node_name] = config
            else:
                ops[asset.node_name] = {"config": config}
    return ops


def _check_value(name: str, field: FieldInfo, value: Any) -> None:
    """Raise PluginError unless the value is one that the parameter may have."""
    try:
        TypeAdapter(Annotated[(field.annotation, field)]).validate_python(value)
    except ValidationError as error:
        raise PluginError(f"{name}={value}: {error.errors()[0]['msg']} ({field.description}).") from error


@contextlib.contextmanager
def _running_instance(
    store: Store, instance: dg.DagsterInstance | None
) -> Iterator[tuple[dg.DagsterInstance, dict[str, str]]]:
    """The instance, without the runs of dead processes, and the tags of this process's own."""
    with contextlib.ExitStack() as stack:
        running = instance if instance is not None else stack.enter_context(open_instance(store))
        end_dead_runs(running)
        yield running, stack.enter_context(tagged(running))


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
    job: dg.JobDefinition,
    tracker: _Tracker,
    ops: Mapping[str, Any],
    selected: Sequence[ScreenAsset],
    vain: set[str],
    screen: str,
    tags: Mapping[str, str],
) -> RunOutcome:
    clock = time.monotonic()
    started = {asset.batch or asset.node_name for asset in selected if asset.key not in vain}
    result = job.execute_in_process(
        run_config={"loggers": _QUIET, "ops": {name: form for name, form in ops.items() if name in started}},
        instance=instance,
        partition_key=screen,
        raise_on_error=False,
        asset_selection=[asset.asset_key for asset in selected if asset.key not in vain],
        tags=dict(tags),
    )
    broken = _step_failures(result)
    outcome = RunOutcome(result.run_id, screen, seconds=time.monotonic() - clock)
    for asset in selected:
        event = tracker.ended.get(asset.key)
        if event is not None and event.state == "failed":
            outcome.failed[asset.key] = StepFault(event.message, event.mendable, event.details)
        elif event is not None and event.state == "made":
            outcome.made.append(asset.key)
            outcome.notes.extend(note for note in event.notes if note not in outcome.notes)
        elif event is None and (asset.batch or asset.node_name) in broken:
            outcome.failed[asset.key] = broken[asset.batch or asset.node_name]
        elif event is not None:
            outcome.skipped[asset.key] = event.message
        else:
            # Nothing of the run tells why a step was not started; so its asset does.
            outcome.skipped[asset.key] = reason = _missing_upstream(asset, outcome)
            told = dg.AssetObservation(asset.asset_key, partition=screen, metadata={"skipped": reason})
            instance.report_runless_asset_event(told)
    return outcome


def _step_failures(result: dg.ExecuteInProcessResult) -> dict[str, StepFault]:
    """Every failed step, by the asset's node; what failed outside a make-function is a bug unless it says the remedy.

    Raises:
        KeyboardInterrupt: the user ended the run.
    """
    raised = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    # Between two steps it ends the run and no step.
    raised += [event.job_failure_data.error for event in result.all_events if event.is_job_failure]
    if any(error is not None and error.cls_name in _INTERRUPTS for error in raised):
        raise KeyboardInterrupt
    return {str(event.step_key).split(".")[0]: _fault(event) for event in result.all_events if event.is_step_failure}


def _fault(event: dg.DagsterEvent) -> StepFault:
    failure = event.step_failure_data
    cause = failure.error.cause if failure.error is not None else None
    if cause is not None and issubclass(getattr(errors, cause.cls_name or "", object), PhenodoseError):
        # Dagster writes the class before the message.
        return StepFault(cause.message.partition(": ")[2].strip(), mendable=True)
    text = failure.error_display_string.strip()
    if told := machine_fault_in(text, "the folder of Dagster's runs or the store"):
        return StepFault(str(told), mendable=True)
    return StepFault(text, mendable=False)


def _missing_upstream(asset: ScreenAsset, outcome: RunOutcome) -> str:
    """Why Dagster did not start a step: what it needs was not made in this run."""
    gone = [key for key in asset.needs if key in outcome.skipped or key in outcome.failed]
    if gone:
        return f"needs {' and '.join(gone)}"
    return f"needs one of {', '.join(asset.any_of)}"
