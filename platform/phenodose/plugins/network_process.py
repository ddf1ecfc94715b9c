"""Networks in a worker, so that their memory goes when they are done with.

A network's job is a function of a module that takes and gives JSON. One worker does all jobs of a run: TensorFlow is
imported once, and only one process holds the GPU. A readout of another distribution has a worker of its own, which can
write into its checkpoints of the screen only, takes so much memory and no more, and is ended when it says nothing for
too long. What its methods raise and give is looked at by the job.

Belongs here: asking jobs, and what comes back on the way. Does not belong here: the jobs, and Dagster
(`phenodose_assets.networks`).
"""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phenodose.errors import InputError, PhenodoseError, ProcessError
from phenodose.plugins.isolation import fault_of, too_much
from phenodose.plugins.registry import Found
from phenodose.progress import Progress, no_progress, say, tell_epoch
from phenodose.sandbox.importing import job_of, name_of
from phenodose.sandbox.messages import BadMessage, HandlerFault
from phenodose.sandbox.worker import LimitReached, Worker, WorkerEnded
from phenodose.settings.environment import TRAINING
from phenodose.settings.plugin_limits import Limits

#: A network's job: what is asked, a progress listener, a log -> the answer; question and answer are JSON.
NetworkJob = Callable[[Mapping[str, Any], Progress, logging.Logger], Mapping[str, Any]]

MODES = ("process", "inline")
DEFAULT_MODE = "process"
#: Ended by these, a process was ended by the system or a person; by others, by a fault of its own.
_FROM_OUTSIDE = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)


@dataclass(frozen=True)
class Guest:
    """A readout of another distribution whose network is at work.

    Attributes:
        found: what is known of the plugin.
        limits: what it may take.
        writable: where its process may write beside its scratch folder.
    """

    found: Found
    limits: Limits
    writable: tuple[Path, ...]


@dataclass
class NetworkProcess:
    """The worker of a run's networks, started when it is first needed.

    Attributes:
        mode: 'process', or 'inline': then jobs run in this process, which suits tests and small networks; those of
            guests never do. None for the default.
    """

    mode: str | None = None
    _worker: Worker | None = field(default=None, init=False)
    _of_guests: dict[str, NetworkProcess] = field(default_factory=dict, init=False)

    @property
    def is_running(self) -> bool:
        """True once a job of our own readouts has started the worker."""
        return self._worker is not None

    def run(
        self,
        job: NetworkJob,
        request: Mapping[str, Any],
        progress: Progress = no_progress,
        log: logging.Logger | None = None,
        guest: Guest | None = None,
    ) -> Mapping[str, Any]:
        """Run a job and wait for its answer.

        Args:
            job: a function of a module.
            request: what it is asked, JSON.
            progress: hears of it as it happens; also of epochs if it is an `EpochListener`.
            log: what the job logs goes there as it happens.
            guest: the readout of another distribution that the job is for; it has a worker of its own.

        Raises:
            InputError: there is no such mode.
            PhenodoseError: as the job raised it, of the same class and with the same message.
            PluginError: the guest's process ended by itself, or reached a limit.
            ProcessError: the process was ended from outside.
            Exception: the job has a bug; the cause tells its traceback.
        """
        mode = self.mode or DEFAULT_MODE
        if mode not in MODES:
            way = " or ".join(MODES)
            raise InputError(f"{TRAINING}={mode!r}: there is no such way; set it to {way}, or leave it out.")
        log = log or logging.getLogger("phenodose")
        # What a job is asked crosses over as JSON, and is the same where nothing crosses.
        request = json.loads(json.dumps(request))
        if guest is not None:
            own = self._of_guests.setdefault(guest.found.name, NetworkProcess())
            return own._ask(job, request, progress, log, guest)
        if mode == "inline":
            return job(request, progress, log)
        return self._ask(job, request, progress, log, None)

    def end(self) -> None:
        """End the worker and those of guests, whatever they are doing."""
        for own in self._of_guests.values():
            own.end()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _ask(
        self,
        job: NetworkJob,
        request: Mapping[str, Any],
        progress: Progress,
        log: logging.Logger,
        guest: Guest | None,
    ) -> Mapping[str, Any]:
        if self._worker is None or not self._worker.is_alive:
            self.end()
            self._worker = Worker(NetworkJobs, None if guest is None else guest.writable)
        asked = json.dumps({"job": name_of(job), "request": request}).encode()

        def hear(content: bytes) -> None:
            kind, answer = _read(content)
            if kind == "log":
                log.log(*answer)
            elif kind == "epoch":
                tell_epoch(progress, *answer)
            elif kind == "say":
                say(progress, *answer)
            else:
                progress(*answer)

        limits = None if guest is None else guest.limits
        seconds = None if limits is None else limits.seconds
        memory = None if limits is None else int(limits.network_memory_GiB * 2**30)
        try:
            return _answer(self._worker.ask(asked, seconds, memory, hear))
        except HandlerFault as raised:
            fault = raised.error()
            if not isinstance(fault, PhenodoseError):
                self.end()
            raise fault from fault.__cause__
        except (LimitReached, WorkerEnded, BadMessage) as error:
            self.end()
            raise _ended(error, guest) from None
        except BaseException:
            self.end()
            raise


