"""The worker's side: put up the walls, then answer requests until the caller is gone.

Belongs here: what holds for every handler. Does not belong here: handlers, and the caller's side (`worker`).
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from phenodose.sandbox.importing import job_of
from phenodose.sandbox.messages import ANSWER, FAULT, TOLD, fault_of
from phenodose.sandbox.supervisor import divide
from phenodose.sandbox.write_protection import write_only_into

#: Variables that name the folder where libraries keep temporary files and caches.
_SCRATCH = ("TMPDIR", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")


def main(handle: int, caller: int) -> None:
    """Work until the connection closes.

    Args:
        handle: the connection's.
        caller: process id of the one that started this process.
    """
    divide(caller, handle)
    connection: Connection[Any, Any] = Connection(handle)
    start = json.loads(connection.recv_bytes())
    faulthandler.enable()
    # Ctrl-C reaches every process of a terminal; it is the caller who decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if start["scratch"] is not None:
        os.environ.update(dict.fromkeys(_SCRATCH, start["scratch"]), PYTHONDONTWRITEBYTECODE="1")
        sys.dont_write_bytecode = True
        write_only_into(Path(start["scratch"]), *map(Path, start["writable"]))
    # After the walls: a thread that runs already is not held by them.
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, requests), daemon=True).start()
    sending = threading.Lock()
    worker = os.getpid()

    def send(kind: bytes, content: bytes) -> None:
        if os.getpid() != worker:
            # A copy that the handler made of this process has nothing to say.
            os._exit(0)
        with sending:
            connection.send_bytes(kind)
            connection.send_bytes(content)

    handler: Any = None
    while True:
        request = requests.get()
        try:
            handler = handler or job_of(start["handler"])()
            answer = handler(request, lambda content: send(TOLD, content))
        except BaseException as error:
            kind, answer = FAULT, fault_of(error)
        else:
            kind = ANSWER
        # The process may be ended as soon as its answer is there.
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        send(kind, answer)


def _listen(connection: Connection[Any, Any], requests: queue.SimpleQueue[bytes]) -> None:
    """Pass on requests; end this process at once, in the midst of work, when the caller is gone."""
    try:
        while True:
            requests.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)
