"""A call in a new Python process whose writes are watched, as the platform may run any plugin.

Belongs here: starting that process, and what it saw. The watch is Python's own audit events: it finds mistakes and no
malice (compiled code can write unseen). Does not belong here: what a plugin is asked to do there (the modules of the
kinds).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from phenodose.testing.rules import broken

_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC
_CHANGING = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
_DEVICES = ("/dev/", "/proc/")
_SECONDS = 300


@dataclass(frozen=True)
class Seen:
    """What a call in a process of its own gave and did.

    Attributes:
        value: what it returned.
        writes: files and folders that it wrote, changed or removed outside what it was given, with the event.
        connections: addresses that it connected to.
    """

    value: Any
    writes: tuple[str, ...]
    connections: tuple[str, ...]


def run_isolated(function: Callable[..., Any], *arguments: Any, writable: Sequence[Path] = ()) -> Seen:
    """Call a function in a new process, in an empty folder that is its home and its place for temporary files.

    Args:
        function: importable by its module and name.
        arguments: picklable.
        writable: folders in which it may write.

    Raises:
        Broken: function or arguments cannot be pickled, or the process ended without an answer.
        Exception: what the function raised there.
    """
    try:
        asked = pickle.dumps((function, arguments))
    except Exception as error:
        raise broken("a plugin can be sent to another process", f"{type(error).__name__}: {error}") from error
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch).resolve()
        (place / "asked").write_bytes(asked)
        home = place / "home"
        home.mkdir()
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": str(home)}
        env |= {"TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        given = [str(place), *(str(Path(folder).resolve()) for folder in writable)]
        command = [sys.executable, "-m", "phenodose.testing.isolation", *given]
        ended = subprocess.run(
            command, env=env, cwd=home, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if not (place / "answer").exists():
            last_line = ended.stderr.strip().splitlines()[-1:] or [f"exit status {ended.returncode}"]
            raise broken(
                "a plugin works in a process of its own", f"the process ended without an answer: {last_line[0]}"
            )
        failed, value, writes, connections = pickle.loads((place / "answer").read_bytes())
    if failed:
        raise value
    return Seen(value, tuple(writes), tuple(connections))


def refuse_traces(seen: Seen) -> None:
    """Raise Broken if the call wrote anywhere or connected to anything."""
    if seen.writes:
        raise broken("a plugin writes only where it is told to", "; ".join(seen.writes[:5]))
    if seen.connections:
        raise broken("a plugin connects to nothing", "; ".join(seen.connections[:5]))


class _Watch:
    """An audit hook that notes writes outside the given folders, and connections."""

    def __init__(self) -> None:
        self.writable: tuple[str, ...] = ()
        self.writes: list[str] = []
        self.connections: list[str] = []
        self.on = False

    def begin(self, writable: Sequence[str]) -> None:
        """Forget what was seen before."""
        self.writable = tuple(writable)
        self.writes, self.connections = [], []
        self.on = True

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments
            writing = any(sign in (mode or "") for sign in "wax+") if mode else bool((flags or 0) & _WRITING_FLAGS)
            if writing:
                self._note(event, path)
        elif event in _CHANGING:
            self._note(event, arguments[0])
        elif event == "socket.connect":
            self.connections.append(str(arguments[1]))

    def _note(self, event: str, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # an open file, which was noted when it was opened
        place = os.path.realpath(os.fsdecode(path))
        if not place.startswith((*_DEVICES, *self.writable)):
            self.writes.append(f"{event} {place}")


@cache
def _the_watch() -> _Watch:
    """Of this process. An audit hook stays for good, and one for every call would slow all that come after."""
    watch = _Watch()
    sys.addaudithook(watch)
    return watch


def _answer(place: Path, writable: Sequence[str]) -> None:
    watch = _the_watch()
    watch.begin([str(place / "home"), *writable])
    try:
        function, arguments = pickle.loads((place / "asked").read_bytes())
        answer = (False, function(*arguments), watch.writes, watch.connections)
    except Exception as error:
        answer = (True, _portable(error), watch.writes, watch.connections)
    watch.on = False
    (place / "answer.part").write_bytes(pickle.dumps(answer))
    (place / "answer.part").replace(place / "answer")


def _portable(error: Exception) -> Exception:
    """The error itself if it can travel, else one of the same words."""
    try:
        return pickle.loads(pickle.dumps(error)) if str(pickle.loads(pickle.dumps(error))) == str(error) else error
    except Exception:
        return RuntimeError("".join(traceback.format_exception_only(error)).strip())


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), sys.argv[2:])
