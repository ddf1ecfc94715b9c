"""Whether modules of other distributions can be imported at all, tried first in a process of their own.

A module that loops or ends the process while it is imported would take the command line and the code location with it.
So each is imported in a worker first, once: what came of it is remembered by the module's files, with sizes and times.
An exception is no matter of this trial; the import that follows tells it.

Belongs here: the trial and what is remembered of it. Does not belong here: loading plugins (`registry`).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from phenodose.io.files import hash_json, user_cache, write_json
from phenodose.sandbox.messages import BadMessage
from phenodose.sandbox.worker import START_SECONDS, LimitReached, Worker, WorkerEnded

#: So long a fault is believed: what it came from (a licence server, a slow disk) may be mended without a new file.
_BELIEVED_SECONDS = 3600.0
#: More files of a package are not looked at.
_MOST_FILES = 1000
_MOST_REMEMBERED = 1000


def import_faults(points: Iterable[EntryPoint], seconds: float) -> dict[str, str]:
    """What is wrong with the import of modules, by the name of the module; those that end their import are left out.

    Args:
        points: entry points; the modules that this process has imported already are not tried.
        seconds: how long an import may take.
    """
    stamps = {point.module: stamp for point in points if (stamp := _stamp(point))}
    known = _remembered()
    now = time.time()
    old = {stamp for stamp, one in known.items() if one["fault"] and now - one["at"] > _BELIEVED_SECONDS}
    untried = [module for module, stamp in stamps.items() if stamp not in known or stamp in old]
    if untried:
        tried = _tried(untried, seconds)
        known |= {stamps[module]: {"fault": tried.get(module, ""), "at": now} for module in untried}
        _remember(known)
    return {module: known[stamp]["fault"] for module, stamp in stamps.items() if known[stamp]["fault"]}


def forget_faults() -> None:
    """Let every module at fault be tried again."""
    known = _remembered()
    if any(one["fault"] for one in known.values()):
        _remember({stamp: one for stamp, one in known.items() if not one["fault"]})


def _stamp(point: EntryPoint) -> str:
    """What tells whether a module was tried as it is now; '' if it need not or cannot be tried."""
    if point.module in sys.modules:
        return ""
    try:
        # Of the package alone: to look for a module in it would import it.
        spec = importlib.util.find_spec(point.module.split(".")[0])
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    files = []
    for path in _files(spec.submodule_search_locations or [spec.origin or ""]):
        with contextlib.suppress(OSError):
            about = path.stat()
            files.append([str(path), about.st_size, about.st_mtime_ns])
    return hash_json([sys.version, sys.prefix, point.module, files])


def _files(places: Iterable[str]) -> list[Path]:
    def modules() -> Iterator[Path]:
        for place in places:
            if not Path(place).is_dir():
                yield Path(place)
            for folder, folders, names in os.walk(place):
                folders[:] = sorted(name for name in folders if name != "__pycache__")
                yield from (Path(folder, name) for name in sorted(names))

    return [path for path, _ in zip(modules(), range(_MOST_FILES), strict=False)]


def _place() -> Path:
    return user_cache() / "imports.json"


def _remembered() -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(_place().read_text("utf-8"))
        return {str(stamp): {"fault": str(one["fault"]), "at": float(one["at"])} for stamp, one in known.items()}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _remember(known: dict[str, dict[str, Any]]) -> None:
    newest = sorted(known.items(), key=lambda item: -item[1]["at"])[:_MOST_REMEMBERED]
    # What cannot be kept is tried again.
    with contextlib.suppress(OSError, RuntimeError):
        write_json(_place(), dict(newest))


def _tried(modules: Sequence[str], seconds: float) -> dict[str, str]:
    """Import modules one after another in a process; after a fault a new process goes on with the next module."""
    faults: dict[str, str] = {}
    left = list(modules)
    while left:
        done, fault = _one_trial(left, seconds)
        if fault:
            faults[left[done]] = fault
        left = left[done + 1 :]
    return faults


def _one_trial(modules: Sequence[str], seconds: float) -> tuple[int, str]:
    """The number of modules whose import ended, and what became of the next one; '' if there is none."""
    worker = Worker(Imports, writable=(), silent=True)
    done: list[bytes] = []
    try:
        # The start of Python is no part of an import's time.
        worker.ask(json.dumps([]).encode(), START_SECONDS, hear=done.append)
        worker.ask(json.dumps(modules).encode(), seconds, hear=done.append)
    except LimitReached:
        return len(done), (
            f"its import was ended after {seconds:g} s; a longer time is given by `import_seconds` in "
            "[plugin_limits] of site.toml"
        )
    except WorkerEnded as error:
        return len(done), f"it ends the process that imports it ({error})"
    except BadMessage as error:
        return len(done), f"it breaks the process that imports it ({error})"
    finally:
        worker.end()
    return len(modules), ""


class Imports:
    """The handler, in the worker: imports modules, and tells after each that it is done."""

    def __call__(self, request: bytes, tell: Callable[[bytes], None]) -> bytes:
        """Import the modules of a list, JSON."""
        for module in json.loads(request):
            # Whatever it raises, it ends.
            with contextlib.suppress(BaseException):
                importlib.import_module(module)
            tell(b"done")
        return b""
