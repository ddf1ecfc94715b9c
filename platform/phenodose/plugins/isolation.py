"""Plugins of other distributions at arm's length: each works in a worker, which cannot hurt the run.

Our own plugins work in the caller's process, as they are tested with it. One of another distribution gets a worker
(`phenodose.sandbox`) with limits of time and memory that can write into a scratch folder only, is given copies of
its inputs, and its results are checked at the door. Whatever goes wrong is one `PluginError` that names the plugin,
its distribution, the fault and the way out.

Belongs here: whom the worker is for, and the caller's side of its calls. Does not belong here: the worker's side
(`isolated_calls`) and what results must look like (`results`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from phenodose.errors import PluginError
from phenodose.io.places import is_remote
from phenodose.plugins.base import Plugin
from phenodose.plugins.declarations import stands_for
from phenodose.plugins.embedders import Embedder, ReferenceEmbedder
from phenodose.plugins.isolated_calls import PluginCalls, Target, as_argument, carried, carried_to_plugins, may_raise
from phenodose.plugins.measures import ExcessMeasure, MatrixMeasure
from phenodose.plugins.readers import Reader
from phenodose.plugins.readouts import ImageReadout, ObjectReadout, PlateReaderReadout, TensorReadout
from phenodose.plugins.registry import KINDS, OURS, Found, Registry, registry
from phenodose.plugins.results import result_fault
from phenodose.plugins.scorers import Scorer
from phenodose.plugins.selective import SelectiveScorer
from phenodose.sandbox.encoding import decode, encode
from phenodose.sandbox.messages import BadMessage, HandlerFault
from phenodose.sandbox.worker import START_SECONDS, LimitReached, Worker, WorkerEnded
from phenodose.settings.plugin_limits import Limits

AnyPlugin = TypeVar("AnyPlugin", bound=Plugin)

#: What is called in the plugin's process, unless it is ours, inherited from the base. Staged readouts are not here:
#: networks have a worker already, which is walled likewise (`phenodose.plugins.network_process`).
METHODS: dict[type[Plugin], tuple[str, ...]] = {
    Scorer: ("score",),
    SelectiveScorer: ("compared_scorer",),
    ExcessMeasure: ("expected", "expected_of_draws"),
    MatrixMeasure: ("value",),
    PlateReaderReadout: ("measure",),
    ImageReadout: ("measure",),
    TensorReadout: ("read",),
    ObjectReadout: ("find_objects", "of_objects"),
    Embedder: ("embed", "n_components"),
    ReferenceEmbedder: ("embed_on",),
    Reader: ("sniff", "index", "read_plane", "in_place", "acquisition", "plate_metadata", "advice"),
}
#: Setting that limits a single call of a method; the others share the seconds of their plugin.
_OF_A_CALL = {"sniff": "sniff_seconds", "read_plane": "seconds"}
#: Plugins whose process stays for the next call, see `shared_sandbox`.
_KEPT: dict[tuple[Any, ...], Plugin] = {}
_KEEPING = threading.Lock()


def sandboxed(plugin: type[AnyPlugin], parameters: Mapping[str, Any], plugins: Registry) -> AnyPlugin:
    """The plugin with these parameters; the methods of one of another distribution are run in a process of its own.

    Args:
        plugin: the class.
        parameters: its parameters.
        plugins: what is installed, and what plugins of other distributions may take.

    Returns:
        An instance of the class, or of a subclass of it whose methods ask that process and raise PluginError for
        every fault; NotMade, and InputError of a reader, where the plugin does.

    Raises:
        PluginError: a parameter is unknown, of the wrong type or out of range.
    """
    methods = {
        name: getattr(plugin, name)
        for base, names in METHODS.items()
        if issubclass(plugin, base)
        for name in names
        if getattr(plugin, name) is not getattr(base, name)
    }
    found = third_party(plugin, plugins) if methods else None
    if found is None:
        return plugins.make(plugin, parameters)
    remote: dict[str, Any] = {name: remote_method(name) for name in methods}
    named = {"__module__": plugin.__module__, "__qualname__": plugin.__qualname__, "__doc__": plugin.__doc__}
    body = {**named, **remote, "__init__": Plugin.__init__}
    proxy: AnyPlugin = type(plugin.__name__, (plugin,), body)(parameters)
    vars(proxy)["_process"] = PluginProcess(found, proxy.parameters.model_dump(), plugins)
    return proxy


def shared_sandbox(plugin: type[AnyPlugin], parameters: Mapping[str, Any], plugins: Registry) -> AnyPlugin:
    """As `sandboxed`, with one process for all that this Python process asks of the plugin, and its whole time anew.

    For plugins that are asked about many small things: a reader about every folder, a scorer about every sample.

    Args:
        plugin: the class.
        parameters: its parameters.
        plugins: what is installed, and what plugins of other distributions may take.
    """
    if third_party(plugin, plugins) is None:
        return plugins.make(plugin, parameters)
    # A process cannot be shared with a fork of this one.
    key = (os.getpid(), plugin, repr(sorted(parameters.items())), plugins.choices, plugins.limits)
    with _KEEPING:
        kept = _KEPT.get(key) or _KEPT.setdefault(key, sandboxed(plugin, parameters, plugins))
    renew(kept)
    return cast(AnyPlugin, kept)


def renew(plugin: Plugin) -> None:
    """Give a plugin its whole time again, if its methods are run in a process of its own."""
    if is_sandboxed(plugin):
        vars(plugin)["_process"].renew()


def is_sandboxed(plugin: Plugin) -> bool:
    """True if the plugin's methods are run in a process of its own."""
    return "_process" in vars(plugin)


