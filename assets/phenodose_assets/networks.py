"""The process of a run's networks (`phenodose.plugins.network_process`) as Dagster's resource, and as a step sees it.

It is started by the first training of a run, and ends with the run (in the UI: with the step, which is a process
itself).

Belongs here: what must know Dagster, and whose code a job runs. Does not belong here: the process and the jobs
(`network_jobs`, `activation_maps`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from phenodose.io.places import is_remote
from phenodose.plugins import Progress, no_progress, plugins_of
from phenodose.plugins.isolation import third_party
from phenodose.plugins.network_process import Guest, NetworkJob, NetworkProcess
from phenodose.plugins.registry import OURS
from phenodose.sandbox.importing import job_of
from phenodose.store.store import Store


@dataclass(frozen=True)
class StepNetworks:
    """The networks' process as a step sees it; see `phenodose.pipeline.context.Networks`."""

    process: NetworkProcess
    context: dg.OpExecutionContext
    store: Store

    @property
    def is_running(self) -> bool:
        """True if a job of this run has started the process."""
        return self.process.is_running

    def __call__(
        self, job: NetworkJob, request: Mapping[str, Any], progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """Run a job and wait for its answer; see `NetworkProcess.run`."""
        guest = guest_of(self.store, self.context.partition_key, request)
        return self.process.run(job, request, progress, self.context.log, guest)


def network_process(mode: str | None) -> dg.ResourceDefinition:
    """The resource: one process a run, or a step where steps are processes; it ends with them."""

    def open_process(_: dg.InitResourceContext) -> Iterator[NetworkProcess]:
        process = NetworkProcess(mode)
        try:
            yield process
        finally:
            process.end()

    return dg.ResourceDefinition(open_process, description="The process in which networks are trained")


def guest_of(store: Store, screen: str, request: Mapping[str, Any]) -> Guest | None:
    """The readout of another distribution whose code a job runs; None where that is ours.

    Args:
        store: the store.
        screen: screen id.
        request: what the job is asked; its `readout` names the class, 'module:name', where a plugin's code is run.
    """
    name = str(request.get("readout", ""))
    if ":" not in name:
        return None
    plugins = plugins_of(store)
    # By its name: a module of another distribution is not imported here.
    theirs = [one for one in plugins.report() if one.target == name and one.distribution.split(" ")[0] != OURS]
    found = theirs[0] if theirs else third_party(job_of(name), plugins)
    if found is None:
        return None
    # The folder of a bucket's copies on this machine; else that of all phases of this readout.
    folder = store.local if is_remote(store.root) else store.checkpoint_dir(screen, found.name, "any").parent
    folder.mkdir(parents=True, exist_ok=True)
    return Guest(found, plugins.limits.for_plugin(found.name), (folder,))
