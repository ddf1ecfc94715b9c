"""The process in which networks work: takes orders on stdin until that closes, and tells over Dagster Pipes.

An order is a line of JSON with the parameters of a Pipes session, whose extras name the job and what it is asked; a
line on stdout says that the session is over. Progress, the figures of an epoch and the answer go as custom messages,
the log as the log. Libraries write to stderr only.

Belongs here: the child's side of `networks`; started by `python -m phenodose.sandbox.network_worker`. Does not
belong here: the jobs (`network_jobs`, `activation_maps`). Nothing here imports Dagster itself, which takes a second.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from dagster_pipes import PipesContext, PipesDefaultContextLoader, PipesDefaultMessageWriter, PipesMappingParamsLoader

from phenodose.sandbox.isolation import write_only_into

#: Line that says that a session is over.
DONE = "done\n"
#: What this process has named itself, which need not be of a module.
_NAMED: dict[str, Any] = {}
#: Folders that alone can be written, once a readout of another distribution is worked for.
_WALLS: list[str] = []


def main() -> None:
    """Work until the parent closes stdin, or is gone, which closes it too."""
    faulthandler.enable()
    # Ctrl-C reaches every process of a terminal; it is the parent who decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin, orders), daemon=True).start()
    while True:
        _work(json.loads(orders.get()))
        answers.write(DONE)
        answers.flush()


def _listen(lines: TextIO, orders: queue.Queue[str]) -> None:
    """Pass on orders; end this process at once, in the midst of work, when there can be no more."""
    for line in lines:
        orders.put(line)
    os._exit(0)


def _work(parameters: Mapping[str, str]) -> None:
    with PipesContext(
        PipesMappingParamsLoader(parameters), PipesDefaultContextLoader(), PipesDefaultMessageWriter()
    ) as pipes:
        PipesContext.set(pipes)
        extras = pipes.extras
        try:
            if extras["writable"] and not _WALLS:
                # The readout is of another distribution; the whole life of this process is for it alone.
                _WALLS.extend(extras["writable"])
                write_only_into(*map(Path, _WALLS))
            answer = job_of(extras["job"])(extras["request"], _Teller(pipes), pipes.log)
            json.dumps(answer)
        except BaseException as error:
            pipes.report_custom_message({"fault": fault_of(error)})
        else:
            pipes.report_custom_message({"answer": answer})


class _Teller:
    """A progress listener that also hears of epochs (`phenodose.plugins.EpochListener`) and tells the parent."""

    def __init__(self, pipes: PipesContext) -> None:
        self._pipes = pipes

    def __call__(self, done: int, total: int, message: str) -> None:
        self._pipes.report_custom_message({"progress": [done, total, message]})

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        told = {name: float(value) for name, value in figures.items()}
        self._pipes.report_custom_message({"epoch": [done, total, message, told]})


def name_of(thing: Any) -> str:
    """What another process finds a function or class of a module by: 'module:name'."""
    name = f"{thing.__module__}:{thing.__qualname__}"
    _NAMED[name] = thing
    return name


def job_of(name: str) -> Any:
    """The function or class of a name of `name_of`."""
    if name in _NAMED:
        return _NAMED[name]
    module, _, attribute = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def fault_of(error: BaseException) -> dict[str, Any]:
    """An exception as JSON: its classes, the nearest first, its message and its traceback."""
    classes = [name_of(cls) for cls in type(error).__mro__ if issubclass(cls, BaseException)]
    text = "".join(traceback.format_exception(error))
    return {"classes": classes, "message": str(error), "traceback": text}


if __name__ == "__main__":
    main()
