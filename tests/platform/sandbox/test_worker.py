"""A worker by itself: what it answers, tells and may write, and that it ends in every case."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phenodose.errors import MissingInputError
from phenodose.sandbox.messages import BadMessage, HandlerFault
from phenodose.sandbox.supervisor import _children, _children_by_parent, descendants
from phenodose.sandbox.worker import LimitReached, Worker, WorkerEnded

MODULE = """
import json, os, sys, tempfile, time
from pathlib import Path
from phenodose.errors import MissingInputError


class LostError(MissingInputError):
    pass


class It:
    def __call__(self, request, tell):
        what, *more = request.decode().split(" ", 1)
        if what == "pid":
            return str(os.getpid()).encode()
        if what == "count":
            for number in range(3):
                tell(str(number).encode())
        if what == "lost":
            raise LostError("no such plate")
        if what == "bug":
            raise ZeroDivisionError("a bug")
        if what == "die":
            os._exit(3)
        if what == "abort":
            os.abort()
        if what == "loop":
            while True:
                pass
        if what == "take":
            held = bytearray(300 << 20)
            held[::4096] = b"x" * len(held[::4096])
            time.sleep(60)
        if what == "forge":
            os.write(int(more[0]), b"\\0\\0\\0\\4what" * 2)
            time.sleep(60)
        if what == "write":
            Path(more[0]).write_text("mine")
        if what == "scratch":
            with tempfile.NamedTemporaryFile(delete=False) as file:
                return file.name.encode()
        if what == "output":
            print("printed")
        return b"done"
"""


@pytest.fixture
def handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Any]]:
    """A handler whose requests say what it is to do."""
    (tmp_path / "of_worker.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import of_worker  # type: ignore[import-not-found]

    yield of_worker.It
    sys.modules.pop("of_worker", None)


def gone(process: int) -> bool:
    """True as soon as a process is not there or a zombie; False if it stays for a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_it_answers_one_request_after_another_and_tells_on_the_way(
    handler: type[Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    worker = Worker(handler)
    process = int(worker.ask(b"pid"))
    assert process != os.getpid()
    heard: list[bytes] = []
    assert worker.ask(b"count", hear=heard.append) == b"done"
    assert heard == [b"0", b"1", b"2"]
    worker.ask(b"output")
    with pytest.raises(HandlerFault) as lost:
        worker.ask(b"lost")
    assert type(lost.value.error()) is MissingInputError
    assert str(lost.value.error()) == "no such plate"
    with pytest.raises(HandlerFault) as bug:
        worker.ask(b"bug")
    assert type(bug.value.error()) is ZeroDivisionError
    assert 'raise ZeroDivisionError("a bug")' in str(bug.value.error().__cause__)
    assert int(worker.ask(b"pid")) == process
    worker.end()
    out, err = capfd.readouterr()
    assert (out, err.count("printed")) == ("", 1)
    assert gone(process)


@pytest.mark.parametrize(
    ("request_", "fault", "told"),
    [
        (b"die", WorkerEnded, "exit code 3"),
        (b"abort", WorkerEnded, "signal SIGABRT"),
        (b"loop", LimitReached, "seconds"),
        (b"take", LimitReached, "memory"),
        (b"count", BadMessage, "no kind of message is b'told'"),
    ],
)
def test_whatever_goes_wrong_ends_it(handler: type[Any], request_: bytes, fault: type[Exception], told: str) -> None:
    worker = Worker(handler, silent=True)
    process = int(worker.ask(b"pid"))
    seconds = 1 if request_ == b"loop" else 60
    with pytest.raises(fault, match=told):
        worker.ask(request_, seconds, memory_bytes=worker.memory() + (200 << 20))
    assert gone(process)
    assert not worker.is_alive
    with pytest.raises(WorkerEnded):
        worker.ask(b"pid")


def test_a_message_that_is_none_ends_it(handler: type[Any]) -> None:
    worker = Worker(handler)
    process = int(worker.ask(b"pid"))
    (place,) = [fd for fd in Path(f"/proc/{process}/fd").iterdir() if "socket:" in str(fd.readlink())]
    with pytest.raises(BadMessage, match="no kind of message is b'what'"):
        worker.ask(b"forge " + place.name.encode())
    assert gone(process)


def test_a_listener_that_raises_ends_it(handler: type[Any]) -> None:
    def hear(content: bytes) -> None:
        raise KeyboardInterrupt

    worker = Worker(handler)
    process = int(worker.ask(b"pid"))
    with pytest.raises(KeyboardInterrupt):
        worker.ask(b"count", hear=hear)
    assert gone(process)


def test_it_may_write_where_it_is_told_to_and_into_its_scratch(handler: type[Any], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    worker = Worker(handler, writable=(own,))
    worker.ask(f"write {own / 'a'}".encode())
    assert (own / "a").read_text() == "mine"
    with pytest.raises(HandlerFault, match="tried to change"):
        worker.ask(f"write {tmp_path / 'b'}".encode())
    scratch = Path(worker.ask(b"scratch").decode())
    assert scratch.is_file()
    worker.end()
    assert not scratch.parent.exists()
    assert not (tmp_path / "b").exists()


def test_it_ends_with_its_object_and_not_with_the_thread_that_started_it(handler: type[Any]) -> None:
    made: list[Worker] = []
    thread = threading.Thread(target=lambda: made.append(Worker(handler)))
    thread.start()
    thread.join()
    process = int(made[0].ask(b"pid"))
    assert int(made[0].ask(b"pid")) == process
    made.clear()
    assert gone(process)


def test_its_process_is_found_whatever_the_kernel_tells_of_children(handler: type[Any]) -> None:
    worker = Worker(handler)
    process = int(worker.ask(b"pid"))
    (watcher,) = [one for one in _children(os.getpid()) if process in descendants(one)] or [os.getpid()]
    assert _children_by_parent(watcher) == _children(watcher)
    assert worker.memory() > 5 << 20


CALLER = """
import sys, threading
from of_worker import It
from phenodose.sandbox.supervisor import _children, _children_by_parent, descendants
from phenodose.sandbox.worker import Worker

def work():
    worker = Worker(It)
    print(worker.ask(b"pid").decode(), flush=True)
    worker.ask(b"loop")

if sys.argv[1] == "thread":
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
work()
"""


@pytest.mark.parametrize("where", ["main", "thread"])
def test_it_ends_when_the_caller_is_killed(handler: type[Any], where: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", CALLER, where], stdout=subprocess.PIPE, env=environment, text=True
    ) as caller:
        assert caller.stdout is not None
        process = int(caller.stdout.readline())
        caller.kill()
    assert gone(process)
