"""One Dagster instance at a time takes in the screens of a store: a second daemon on an inbox would run each twice.

What was asked for is remembered by an instance, so two of them know nothing of each other. The one that takes in
screens says so in the store, again and again; another one looks whether that changes, by its own clock alone, and takes
over when it has not for a while. All processes of one instance count as one, so a code location may be loaded again at
any time.

Belongs here: whose turn it is. Does not belong here: what is taken in (`new_screens`).
"""

from __future__ import annotations

import json
import socket
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from phenodose.io.leases import LockPlace, facts_of, now
from phenodose.io.lock_places import LockFiles, LockObject
from phenodose.io.places import is_remote
from phenodose.store.store import Store

#: The object, or the first part of the files' names, in a store.
NAME = ".takes_in_screens"
#: Seconds after which the instance says so again, and after which one that has not is taken for ended. A tick may last
#: a minute, and in that time nothing is said.
AGAIN_S, GONE_S = 30.0, 180.0


@dataclass
class OneWatcher:
    """Whose turn it is, as this process knows it.

    Attributes:
        said: when this instance said last that it takes in screens, by store; on `leases.now`.
        seen: what another instance said last, and when that was first seen, by store.
    """

    said: dict[str, float] = field(default_factory=dict)
    seen: dict[str, tuple[str, float]] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def other(self, instance: dg.DagsterInstance, store: Store) -> str | None:
        """The host of another instance that takes in screens of this store; None where it is this instance's turn.

        Raises:
            StoreError: the object store does not keep conditions, or cannot be reached.
        """
        where = str(store.root)
        with self._turn:
            if where in self.said and now() - self.said[where] < AGAIN_S:
                return None
            mine, place = _identity(instance), _place(store)
            there = place.read()
            if there is None:
                taken = place.create(_said(mine)) is not None
            elif facts_of(there[0]).get("instance") == mine or self._is_silent(where, there[1]):
                taken = place.replace(_said(mine), there[1]) is not None
            else:
                taken = False
            if taken:
                self.said[where] = now()
                return None
            self.said.pop(where, None)
            there = place.read()
            facts = facts_of(there[0]) if there is not None else {}
            # Another process of this very instance was quicker.
            return None if facts.get("instance") == mine else str(facts.get("host", "an unknown host"))

    def _is_silent(self, where: str, version: str) -> bool:
        """Whether the other instance has said nothing for long; called in every tick."""
        if self.seen.get(where, ("", 0.0))[0] != version:
            self.seen[where] = (version, now())
        return now() - self.seen[where][1] > GONE_S


def refusal(store: Store, host: str) -> str:
    """Why nothing is taken in, and what helps."""
    return (
        f"{store.root}: another Dagster instance, on {host}, takes in the screens of this store, and two would run "
        "each screen twice; stop one of the two daemons, or let both use one instance (docs/cluster.md). This one "
        f"takes over {GONE_S:.0f} s after the other has ended."
    )


def _identity(instance: dg.DagsterInstance) -> str:
    """The same for all processes of an instance, on whatever host, and for no other instance."""
    storage: Any = instance.run_storage
    # All of Dagster's own storages are SQL and have an id; one of somebody else's is known by its folder and host.
    if hasattr(storage, "get_run_storage_id"):
        return str(storage.get_run_storage_id())
    return f"{socket.gethostname()} {instance.root_directory}"


def _place(store: Store) -> LockPlace:
    path = store.root / NAME
    if is_remote(path):
        return LockObject(path)
    Path(store.root).mkdir(parents=True, exist_ok=True)
    return LockFiles(path)


def _said(instance: str) -> bytes:
    return json.dumps({"instance": instance, "host": socket.gethostname(), "again": uuid.uuid4().hex}).encode()