def third_party(plugin: type[Plugin], plugins: Registry) -> Found | None:
    """What is known of an installed plugin of another distribution; None for every other class."""
    target = stands_for(plugin)
    for found in plugins.report():
        if found.name == plugin.name and issubclass(plugin, KINDS[found.kind]):
            if target is not None and found.target == target:
                return found
            theirs = not found.error and found.distribution.split(" ")[0] != OURS
            with contextlib.suppress(PluginError):
                if theirs and plugins.get(found.kind, found.name) is plugin:
                    return found
    if target is not None:
        # Of a registry that knew more than this one.
        kind = next(kind for kind, base in KINDS.items() if issubclass(plugin, base))
        return Found(kind, plugin.name, "another distribution", target)
    return None


def fault_of(found: Found, what: str) -> PluginError:
    """The error that names a plugin, what is wrong with it, and the way out."""
    return PluginError(
        f"{found.kind} {found.name!r} of {found.distribution} ({found.target}) {what}. Mend or uninstall that "
        f"distribution, then make this again; nothing else has to be."
    )


def remote_method(method: str) -> Callable[..., Any]:
    """A method that asks the plugin's process."""

    def call(self: Any, *arguments: Any) -> Any:
        # The process works in its scratch folder, where a relative path names something else.
        placed = (one.absolute() if isinstance(one, Path) and not is_remote(one) else one for one in arguments)
        return _process_of(self).call(method, tuple(placed))

    call.__name__ = method
    return call


def _process_of(plugin: Plugin) -> PluginProcess:
    """The process of a plugin; one that was made without its own gets it when it is first asked."""
    held = vars(plugin)
    if "_process" not in held:
        plugins = held.get("_registry") or registry()
        found = third_party(type(plugin), plugins)
        assert found is not None
        held["_process"] = PluginProcess(found, plugin.parameters.model_dump(), plugins)
    process: PluginProcess = held["_process"]
    return process


