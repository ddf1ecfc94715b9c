"""A long command that is ended from outside (SIGTERM) ends at once, with one sentence, and can be gone on with.

The signal interrupts what is being done, as Ctrl-C does: what is half written is taken away, workers are ended, the run
in Dagster is marked. What does not let itself be interrupted is cut off a few seconds later, as by a kill, which the
next command goes on from likewise.

Belongs here: the signal. Does not belong here: what is kept on the way (`phenodose.io.files`, `phenodose.learning`) and
exit codes (`phenodose.cli.main`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

#: Exit code of a process that a signal ended, as shells tell it.
EXIT_CODE = 128 + signal.SIGTERM
SENTENCE = "ended by SIGTERM; what was made is kept, run the same command again to go on."
#: Seconds that what is being done has to come to its end.
GRACE_S = 5.0


class Terminated(BaseException):
    """SIGTERM ended the command."""


def ends_at_once(function: Function) -> Function:
    """A command that SIGTERM ends; `--json` has its sentence as JSON."""

    @wraps(function)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        with ends_when_told(as_json=bool(named.get("as_json"))):
            return function(*arguments, **named)

    return wrapped  # type: ignore[return-value]


@contextmanager
def ends_when_told(as_json: bool = False, grace_s: float = GRACE_S) -> Iterator[None]:
    """SIGTERM ends the block; elsewhere than in the main thread, which alone hears signals, nothing is changed.

    Args:
        as_json: how the sentence is written if the block has to be cut off.
        grace_s: seconds that the block has to come to its end.

    Raises:
        Terminated: SIGTERM came, whatever the block then ended with.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if threading.current_thread() is not threading.main_thread() or before[signal.SIGTERM] is signal.SIG_IGN:
        yield
        return
    ignored = before[signal.SIGINT] is signal.SIG_IGN

    def interrupt(number: int, _: FrameType | None) -> None:
        # One function for both: Dagster gives SIGTERM whatever SIGINT has.
        if number == signal.SIGTERM:
            watch.silence()
        if number == signal.SIGTERM or not ignored:
            raise KeyboardInterrupt

    watch = _Watch(as_json, grace_s)
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    except BaseException:
        if watch.heard():
            raise Terminated from None
        raise
    else:
        if watch.heard():
            raise Terminated
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        watch.close()


class _Watch:
    """Hears SIGTERM even while the main thread does not, and whatever else handles the signal meanwhile."""

    def __init__(self, as_json: bool, grace_s: float) -> None:
        self._as_json, self._grace_s = as_json, grace_s
        self._told, self._over = threading.Event(), threading.Event()
        # Standard error may be filtered while the block runs.
        self._terminal = os.dup(2)
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._listen, args=(reading,), name="SIGTERM", daemon=True)
        self._thread.start()

    def heard(self) -> bool:
        """Whether SIGTERM came; asked when the block has ended, which stands the watch down."""
        self._over.set()
        self._stop()
        if self._told.is_set():
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(self._terminal, 2)
        return self._told.is_set()

    def silence(self) -> None:
        """From now on nothing is written to standard error: libraries log the interrupt wherever it finds them."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)

    def close(self) -> None:
        """Stop listening."""
        self._stop()
        os.close(self._terminal)

    def _stop(self) -> None:
        if self._writing >= 0:
            signal.set_wakeup_fd(self._before)
            os.close(self._writing)
            self._writing = -1
            self._thread.join()

    def _listen(self, reading: int) -> None:
        with os.fdopen(reading, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                if number[0] == signal.SIGTERM and not self._told.is_set():
                    self._told.set()
                    self.silence()
                    if not self._over.wait(self._grace_s):
                        self._cut_off()

    def _cut_off(self) -> None:
        from phenodose.cli.output import complain

        for process in multiprocessing.active_children():
            with contextlib.suppress(Exception):
                process.kill()
        with contextlib.suppress(Exception):
            os.dup2(self._terminal, 2)
            complain(SENTENCE, self._as_json)
            sys.stderr.flush()
        # Workers of the sandbox end when their connection to this process does.
        os._exit(EXIT_CODE)
