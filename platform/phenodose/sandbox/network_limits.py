"""Networks of other distributions: each readout has a networks' process of its own, with limits and walls.

What holds for every plugin of another distribution (`phenodose.sandbox`) holds for a network as far as a training
allows: its process can write into the screen's checkpoints of this readout only, takes so much memory and no more, and
is ended when it says nothing for too long. What its methods raise and give is looked at in `network_jobs`.

Belongs here: whom it is for, where it may write, and the watch over it. Does not belong here: the process
(`networks`) and the walls (`phenodose.sandbox.isolation`).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phenodose.errors import PluginError
from phenodose.io.places import is_remote
from phenodose.plugins import plugins_of
from phenodose.plugins.registry import Found
from phenodose.sandbox.isolation import memory_of
from phenodose.sandbox.network_worker import job_of
from phenodose.sandbox.plugin_process import fault_of, third_party, too_much
from phenodose.settings.plugin_limits import Limits
from phenodose.store.store import Store


@dataclass
class Guest:
    """A readout of another distribution whose network is at work.

    Attributes:
        found: what is known of the plugin.
        limits: what it may take.
        writable: where its process may write beside its scratch folder.
        heard: when it last told of progress, on the clock of `time.monotonic`.
    """

    found: Found
    limits: Limits
    writable: tuple[Path, ...]
    heard: float = field(default_factory=time.monotonic)

    def look_at(self, process: int) -> None:
        """Raise PluginError if the process has reached a limit."""
        if memory_of(process) > self.limits.network_memory_GiB * 2**30:
            raise self.fault(too_much(self.found, self.limits, "network_memory_GiB"))
        if time.monotonic() - self.heard > self.limits.seconds:
            raise self.fault(too_much(self.found, self.limits, "seconds"))

    def fault(self, what: str) -> PluginError:
        """The error that names the plugin."""
        return fault_of(self.found, what)


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
    found = third_party(job_of(name), plugins)
    if found is None:
        return None
    # The folder of a bucket's copies on this machine; else that of all phases of this readout.
    folder = store.local if is_remote(store.root) else store.checkpoint_dir(screen, found.name, "any").parent
    folder.mkdir(parents=True, exist_ok=True)
    return Guest(found, plugins.limits.for_plugin(found.name), (folder,))


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for what a guest's process writes and nobody keeps."""
    return tempfile.TemporaryDirectory(prefix="phenodose-network-", ignore_cleanup_errors=True)
