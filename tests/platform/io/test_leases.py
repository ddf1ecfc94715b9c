"""A lock of several machines has one holder at a time, whatever their clocks and names, and is given up when left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from phenodose.errors import BusyError
from phenodose.io import leases, locks
from phenodose.io.files import write_text
from phenodose.io.leases import Lease, acquire
from phenodose.io.lock_places import LockFiles
from phenodose.io.locks import locked

BUSY = "held by {}.".format


def taken(at: LockFiles, local: Path, wait_s: float = 0) -> Lease:
    """A lease that a machine with this local lock gets."""
    return acquire(at, "the lock", local, BUSY, time.monotonic() + wait_s)


@pytest.fixture
def at(tmp_path: Path) -> LockFiles:
    return LockFiles(tmp_path / "lock")


def test_files_are_a_lock_that_is_made_once_and_replaced_only_as_it_was(at: LockFiles, tmp_path: Path) -> None:
    first = at.create(b"a")
    assert first is not None
    assert at.create(b"b") is None
    second = at.replace(b"b", first)
    assert second is not None
    assert at.replace(b"c", first) is None
    assert at.read() == (b"b", second)
    at.delete(first)
    assert at.read() == (b"b", second)
    at.delete(second)
    assert at.read() is None
    assert list(tmp_path.iterdir()) == []


def test_who_has_made_a_number_that_others_have_passed_has_nothing(at: LockFiles, tmp_path: Path) -> None:
    (tmp_path / "lock.3").write_bytes(b"theirs")
    assert at._made(1, b"mine") is None
    assert at.read() is not None
    assert {path.name for path in tmp_path.iterdir()} == {"lock.3"}


def test_a_lock_that_changes_is_held_and_one_that_does_not_gives_way(
    at: LockFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines: each has a local lock of its own."""
    one, other = tmp_path / "one", tmp_path / "other"
    monkeypatch.setattr(leases, "RENEW_S", 0.05)
    monkeypatch.setattr(leases, "STALE_S", 1.0)
    monkeypatch.setattr(leases, "_LOOK_S", 0.05)
    held = taken(at, one)
    with pytest.raises(BusyError, match=r"held by process \d+ on .*\. A lock that is left over gives way after"):
        taken(at, other, 2.5)
    # Suspended: it renews nothing any more.
    held._stop.set()
    held._renewer.join()
    theirs = taken(at, other, 60)
    monkeypatch.setattr(leases, "SURE_S", 0.0)
    with pytest.raises(BusyError, match="another one has taken over its lock"):
        held.expect()
    with pytest.raises(BusyError, match="another one has taken over its lock"):
        held.end()
    theirs.expect()
    theirs.end()
    assert at.read() is None


def test_who_looks_now_and_then_and_never_waits_gets_a_lock_that_is_left(
    at: LockFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.create(json.dumps({"token": "gone"}).encode())
    for _ in range(2):
        with pytest.raises(BusyError):
            taken(at, tmp_path / "local")
    monkeypatch.setattr(leases, "STALE_S", 0.0)
    taken(at, tmp_path / "local").end()


def test_the_lock_of_a_folder_that_was_copied_here_is_held_by_nobody(at: LockFiles, tmp_path: Path) -> None:
    """A folder's lock file is empty, and who copies the folder into a bucket copies it, too."""
    at.create(b"")
    taken(at, tmp_path / "local").end()
    assert at.read() is None


def test_in_a_folder_that_machines_share_a_late_writer_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "is_of_one_machine", lambda folder: False)
    monkeypatch.setattr(leases, "SURE_S", 0.0)
    lock = tmp_path / "lock"

    def work() -> None:
        with locked(lock, lock, BUSY):
            write_text(tmp_path / "a", "mine")
            (held,) = tmp_path.glob("lock.lease.*")
            held.rename(tmp_path / "lock.lease.9")
            (tmp_path / "lock.lease.9").write_text('{"token": "theirs"}')
            with pytest.raises(BusyError, match="nothing more is written"):
                write_text(tmp_path / "a", "late")

    # Who did not notice is told at the end.
    with pytest.raises(BusyError, match="nothing more is written"):
        work()
    assert (tmp_path / "a").read_text() == "mine"


MACHINE = """
import json, os, random, signal, sys, threading, time
from pathlib import Path
from phenodose.errors import BusyError
from phenodose.io import leases, locks
from phenodose.io.files import write_text
from phenodose.io.places import place, read_bytes

name, address, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
leases.RENEW_S, leases.STALE_S, leases.SURE_S, leases._LOOK_S = 0.1, 1.0, 0.4, 0.05
chance = random.Random(name)
real = time.time
time.time = lambda: real() + chance.uniform(-300, 300)
store = place(address)
# A folder is taken for one on a file server.
locks.is_of_one_machine = lambda folder: False
done, written = 0, ''
while done < rounds:
    try:
        with locks.locked(store / "lock", Path(f"local_{name}") / "lock", str, 60):
            count = json.loads(read_bytes(store / "count") or b"[]")
            pause = chance.random()
            if pause < 0.1:
                # Suspended: nothing of the process goes on.
                if os.fork() == 0:
                    time.sleep(chance.uniform(0.5, 2.5)); os.kill(os.getppid(), signal.SIGCONT); os._exit(0)
                os.kill(os.getpid(), signal.SIGSTOP); os.wait()
            write_text(store / "count", json.dumps([*count, f"{name}{done}"]))
            written = f"{name}{done}"
    except BusyError:
        # Held up after it had written, or before.
        pass
    done += written == f"{name}{done}"
"""


@pytest.mark.parametrize("rounds", [pytest.param(3, id="few"), pytest.param(100, marks=pytest.mark.slow, id="many")])
@pytest.mark.parametrize("where", ["bucket", "folder"])
def test_two_machines_with_pauses_and_clocks_of_their_own_lose_nothing(
    s3: object, tmp_path: Path, rounds: int, where: str
) -> None:
    from phenodose.io.places import place, read_bytes

    address = "s3://bucket/store" if where == "bucket" else str(tmp_path / "store")
    (tmp_path / "store").mkdir()
    machines = [
        subprocess.Popen([sys.executable, "-c", MACHINE, name, address, str(rounds)], cwd=tmp_path) for name in "AB"
    ]
    assert [machine.wait() for machine in machines] == [0, 0]
    found = json.loads(read_bytes(place(address) / "count") or b"[]")
    assert sorted(found) == sorted(f"{name}{number}" for name in "AB" for number in range(rounds))