def _answer(content: bytes) -> dict[str, Any]:
    """What a job answers."""
    try:
        return dict(json.loads(content))
    except Exception as error:
        raise BadMessage(f"{type(error).__name__}: {error}") from error


def _read(content: bytes) -> tuple[str, tuple[Any, ...]]:
    """What the worker tells: its kind, and the arguments of who hears it."""
    try:
        ((kind, answer),) = json.loads(content).items()
        if kind == "log":
            level, message = answer
            return kind, (int(level), "%s", str(message))
        if kind == "say":
            return kind, (str(answer),)
        done, total, message, *figures = answer
        plain = (int(done), int(total), str(message))
        if kind == "progress" and not figures:
            return kind, plain
        if kind == "epoch":
            return kind, (*plain, {str(name): float(value) for name, value in figures[0].items()})
    except Exception as error:
        raise BadMessage(f"{type(error).__name__}: {error}") from error
    raise BadMessage(f"nothing of the kind {kind!r:.20}")


def _ended(error: LimitReached | WorkerEnded | BadMessage, guest: Guest | None) -> Exception:
    """What is told of a process that was ended, or ended by itself, before its job was done."""
    if isinstance(error, BadMessage):
        what = f"gave something that cannot be read: {error}"
        return RuntimeError(f"the process of the network {what}") if guest is None else fault_of(guest.found, what)
    if isinstance(error, LimitReached):
        assert guest is not None
        setting = "network_memory_GiB" if error.limit == "memory" else "seconds"
        return fault_of(guest.found, too_much(guest.found, guest.limits, setting))
    if error.code is not None and -error.code in _FROM_OUTSIDE:
        # The system ends a process that takes too much memory in this way, and in no other.
        memory = "; if nobody did, the memory ran out: take a smaller batch_size or inference_batch_size"
        return ProcessError(
            f"the process of the network was ended by {error.name}{memory if error.name == 'SIGKILL' else ''}. "
            "The next run goes on from the training's last resume point."
        )
    if guest is not None:
        return fault_of(guest.found, f"ended its process ({error})")
    return RuntimeError(f"the process of the network ended: {error}; what it said last stands in the step's stderr.")


class NetworkJobs:
    """The handler, in the worker: runs a job, and tells its progress and log on the way, all as JSON."""

    def __call__(self, request: bytes, tell: Callable[[bytes], None]) -> bytes:
        """Run the job that a request names.

        Raises:
            Exception: what the job raised.
        """
        asked = json.loads(request)
        answer = job_of(asked["job"])(asked["request"], _Teller(tell), _log(tell))
        return json.dumps(answer).encode()


class _Teller:
    """A progress listener that also hears of epochs and sentences (`phenodose.progress`), and tells the caller."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell

    def __call__(self, done: int, total: int, message: str) -> None:
        self._tell(json.dumps({"progress": [done, total, message]}).encode())

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        numbers = {name: float(value) for name, value in figures.items()}
        self._tell(json.dumps({"epoch": [done, total, message, numbers]}).encode())

    def say(self, sentence: str) -> None:
        self._tell(json.dumps({"say": sentence}).encode())


class _LogTeller(logging.Handler):
    def __init__(self, tell: Callable[[bytes], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(json.dumps({"log": [record.levelno, record.getMessage()]}).encode())


def _log(tell: Callable[[bytes], None]) -> logging.Logger:
    """A logger of its own for each request, known to nobody else."""
    log = logging.Logger("phenodose.networks", logging.DEBUG)
    log.addHandler(_LogTeller(tell))
    return log
