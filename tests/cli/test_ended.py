"""SIGTERM ends a long command with one sentence, whatever it is doing and whoever else handles the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from phenodose.cli.ended import EXIT_CODE, SENTENCE, Terminated, ends_when_told

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")

#: Says that it works, then does what does not let itself be interrupted.
STUBBORN = """
import sys, time
from phenodose.cli.ended import ends_when_told
with ends_when_told(as_json=True, grace_s=0.1):
    while True:
        try:
            print("at work", flush=True)
            time.sleep(60)
        except KeyboardInterrupt:
            pass
"""


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def terminate_at_work() -> None:
    terminate()
    threading.Event().wait(60)


def command(work: Callable[[], None]) -> None:
    with ends_when_told():
        work()


def test_it_interrupts_what_is_being_done_and_leaves_no_handler_behind() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    cleaned = []

    def work() -> None:
        try:
            terminate_at_work()
        finally:
            cleaned.append(True)

    with pytest.raises(Terminated):
        command(work)
    assert cleaned
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_whatever_the_interrupted_work_ends_with() -> None:
    def work() -> None:
        try:
            terminate_at_work()
        except KeyboardInterrupt:
            raise RuntimeError("a process of the pool was ended") from None

    with pytest.raises(Terminated):
        command(work)


def test_it_is_heard_where_somebody_else_handles_the_signal() -> None:
    def work() -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        terminate()

    with pytest.raises(Terminated):
        command(work)


def test_it_is_heard_after_dagster_gave_it_the_handler_of_an_ignored_ctrl_c() -> None:
    def work() -> None:
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
        os.kill(os.getpid(), signal.SIGINT)
        terminate_at_work()

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(Terminated):
            command(work)
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_stays_what_it_is() -> None:
    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(60)

    with pytest.raises(KeyboardInterrupt):
        command(work)


def test_what_does_not_end_is_cut_off_with_the_sentence() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate()
    assert process.returncode == EXIT_CODE
    assert error == f'{{"error": "{SENTENCE}"}}\n'
