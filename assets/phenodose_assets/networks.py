"""Networks in a process of their own, so that their memory goes when they are done with.

A network's job is a function of a module that takes and gives JSON. It runs in a process that the first training of a
run starts, and that ends with the run (in the UI: with the step, which is a process itself). One process for all of a
run's networks: TensorFlow is imported once, and only one process holds the GPU. That is the mode `process`; in the
mode `inline` jobs run in the process of the step, which suits tests and small networks; those of readouts of other
distributions never do (`network_limits`).

Belongs here: the parent's side: starting, asking and ending the process, Dagster Pipes, errors that cross over. Does
not belong here: the child's side (`network_worker`) and the jobs (`network_jobs`, `activation_maps`).
"""

from __future__ import annotations

import builtins
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import dagster as dg
from dagster import (
    PipesFileMessageReader,
    PipesMessageHandler,
    PipesSession,
    PipesTempFileContextInjector,
    PipesTempFileMessageReader,
)
from dagster_pipes import PipesContextData

from phenodose import errors
from phenodose.errors import InputError, PhenodoseError, ProcessError
from phenodose.pipeline.context import NetworkJob
from phenodose.plugins import Progress, no_progress, tell_epoch
from phenodose.sandbox.network_limits import Guest, guest_of, scratch_folder
from phenodose.sandbox.network_worker import DONE, name_of
from phenodose.settings.environment import TRAINING
from phenodose.store.store import Store

MODES = ("process", "inline")
DEFAULT_MODE = "process"
#: Ended by these, a process was ended by the system or a person; by others, by a fault of its own.
#: Seconds in which a process that closed its stdout comes to its end.
_END_S = 20.0
#: Seconds between two looks at the memory and the silence of a guest.
_LOOK_S = 0.2
_FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, *([signal.SIGKILL] if hasattr(signal, "SIGKILL") else []))


@dataclass
class NetworkProcess:
    """The process, started when it is first needed.

    Attributes:
        mode: 'process' or 'inline'; None for the default.
    """

    mode: str | None = None
    _child: subprocess.Popen[str] | None = field(default=None, init=False)
    _scratch: tempfile.TemporaryDirectory[str] | None = field(default=None, init=False)
    _of_guests: dict[str, NetworkProcess] = field(default_factory=dict, init=False)

    @property
    def is_running(self) -> bool:
        """True once a job of our own readouts has started the process."""
        return self._child is not None

    def run(
        self,
        context: dg.OpExecutionContext,
        job: NetworkJob,
        request: Mapping[str, Any],
        progress: Progress = no_progress,
        guest: Guest | None = None,
    ) -> Mapping[str, Any]:
        """Run a job and wait for its answer.

        Args:
            context: the step that asks; what the job logs goes to its log as it happens.
            job: a function of a module.
            request: what it is asked, JSON.
            progress: hears of it as it happens; also of epochs if it is an `EpochListener`.
            guest: the readout of another distribution that the job is for; it has a process of its own.

        Raises:
            PhenodoseError: as the job raised it, of the same class and with the same message.
            PluginError: the guest's process ended by itself, or reached a limit.
            ProcessError: the process was ended from outside.
            Exception: the job has a bug; the cause tells its traceback.
        """
        # What a job is asked crosses over as JSON, and is the same where nothing crosses.
        request = json.loads(json.dumps(request))
        inline = _mode(self.mode) == "inline"
        if guest is not None:
            own = self._of_guests.setdefault(guest.found.name, NetworkProcess())
            return own._run(context, job, request, progress, guest)
        if inline:
            return job(request, progress, context.log)
        return self._run(context, job, request, progress, None)

    def _run(
        self,
        context: dg.OpExecutionContext,
        job: NetworkJob,
        request: Mapping[str, Any],
        progress: Progress,
        guest: Guest | None,
    ) -> Mapping[str, Any]:
        child = self._started(guest)
        reader = _Reader(progress, child.kill, guest, self._scratch.name if self._scratch else None)
        writable = [reader.folder, *map(str, guest.writable)] if guest and reader.folder else []
        asked = {"job": name_of(job), "request": request, "writable": writable}
        with _session(context, reader, asked) as session:
            try:
                is_done = _ask(child, json.dumps(session.get_bootstrap_env_vars()), guest)
            except BaseException:
                self.end()
                raise
        if reader.broken is not None:
            self.end()
            raise reader.broken
        if not is_done or reader.outcome is None:
            with suppress(subprocess.TimeoutExpired):
                child.wait(_END_S)
            self.end()
            raise _ended(child, guest)
        if "fault" in reader.outcome:
            fault = _fault(reader.outcome["fault"])
            if not isinstance(fault, PhenodoseError):
                self.end()
            raise fault
        return dict(reader.outcome["answer"])

    def end(self) -> None:
        """End the process and those of guests, whatever they are doing."""
        for guest in self._of_guests.values():
            guest.end()
        child, self._child = self._child, None
        scratch, self._scratch = self._scratch, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                # What could not be written any more is not missed.
                with suppress(OSError):
                    stream.close()
        if scratch is not None:
            scratch.cleanup()

    def _started(self, guest: Guest | None) -> subprocess.Popen[str]:
        if self._child is not None and self._child.poll() is not None:
            self.end()
        if self._child is None:
            places = [place or str(Path.cwd()) for place in sys.path]
            self._scratch = scratch_folder() if guest else None
            temporary = {"TMPDIR": self._scratch.name} if self._scratch else {}
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "phenodose.sandbox.network_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(places), **temporary},
                encoding="utf-8",
            )
        return self._child


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
        return self.process.run(self.context, job, request, progress, guest)


