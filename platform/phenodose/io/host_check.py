"""What two machines see of each other in a folder that they share: locks, new files, and clocks.

Both run the same check at the same time. Each lays a file of its own into the folder and looks for that of the other;
who has the smaller number then takes a lock of the operating system, and the other one tries to take it, too. Files
that are made once (`os.link`), by which stores are locked among machines, are raced for.

Belongs here: the check. Does not belong here: the locks themselves (`locks`), and words for people (`phenodose.cli`).
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phenodose.io.locks import SEVERAL_MACHINES
from phenodose.io.processes import boot, file_system, is_of_one_machine

FOLDER = ".host_check"
_RACES = 20
_LOOK_S = 0.1


@dataclass(frozen=True)
class HostCheck:
    """What was found.

    Attributes:
        file_system: what the system calls the kind of file system; '' if it does not say.
        of_one_machine: whether that kind is taken for one that no other machine uses.
        other: name of the other machine; None if none came.
        flock_reaches: whether a lock of the operating system that one machine holds keeps out the other.
        made_once: of the files that both wanted to make, the share that exactly one of them made (fraction).
        seen_after_s: seconds after which this machine saw what the other had written for it.
    """

    file_system: str
    of_one_machine: bool
    other: str | None = None
    flock_reaches: bool | None = None
    made_once: float | None = None
    seen_after_s: float | None = None


def check_with_other_host(store: Path, seconds: float) -> HostCheck:
    """Wait for another machine that runs this check in the same folder, and try out what reaches it.

    If one comes, the folder says from then on that several machines use it (`SEVERAL_MACHINES`).

    Args:
        store: the folder of the store.
        seconds: how long to wait for the other machine.

    Raises:
        OSError: the folder cannot be written.
    """
    about: dict[str, Any] = {"file_system": file_system(store) or "", "of_one_machine": is_of_one_machine(store)}
    folder = store / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    mine = _Side(folder, uuid.uuid4().hex)
    try:
        other = mine.wait_for_other(time.monotonic() + seconds)
        if other is None:
            return HostCheck(**about)
        (store / SEVERAL_MACHINES).touch()
        return HostCheck(**about, **_tried(mine, other, folder))
    finally:
        mine.leave()


class _Side:
    """One machine: what it says in its file, and what the other one says in its own."""

    def __init__(self, folder: Path, token: str) -> None:
        self.folder, self.token = folder, token
        self.said: dict[str, Any] = {"host": socket.gethostname(), "boot": boot(), "token": token, "beat": 0}
        self.say()

    def say(self, **more: Any) -> None:
        self.said |= more | {"beat": self.said["beat"] + 1}
        aside = self.folder / f".{self.token}.new"
        aside.write_text(json.dumps(self.said), encoding="utf-8")
        aside.replace(self.folder / f"{self.token}.json")

    def wait_for_other(self, until: float) -> _Other | None:
        """The other machine, once it answers: files of a check that was killed say nothing new.

        One that has seen this machine says so, and nothing new from then on.
        """
        first: dict[str, int] = {}
        while time.monotonic() < until:
            for path in self.folder.glob("*.json"):
                said = _read(path)
                token = str(said.get("token", ""))
                if not token or token == self.token or said.get("to", self.token) != self.token:
                    continue
                if said.get("to") == self.token or said["beat"] != first.setdefault(token, said["beat"]):
                    self.say(to=token)
                    return _Other(path, token, str(said["host"]))
            self.say()
            time.sleep(_LOOK_S)
        return None

    def leave(self) -> None:
        for path in self.folder.glob(f"*{self.token}*"):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


@dataclass(frozen=True)
class _Other:
    path: Path
    token: str
    host: str

    def wait(self, *names: str) -> dict[str, Any]:
        """What it says, once it has said all of these.

        Raises:
            OSError: it does not.
        """
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if set(names) <= (said := _read(self.path)).keys():
                return said
            time.sleep(_LOOK_S / 5)
        raise TimeoutError(110, f"the other machine ({self.host}) answers no more; run the check again on both")


def _tried(mine: _Side, other: _Other, folder: Path) -> dict[str, Any]:
    import filelock

    other.wait("to")
    pair = "-".join(sorted((mine.token, other.token)))
    lock = filelock.FileLock(folder / f"{pair}.flock")
    if mine.token < other.token:
        with lock:
            asked = time.monotonic()
            mine.say(holds=True)
            reaches = bool(other.wait("kept_out")["kept_out"])
            seen = time.monotonic() - asked
    else:
        asked = time.monotonic()
        other.wait("holds")
        seen = time.monotonic() - asked
        try:
            lock.acquire(timeout=0)
            lock.release()
            reaches = False
        except filelock.Timeout:
            reaches = True
        mine.say(kept_out=reaches)
    made = [number for number in range(_RACES) if _made(folder / f"{pair}.{number}", mine)]
    mine.say(made=made)
    theirs = other.wait("made")["made"]
    once = sum((number in made) != (number in theirs) for number in range(_RACES))
    mine.say(done=True)
    while other.path.exists() and "done" not in _read(other.path):
        time.sleep(_LOOK_S)
    return {"other": other.host, "flock_reaches": reaches, "made_once": once / _RACES, "seen_after_s": seen}


def _made(path: Path, mine: _Side) -> bool:
    try:
        os.link(mine.folder / f"{mine.token}.json", path)
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
