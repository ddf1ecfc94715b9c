"""A process that stands for another machine, for tests of stores that several machines use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Its own name and its own start; locks of the operating system do not reach it, as on many file servers.
_LOOP = """
import json, os, platform, socket, sys
import filelock
from phenodose.io import leases, locks, processes

answers, name = os.fdopen(os.dup(1), "w"), sys.argv[1]
os.dup2(2, 1)
socket.gethostname = platform.node = lambda: name
leases.boot = processes.boot = lambda: f"{name}-boot"
locks.is_of_one_machine = lambda folder: False
known = filelock.FileLock
filelock.FileLock = lambda path, *more, **options: known(f"{path}.of-{name}", *more, **options)
shared = {}
for line in sys.stdin:
    asked = json.loads(line)
    space = {**shared, **asked["values"], "gave": None}
    try:
        exec(asked["code"], space)
        told = {"gave": space["gave"]}
        json.dumps(told)
    except BaseException as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    shared = space
    print(json.dumps(told), file=answers, flush=True)
"""


class OtherHost:
    """The other machine: it does what it is told, one thing after the other."""

    def __init__(self, folder: Path, name: str = "other-host") -> None:
        """Start it.

        Args:
            folder: for its cache.
            name: what it calls itself.
        """
        environment = os.environ | {"XDG_CACHE_HOME": str(folder / f"cache of {name}")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LOOP, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def do(self, code: str, **values: Any) -> Any:
        """Let it do something and wait for what it calls `gave`.

        Args:
            code: statements.
            values: names that they know, JSON values.

        Raises:
            AssertionError: it raised something, which is quoted.
        """
        self.begin(code, **values)
        return self.end()

    def begin(self, code: str, **values: Any) -> None:
        """Let it do something; `end` waits for it."""
        assert self.process.stdin is not None
        print(json.dumps({"code": code, "values": values}), file=self.process.stdin, flush=True)

    def end(self) -> Any:
        """Wait for what was begun."""
        assert self.process.stdout is not None
        told = json.loads(self.process.stdout.readline() or '{"error": "it has ended"}')
        assert "error" not in told, told["error"]
        return told["gave"]

    def pause(self) -> None:
        """Stop it wherever it is, as a suspended machine."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()
