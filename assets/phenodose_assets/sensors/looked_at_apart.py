"""Looking at the folders of an inbox in a process of its own, one after the other, each within limits.

What lies in an inbox was written by others: a workbook that takes all memory, an expression that never ends or a share
that does not answer costs its own folder, and no other patient's.

Belongs here: both sides of that process. Does not belong here: which folders are looked at (`new_screens`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

from phenodose.errors import InputError, TooLongError
from phenodose.plugins import plugins_of
from phenodose.sandbox.messages import BadMessage, HandlerFault
from phenodose.sandbox.worker import LimitReached, Worker, WorkerEnded
from phenodose.screens.registration import check_screen
from phenodose.store.store import Store

log = logging.getLogger("phenodose_assets")
#: Most seconds and bytes for a folder's layout and readings; a tick of a sensor has 60 s in all.
MOST_SECONDS, MOST_BYTES = 10.0, 3 << 30
#: Most seconds for the process to start and to find the plugins, which is slow on a busy machine.
_START_SECONDS = 40.0


class FolderChecks:
    """The handler, in the worker: looks at a folder as `phenodose run` would, but for its images."""

    def __call__(self, request: bytes, tell: Callable[[bytes], None]) -> bytes:
        """Look at the folder that a request names; without one, get ready for it."""
        asked = json.loads(request)
        plugins = plugins_of(Store.from_json(asked["store"]))
        if asked["folder"] is not None:
            check_screen(Path(asked["folder"]), plugins, images=False)
        return b""


class Looks:
    """The caller's side; the process is started with the first folder, and anew after one that ended it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._worker: Worker | None = None

    def check(self, folder: Path) -> None:
        """Look at a folder.

        Raises:
            PhenodoseError, OSError: what is wrong with it.
            TooLongError: it takes too long.
            InputError: it takes too much memory, or ends the process that looks at it.
        """
        try:
            if self._worker is None and not self._start():
                check_screen(folder, plugins_of(self._store), images=False)
                return
            self._ask(folder, MOST_SECONDS)
        except HandlerFault as fault:
            raise fault.error() from None
        except LimitReached as reached:
            self.end()
            if reached.limit == "seconds":
                raise TooLongError(
                    f"to look at its layout and readings takes more than {MOST_SECONDS:.0f} s; look for a file that is "
                    "no table, or a disk that does not answer."
                ) from None
            raise InputError(
                f"to look at its layout and readings takes more than {MOST_BYTES >> 30} GiB of memory; look for a file "
                "that is no table."
            ) from None
        except (WorkerEnded, BadMessage) as error:
            self.end()
            raise InputError(
                f"a file of its layout or readings ends the process that reads it ({error}); look for a file that is "
                "no table."
            ) from None

    def _start(self) -> bool:
        """Start the process and let it get ready; False where this user may start none."""
        try:
            self._worker = Worker(FolderChecks)
        except OSError as error:
            log.warning("folders are looked at without limits: no process can be started for it (%s)", error)
            return False
        self._ask(None, _START_SECONDS)
        return True

    def end(self) -> None:
        """End the process, if there is one."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def _ask(self, folder: Path | None, seconds: float) -> None:
        assert self._worker is not None
        asked = {"store": self._store.to_json(), "folder": None if folder is None else str(folder)}
        self._worker.ask(json.dumps(asked).encode(), seconds, MOST_BYTES)
