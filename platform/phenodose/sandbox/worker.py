"""The caller's side of a worker: start a process, ask it within limits, hear its progress, end it.

A worker answers one request after another. It ends when it is told to, when its `Worker` is gone, when a request is
broken off (Ctrl-C, a limit, a listener that raises), and when the caller is killed.

Belongs here: the process and the watch over it. Does not belong here: the worker's side (`child`), and what requests
and answers say.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from phenodose.sandbox.importing import name_of
from phenodose.sandbox.messages import ANSWER, FAULT, TOLD, BadMessage, HandlerFault
from phenodose.sandbox.process_limits import memory_of
from phenodose.sandbox.supervisor import descendants

#: The start of Python, which is slow on a busy machine, is given this much, whatever the limit of the request.
START_SECONDS = 120.0
_LOOK_SECONDS = 0.05
#: Time of a process that closed its connection to come to its end.
_END_SECONDS = 10.0
#: Bytes of a message at most. What a plugin says of a whole plate of planes takes hundreds of millions.
MOST_BYTES = 1 << 30
_BOOT = (
    "import sys; handle, caller = map(int, sys.argv[1:3]); sys.path[:] = sys.argv[3:]; del sys.argv[1:]; "
    "from phenodose.sandbox.child import main; main(handle, caller)"
)


class WorkerEnded(Exception):
    """The process ended before it answered.

    Attributes:
        code: its exit code, negative for a signal; None if it closed its connection and goes on.
        name: the name of the signal; '' without one.
    """

    def __init__(self, code: int | None) -> None:
        self.code = code
        self.name = "" if code is None or code >= 0 else signal.Signals(-code).name
        how = "closed its connection" if code is None else f"exit code {code}"
        super().__init__(f"signal {self.name}" if self.name else how)


class LimitReached(Exception):
    """The process reached a limit and was ended; `limit` is 'seconds' or 'memory'."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(limit)


class Worker:
    """A process with a handler, started at once; what it prints goes to this process's stderr.

    Attributes:
        scratch: its temporary folder, removed with it; None if it has none of its own.
    """

    def __init__(self, handler: type[Any], writable: Sequence[Path] | None = None, silent: bool = False) -> None:
        """Start the process.

        Args:
            handler: a class of a module; an instance of it is called with the bytes of each request and a function
                that tells bytes on the way, and gives the bytes of the answer.
            writable: the folders that alone it may change, beside a scratch folder that it gets; None for all.
            silent: what it prints goes nowhere.
        """
        self.scratch = None if writable is None else Path(tempfile.mkdtemp(prefix="phenodose-worker-"))
        ours, theirs = Pipe()
        # stdout belongs to the caller's own output.
        error = subprocess.DEVNULL if silent or sys.__stderr__ is None else sys.__stderr__
        # A handler may work in another folder.
        paths = [str(Path(place).absolute()) for place in sys.path]
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()), str(os.getpid()), *paths],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=error,
            stderr=error,
            start_new_session=True,
        )
        theirs.close()
        self._process, self._connection = process, ours
        self._end = weakref.finalize(self, _end, os.getpid(), process, ours, self.scratch)
        start = {
            "handler": name_of(handler),
            "scratch": None if self.scratch is None else str(self.scratch),
            "writable": [str(folder) for folder in writable or ()],
        }
        with contextlib.suppress(OSError):
            ours.send_bytes(json.dumps(start).encode())

    @property
    def is_alive(self) -> bool:
        """True until the process has ended."""
        return self._process.poll() is None

    def memory(self) -> int:
        """Memory that it has in use, bytes; 0 where the system does not tell."""
        # The process that was started watches over the one that works (`supervisor`).
        return memory_of(next(descendants(self._process.pid), self._process.pid))

    def ask(
        self,
        request: bytes,
        seconds: float | None = None,
        memory_bytes: int | None = None,
        hear: Callable[[bytes], None] | None = None,
    ) -> bytes:
        """Send a request and wait for its answer; whatever goes wrong but `HandlerFault` ends the process.

        Args:
            request: what the handler is given.
            seconds: how long the process may say nothing; None for ever.
            memory_bytes: memory that it may have in use; None for any.
            hear: given what the handler tells on the way; None if it may tell nothing.

        Raises:
            HandlerFault: the handler raised.
            LimitReached: it was silent for too long or took too much memory.
            WorkerEnded: it ended before it answered.
            BadMessage: what it sent is no message.
            Exception: what `hear` raised.
        """
        try:
            try:
                self._connection.send_bytes(request)
            except OSError as error:
                raise WorkerEnded(self._code()) from error
            while True:
                kind, content = self._next(seconds, memory_bytes), self._next(seconds, memory_bytes)
                if kind == ANSWER:
                    return content
                if kind == FAULT:
                    raise HandlerFault.read(content)
                if kind != TOLD or hear is None:
                    raise BadMessage(f"no kind of message is {kind[:20]!r}")
                hear(content)
        except HandlerFault:
            raise
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """End the process with whatever it has started, and remove its scratch folder."""
        self._end()

    def _next(self, seconds: float | None, memory_bytes: int | None) -> bytes:
        """The next message, waited for no longer than the limits allow."""
        end = None if seconds is None else time.monotonic() + seconds
        try:
            while True:
                if memory_bytes is not None and self.memory() > memory_bytes:
                    raise LimitReached("memory")
                # What it started may hold the connection open when it is gone, but says nothing on it.
                ended = not self.is_alive
                if self._connection.poll(_LOOK_SECONDS):
                    return self._received()
                if ended:
                    raise WorkerEnded(self._code())
                if end is not None and time.monotonic() > end:
                    raise LimitReached("seconds")
        except (EOFError, OSError) as error:
            raise WorkerEnded(self._code()) from error

    def _received(self) -> bytes:
        """The next message, which has begun."""
        try:
            return self._connection.recv_bytes(MOST_BYTES)
        except EOFError:
            raise
        except OSError as error:
            if error.errno is not None:
                raise
            # No error of the system: it is longer than it may be.
            raise BadMessage(f"a message of more than {MOST_BYTES >> 20} MiB") from error

    def _code(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_END_SECONDS)
        return None


def _end(owner: int, process: subprocess.Popen[bytes], connection: Connection[Any, Any], scratch: Path | None) -> None:
    # A fork of the caller has this to do, too, when it ends; but the process is not its own.
    if os.getpid() != owner:
        return
    connection.close()
    # It ends the worker and whatever that has started, also what left its session.
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