def network_process(mode: str | None) -> dg.ResourceDefinition:
    """The resource: one process a run, or a step where steps are processes; it ends with them."""

    def open_process(_: dg.InitResourceContext) -> Iterator[NetworkProcess]:
        process = NetworkProcess(mode)
        try:
            yield process
        finally:
            process.end()

    return dg.ResourceDefinition(open_process, description="The process in which networks are trained")


def _mode(mode: str | None) -> str:
    wanted = mode or DEFAULT_MODE
    if wanted not in MODES:
        raise InputError(
            f"{TRAINING}={wanted!r}: there is no such way; set it to {' or '.join(MODES)}, or leave it out."
        )
    return wanted


@contextmanager
def _session(context: dg.OpExecutionContext, reader: _Reader, extras: dict[str, Any]) -> Iterator[PipesSession]:
    """A session of Dagster Pipes.

    `open_pipes_session` would do, but it wants every output of the step, also those that only a failure has.
    """
    data = PipesContextData(
        asset_keys=[key.to_escaped_user_string() for key in sorted(context.selected_asset_keys)],
        code_version_by_asset_key=None,
        provenance_by_asset_key=None,
        partition_key=context.partition_key,
        partition_key_range=None,
        partition_time_window=None,
        run_id=context.run_id,
        job_name=context.job_name,
        retry_number=context.retry_number,
        extras=extras,
    )
    with warnings.catch_warnings():
        # Dagster calls a part of itself that it uses here a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        handler = PipesMessageHandler(context, reader)
    with (
        PipesTempFileContextInjector().inject_context(data) as injected,
        handler.handle_messages() as messages,
    ):
        yield PipesSession(data, handler, injected, messages, context)


def _ask(child: subprocess.Popen[str], order: str, guest: Guest | None) -> bool:
    """Give an order and wait; False if the process ended on the way.

    Raises:
        PluginError: the guest reached a limit.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(f"{order}\n")
        child.stdin.flush()
    except BrokenPipeError:
        return False
    while guest and not select.select([child.stdout], [], [], _LOOK_S)[0]:
        guest.look_at(child.pid)
    return child.stdout.readline() == DONE


class _Reader(PipesTempFileMessageReader):
    """Reads messages, hands progress on as it comes, and keeps the outcome.

    Attributes:
        outcome: {'answer': ...} or {'fault': ...}; None until it has come.
        broken: what the listener raised; the process is ended then.
    """

    def __init__(
        self, progress: Progress, kill: Callable[[], None], guest: Guest | None = None, folder: str | None = None
    ) -> None:
        super().__init__()
        self.progress = progress
        self.kill = kill
        self.guest = guest
        self.folder = folder
        self.outcome: Mapping[str, Any] | None = None
        self.broken: Exception | None = None

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[Any]:
        """See `PipesMessageReader`; the messages come through a file, for a guest where that may write."""
        with TemporaryDirectory(dir=self.folder) as place:
            reader = PipesFileMessageReader(str(Path(place, "messages")))
            with reader.read_messages(cast(Any, _Handler(handler, self))) as parameters:
                yield parameters

    def hear(self, payload: Mapping[str, Any]) -> None:
        """A custom message of the worker."""
        if self.guest is not None:
            self.guest.heard = time.monotonic()
        if "progress" not in payload and "epoch" not in payload:
            self.outcome = payload
        elif self.broken is None:
            try:
                if "progress" in payload:
                    self.progress(*payload["progress"])
                else:
                    tell_epoch(self.progress, *payload["epoch"])
            except Exception as error:
                self.broken = error
                self.kill()


class _Handler:
    """Dagster's handler of messages, save for custom ones, which it only collects until the end."""

    def __init__(self, handler: Any, reader: _Reader) -> None:
        self._handler = handler
        self._reader = reader

    def handle_message(self, message: Mapping[str, Any]) -> None:
        if message["method"] == "report_custom_message":
            self._reader.hear(message["params"]["payload"])
        else:
            self._handler.handle_message(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)


class _Traceback(Exception):
    """The traceback of another process, shown as the cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _fault(told: Mapping[str, Any]) -> Exception:
    """The exception that a job raised: of its own class if that is known here, else of the nearest base."""
    for name in told["classes"]:
        module, _, attribute = name.partition(":")
        known: Any = {"phenodose.errors": errors, "builtins": builtins}.get(module)
        cls = getattr(known, attribute, None)
        if isinstance(cls, type) and issubclass(cls, Exception) and cls is not Exception:
            break
    else:
        cls = RuntimeError
    message = told["message"]
    try:
        fault: Exception = cls(message)
    except TypeError:
        fault = RuntimeError(f"{told['classes'][0].rpartition(':')[2]}: {message}")
    fault.__cause__ = _Traceback(told["traceback"])
    return fault


def _ended(child: subprocess.Popen[str], guest: Guest | None) -> Exception:
    """What is told of a process that ended before its job was done."""
    code = child.returncode
    how = signal.Signals(-code).name if code is not None and code < 0 else f"with code {code}"
    if code is not None and -code in _FROM_OUTSIDE:
        return ProcessError(
            f"the process of the network was ended by {how}; if nobody did, the memory ran out: take a smaller "
            "batch_size or inference_batch_size. The next run goes on from the training's last resume point."
        )
    if guest is not None:
        return guest.fault(f"ended its process ({how.removeprefix('with ')})")
    return RuntimeError(f"the process of the network ended {how}; what it said last stands in the step's stderr.")
