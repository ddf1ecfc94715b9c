"""A lock that several machines see: an object of an object store, or files of a shared folder.

Nobody's clock is compared with anybody else's, and nobody is known by a name that another may have. The holder writes
a number of its own into the lock again and again, each time only if nothing else was written since (`replace`). Who
waits looks whether the lock changes: if it has not for `STALE_S` seconds of the waiter's own time, the holder is gone,
and the waiter takes the lock over, again only if it is still as it was.

A holder that was suspended comes back to a lock of somebody else. So whatever is written below the lock's folder while
it is held is written only if the lock was renewed a short while ago, or can be renewed now (`Lease.expect`); what makes
a thing valid is written only if it is as it was just before (`phenodose.io.places.upload`).

Belongs here: holding, renewing and losing a lease. Does not belong here: the lock of one machine, and the message of
who is too late (`locks`).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from phenodose.errors import BusyError
from phenodose.io.processes import boot

#: Seconds between two renewals, after which a lock that does not change counts as left over, and up to which after a
#: renewal the holder writes without asking.
RENEW_S, STALE_S, SURE_S = 15.0, 60.0, 30.0
_LOOK_S = 1.0
#: Holders of this machine that are remembered until the lock is had by one of them.
_MOST_HOLDERS = 100


class LockPlace(Protocol):
    """Where a lock lies; a version stands for what was read or written, and never comes again."""

    def read(self) -> tuple[bytes, str] | None:
        """What it holds, and its version; None if there is none."""

    def create(self, content: bytes) -> str | None:
        """Make it and give its version; None if there is one."""

    def replace(self, content: bytes, version: str) -> str | None:
        """Write it if it has that version, and give the new one; None if it has another, or is gone."""

    def delete(self, version: str) -> None:
        """Remove it if it has that version."""


class Lease:
    """A lock that is held; it renews itself until `end`."""

    def __init__(self, at: LockPlace, what: str, local: Path, token: str, version: str, renewed: float) -> None:
        """Take care of a lock that has been taken.

        Args:
            at: where it lies.
            what: its path, for messages.
            local: path of the local lock.
            token: the holder's own number.
            version: what was written when it was taken.
            renewed: `now` just before that.
        """
        self._at, self._what, self._local, self._token = at, what, local, token
        self._version, self._renewed = version, renewed
        self._count = 0
        self._lost = False
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._renewer = threading.Thread(target=self._renew_on, name="lock", daemon=True)
        self._renewer.start()

    def expect(self) -> None:
        """Make sure that the lock is still held.

        Raises:
            BusyError: another process has taken it over.
        """
        if not self._lost and now() - self._renewed < SURE_S:
            return
        with self._turn:
            if not self._lost and now() - self._renewed >= SURE_S:
                self._renew()
        if self._lost:
            raise BusyError(
                f"{self._what}: this process was held up for longer than {STALE_S:.0f} s, and another one has taken "
                "over its lock; nothing more is written. Run this again."
            )

    def end(self) -> None:
        """Give the lock back.

        Raises:
            BusyError: another process has taken it over.
        """
        self._stop.set()
        self._renewer.join()
        # If the store does not answer, the lock grows old by itself, and what was done has its own tale to tell.
        with suppress(Exception):
            self.expect()
            self._at.delete(self._version)
            _holding(self._local).unlink(missing_ok=True)
        if self._lost:
            self.expect()

    def _renew_on(self) -> None:
        while not self._stop.wait(RENEW_S) and not self._lost:
            # The next round tries again; who writes in the meantime tries by itself.
            with suppress(Exception), self._turn:
                self._renew()

    def _renew(self) -> None:
        self._count += 1
        began = now()
        version = self._at.replace(_content(self._token, self._count), self._version)
        if version is None:
            # An answer that was lost on its way: what lies there may be our own.
            there = self._at.read()
            if there is None or facts_of(there[0]).get("token") != self._token:
                self._lost = True
                return
            self._version = there[1]
            version = self._at.replace(_content(self._token, self._count), self._version)
            if version is None:
                self._lost = True
                return
        self._version, self._renewed = version, began


def acquire(at: LockPlace, what: str, local: Path, busy: Callable[[str], str], until: float) -> Lease:
    """Take a lock, with the local lock of this machine held.

    Args:
        at: where the lock lies.
        what: its path, for messages.
        local: path of the local lock; beside it lies what this machine knows of the lock.
        busy: the message if somebody else holds it, told who.
        until: how long to wait, on `time.monotonic`.

    Raises:
        BusyError: another process holds the lock.
    """
    token = uuid.uuid4().hex
    # Whoever finds this number in the lock later, with the local lock in hand, knows that we are gone.
    before = _held_here(local, but=token)
    _holding(local).write_text("\n".join([*before[-_MOST_HOLDERS:], token]), encoding="ascii")
    while True:
        began = now()
        there = at.read()
        version = at.create(_content(token, 0)) if there is None else None
        if there is not None and facts_of(there[0]).get("token") == token:
            # It was made; the answer was lost, and the client asked again.
            version = there[1]
        elif there is not None and _is_left_over(there, local, token):
            version = at.replace(_content(token, 0), there[1])
            _seen(local).unlink(missing_ok=True)
        if version is not None:
            _holding(local).write_text(token, encoding="ascii")
            return Lease(at, what, local, token, version, began)
        if time.monotonic() >= until:
            raise BusyError(f"{busy(_named(there))} A lock that is left over gives way after {STALE_S:.0f} s.")
        time.sleep(min(_LOOK_S, max(until - time.monotonic(), 0.01)))


def holder_of(at: LockPlace) -> str:
    """Who holds a lock, in words."""
    with suppress(Exception):
        return _named(at.read())
    return "another process"


def _named(there: tuple[bytes, str] | None) -> str:
    facts = facts_of(there[0]) if there is not None else {}
    return f"process {facts['pid']} on {facts['host']}" if {"pid", "host"} <= facts.keys() else "another process"


def now() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _content(token: str, count: int) -> bytes:
    # Name and number are for people; they decide nothing.
    facts = {"token": token, "count": count, "host": socket.gethostname(), "pid": os.getpid()}
    return json.dumps(facts).encode()


def facts_of(content: bytes) -> dict[str, Any]:
    """What a claim says of who made it; {} if it is none."""
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_left_over(there: tuple[bytes, str], local: Path, token: str) -> bool:
    """Whether nobody holds the lock that was found; called with the local lock in hand."""
    content, version = there
    if not content:
        # What a holder writes is there whole. This came with a copied folder, where the lock's file holds nothing.
        return True
    if facts_of(content).get("token") in _held_here(local, but=token):
        # Its process had the local lock, which is ours now.
        return True
    # Kept in a file, for those who look but do not wait.
    first = {"version": version, "since": time.monotonic(), "boot": boot()}
    try:
        seen = facts_of(_seen(local).read_bytes())
    except OSError:
        seen = {}
    if seen.get("version") != version or seen.get("boot") != first["boot"]:
        with suppress(OSError):
            _seen(local).write_text(json.dumps(first), encoding="ascii")
        return False
    return time.monotonic() - float(seen["since"]) > STALE_S


def _held_here(local: Path, but: str) -> list[str]:
    """The numbers of holders who had the local lock and gave none back."""
    if not boot():
        return []
    try:
        return [one for one in _holding(local).read_text("ascii").split() if one != but]
    except (OSError, ValueError):
        return []


def _holding(local: Path) -> Path:
    # Of this start of this machine: the folder may be shared with another one, whose processes are none of ours.
    return local.with_name(f"{local.name}.{boot()[:8]}.holders")


def _seen(local: Path) -> Path:
    return local.with_name(f"{local.name}.{boot()[:8]}.seen")
