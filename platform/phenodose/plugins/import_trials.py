"""What plugins of other distributions declare, asked in a process for each distribution.

No module of another distribution is imported where other plugins work: it may loop, end the process, or change what
others compute. Each distribution's modules are imported in a worker of their own, once: what they declare, or what is
wrong with them, is remembered by the modules' files, with sizes and times.

Belongs here: asking, and what is remembered of it. Does not belong here: what is told (`declarations`), and the class
that is made of it (`registry`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from phenodose.io.files import hash_json, user_cache, write_json
from phenodose.plugins.base import contract_text
from phenodose.plugins.declarations import FORMAT
from phenodose.sandbox.messages import BadMessage, HandlerFault
from phenodose.sandbox.worker import START_SECONDS, LimitReached, Worker, WorkerEnded

#: So long a fault is believed: what it came from (a licence server, a slow disk) may be mended without a new file.
_BELIEVED_SECONDS = 3600.0
#: More files of a package are not looked at.
_MOST_FILES = 1000
_MOST_REMEMBERED = 1000
_AT_A_TIME = 4


class Told(NamedTuple):
    """What was told of an entry point.

    Attributes:
        fault: what is wrong with it, as a part of a sentence; '' if nothing.
        declared: what it declares (`declarations`); None with a fault.
    """

    fault: str
    declared: dict[str, Any] | None


def declarations(points: Iterable[EntryPoint], seconds: float) -> dict[EntryPoint, Told]:
    """What entry points offer, without an import in this process.

    Args:
        points: entry points of plugins of other distributions.
        seconds: how long the import of a module may take.
    """
    stamps = {point: _stamp(point) for point in points}
    known = _remembered()
    now = time.time()
    old = {stamp for stamp, one in known.items() if one["fault"] and now - one["at"] > _BELIEVED_SECONDS}
    unasked = [point for point, stamp in stamps.items() if not stamp or stamp not in known or stamp in old]
    told = _asked(unasked, seconds)
    fresh = {stamps[point]: {**one._asdict(), "at": now} for point, one in told.items() if stamps[point]}
    if fresh:
        # Another process may have remembered something in the meantime.
        _remember(_remembered() | fresh)
    before = {point: known[stamp] for point, stamp in stamps.items() if point not in told}
    return told | {point: Told(one["fault"], one["declared"]) for point, one in before.items()}


def forget_faults() -> None:
    """Let every module at fault be tried again."""
    known = _remembered()
    if any(one["fault"] for one in known.values()):
        _remember({stamp: one for stamp, one in known.items() if not one["fault"]})


def _stamp(point: EntryPoint) -> str:
    """What tells whether a module was asked as it is now; '' if that cannot be told."""
    try:
        # Of the package alone: to look for a module in it would import it.
        spec = importlib.util.find_spec(point.module.split(".")[0])
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    files = []
    # With the contract's own files: what is declared is told by them, and they are what a plugin is made of.
    for path in _files([*(spec.submodule_search_locations or [spec.origin or ""]), str(Path(__file__).parent)]):
        with contextlib.suppress(OSError):
            about = path.stat()
            files.append([str(path), about.st_size, about.st_mtime_ns])
    return hash_json([FORMAT, contract_text(), sys.version, sys.prefix, point.group, point.name, point.value, files])


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
        return {
            str(stamp): {"fault": str(one["fault"]), "declared": one["declared"], "at": float(one["at"])}
            for stamp, one in known.items()
            if one["fault"] or isinstance(one["declared"], dict)
        }
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _remember(known: dict[str, dict[str, Any]]) -> None:
    newest = sorted(known.items(), key=lambda item: -item[1]["at"])[:_MOST_REMEMBERED]
    # What cannot be kept is asked again.
    with contextlib.suppress(OSError, RuntimeError):
        write_json(_place(), dict(newest))


def _asked(points: Sequence[EntryPoint], seconds: float) -> dict[EntryPoint, Told]:
    """Ask every distribution in a process of its own."""
    whose = sorted(points, key=_whose)
    groups = [list(group) for _, group in groupby(whose, _whose)]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return {point: told for found in pool.map(lambda g: _of_one(g, seconds), groups) for point, told in found}


def _whose(point: EntryPoint) -> str:
    return str(point.dist.name) if point.dist is not None else point.module.split(".")[0]


def _of_one(points: Sequence[EntryPoint], seconds: float) -> list[tuple[EntryPoint, Told]]:
    """Ask for the entry points of one distribution; after a fault a new process goes on with the next one."""
    told: list[tuple[EntryPoint, Told]] = []
    while len(told) < len(points):
        left = points[len(told) :]
        found, fault = _one_process(left, seconds)
        told += zip(left, found, strict=False)
        if fault:
            told.append((points[len(told)], Told(fault, None)))
    return told


def _one_process(points: Sequence[EntryPoint], seconds: float) -> tuple[list[Told], str]:
    """What the first points tell, and what became of the next one; '' if all told something."""
    worker = Worker(Declarations, writable=(), silent=True)
    heard: list[Told] = []

    def hear(content: bytes) -> None:
        try:
            one = json.loads(content)
            fault, declared = str(one["fault"]), one["declared"]
            heard.append(Told(fault, None if fault else dict(declared)))
        except Exception as error:
            raise BadMessage(f"{type(error).__name__}: {error}") from error

    try:
        # The start of Python is no part of an import's time.
        worker.ask(json.dumps([]).encode(), START_SECONDS, hear=hear)
        worker.ask(json.dumps([[one.group, one.name, one.value] for one in points]).encode(), seconds, hear=hear)
    except LimitReached:
        return heard, (
            f"fails to import: it was ended after {seconds:g} s; a longer time is given by `import_seconds` in "
            "[plugin_limits] of site.toml"
        )
    except WorkerEnded as error:
        return heard, f"fails to import: it ends the process that imports it ({error})"
    except (BadMessage, HandlerFault) as error:
        return heard, f"fails to import: it breaks the process that imports it ({error})"
    finally:
        worker.end()
    if len(heard) != len(points):
        return heard[: len(points) - 1], "fails to import: it breaks the process that imports it (it told of too much)"
    return heard, ""


class Declarations:
    """The handler, in the worker: imports what entry points name, and tells what each declares."""

    def __call__(self, request: bytes, tell: Callable[[bytes], None]) -> bytes:
        """Import the entry points of a list, JSON: group, name and value of each."""
        # Before anything of others is imported.
        from phenodose.plugins.declarations import declaration_of
        from phenodose.plugins.registry import contract_fault_of

        for group, name, value in json.loads(request):
            told: dict[str, Any] = {"fault": "", "declared": None}
            try:
                loaded = EntryPoint(name, value, group).load()
            except BaseException as error:
                told["fault"] = f"fails to import: {type(error).__name__}: {error}"
            else:
                try:
                    told["fault"] = contract_fault_of(group, name, loaded)
                    told["declared"] = None if told["fault"] else declaration_of(loaded)
                except ValueError as error:
                    told["fault"] = str(error)
                except BaseException as error:
                    told["fault"] = f"cannot be asked what it declares: {type(error).__name__}: {error}"
            tell(json.dumps(told).encode())
        return b""
