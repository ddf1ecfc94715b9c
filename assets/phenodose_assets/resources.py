"""Resources: the store, and the raw folders that screens come from.

Belongs here: where things lie in this installation. Does not belong here: reading or writing them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dagster as dg

from phenodose.errors import StoreError
from phenodose.names import check_screen_id
from phenodose.store.store import Store

DEFAULT_INBOX = "inbox"


class StoreResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The store, and the inbox in which raw screen folders arrive."""

    root: str
    inbox: str
    plates_root: str | None = None
    cache: str | None = None
    raw_roots: str | None = None

    @classmethod
    def of(cls, store: Store, inbox: str | Path | None = None) -> StoreResource:
        """The resource for a store and an inbox; without one, for ./inbox."""
        watched = str(Path(inbox or DEFAULT_INBOX).expanduser().resolve())
        elsewhere = store.to_json()
        del elsewhere["root"]
        return cls(root=str(store.root), inbox=watched, **elsewhere)

    def open(self) -> Store:
        """The store."""
        return Store.open(self.root, plates=self.plates_root, cache=self.cache, raw_roots=self.raw_roots)

    def source_of(self, screen: str) -> Path:
        """The raw folder of a screen: the one it was registered with, else the inbox's folder of that name.

        Raises:
            StoreError: the screen is neither registered nor in the inbox.
        """
        folder = Path(self.inbox) / check_screen_id(screen)
        try:
            return self.open().source_of(screen)
        except StoreError:
            if folder.is_dir():
                return folder
            raise


@dataclass(frozen=True)
class StepEvent:
    """What a listener hears of a running step.

    Attributes:
        asset: asset key as text.
        state: started, progress, said, made, skipped or failed.
        done: finished parts of the step's work.
        total: all parts of the step's work.
        message: what was just done or is said, or why it was skipped or failed.
        seconds: time the step took; 0 while it runs.
        mendable: for a failed step, whether the user can mend it.
        details: for a failed step that is a bug, the lines that say where.
        notes: for a made step, a sentence on everything that was left out, shared or doubtful.
    """

    asset: str
    state: Literal["started", "progress", "said", "made", "skipped", "failed"]
    done: int = 0
    total: int = 0
    message: str = ""
    seconds: float = 0.0
    mendable: bool = True
    details: str = ""
    notes: tuple[str, ...] = ()


#: Hears the steps of a run in the same process; the command line shows them.
Listener = Callable[[StepEvent], None]


def no_listener(event: StepEvent) -> None:
    """A listener that does nothing."""