class PluginProcess:
    """The worker of one plugin, started by the first call and ended with this object, or by a fault."""

    def __init__(self, found: Found, parameters: Mapping[str, Any], plugins: Registry) -> None:
        self._found = found
        self._site = plugins.choices, plugins.limits
        self._parameters = parameters
        self._limits = plugins.limits.for_plugin(found.name)
        self.renew()
        self._lock = threading.Lock()
        self._given_up: PluginError | None = None
        self._calls = 0
        self._worker: Worker | None = None
        self._memory_at_first = 0

    def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        """Run a method of the plugin on copies of the arguments.

        Raises:
            PluginError: the plugin failed, took too long or too much, or gave what it must not.
            PhenodoseError: what the plugin may raise by its contract, as it raised it.
        """
        with self._lock:
            if self._given_up is not None:
                raise self._given_up
            try:
                return self._checked(method, arguments)
            except BaseException as error:
                if self._worker is not None:
                    self._worker.end()
                self._worker = None
                if isinstance(error, _TooMuch):
                    # It costs its limit once, not at every folder or sample.
                    self._given_up = error
                raise

    def renew(self) -> None:
        """Give the plugin its whole time again."""
        self._seconds_left = self._limits.seconds

    def _checked(self, method: str, arguments: tuple[Any, ...]) -> Any:
        worker = self._worker or self._started()
        setting = _OF_A_CALL.get(method, "seconds")
        whole = method in _OF_A_CALL
        clock = time.monotonic()
        seconds = getattr(self._limits, setting) if whole else self._seconds_left
        answer = self._ask(worker, self._request(method, arguments), seconds, setting)
        if not whole:
            self._seconds_left -= time.monotonic() - clock
        try:
            result, opaque = decode(answer, carried())
        except ValueError as error:
            raise self._fault(f"gave something that cannot be read: {error}") from error
        if fault := result_fault(method, arguments, result, self._calls == 0):
            raise self._fault(fault)
        if opaque:
            raise self._fault(f"gave something that cannot be handed on: an object of {opaque}")
        self._calls += 1
        return result

    @staticmethod
    def _request(method: str, arguments: tuple[Any, ...]) -> bytes:
        return encode([method, [as_argument(one) for one in arguments]], carried_to_plugins(), strict=True)

    def _started(self) -> Worker:
        worker = self._worker = Worker(PluginCalls, writable=())
        memory = int(self._limits.memory_GiB * 2**30)
        self._memory_at_first = 0
        choices, limits = (one.model_dump(mode="json", exclude_unset=True) for one in self._site)
        target = Target(self._found.kind, self._found.target, dict(self._parameters), memory, choices, limits)
        self._ask(worker, encode(target), max(START_SECONDS, self._limits.seconds), "seconds")
        self._memory_at_first = worker.memory()
        return worker

    def _ask(self, worker: Worker, request: bytes, seconds: float, setting: str) -> bytes:
        memory = self._memory_at_first + int(self._limits.memory_GiB * 2**30)
        try:
            return worker.ask(request, seconds, memory)
        except LimitReached as error:
            reached = "memory_GiB" if error.limit == "memory" else setting
            raise _TooMuch(str(self._fault(too_much(self._found, self._limits, reached)))) from None
        except WorkerEnded as error:
            raise self._fault(f"ended its process ({error})") from error
        except HandlerFault as error:
            raised = error.error()
            if isinstance(raised, may_raise(self._found.kind)):
                raise raised from None
            raise self._fault(error.message) from error
        except BadMessage as error:
            raise self._fault(f"gave something that cannot be read: {error}") from error

    def _fault(self, what: str) -> PluginError:
        return fault_of(self._found, what)


class _TooMuch(PluginError):
    """A plugin reached a limit."""


def too_much(found: Found, limits: Limits, setting: str) -> str:
    """What is told of a plugin that reached a limit: which, and how it is raised."""
    value = f"{getattr(limits, setting):g}"
    if setting.endswith("GiB"):
        text = f"takes too much memory: it was ended at {value} GiB; more"
    else:
        text = f"takes too long: it was ended after {value} s; a longer time"
    return f"{text} is given by `{setting}` in the table [plugin_limits.of.{found.name}] of site.toml"
